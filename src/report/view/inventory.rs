//! What an inventory says.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::HostName;
use crate::report::view::View;

/// All of it, in the shape of `ansible-inventory --list`.
#[derive(Debug, Clone)]
pub struct InventoryList(pub Value);

impl View for InventoryList {
    fn text(&self, _: bool) -> String {
        format!("{:#}", self.0)
    }

    fn objects(&self, _: Timestamp) -> Vec<Value> {
        vec![self.0.clone()]
    }
}

/// The hosts that a pattern means.
#[derive(Debug, Clone)]
pub struct SelectedHosts<'i> {
    /// The pattern.
    pub pattern: &'i str,
    /// They, in the inventory's order.
    pub hosts: Vec<HostName>,
}

impl View for SelectedHosts<'_> {
    fn text(&self, _: bool) -> String {
        self.hosts.iter().map(|host| host.as_str()).collect::<Vec<_>>().join("\n")
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        vec![json!({"time": time, "event": "inventory.hosts", "pattern": self.pattern, "hosts": self.hosts})]
    }
}
