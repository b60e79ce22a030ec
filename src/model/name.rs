//! Names of hosts, waves, certificates, services and rollouts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::foreign::{acts, visible};

/// Why a text is not a name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a {kind}: {reason}", visible(text))]
pub struct InvalidName {
    kind: &'static str,
    text: String,
    reason: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                match $check(text) {
                    Ok(()) => Ok(Self(text.to_owned())),
                    Err(reason) => Err(InvalidName { kind: $kind, text: text.to_owned(), reason }),
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// A host as the inventory names it; not necessarily the address it is reached at.
    HostName, "host name", printable
);
name!(
    /// A wave of a rollout, as the playbook names it.
    WaveName, "wave name", printable
);
name!(
    /// A service on a host, as shown to people: `nginx`, `command`, or `nginx-2` for a second one.
    ServiceName, "service name", printable
);
name!(
    /// The name of a certificate in the store and in folder names on hosts.
    CertificateName, "certificate name", file_name
);
name!(
    /// A DNS name as a certificate carries it, in lower case; the first label may be `*`
    /// (RFC 9525, section 6.3).
    DnsName, "domain name", dns_name
);
name!(
    /// One rollout: 26 characters of Crockford's base 32, the first ten of them the start time, so
    /// that names sort by time (the ULID format).
    OperationId, "rollout", rollout_id
);

impl OperationId {
    /// The id of a rollout started at `millis` (Unix time) with 80 bits of `entropy`.
    pub fn new(millis: u64, entropy: [u8; 10]) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let random = entropy.iter().fold(0_u128, |all, byte| (all << 8) | u128::from(*byte));
        let all = (u128::from(millis) << 80) | random;
        let text =
            (0..26).rev().map(|digit| char::from(ALPHABET[((all >> (digit * 5)) & 31) as usize])).collect();
        Self(text)
    }
}

/// The first label of the name that is asked for below a wildcard.
const PROBE: &str = "certwave-probe";

impl DnsName {
    /// A name that a wildcard stands for, in order to ask a server for it; none where this is no wildcard, or too long.
    pub fn below_star(&self) -> Option<Self> {
        self.0.strip_prefix("*.").and_then(|parent| format!("{PROBE}.{parent}").parse().ok())
    }

    /// Whether nobody but certwave asks for it: it was made from a wildcard.
    pub fn is_probe(&self) -> bool {
        self.0.split('.').next() == Some(PROBE)
    }
}

impl CertificateName {
    /// The name that a certificate gets from its first domain: `*.example.com` becomes
    /// `_.example.com`, since a star in a folder name is an accident waiting for a shell.
    pub fn from_domain(domain: &DnsName) -> Self {
        Self(domain.as_str().replace('*', "_"))
    }
}

fn printable(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it contains white space or a control character");
    }
    if text.chars().any(acts) {
        return Err("it contains a character that changes how others are shown");
    }
    if text.len() > 255 {
        return Err("it is longer than 255 characters");
    }
    Ok(())
}

fn file_name(text: &str) -> Result<(), &'static str> {
    printable(text)?;
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        return Err("only letters, digits, `.`, `_` and `-` may be used, since folders are named after it");
    }
    if text.starts_with(['.', '-']) {
        return Err("it may not start with `.` or `-`, since folders are named after it");
    }
    Ok(())
}

fn dns_name(text: &str) -> Result<(), &'static str> {
    let labels = text.strip_prefix("*.").unwrap_or(text);
    if labels.is_empty() || text.len() > 253 {
        return Err("it is empty or longer than 253 characters");
    }
    for label in labels.split('.') {
        if label.is_empty() || label.len() > 63 {
            return Err("a label is empty or longer than 63 characters");
        }
        if !label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            return Err(
                "a label may hold only lower-case letters, digits and `-` (write other scripts as `xn--…`)",
            );
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a label may not start or end with `-`");
        }
    }
    if !labels.contains('.') {
        return Err("it has only one label: write it in full, as `www.example.com`");
    }
    Ok(())
}

