//! From nodes to types, finding every problem on the way.

use std::time::Duration;

use crate::model::{Amount, CertificateName, DnsName, HostName, HostPath, WaveName, parse_duration};
use crate::yaml::problem::{Problem, Problems, Span};
use crate::yaml::tree::{MappingEntry, Node, Value};

/// A type that can be read from a node.
pub trait FromNode: Sized {
    /// The value, or nothing after noting why not.
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self>;
}

/// A value that remembers where it was written, for problems found later.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T: FromNode> FromNode for Spanned<T> {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        T::from_node(node, problems).map(|value| Spanned { value, span: node.span })
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            problems.push(
                expected("a list", node).hint("write `[one, two]`, or one item a line, each after `- `"),
            );
            return None;
        };
        let read: Vec<Option<T>> = items.iter().map(|item| T::from_node(item, problems)).collect();
        read.into_iter().collect()
    }
}

impl FromNode for String {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Scalar(scalar) if !node.is_null() => Some(scalar.text.clone()),
            _ => {
                problems.push(expected("a text", node));
                None
            }
        }
    }
}

impl FromNode for bool {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Scalar(scalar) if matches!(scalar.text.as_str(), "true" | "yes") => Some(true),
            Value::Scalar(scalar) if matches!(scalar.text.as_str(), "false" | "no") => Some(false),
            _ => {
                problems.push(expected("`true` or `false`", node));
                None
            }
        }
    }
}

/// Reads a scalar by a function from text; its error becomes the problem.
fn scalar<T, E: ToString>(
    node: &Node,
    problems: &mut Problems,
    what: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    match &node.value {
        Value::Scalar(scalar) if !node.is_null() => match read(&scalar.text) {
            Ok(value) => Some(value),
            Err(_) if scalar.from.is_some() => {
                problems.push(expected(what, node));
                None
            }
            Err(error) => {
                problems.push(Problem::at(node.span, error.to_string()));
                None
            }
        },
        _ => {
            problems.push(expected(what, node));
            None
        }
    }
}

macro_rules! from_text {
    ($($type:ty => $what:literal),* $(,)?) => {$(
        impl FromNode for $type {
            fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
                scalar(node, problems, $what, |text| text.parse::<$type>())
            }
        }
    )*};
}

from_text! {
    CertificateName => "a name",
    WaveName => "a name",
    HostName => "a host name",
    DnsName => "a domain name",
    HostPath => "an absolute path on the host",
}

macro_rules! from_number {
    ($($type:ty),*) => {$(
        impl FromNode for $type {
            fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
                scalar(node, problems, "a whole number", |text| {
                    text.parse::<$type>().map_err(|_| {
                        format!("expected a whole number from {} to {}, found `{text}`", <$type>::MIN, <$type>::MAX)
                    })
                })
            }
        }
    )*};
}

from_number!(u16, u32);

impl FromNode for Duration {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        scalar(node, problems, "a duration such as `5m`", parse_duration)
    }
}

impl FromNode for Amount {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        scalar(node, problems, "a number of hosts such as `3` or `25%`", |text| {
            text.parse::<Amount>().map_err(|reason| format!("{reason}, found `{text}`"))
        })
    }
}

/// A value, or a list of at least one: `port: 443` and `port: [443, 8443]`.
#[derive(Debug, Clone, PartialEq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T: FromNode> FromNode for OneOrMany<T> {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Sequence(items) if items.is_empty() => {
                problems.push(Problem::at(node.span, "expected at least one, found an empty list"));
                None
            }
            Value::Sequence(_) => Vec::from_node(node, problems).map(Self),
            _ => T::from_node(node, problems).map(|one| Self(vec![one])),
        }
    }
}

/// The problem of having found something else.
fn expected(what: &str, node: &Node) -> Problem {
    Problem::at(node.span, format!("expected {what}, found {}", node.describe()))
}

