//! Values of variables, as Ansible's reader of YAML 1.1 understands them.

use serde_json::{Map, Value as Json};

use crate::yaml::{Node, Problem, Problems, Scalar, Value};

/// A node as a value of a variable.
pub(super) fn to_json(node: &Node, problems: &mut Problems) -> Json {
    if node.tag.as_deref().is_some_and(|tag| tag.contains("vault")) {
        problems.push(
            Problem::at(node.span, "values encrypted by ansible-vault cannot be read")
                .hint("decrypt the file, or leave out what certwave does not need"),
        );
        return Json::Null;
    }
    match &node.value {
        Value::Scalar(scalar) if scalar.plain && node.tag.is_none() => plain(scalar),
        Value::Scalar(scalar) => Json::String(scalar.text.clone()),
        Value::Sequence(items) => items.iter().map(|item| to_json(item, problems)).collect(),
        Value::Mapping(entries) => {
            let pairs = entries.iter().map(|entry| (entry.key.clone(), to_json(&entry.value, problems)));
            Json::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

fn plain(scalar: &Scalar) -> Json {
    let text = scalar.text.as_str();
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Json::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Json::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Json::Bool(false),
        _ => {}
    }
    if let Some(number) = integer(text) {
        return Json::from(number);
    }
    let digits = text.replace('_', "");
    // Without a sign, an exponent is none in YAML 1.1.
    let signed = |at: usize| matches!(digits.as_bytes().get(at + 1), Some(b'+' | b'-'));
    let looks_like_a_float = digits.contains('.')
        && digits.find(['e', 'E']).is_none_or(signed)
        && digits.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E'));
    match digits.parse::<f64>() {
        Ok(number) if looks_like_a_float => Json::from(number),
        _ => Json::String(text.to_owned()),
    }
}

/// Decimal, octal (a leading 0), hexadecimal and binary integers of YAML 1.1.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = digits.replace('_', "");
    let value = if let Some(hex) = digits.strip_prefix("0x") {
        i64::from_str_radix(hex, 16).ok()?
    } else if let Some(binary) = digits.strip_prefix("0b") {
        i64::from_str_radix(binary, 2).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(&digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_read_as_yaml_1_1() {
        for (text, json) in [
            ("yes", "true"),
            ("Off", "false"),
            ("0600", "384"),
            ("1_000", "1000"),
            ("0x1f", "31"),
            ("-7", "-7"),
            ("1.5", "1.5"),
            ("1.5e+3", "1500.0"),
            ("1.5e3", "\"1.5e3\""),
            (".5", "0.5"),
            ("1.", "1.0"),
            ("1e5", "\"1e5\""),
            (".", "\".\""),
            ("0b101", "5"),
            ("0o17", "\"0o17\""),
            ("-0x1f", "-31"),
            ("+7", "7"),
            ("0", "0"),
            ("", "null"),
            ("NULL", "null"),
            ("nULL", "\"nULL\""),
            ("True", "true"),
            ("tRUE", "\"tRUE\""),
            ("n", "\"n\""),
            ("~", "null"),
            ("2026-11-23", "\"2026-11-23\""),
            ("089", "\"089\""),
            ("1.2.3", "\"1.2.3\""),
            ("y", "\"y\""),
            ("127.0.0.1", "\"127.0.0.1\""),
        ] {
            let scalar = Scalar { text: text.to_owned(), plain: true, from: None };
            assert_eq!(plain(&scalar).to_string(), json, "{text}");
        }
    }
}
