//! Equal sentences about many hosts, each told once.

use std::collections::HashMap;

use crate::inventory::compact;

/// So many names or ranges of names stand before a sentence.
const NAMED: usize = 20;

/// Each sentence once, after the names of the hosts that it is about, in the order in which sentences come.
pub(super) fn grouped(said: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    let mut index: HashMap<String, usize> = HashMap::new();
    for (host, text) in said {
        let at = *index.entry(text.clone()).or_insert_with(|| {
            groups.push((text, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(host);
    }
    let line = |(text, hosts): (String, Vec<String>)| {
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        format!("{}: {text}", compact(&hosts, NAMED))
    };
    groups.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_many_hosts_is_said_once() {
        let said = [("web01", "is away"), ("lb01", "is slow"), ("web02", "is away"), ("web03", "is away")];
        let said = said.map(|(host, text)| (host.to_owned(), text.to_owned()));
        assert_eq!(grouped(said), ["web[01:03]: is away", "lb01: is slow"]);
    }
}
