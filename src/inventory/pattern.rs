//! Ansible's host patterns: `web:&eu:!web03`, `web[0:4]`, `~regex`, wildcards.

use std::collections::HashSet;
use std::str::FromStr;

use regex::Regex;

use crate::inventory::host::Host;
use crate::inventory::parse::Inventory;
use crate::model::HostName;

/// A parsed host pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    terms: Vec<Term>,
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// There is nothing in it.
    #[error("the pattern is empty")]
    Empty,
    /// A part of it cannot be read.
    #[error("`{term}` is not a host pattern: {reason}")]
    Invalid {
        /// The part.
        term: String,
        /// Why.
        reason: String,
    },
    /// A part of it names nothing.
    #[error("`{term}` names no group and no host{}", nearest.as_ref().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default())]
    Unknown {
        /// The part.
        term: String,
        /// A name that is near.
        nearest: Option<String>,
    },
}

#[derive(Debug, Clone)]
struct Term {
    text: String,
    role: Role,
    matcher: Matcher,
    subscript: Option<Subscript>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Union,
    Intersection,
    Exclusion,
}

#[derive(Debug, Clone)]
enum Matcher {
    Name(String),
    Regex(Regex),
}

#[derive(Debug, Clone, Copy)]
enum Subscript {
    At(i64),
    Slice(i64, Option<i64>),
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let terms: Vec<Term> = split(text).iter().map(|term| Term::parse(term)).collect::<Result<_, _>>()?;
        if terms.is_empty() { Err(PatternError::Empty) } else { Ok(Self { terms }) }
    }
}

/// Commas separate; without one, colons do, but not those inside brackets (`web[0:4]`, `[::1]`).
fn split(text: &str) -> Vec<String> {
    let separator = if text.contains(',') { ',' } else { ':' };
    let mut terms = vec![String::new()];
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if c == separator && depth <= 0 {
            terms.push(String::new());
        } else if let Some(term) = terms.last_mut() {
            term.push(c);
        }
    }
    // An IPv6 address is one term, not eight.
    if separator == ':' && text.parse::<std::net::Ipv6Addr>().is_ok() {
        return vec![text.to_owned()];
    }
    terms.into_iter().map(|term| term.trim().to_owned()).filter(|term| !term.is_empty()).collect()
}

impl Term {
    fn parse(written: &str) -> Result<Self, PatternError> {
        let invalid = |reason: String| PatternError::Invalid { term: written.to_owned(), reason };
        let (role, text) = match written.as_bytes().first() {
            Some(b'&') => (Role::Intersection, &written[1..]),
            Some(b'!') => (Role::Exclusion, &written[1..]),
            _ => (Role::Union, written),
        };
        if text.is_empty() {
            return Err(invalid("a name must follow".to_owned()));
        }
        if let Some(expression) = text.strip_prefix('~') {
            let regex =
                Regex::new(&format!("^(?:{expression})")).map_err(|error| invalid(error.to_string()))?;
            return Ok(Self { text: text.to_owned(), role, matcher: Matcher::Regex(regex), subscript: None });
        }
        let (name, subscript) = match text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) {
            Some((name, inside)) if !name.is_empty() => match Subscript::parse(inside) {
                Some(subscript) => (name, Some(subscript)),
                // A character class of a wildcard.
                None => (text, None),
            },
            _ => (text, None),
        };
        let matcher = if name.contains(['*', '?', '[']) {
            Matcher::Regex(Regex::new(&wildcard(name)).map_err(|error| invalid(error.to_string()))?)
        } else {
            Matcher::Name(name.to_owned())
        };
        Ok(Self { text: text.to_owned(), role, matcher, subscript })
    }

    fn hosts<'i>(&self, inventory: &'i Inventory) -> Result<Vec<&'i Host>, PatternError> {
        let unknown = |nearest| PatternError::Unknown { term: self.text.clone(), nearest };
        let found: Vec<&Host> = match &self.matcher {
            Matcher::Name(name) => match (inventory.group(name), inventory.host(name)) {
                // As Ansible: what is added is a host before it is a group, and what is taken away is a group first.
                (_, Some(host)) if self.role == Role::Union && self.subscript.is_none() => vec![host],
                (Some(_), _) => inventory.hosts_of(name),
                (None, Some(host)) => vec![host],
                (None, None) => return Err(unknown(nearest(inventory, name))),
            },
            Matcher::Regex(regex) => {
                let (groups, hosts) = &inventory.read;
                let groups: Vec<&String> = groups.iter().filter(|group| regex.is_match(group)).collect();
                let named = hosts.iter().filter(|host| regex.is_match(host));
                let named = named.filter_map(|host| inventory.host(host));
                // Each as often as it is met, which a subscript counts.
                let found: Vec<&Host> =
                    groups.iter().flat_map(|group| inventory.hosts_of(group)).chain(named).collect();
                if found.is_empty() && groups.is_empty() {
                    return Err(unknown(None));
                }
                found
            }
        };
        Ok(match self.subscript {
            None => found,
            Some(subscript) => subscript.of(found),
        })
    }
}

