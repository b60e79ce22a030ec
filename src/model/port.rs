//! TCP ports.

use std::str::FromStr;

/// A TCP port that can be dialled: 1 to 65535 (RFC 9293, section 3.1; 0 is none).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(u16);

impl Port {
    /// The number.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().parse() {
            Ok(number) if number > 0 => Ok(Self(number)),
            _ => Err(format!("`{text}` is not a port: write a number from 1 to 65535")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_number_that_can_be_dialled() {
        for (text, number) in
            [("1", Some(1)), ("443", Some(443)), ("65535", Some(65535)), ("0", None), ("65536", None)]
        {
            assert_eq!(text.parse::<Port>().ok().map(Port::number), number, "{text}");
        }
        let error = "https".parse::<Port>().unwrap_err();
        assert_eq!(error, "`https` is not a port: write a number from 1 to 65535");
    }
}
