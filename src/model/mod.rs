//! Names, times, amounts, paths, fingerprints and secrets: the words that every other module speaks.
//!
//! Each type can only be made from a valid value, so that nothing above has to check it again.

mod amount;
mod fingerprint;
mod foreign;
mod name;
mod path;
mod port;
mod revocation;
mod secret;
mod time;
mod window;

pub use amount::Amount;
pub use fingerprint::{Fingerprint, Serial, Version};
pub use foreign::{FOREIGN_BYTES, for_json, for_terminal, visible, visible_block, visible_lines};
pub use name::{CertificateName, DnsName, HostName, InvalidName, OperationId, ServiceName, WaveName};
pub use path::{HostPath, InvalidPath};
pub use port::Port;
pub use revocation::{Revocation, RevocationReason};
pub use secret::Secret;
pub use time::{InvalidDuration, format_duration, later, parse_duration};
pub use window::{InvalidWindow, Window};