impl Subscript {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once([':', '-']).filter(|(from, _)| !from.is_empty() || text.starts_with(':')) {
            None => text.parse().ok().map(Subscript::At),
            // Only single hosts can be counted from the end: Ansible's slices take no sign.
            Some((from, to)) => {
                let from: u32 = if from.is_empty() { 0 } else { from.parse().ok()? };
                let to: Option<u32> = if to.is_empty() { None } else { Some(to.parse().ok()?) };
                Some(Subscript::Slice(from.into(), to.map(i64::from)))
            }
        }
    }

    /// Both ends are included, and negative numbers count from the end, as in Ansible.
    fn of<T: Copy>(self, all: Vec<T>) -> Vec<T> {
        let length = all.len() as i64;
        let absolute = |at: i64| if at < 0 { at + length } else { at };
        let (from, to) = match self {
            Subscript::At(at) => (absolute(at), absolute(at)),
            Subscript::Slice(from, to) => (absolute(from), to.map_or(length - 1, absolute)),
        };
        (from.max(0)..=to.min(length - 1))
            .filter_map(|at| all.get(usize::try_from(at).ok()?).copied())
            .collect()
    }
}

fn wildcard(text: &str) -> String {
    let mut regex = String::from("^");
    let mut in_class = false;
    for c in text.chars() {
        match c {
            '*' if !in_class => regex.push_str(".*"),
            '?' if !in_class => regex.push('.'),
            '[' if !in_class => {
                in_class = true;
                regex.push('[');
            }
            ']' if in_class => {
                in_class = false;
                regex.push(']');
            }
            '!' if in_class && regex.ends_with('[') => regex.push('^'),
            '-' if in_class => regex.push('-'),
            other => regex.push_str(&regex::escape(&other.to_string())),
        }
    }
    regex + "$"
}

fn nearest(inventory: &Inventory, name: &str) -> Option<String> {
    let hosts = inventory.hosts().iter().take(10_000).map(|host| host.name.as_str());
    inventory
        .groups
        .keys()
        .map(String::as_str)
        .chain(hosts)
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .map(|(_, known)| known.to_owned())
}

impl Inventory {
    /// The hosts that a pattern selects, in Ansible's order: unions first, then intersections, then
    /// exclusions, however they were written. May be none.
    ///
    /// # Errors
    /// When a part names neither a group nor a host.
    pub fn select(&self, pattern: &Pattern) -> Result<Vec<HostName>, PatternError> {
        let with = |role: Role| pattern.terms.iter().filter(move |term| term.role == role);
        let mut selected: Vec<&Host> = Vec::new();
        let mut seen = HashSet::new();
        if with(Role::Union).next().is_none() {
            selected = self.hosts_of("all");
        }
        for term in with(Role::Union) {
            selected.extend(term.hosts(self)?.into_iter().filter(|host| seen.insert(&host.name)));
        }
        for term in with(Role::Intersection) {
            let kept: HashSet<&HostName> = term.hosts(self)?.into_iter().map(|host| &host.name).collect();
            selected.retain(|host| kept.contains(&host.name));
        }
        for term in with(Role::Exclusion) {
            let out: HashSet<&HostName> = term.hosts(self)?.into_iter().map(|host| &host.name).collect();
            selected.retain(|host| !out.contains(&host.name));
        }
        Ok(selected.into_iter().map(|host| host.name.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{FileKind, InventoryFile};
    use crate::yaml::{Problems, Sources};

    fn inventory() -> Inventory {
        let text = "web: {hosts: {web01.x: , web02.x: , '2001:db8::1': }}\nempty:\n";
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let file = InventoryFile { source: sources.add("hosts.yaml", text), kind: FileKind::Inventory };
        Inventory::parse(&sources, &[file], &mut problems).unwrap()
    }

    fn selected(pattern: &str) -> Result<String, String> {
        let pattern: Pattern = pattern.parse().map_err(|error: PatternError| error.to_string())?;
        let hosts = inventory().select(&pattern).map_err(|error| error.to_string())?;
        Ok(hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn an_address_and_a_slice_are_one_term_and_commas_leave_colons_alone() {
        for (pattern, hosts) in [
            ("2001:db8::1", "2001:db8::1"),
            ("web02.x, 2001:db8::1", "web02.x 2001:db8::1"),
            ("web[0:1]:!web01.x", "web02.x"),
            ("web[0-1]", "web01.x web02.x"),
            ("web[:1]", "web01.x web02.x"),
            (" web01.x , web02.x ", "web01.x web02.x"),
            ("web01.x::web02.x", "web01.x web02.x"),
        ] {
            assert_eq!(selected(pattern).as_deref(), Ok(hosts), "{pattern}");
        }
    }

    #[test]
    fn what_names_nothing_is_an_error_and_what_is_empty_is_none() {
        for (pattern, error) in [
            ("", "the pattern is empty"),
            (" , ", "the pattern is empty"),
            ("wbe", "`wbe` names no group and no host; did you mean `web`?"),
            ("web:!nothing", "`nothing` names no group and no host"),
            ("web:&nothing", "`nothing` names no group and no host"),
            ("~eb", "`~eb` names no group and no host"),
            ("~x|eb", "`~x|eb` names no group and no host"),
            ("x*", "`x*` names no group and no host"),
            ("!", "`!` is not a host pattern: a name must follow"),
            ("&", "`&` is not a host pattern: a name must follow"),
        ] {
            assert_eq!(selected(pattern), Err(error.to_owned()), "{pattern}");
        }
        assert!(selected("~(").unwrap_err().starts_with("`~(` is not a host pattern: "));
        for pattern in ["empty", "emp*", "web:&empty", "web:!web", "web[7]"] {
            assert_eq!(selected(pattern).as_deref(), Ok(""), "{pattern}");
        }
    }
}
