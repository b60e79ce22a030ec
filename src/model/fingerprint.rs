//! What tells one certificate from another.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The SHA-256 of a certificate's DER encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// From a finished SHA-256.
    pub fn new(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// The first eight hex digits: what people compare.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> String {
        fingerprint.to_string()
    }
}

/// A certificate's serial number, in lower-case hex without leading zeros
/// (RFC 5280, section 4.1.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Serial(String);

impl Serial {
    /// From the big-endian bytes in the certificate.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let text = hex::encode(bytes);
        let significant = text.trim_start_matches('0');
        Self(if significant.is_empty() { "0".to_owned() } else { significant.to_owned() })
    }

    /// The hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One version of a certificate, and the name of its folder on hosts and in the store. It names all that is installed:
/// issue time (UTC), the first eight hex digits of the leaf's SHA-256, and the first six of the content's:
/// `20261123T200100Z-3f9a1c2e-7d41aa`. Versions of one certificate sort by age.
///
/// What a host had before certwave came has no content's digits, and neither have versions that older releases issued.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

/// Hex digits of the content's SHA-256 in a version: enough to tell the few chains apart that one leaf ever has.
const CONTENT: usize = 6;

impl Version {
    /// So many characters has a version, and one that older releases issued has fewer.
    pub const LONGEST: usize = "20261123T200100Z-3f9a1c2e-".len() + CONTENT;

    /// The version of the leaf with that fingerprint and of all that is installed with it, issued at that time.
    pub fn new(issued: Timestamp, leaf: &Fingerprint, content: &Fingerprint) -> Self {
        let Self(found) = Self::found(issued, leaf);
        Self(format!("{found}-{}", &content.to_string()[..CONTENT]))
    }

    /// What a host had before certwave came: of what else belongs to the leaf nothing is known.
    pub fn found(not_before: Timestamp, leaf: &Fingerprint) -> Self {
        Self(format!("{}-{}", not_before.strftime("%Y%m%dT%H%M%SZ"), leaf.short()))
    }

    /// The version of a leaf that was issued after this one: it sorts behind it, also where the clock was set back
    /// since.
    pub fn followed_by(&self, issued: Timestamp, leaf: &Fingerprint, content: &Fingerprint) -> Self {
        let own = Self::new(issued, leaf, content);
        let next = || self.issued()?.checked_add(SignedDuration::from_secs(1)).ok();
        match own.0[..16] > self.0[..16] {
            true => own,
            false => next().map_or(own, |next| Self::new(next, leaf, content)),
        }
    }

    /// The version of this leaf and of another one that joined it: it sorts behind this one and not before the other.
    pub fn joined_by(&self, other: &Version, leaf: &Fingerprint, content: &Fingerprint) -> Self {
        let issued = other.issued().unwrap_or(Timestamp::UNIX_EPOCH);
        self.followed_by(issued, leaf, content)
    }

    /// Whether both have the same leaf, and so the same key: who revokes one revokes the other.
    pub fn has_leaf_of(&self, other: &Version) -> bool {
        self.short() == other.short()
    }

    /// None where the digits are no time.
    fn issued(&self) -> Option<Timestamp> {
        let time = DateTime::strptime("%Y%m%dT%H%M%SZ", &self.0[..16]).ok()?;
        TimeZone::UTC.to_timestamp(time).ok()
    }

    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight hex digits of the leaf's fingerprint: what people compare.
    pub fn short(&self) -> &str {
        &self.0[17..25]
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape: String = text
            .chars()
            .enumerate()
            .map(|(at, c)| match c {
                '0'..='9' if at < 17 => '0',
                '0'..='9' | 'a'..='f' if at >= 17 => 'f',
                other => other,
            })
            .collect();
        if let "00000000T000000Z-ffffffff" | "00000000T000000Z-ffffffff-ffffff" = shape.as_str() {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{text}` is not a version: one looks like `20261123T200100Z-3f9a1c2e-7d41aa`"))
        }
    }
}

impl TryFrom<String> for Version {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_back_and_sort_by_age() {
        let leaf = Fingerprint::new([0x3f; 32]);
        let content = Fingerprint::new([0xab; 32]);
        let older = Version::new("2026-11-23T20:01:00Z".parse().unwrap(), &leaf, &content);
        let newer = Version::new("2026-11-23T20:01:01Z".parse().unwrap(), &leaf, &content);
        let found = Version::found("2026-11-23T20:01:00Z".parse().unwrap(), &leaf);
        assert_eq!(older.as_str(), "20261123T200100Z-3f3f3f3f-ababab");
        assert_eq!(older.as_str().len(), Version::LONGEST);
        assert_eq!(found.as_str(), "20261123T200100Z-3f3f3f3f");
        assert_eq!((older.short(), found.short()), ("3f3f3f3f", "3f3f3f3f"));
        assert!(found < older && older < newer);
        for version in [&older, &found] {
            assert_eq!(version.as_str().parse::<Version>().unwrap(), *version);
        }
        let other = Version::new("2026-11-23T20:01:00Z".parse().unwrap(), &content, &leaf);
        assert!(newer.has_leaf_of(&found) && !newer.has_leaf_of(&other));
        for bad in [
            "",
            "../..",
            "20261123T200100Z-3F9A1C2E",
            "20261123T200100Z-3f9a1c2",
            "20261123T200100Z-3f9a1c2ef",
            "2026112aT200100Z-3f9a1c2e",
            "20261123T200100Z_3f9a1c2e",
            "2026é123T200100Z-3f9a1c2",
            "20261123T200100Z-3f9a1c2e-",
            "20261123T200100Z-3f9a1c2e-7d41a",
            "20261123T200100Z-3f9a1c2e-7d41aaa",
            "20261123T200100Z-3f9a1c2e-7d41ag",
            "20261123T200100Z-3f9a1c2e_7d41aa",
        ] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_version_sorts_behind_the_one_before_whatever_the_clock_says() {
        let leaf = Fingerprint::new([0x3f; 32]);
        let last: Version = "20261123T200159Z-ffffffff".parse().unwrap();
        let after =
            |issued: &str| last.followed_by(issued.parse().unwrap(), &leaf, &leaf).as_str().to_owned();
        assert_eq!(after("2026-11-23T20:02:30Z"), "20261123T200230Z-3f3f3f3f-3f3f3f");
        assert_eq!(after("2026-11-23T20:01:59Z"), "20261123T200200Z-3f3f3f3f-3f3f3f");
        assert_eq!(after("2026-11-23T19:02:30Z"), "20261123T200200Z-3f3f3f3f-3f3f3f");
        let no_time: Version = "20269923T200159Z-ffffffff".parse().unwrap();
        let issued = "2026-11-23T19:02:30Z".parse().unwrap();
        assert_eq!(no_time.followed_by(issued, &leaf, &leaf), Version::new(issued, &leaf, &leaf));
    }

    #[test]
    fn a_fingerprint_is_64_digits_of_which_people_compare_eight() {
        let text = format!("3f9a1c2e{}", "0".repeat(56));
        let fingerprint: Fingerprint = text.parse().unwrap();
        assert_eq!((fingerprint.to_string(), fingerprint.short()), (text.clone(), "3f9a1c2e".to_owned()));
        for bad in [&text[1..], &format!("{text}0"), &text.replace('f', "g")] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn serials_have_no_leading_zeros() {
        assert_eq!(Serial::from_bytes(&[0, 0x0f, 0xa0]).as_str(), "fa0");
        assert_eq!(Serial::from_bytes(&[0]).as_str(), "0");
    }
}
