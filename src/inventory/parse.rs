//! From YAML to hosts with all their variables.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::inventory::Variables;
use crate::inventory::file::{FileKind, InventoryFile};
use crate::inventory::group::Group;
use crate::inventory::host::Host;
use crate::inventory::range::expand;
use crate::inventory::scalar::to_json;
use crate::model::HostName;
use crate::yaml::{Fields, Node, Problem, Problems, Sources, Span, Value, parse};

/// The inventory, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Inventory {
    pub(super) groups: BTreeMap<String, Group>,
    /// The names of the groups in the order in which they were read, and those of the hosts.
    pub(super) read: (Vec<String>, Vec<String>),
    hosts: Vec<Host>,
    index: HashMap<String, usize>,
}

impl Inventory {
    /// Reads all files of an inventory; later ones add to earlier ones, as several `-i` do in Ansible.
    pub fn parse(sources: &Sources, files: &[InventoryFile], problems: &mut Problems) -> Option<Self> {
        let mut reader = Reader::new(problems);
        for file in files {
            let Some(node) = parse(sources, file.source, reader.problems) else { continue };
            match &file.kind {
                FileKind::Inventory => reader.top(&node),
                FileKind::GroupVars(group) => {
                    let vars = reader.variables(Some(&node));
                    reader.group_vars.entry(group.clone()).or_default().extend(vars);
                }
                FileKind::HostVars(host) => {
                    let vars = reader.variables(Some(&node));
                    reader.host_vars.entry(host.clone()).or_default().extend(vars);
                }
            }
        }
        reader.finish()
    }

    /// All hosts, in Ansible's order.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A host by its name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.index.get(name).map(|&at| &self.hosts[at])
    }

    /// A group by its name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    /// The hosts of a group and of all groups in it, in Ansible's order: its own first, then level by level.
    pub fn hosts_of(&self, group: &str) -> Vec<&Host> {
        hosts_of(&self.groups, group).iter().filter_map(|name| self.host(name)).collect()
    }
}

fn hosts_of(groups: &BTreeMap<String, Group>, group: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut met = HashSet::new();
    let mut hosts = Vec::new();
    let mut queue = VecDeque::from([group]);
    while let Some(name) = queue.pop_front() {
        let Some(group) = groups.get(name).filter(|_| met.insert(name)) else { continue };
        hosts.extend(group.hosts.iter().filter(|host| seen.insert(host.as_str())).cloned());
        queue.extend(group.children.iter().map(String::as_str));
    }
    hosts
}

struct Reader<'p> {
    problems: &'p mut Problems,
    groups: BTreeMap<String, Group>,
    /// Groups in the order they were met.
    order: Vec<String>,
    /// Hosts in the order they were met.
    met: Vec<String>,
    own_vars: HashMap<String, Variables>,
    first_place: HashMap<String, Span>,
    group_vars: BTreeMap<String, Variables>,
    host_vars: BTreeMap<String, Variables>,
    members: HashSet<(String, String)>,
}

impl<'p> Reader<'p> {
    fn new(problems: &'p mut Problems) -> Self {
        let mut reader = Self {
            problems,
            groups: BTreeMap::new(),
            order: Vec::new(),
            met: Vec::new(),
            own_vars: HashMap::new(),
            first_place: HashMap::new(),
            group_vars: BTreeMap::new(),
            host_vars: BTreeMap::new(),
            members: HashSet::new(),
        };
        reader.add_group("all");
        reader.add_group("ungrouped");
        reader.add_child("all", "ungrouped");
        reader
    }

    fn add_group(&mut self, name: &str) {
        if !self.groups.contains_key(name) {
            self.order.push(name.to_owned());
            self.groups.insert(name.to_owned(), Group { name: name.to_owned(), ..Group::default() });
        }
    }

    fn add_child(&mut self, parent: &str, child: &str) {
        if let Some(parent) = self.groups.get_mut(parent)
            && !parent.children.iter().any(|known| known == child)
        {
            parent.children.push(child.to_owned());
        }
    }

    fn top(&mut self, node: &Node) {
        let Value::Mapping(entries) = &node.value else {
            if !node.is_null() {
                self.problems.push(
                    Problem::at(node.span, format!("expected groups of hosts, found {}", node.describe()))
                        .hint("an inventory begins with a group: `all:`, and under it `hosts:`"),
                );
            }
            return;
        };
        for entry in entries {
            self.read_group(&entry.key, entry.key_span, &entry.value);
        }
    }

