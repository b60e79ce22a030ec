//! A number of hosts, given as a count or as a share of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number of hosts: `3`, or a share of them, `25%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// That many.
    Count(u32),
    /// That many of a hundred; 0 to 100.
    Percent(u8),
}

impl Amount {
    /// How many of `total` this is, rounded down.
    pub fn of(self, total: usize) -> usize {
        match self {
            Amount::Count(count) => count as usize,
            Amount::Percent(percent) => total * usize::from(percent) / 100,
        }
    }
}

impl FromStr for Amount {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a number of hosts such as `3`, or a share of them such as `25%`";
        match text.strip_suffix('%') {
            Some(share) => match share.trim_end().parse() {
                Ok(percent) if percent <= 100 => Ok(Amount::Percent(percent)),
                Ok(_) => Err("a share is at most `100%`"),
                Err(_) => Err(EXPECTED),
            },
            None => text.parse().map(Amount::Count).map_err(|_| EXPECTED),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Count(count) => write!(f, "{count}"),
            Amount::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_round_down() {
        assert_eq!("25%".parse::<Amount>().unwrap().of(7), 1);
        assert_eq!("2%".parse::<Amount>().unwrap().of(49), 0);
        assert_eq!("3".parse::<Amount>().unwrap().of(1), 3);
    }

    #[test]
    fn a_share_is_of_all_and_a_number_is_itself() {
        let of = |text: &str, total| text.parse::<Amount>().unwrap().of(total);
        for (text, total, amount) in [
            ("0%", 9, 0),
            ("100%", 9, 9),
            ("50%", 1, 0),
            ("99%", 100, 99),
            ("99%", 101, 99),
            ("0", 9, 0),
            ("12", 9, 12),
            ("7 %", 100, 7),
        ] {
            assert_eq!(of(text, total), amount, "{text} of {total}");
        }
        assert_eq!("101%".parse::<Amount>().unwrap_err(), "a share is at most `100%`");
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in ["", "%", "-1", "101%", "1.5", "few"] {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }
}
