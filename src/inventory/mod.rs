//! Ansible's inventory: groups, variables, patterns. Resolved once; nothing is merged later.

mod compact;
mod file;
mod group;
mod host;
mod list;
mod login;
mod parse;
mod pattern;
mod range;
mod scalar;

pub use compact::compact;
pub use file::{FileKind, InventoryFile};
pub use group::Group;
pub use host::Host;
pub use login::Login;
pub use parse::Inventory;
pub use pattern::{Pattern, PatternError};

/// A host's variables.
pub type Variables = serde_json::Map<String, serde_json::Value>;