/// The keys of one mapping, taken out one by one. What nobody took is an unknown key.
pub struct Fields<'n> {
    what: &'static str,
    head: Span,
    entries: &'n [MappingEntry],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The keys of a node that should be a mapping; `what` names it in messages, as in `a wave`.
    /// A null node is a mapping without keys.
    pub fn of(node: &'n Node, what: &'static str, problems: &mut Problems) -> Option<Self> {
        let entries: &[MappingEntry] = match &node.value {
            Value::Mapping(entries) => entries,
            _ if node.is_null() => &[],
            _ => {
                problems.push(expected(&format!("{what}, a mapping of keys to values"), node));
                return None;
            }
        };
        Some(Self { what, head: node.head(), entries, known: Vec::new() })
    }

    /// The node of a key, if it is given and not null.
    pub fn node(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(&entry.value).filter(|node| !node.is_null())
    }

    /// The node of a key, if it is given at all: `nginx:` with nothing behind it says enough.
    pub fn present(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The value of a key that may be missing.
    pub fn optional<T: FromNode>(&mut self, key: &'static str, problems: &mut Problems) -> Option<T> {
        self.node(key).and_then(|node| T::from_node(node, problems))
    }

    /// The value of a key that must be there.
    pub fn required<T: FromNode>(&mut self, key: &'static str, problems: &mut Problems) -> Option<T> {
        match self.node(key) {
            Some(node) => T::from_node(node, problems),
            None => {
                problems.push(
                    Problem::at(self.head, format!("{} needs the key `{key}`", self.what))
                        .label(format!("`{key}` is missing")),
                );
                None
            }
        }
    }

    /// Notes every key that nobody asked for, with the nearest known one.
    pub fn finish(self, problems: &mut Problems) {
        for entry in self.entries {
            if self.known.contains(&entry.key.as_str()) {
                continue;
            }
            let nearest = self
                .known
                .iter()
                .map(|known| (strsim::damerau_levenshtein(known, &entry.key), known))
                .min()
                .filter(|(distance, known)| *distance <= 1 + known.len() / 4);
            let hint = match nearest {
                Some((_, known)) => format!("did you mean `{known}`?"),
                None => format!("{} knows the keys {}", self.what, list(&self.known)),
            };
            problems.push(
                Problem::at(entry.key_span, format!("unknown key `{}` in {}", entry.key, self.what))
                    .hint(hint),
            );
        }
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Sources, parse};

    #[test]
    fn all_problems_are_found_in_one_pass() {
        let mut sources = Sources::default();
        let id = sources.add("test.yaml", "sok: 5m\nparallel: many\nbatch: [1, 200%]\n");
        let mut problems = Problems::default();
        let node = parse(&sources, id, &mut problems).unwrap();
        let mut fields = Fields::of(&node, "a wave", &mut problems).unwrap();
        fields.required::<String>("name", &mut problems);
        fields.optional::<Duration>("soak", &mut problems);
        fields.optional::<u32>("parallel", &mut problems);
        fields.optional::<Vec<Amount>>("batch", &mut problems);
        fields.finish(&mut problems);
        let rendered: Vec<String> = problems.sorted().iter().map(|p| p.render(&sources, false)).collect();
        insta::assert_snapshot!(rendered.join("\n\n"), @r#"
error: a wave needs the key `name`
 --> test.yaml:1:1
  |
1 | sok: 5m
  | ^^^ `name` is missing

error: unknown key `sok` in a wave
 --> test.yaml:1:1
  |
1 | sok: 5m
  | ^^^
  |
  = help: did you mean `soak`?

error: expected a whole number from 0 to 4294967295, found `many`
 --> test.yaml:2:11
  |
2 | parallel: many
  |           ^^^^

error: a share is at most `100%`, found `200%`
 --> test.yaml:3:12
  |
3 | batch: [1, 200%]
  |            ^^^^
"#);
    }

    #[test]
    fn a_secret_is_not_shown_when_it_is_wrong() {
        let mut sources = Sources::default();
        let id = sources.add("test.yaml", "soak: {env: TOKEN}\n");
        let mut problems = Problems::default();
        let mut node = parse(&sources, id, &mut problems).unwrap();
        node.substitute(&|_| Ok("hunter2".to_owned()), &mut problems);
        Fields::of(&node, "a wave", &mut problems).unwrap().optional::<Duration>("soak", &mut problems);
        let text = problems.sorted()[0].render(&sources, false);
        assert!(text.contains("found a value from outside the file") && !text.contains("hunter2"), "{text}");
    }

    /// What a value comes to, or the first problem of it.
    fn value<T: FromNode + std::fmt::Debug>(yaml: &str) -> String {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let id = sources.add("test.yaml", yaml);
        let node = parse(&sources, id, &mut problems).unwrap();
        let read = T::from_node(&node, &mut problems);
        match (read, problems.sorted().first()) {
            (Some(value), None) => format!("{value:?}"),
            (None, Some(problem)) => problem.message.clone(),
            other => panic!("{yaml}: {other:?}"),
        }
    }

    #[test]
    fn a_value_is_what_is_wanted_and_nothing_like_it() {
        for (text, read) in [("true", "true"), ("yes", "true"), ("false", "false"), ("no", "false")] {
            assert_eq!(value::<bool>(text), read);
        }
        for text in ["on", "True", "1", "y"] {
            assert_eq!(value::<bool>(text), format!("expected `true` or `false`, found `{text}`"));
        }
        assert_eq!(value::<u16>("65535"), "65535");
        assert_eq!(value::<u16>("65536"), "expected a whole number from 0 to 65535, found `65536`");
        assert_eq!(value::<u32>("-1"), "expected a whole number from 0 to 4294967295, found `-1`");
        assert_eq!(value::<u32>("[1]"), "expected a whole number, found a list");
        assert_eq!(value::<String>("\"null\""), "\"null\"");
        for nothing in ["null", "~", ""] {
            assert_eq!(value::<String>(nothing), "expected a text, found nothing");
        }
        assert_eq!(value::<Vec<u32>>("1"), "expected a list, found `1`");
        assert_eq!(
            value::<Vec<u32>>("[1, two]"),
            "expected a whole number from 0 to 4294967295, found `two`"
        );
        assert_eq!(value::<OneOrMany<u32>>("1"), "OneOrMany([1])");
        assert_eq!(value::<OneOrMany<u32>>("[1, 2]"), "OneOrMany([1, 2])");
        assert_eq!(value::<OneOrMany<u32>>("[]"), "expected at least one, found an empty list");
    }

    #[test]
    fn each_key_is_known_or_told() {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let id = sources.add("test.yaml", "name: ~\nsoka: 5m\nx-note: hello\nbatch: 3\n");
        let node = parse(&sources, id, &mut problems).unwrap();
        let mut fields = Fields::of(&node, "a wave", &mut problems).unwrap();
        assert!(fields.present("name").is_some());
        let mut fields = Fields::of(&node, "a wave", &mut problems).unwrap();
        assert_eq!(fields.optional::<String>("name", &mut problems), None);
        assert_eq!(fields.required::<u32>("batch", &mut problems), Some(3));
        fields.node("soak");
        fields.finish(&mut problems);
        let told: Vec<String> = problems
            .sorted()
            .iter()
            .map(|problem| format!("{}: {}", problem.message, problem.hint.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(
            told,
            [
                "unknown key `soka` in a wave: did you mean `soak`?",
                "unknown key `x-note` in a wave: a wave knows the keys `name`, `batch`, `soak`",
            ]
        );
    }
}
