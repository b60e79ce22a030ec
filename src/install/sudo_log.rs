//! What sudo keeps of what it is sent, and of what is printed.

use serde::{Deserialize, Serialize};

/// What is known of one of sudo's logs, where a login becomes another user by it. A private key that goes that way would be
/// in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SudoLog {
    /// It keeps nothing, or there is no sudo between.
    #[default]
    Off,
    /// It keeps all of it.
    On,
    /// The host does not tell.
    Unknown,
}

impl SudoLog {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "off" => Self::Off,
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

/// Both of sudo's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SudoLogs {
    /// Of standard input, by which a new key comes.
    pub input: SudoLog,
    /// Of standard output, by which a key is read that goes back into a server's memory.
    pub output: SudoLog,
}

impl SudoLogs {
    /// Reads `INPUT OUTPUT`, as `find_sudo_logs` found them; nothing where both are off.
    pub(super) fn parse(words: &str) -> Option<Self> {
        if words.is_empty() {
            return Some(Self::default());
        }
        let (input, output) = words.split_once(' ')?;
        Some(Self { input: SudoLog::parse(input)?, output: SudoLog::parse(output)? })
    }
}
