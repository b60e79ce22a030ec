//! The shape of `ansible-inventory --list`.

use serde_json::{Map, Value, json};

use crate::inventory::parse::Inventory;

impl Inventory {
    /// Groups with their hosts and children, and every host's variables.
    pub fn to_list_json(&self) -> Value {
        let hostvars: Map<String, Value> = self
            .hosts()
            .iter()
            .filter(|host| !host.vars.is_empty())
            .map(|host| (host.name.to_string(), Value::Object(host.vars.clone())))
            .collect();
        let mut list = Map::from_iter([("_meta".to_owned(), json!({"hostvars": hostvars}))]);
        for group in self.groups.values() {
            let mut fields = Map::new();
            if !group.children.is_empty() {
                fields.insert("children".to_owned(), json!(group.children));
            }
            if group.name != "all" && !group.hosts.is_empty() {
                fields.insert("hosts".to_owned(), json!(group.hosts));
            }
            if !fields.is_empty() {
                list.insert(group.name.clone(), Value::Object(fields));
            }
        }
        Value::Object(list)
    }
}