    fn read_group(&mut self, name: &str, span: Span, node: &Node) {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || ",:&![]".contains(c)) {
            self.problems.push(
                Problem::at(span, format!("`{name}` is not a name for a group"))
                    .hint("patterns give `,`, `:`, `&`, `!` and brackets a meaning of their own"),
            );
            return;
        }
        self.add_group(name);
        let Some(mut fields) = Fields::of(node, "a group", self.problems) else { return };
        let (hosts, children, vars) = (fields.node("hosts"), fields.node("children"), fields.node("vars"));
        fields.finish(self.problems);
        let vars = self.variables(vars);
        if let Some(group) = self.groups.get_mut(name) {
            group.vars.extend(vars);
        }
        // In the order written, in which a later value wins.
        let start = |node: Option<&Node>| node.map(|node| node.span.start);
        let children_first = start(children) < start(hosts);
        if children_first {
            self.read_children(name, children);
        }
        self.read_hosts(name, hosts);
        if !children_first {
            self.read_children(name, children);
        }
    }

    fn read_children(&mut self, name: &str, node: Option<&Node>) {
        match node.map(|node| (&node.value, node)) {
            Some((Value::Mapping(entries), _)) => {
                for entry in entries {
                    self.read_group(&entry.key, entry.key_span, &entry.value);
                    self.add_child(name, &entry.key);
                }
            }
            Some((_, node)) => self.problems.push(
                Problem::at(node.span, format!("expected groups, found {}", node.describe()))
                    .hint("write each child group as a key of its own: `web:`"),
            ),
            None => {}
        }
    }

    fn read_hosts(&mut self, group: &str, node: Option<&Node>) {
        let Some(node) = node else { return };
        let entries = match &node.value {
            Value::Mapping(entries) => entries,
            Value::Scalar(scalar) => {
                let vars = Variables::new();
                self.read_host(group, &scalar.text, node.span, &vars, &mut HashMap::new());
                return;
            }
            Value::Sequence(_) => {
                self.problems.push(
                    Problem::at(node.span, "expected hosts, found a list")
                        .hint("write each host as a key, with a colon: `web01:`"),
                );
                return;
            }
        };
        let mut here = HashMap::new();
        for entry in entries {
            let vars = self.variables(Some(&entry.value));
            self.read_host(group, &entry.key, entry.key_span, &vars, &mut here);
        }
    }

    fn read_host(
        &mut self,
        group: &str,
        written: &str,
        span: Span,
        vars: &Variables,
        here: &mut HashMap<String, Variables>,
    ) {
        let names = match expand(written) {
            Ok(names) => names,
            Err(error) => {
                self.problems.push(Problem::at(span, error.to_string()));
                return;
            }
        };
        let ranged = names.len() > 1;
        for name in names {
            if let Err(error) = name.parse::<HostName>() {
                self.problems.push(Problem::at(span, error.to_string()));
                return;
            }
            // A host of its own after a range that has it is an exception on purpose.
            if let Some(earlier) = here.get(&name).filter(|_| ranged)
                && earlier != vars
            {
                self.problems.push(
                    Problem::at(
                        span,
                        format!(
                            "`{written}` overlaps an earlier range: `{name}` is in both, with other variables"
                        ),
                    )
                    .hint("let the ranges not overlap, or give both the same variables"),
                );
                return;
            }
            if ranged {
                here.insert(name.clone(), vars.clone());
            }
            if let Entry::Vacant(first) = self.first_place.entry(name.clone()) {
                first.insert(span);
                self.met.push(name.clone());
            }
            self.own_vars.entry(name.clone()).or_default().extend(vars.clone());
            if self.members.insert((group.to_owned(), name.clone()))
                && let Some(group) = self.groups.get_mut(group)
            {
                group.hosts.push(name);
            }
        }
    }

    fn variables(&mut self, node: Option<&Node>) -> Variables {
        let Some(node) = node.filter(|node| !node.is_null()) else { return Variables::new() };
        let Value::Mapping(entries) = &node.value else {
            self.problems.push(
                Problem::at(node.span, format!("expected variables, found {}", node.describe()))
                    .hint("write each as `name: value`"),
            );
            return Variables::new();
        };
        entries.iter().map(|entry| (entry.key.clone(), to_json(&entry.value, self.problems))).collect()
    }

    fn finish(mut self) -> Option<Inventory> {
        // Every group is in `all`, and a host in no other group is in `ungrouped`.
        let children: HashSet<String> =
            self.groups.values().flat_map(|group| group.children.iter().cloned()).collect();
        for name in self.order.clone() {
            if name != "all" && !children.contains(&name) {
                self.add_child("all", &name);
            }
        }
        let grouped: HashSet<String> = self
            .groups
            .values()
            .filter(|group| !matches!(group.name.as_str(), "all" | "ungrouped"))
            .flat_map(|group| group.hosts.iter().cloned())
            .collect();
        let listed = |groups: &BTreeMap<String, Group>, name: &str| -> Vec<String> {
            groups.get(name).map(|group| group.hosts.clone()).unwrap_or_default()
        };
        let alone: Vec<String> =
            listed(&self.groups, "all").into_iter().filter(|host| !grouped.contains(host)).collect();
        if let Some(ungrouped) = self.groups.get_mut("ungrouped") {
            ungrouped.hosts.retain(|host| !grouped.contains(host));
            for host in alone {
                if !ungrouped.hosts.contains(&host) {
                    ungrouped.hosts.push(host);
                }
            }
        }
        self.depths()?;
        if !self.problems.is_empty() {
            return None;
        }
        Some(self.resolve())
    }

    /// The longest way from `all` to each group. A loop is an error.
    fn depths(&mut self) -> Option<()> {
        let mut parents: HashMap<String, Vec<String>> = HashMap::new();
        for group in self.groups.values() {
            for child in &group.children {
                parents.entry(child.clone()).or_default().push(group.name.clone());
            }
        }
        let mut depths = HashMap::from([("all".to_owned(), 0)]);
        let mut waiting: Vec<String> = self.order.iter().filter(|name| *name != "all").cloned().collect();
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|name| {
                let known: Option<Vec<usize>> = parents
                    .get(name)
                    .into_iter()
                    .flatten()
                    .map(|parent| depths.get(parent).copied())
                    .collect();
                match known.and_then(|depths| depths.into_iter().max()) {
                    Some(deepest) => {
                        depths.insert(name.clone(), deepest + 1);
                        false
                    }
                    None => true,
                }
            });
            if waiting.len() == before {
                let names: Vec<String> = waiting.iter().map(|name| format!("`{name}`")).collect();
                self.problems
                    .push(Problem::general(format!("groups contain each other: {}", names.join(", "))));
                return None;
            }
        }
        for (name, depth) in depths {
            if let Some(group) = self.groups.get_mut(&name) {
                group.depth = depth;
            }
        }
        Some(())
    }

    fn resolve(mut self) -> Inventory {
        let mut parents: HashMap<&str, Vec<&str>> = HashMap::new();
        for group in self.groups.values() {
            for child in &group.children {
                parents.entry(child).or_default().push(&group.name);
            }
        }
        // Which groups hold a group, itself included; once for each group, not for each host.
        let mut above: HashMap<&str, HashSet<&str>> = HashMap::new();
        for name in self.groups.keys() {
            let mut all = HashSet::new();
            let mut queue = vec![name.as_str()];
            while let Some(next) = queue.pop() {
                if all.insert(next) {
                    queue.extend(parents.get(next).into_iter().flatten());
                }
            }
            above.insert(name, all);
        }
        let mut direct: HashMap<&str, Vec<&str>> = HashMap::new();
        for group in self.groups.values() {
            for host in &group.hosts {
                direct.entry(host).or_default().push(&group.name);
            }
        }
        let mut hosts = Vec::new();
        for name in hosts_of(&self.groups, "all") {
            let mut groups: Vec<&Group> = direct
                .get(name.as_str())
                .into_iter()
                .flatten()
                .flat_map(|group| above[group].iter().copied())
                .chain(["all"])
                .collect::<HashSet<_>>()
                .into_iter()
                .filter_map(|group| self.groups.get(group))
                .collect();
            groups.sort_by_key(|group| (group.depth, group.priority(), group.name.as_str()));
            let mut vars = Variables::new();
            groups.iter().for_each(|group| vars.extend(group.vars.clone()));
            // It is about groups, and no host's own.
            vars.shift_remove("ansible_group_priority");
            for group in &groups {
                vars.extend(self.group_vars.get(&group.name).cloned().unwrap_or_default());
            }
            vars.extend(self.own_vars.remove(&name).unwrap_or_default());
            vars.extend(self.host_vars.get(&name).cloned().unwrap_or_default());
            let groups =
                groups.iter().map(|group| group.name.clone()).filter(|group| group != "all").collect();
            let Ok(parsed) = name.parse() else { continue };
            let span = self.first_place.get(&name).copied();
            hosts.push(Host { name: parsed, vars, groups, span });
        }
        let index = hosts.iter().enumerate().map(|(at, host)| (host.name.to_string(), at)).collect();
        Inventory { groups: self.groups, read: (self.order, self.met), hosts, index }
    }
}

#[cfg(test)]
mod tests;
