//! Groups of hosts.

use crate::inventory::Variables;

/// A group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Groups in it, in the order written.
    pub children: Vec<String>,
    /// Hosts directly in it, in the order written.
    pub hosts: Vec<String>,
    /// Its own variables.
    pub vars: Variables,
    /// How far it is from `all`: the longest way.
    pub depth: usize,
}

impl Group {
    /// `ansible_group_priority`: among groups of one depth the higher wins.
    pub(super) fn priority(&self) -> i64 {
        match self.vars.get("ansible_group_priority") {
            Some(value) => value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(1),
            None => 1,
        }
    }
}
