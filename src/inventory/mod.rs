//! Ansible's inventory: groups, variables, patterns. Resolved once; nothing is merged later.

mod login;

pub use login::Login;
