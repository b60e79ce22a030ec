//! Whether sudo keeps what it is sent.

use serde::{Deserialize, Serialize};

/// What is known of sudo's log of standard input, where a login becomes another user by it. A private key that is sent
/// would be in that log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputLog {
    /// It keeps nothing, or there is no sudo between.
    #[default]
    Off,
    /// It keeps all of it.
    On,
    /// The host does not tell.
    Unknown,
}

impl InputLog {
    /// Reads what `find_input_log` found.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "" => Self::Off,
            "on" => Self::On,
            "unknown" => Self::Unknown,
            _ => return None,
        })
    }

    /// Whether that is all there is to say.
    pub fn is_off(&self) -> bool {
        *self == Self::Off
    }
}