fn rollout_id(text: &str) -> Result<(), &'static str> {
    let valid = |c: char| c.is_ascii_digit() || (c.is_ascii_uppercase() && !"ILOU".contains(c));
    if text.len() == 26 && text.chars().all(valid) {
        Ok(())
    } else {
        Err("it is 26 letters and digits, as `certwave history` lists them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollouts_sort_by_their_start() {
        let earlier = OperationId::new(1_700_000_000_000, [255; 10]);
        let later = OperationId::new(1_700_000_000_001, [0; 10]);
        assert!(earlier < later);
        assert_eq!(earlier.as_str().parse::<OperationId>().unwrap(), earlier);
    }

    #[test]
    fn domains_are_checked() {
        for good in ["www.example.com", "*.example.com", "xn--bcher-kva.example", "a.test"] {
            assert!(good.parse::<DnsName>().is_ok(), "{good}");
        }
        for bad in ["", "example", "a..b", "-a.example", "WWW.example.com", "a.*.example", "a b.example"] {
            assert!(bad.parse::<DnsName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_domain_is_at_most_253_characters_and_a_label_63() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", &label[..61]);
        for (text, good) in [
            (longest.clone(), true),
            (format!("{longest}a"), false),
            (format!("{label}.test"), true),
            (format!("{label}a.test"), false),
            ("*.test".to_owned(), false),
            ("*.a.test".to_owned(), true),
            ("a-.test".to_owned(), false),
            ("a-b.test".to_owned(), true),
            ("a_b.test".to_owned(), false),
            ("a.test.".to_owned(), false),
        ] {
            assert_eq!(text.parse::<DnsName>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_name_is_at_most_255_characters_without_white_space() {
        assert!("a".repeat(255).parse::<HostName>().is_ok());
        for bad in [&"a".repeat(256), "", "a b", "a\tb", "a\u{7}"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?}");
            assert!(bad.parse::<WaveName>().is_err(), "{bad:?}");
            assert!(bad.parse::<CertificateName>().is_err(), "{bad:?}");
        }
        // A person may call a wave anything that is one word.
        assert!("après-midi/1".parse::<WaveName>().is_ok());
        assert!("après".parse::<CertificateName>().is_err());
    }

    #[test]
    fn a_rollout_is_26_letters_and_digits_without_those_that_look_alike() {
        let id = "01JD0123456789ABCDEFGHJKMN";
        assert!(id.parse::<OperationId>().is_ok());
        for bad in [&id[1..], &format!("{id}0"), &id.to_lowercase()] {
            assert!(bad.parse::<OperationId>().is_err(), "{bad}");
        }
        for letter in ["I", "L", "O", "U", "-"] {
            assert!(id.replace('J', letter).parse::<OperationId>().is_err(), "{letter}");
        }
    }

    #[test]
    fn below_a_wildcard_one_name_is_asked_for() {
        let name = |text: &str| text.parse::<DnsName>().unwrap();
        let probe = name("*.example.com").below_star().unwrap();
        assert_eq!(probe.as_str(), "certwave-probe.example.com");
        assert!(probe.is_probe() && !name("www.example.com").is_probe());
        assert_eq!(name("www.example.com").below_star(), None);
        let long = format!("*.{}a.test", "a2345678.".repeat(26));
        assert_eq!(name(&long).below_star(), None, "{}", long.len());
    }

    #[test]
    fn a_wildcard_makes_a_safe_folder_name() {
        let domain = "*.example.com".parse().unwrap();
        assert_eq!(CertificateName::from_domain(&domain).as_str(), "_.example.com");
    }

    #[test]
    fn certificate_names_cannot_leave_their_folder() {
        for bad in ["..", "../x", "a/b", "-rf", "a b", ".hidden"] {
            assert!(bad.parse::<CertificateName>().is_err(), "{bad}");
        }
    }
}
