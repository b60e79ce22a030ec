//! Ranges in host names: `web[01:40].example.com`, `[a:f]`, `[1:10:2]`.

/// Why a host name with brackets cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the range `[{range}]` cannot be expanded: {reason}")]
pub(super) struct InvalidRange {
    range: String,
    reason: &'static str,
}

/// More hosts than this from one name is a slip of the finger.
const MOST: usize = 100_000;

/// All names that a name with ranges stands for, in order; itself when it has none.
pub(super) fn expand(name: &str) -> Result<Vec<String>, InvalidRange> {
    let Some(open) = name.find('[') else { return Ok(vec![name.to_owned()]) };
    let Some(close) = name[open..].find(']').map(|at| open + at) else { return Ok(vec![name.to_owned()]) };
    let range = &name[open + 1..close];
    let values = values(range)?;
    let rests = expand(&name[close + 1..])?;
    if values.len().saturating_mul(rests.len()) > MOST {
        return Err(InvalidRange { range: range.to_owned(), reason: "it stands for more than 100000 hosts" });
    }
    let head = &name[..open];
    Ok(values.iter().flat_map(|value| rests.iter().map(move |rest| format!("{head}{value}{rest}"))).collect())
}

fn values(range: &str) -> Result<Vec<String>, InvalidRange> {
    let invalid = |reason| InvalidRange { range: range.to_owned(), reason };
    let parts: Vec<&str> = range.split(':').collect();
    let (from, to, step) = match parts.as_slice() {
        [from, to] => (*from, *to, 1),
        [from, to, step] => (*from, *to, step.parse().map_err(|_| invalid("its step is not a number"))?),
        _ => return Err(invalid("write it as `[01:40]`, `[a:f]` or `[1:10:2]`")),
    };
    if step == 0 {
        return Err(invalid("its step is 0"));
    }
    let from = if from.is_empty() { "0" } else { from };
    if let (Ok(first), Ok(last)) = (from.parse::<u64>(), to.parse::<u64>()) {
        let padded = from.len() > 1 && from.starts_with('0');
        if padded && from.len() != to.len() {
            return Err(invalid("with leading zeros, both ends must have the same length"));
        }
        if first > last {
            return Err(invalid("it ends before it begins"));
        }
        if (last - first) / step as u64 >= MOST as u64 {
            return Err(invalid("it stands for more than 100000 hosts"));
        }
        let width = if padded { from.len() } else { 0 };
        return Ok((first..=last).step_by(step).map(|number| format!("{number:0width$}")).collect());
    }
    match (from.as_bytes(), to.as_bytes()) {
        ([first], [last]) if first.is_ascii_alphabetic() && last.is_ascii_alphabetic() => {
            if first > last {
                return Err(invalid("it ends before it begins"));
            }
            Ok((*first..=*last).step_by(step).map(|letter| char::from(letter).to_string()).collect())
        }
        _ => Err(invalid("its ends must both be numbers, or both be letters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_expand_as_in_ansible() {
        assert_eq!(expand("web[08:10].x").unwrap(), ["web08.x", "web09.x", "web10.x"]);
        assert_eq!(expand("db-[a:c]").unwrap(), ["db-a", "db-b", "db-c"]);
        assert_eq!(expand("n[1:9:4]").unwrap(), ["n1", "n5", "n9"]);
        assert_eq!(expand("r[1:2]s[a:b]").unwrap(), ["r1sa", "r1sb", "r2sa", "r2sb"]);
        assert_eq!(expand("plain").unwrap(), ["plain"]);
        assert_eq!(expand("w[98:101]").unwrap(), ["w98", "w99", "w100", "w101"]);
        assert_eq!(expand("w[:2]").unwrap(), ["w0", "w1", "w2"]);
        assert_eq!(expand("w[3:3]").unwrap(), ["w3"]);
        assert_eq!(expand("w[a:g:3]").unwrap(), ["wa", "wd", "wg"]);
        assert_eq!(expand("w[c:c]").unwrap(), ["wc"]);
        assert_eq!(expand("w[1:6:2]").unwrap(), ["w1", "w3", "w5"]);
        assert_eq!(expand("w[1:99999]").unwrap().len(), 99_999);
        assert!(expand("w[1:1000]x[1:101]").is_err() && expand("w[1:1000]x[1:100]").is_ok());
        for bad in ["w[1]", "w[2:1]", "w[1:2:0]", "w[01:100]", "w[a:3]", "w[0:99999999]", "w[1:2:x]"] {
            assert!(expand(bad).is_err(), "{bad}");
        }
    }
}
