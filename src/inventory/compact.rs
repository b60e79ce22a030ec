//! Many host names in few words, written as Ansible writes ranges: the way back of [`crate::inventory::range`].

/// A name with the number that it counts by.
struct Counted<'n> {
    before: &'n str,
    digits: &'n str,
    after: &'n str,
}

impl<'n> Counted<'n> {
    /// The last number of the first label, which is where fleets count: `eu1-web03.example.com`.
    fn of(name: &'n str) -> Option<Self> {
        let label = name.split('.').next()?;
        let end = label.rfind(|c: char| c.is_ascii_digit())? + 1;
        let start = label[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
        Some(Self { before: &name[..start], digits: &name[start..end], after: &name[end..] })
    }

    /// Whether it is the next one after another, in Ansible's way to count.
    fn follows(&self, other: &Self) -> bool {
        let number = |one: &Self| one.digits.parse::<u64>().ok();
        let padded = |one: &Self| one.digits.len() > 1 && one.digits.starts_with('0');
        let as_wide = self.digits.len() == other.digits.len() || !padded(other) && !padded(self);
        (self.before, self.after) == (other.before, other.after)
            && as_wide
            && number(other).is_some_and(|number_before| number(self) == number_before.checked_add(1))
    }
}

/// The names, those that count up to each other as one range, in the order that they come in. Where more than
/// `most` parts would be left: the first two names, and how many more there are.
pub fn compact(names: &[&str], most: usize) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let follows = || {
            let before = Counted::of(names.get(at.checked_sub(1)?)?)?;
            // The first of a range says how wide all of it is.
            let first = Counted::of(names[parts.last()?.0])?;
            let wide = first.digits.len() > 1 && first.digits.starts_with('0');
            let one = Counted::of(name)?;
            (one.follows(&before) && (!wide || one.digits.len() == first.digits.len())).then_some(())
        };
        match (follows(), parts.last_mut()) {
            (Some(()), Some((_, last))) => *last = at,
            _ => parts.push((at, at)),
        }
    }
    if parts.len() > most.max(1) && names.len() > 3 {
        return format!("{}, {} and {} more", names[0], names[1], names.len() - 2);
    }
    let part = |(first, last): (usize, usize)| match (Counted::of(names[first]), Counted::of(names[last])) {
        (Some(from), Some(to)) if first < last => {
            format!("{}[{}:{}]{}", from.before, from.digits, to.digits, from.after)
        }
        _ => names[first].to_owned(),
    };
    parts.into_iter().map(part).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::range::expand;

    #[test]
    fn names_that_count_up_become_one_range() {
        let check = |names: &[&str], text: &str| {
            assert_eq!(compact(names, 3), text);
            let back: Vec<String> = text.split(", ").flat_map(|part| expand(part).unwrap()).collect();
            assert_eq!(back, names);
        };
        check(&["web01"], "web01");
        check(&["web01", "web02"], "web[01:02]");
        check(&["web08.x", "web09.x", "web10.x", "lb01.x"], "web[08:10].x, lb01.x");
        check(&["n8", "n9", "n10"], "n[8:10]");
        check(&["eu1-web1.a2", "eu1-web2.a2"], "eu1-web[1:2].a2");
        // Another width, another domain, a gap, and no number at all.
        check(&["w099", "w100"], "w[099:100]");
        check(&["w99", "w100"], "w[99:100]");
        check(&["w09", "w010"], "w09, w010");
        check(&["w01.x", "w02.y"], "w01.x, w02.y");
        check(&["w1", "w3", "plain"], "w1, w3, plain");
    }

    #[test]
    fn what_would_be_long_is_counted() {
        let names = ["a1", "b2", "c3", "d4", "e5"];
        assert_eq!(compact(&names, 3), "a1, b2 and 3 more");
        assert_eq!(compact(&[], 3), "");
    }
}
