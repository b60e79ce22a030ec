//! YAML text to a tree of nodes.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle};

use crate::yaml::problem::{Problem, Problems, SourceId, Sources, Span};

/// More nodes than this, aliases expanded, are an attack or an accident ("billion laughs").
/// A fleet of 50,000 hosts with ten variables each stays under it.
const MAX_NODES: usize = 2_000_000;
/// So many values may come of aliases, or [`PER_VALUE`] times as many as are written: a small file stays small.
const MAX_EXPANDED: usize = 100_000;
/// A host of a large inventory may merge as many variables.
const PER_VALUE: usize = 20;
/// Deeper nesting than this is an attack or an accident.
const MAX_DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// An explicit tag such as `!vault`.
    pub tag: Option<String>,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// One text; what type it has is the reader's to say.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order written; keys are unique.
    Mapping(Vec<MappingEntry>),
}

/// A scalar as written.
#[derive(Clone, PartialEq)]
pub struct Scalar {
    /// The text, unquoted and unescaped.
    pub text: String,
    /// Whether it stood without quotes, so that `null`, `true` or `10` may be more than text.
    pub plain: bool,
    /// The environment variable or the file that it came from, hence must not be shown; none of what stands in the file
    /// itself.
    pub from: Option<Reference>,
}

impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.from.is_some() { f.write_str("Secret") } else { write!(f, "{:?}", self.text) }
    }
}

/// One key of a mapping and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct MappingEntry {
    /// The key as text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

/// Where a value comes from instead of standing in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `{env: NAME}`
    Env(String),
    /// `{file: PATH}`
    File(String),
}

impl Node {
    /// Whether the node says nothing: an empty value, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar)
            if scalar.plain && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Enough of the node to point at: the first key of a mapping, else all of it.
    pub fn head(&self) -> Span {
        match &self.value {
            Value::Mapping(entries) => entries.first().map_or(self.span, |first| first.key_span),
            _ => self.span,
        }
    }

    /// What the node is, in words for an error message.
    pub fn describe(&self) -> String {
        match &self.value {
            _ if self.is_null() => "nothing".to_owned(),
            Value::Scalar(scalar) if scalar.from.is_some() => "a value from outside the file".to_owned(),
            Value::Scalar(scalar) => format!("`{}`", scalar.text),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
        }
    }

    /// Replaces every `{env: NAME}` and `{file: PATH}` below this node by what `look_up` answers.
    /// What it cannot answer becomes a problem at that place.
    pub fn substitute(
        &mut self,
        look_up: &dyn Fn(&Reference) -> Result<String, String>,
        problems: &mut Problems,
    ) {
        if let Some(reference) = self.as_reference() {
            match look_up(&reference) {
                Ok(text) => self.value = Value::Scalar(Scalar { text, plain: false, from: Some(reference) }),
                Err(reason) => problems.push(Problem::at(self.span, reason)),
            }
            return;
        }
        match &mut self.value {
            Value::Scalar(_) => {}
            Value::Sequence(items) => items.iter_mut().for_each(|item| item.substitute(look_up, problems)),
            Value::Mapping(entries) => {
                entries.iter_mut().for_each(|entry| entry.value.substitute(look_up, problems));
            }
        }
    }

    fn as_reference(&self) -> Option<Reference> {
        let Value::Mapping(entries) = &self.value else { return None };
        let [entry] = entries.as_slice() else { return None };
        let Value::Scalar(scalar) = &entry.value.value else { return None };
        match entry.key.as_str() {
            "env" => Some(Reference::Env(scalar.text.clone())),
            "file" => Some(Reference::File(scalar.text.clone())),
            _ => None,
        }
    }
}

/// Reads the one document of a source. An empty source is a null node.
/// A syntax error ends the reading; duplicate keys are all found.
pub fn parse(sources: &Sources, id: SourceId, problems: &mut Problems) -> Option<Node> {
    let text = sources.get(id).text.as_str();
    if let Some(at) = text.find(['\0', '\u{fffd}']) {
        let width = text[at..].chars().next().map_or(1, char::len_utf8);
        let span = Span { source: id, start: at as u32, end: (at + width) as u32 };
        problems.push(Problem::at(span, "this is not a text file").hint("YAML is UTF-8 text"));
        return None;
    }
    let mut builder = Builder {
        source: id,
        text,
        nodes: 0,
        expanded: 0,
        anchors: HashMap::new(),
        stack: Vec::new(),
        root: None,
    };
    for next in Parser::new_from_str(text) {
        match next {
            Ok((event, span)) => {
                if let Err(problem) = builder.event(event, &span, problems) {
                    problems.push(problem);
                    return None;
                }
            }
            Err(error) => {
                problems.push(syntax_problem(id, text, &error));
                return None;
            }
        }
    }
    let end = Span { source: id, start: text.len() as u32, end: text.len() as u32 };
    Some(builder.root.unwrap_or(Node {
        span: end,
        tag: None,
        value: Value::Scalar(Scalar { text: String::new(), plain: true, from: None }),
    }))
}

fn syntax_problem(source: SourceId, text: &str, error: &granit_parser::ScanError) -> Problem {
    let at = byte_offset(text, error.marker()).min(text.len());
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    if let Some(tab) = indent.find('\t') {
        let start = (line_start + tab) as u32;
        return Problem::at(Span { source, start, end: start + 1 }, "a tab is used for indentation")
            .label("tab")
            .hint("YAML allows spaces only: replace the tab with two spaces");
    }
    let end = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
    Problem::at(
        Span { source, start: at as u32, end: end as u32 },
        format!("not valid YAML: {}", error.info()),
    )
}

fn byte_offset(text: &str, marker: &granit_parser::Marker) -> usize {
    marker
        .byte_offset()
        .unwrap_or_else(|| text.char_indices().nth(marker.index()).map_or(text.len(), |(at, _)| at))
}

/// A collection that is still open.
enum Open {
    Sequence {
        items: Vec<Node>,
    },
    /// `keys` are those of the entries: there may be one for each of 10,000 hosts.
    Mapping {
        entries: Vec<MappingEntry>,
        keys: HashSet<String>,
        merges: Vec<Node>,
        key: Option<(String, Span)>,
    },
}

struct Frame {
    open: Open,
    span: Span,
    tag: Option<String>,
    anchor: usize,
}

struct Builder<'t> {
    source: SourceId,
    text: &'t str,
    nodes: usize,
    /// Of them, those that came of aliases.
    expanded: usize,
    anchors: HashMap<usize, (Node, usize)>,
    stack: Vec<Frame>,
    root: Option<Node>,
}

impl Builder<'_> {
    fn span(&self, span: &granit_parser::Span) -> Span {
        let start = byte_offset(self.text, &span.start);
        let end = byte_offset(self.text, &span.end).max(start);
        Span { source: self.source, start: start as u32, end: end as u32 }
    }

    fn event(
        &mut self,
        event: Event<'_>,
        span: &granit_parser::Span,
        problems: &mut Problems,
    ) -> Result<(), Problem> {
        let place = self.span(span);
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(Problem::at(place, "a second document starts here")
                    .hint("one file holds one document: remove the `---`, or split the file"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let scalar =
                    Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain, from: None };
                let tag = tag.map(|tag| tag.to_string());
                self.finish(Node { span: place, tag, value: Value::Scalar(scalar) }, anchor, 1, problems)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(Open::Sequence { items: Vec::new() }, place, tag.map(|tag| tag.to_string()), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                let (entries, keys) = Default::default();
                let open = Open::Mapping { entries, keys, merges: Vec::new(), key: None };
                self.open(open, place, tag.map(|tag| tag.to_string()), anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(frame) = self.stack.pop() else { return Ok(()) };
                let value = match frame.open {
                    Open::Sequence { items } => Value::Sequence(items),
                    Open::Mapping { entries, merges, .. } => Value::Mapping(merge(entries, merges)?),
                };
                let span = Span { end: place.end.max(frame.span.end), ..frame.span };
                self.finish(Node { span, tag: frame.tag, value }, frame.anchor, 1, problems)
            }
            Event::Alias(id) => match self.anchors.get(&id) {
                Some((_, size)) if self.expanded + size > self.may_expand() => {
                    let words = "the aliases up to here stand for too many values";
                    Err(Problem::at(place, words).hint("write them out, or name less of them"))
                }
                Some((node, size)) => {
                    let (node, size) = (Node { span: place, ..node.clone() }, *size);
                    self.expanded += size;
                    self.finish(node, 0, size, problems)
                }
                None => Err(Problem::at(place, "this alias stands inside the value that it names")),
            },
            _ => Ok(()),
        }
    }

    /// So many values may come of aliases by now.
    fn may_expand(&self) -> usize {
        MAX_EXPANDED.max((self.nodes - self.expanded) * PER_VALUE)
    }

    fn open(&mut self, open: Open, span: Span, tag: Option<String>, anchor: usize) -> Result<(), Problem> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Problem::at(span, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        if matches!(self.stack.last(), Some(Frame { open: Open::Mapping { key: None, .. }, .. })) {
            return Err(Problem::at(span, "a key must be a text, not a list or a mapping")
                .hint("a value that starts with `{` must be quoted: `\"{{ name }}\"`"));
        }
        self.stack.push(Frame { open, span, tag, anchor });
        Ok(())
    }

    fn finish(
        &mut self,
        node: Node,
        anchor: usize,
        size: usize,
        problems: &mut Problems,
    ) -> Result<(), Problem> {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            return Err(Problem::at(node.span, format!("more than {MAX_NODES} values, aliases expanded")));
        }
        if anchor != 0 {
            let size = count(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.stack.last_mut().map(|frame| &mut frame.open) {
            None => self.root = Some(node),
            Some(Open::Sequence { items }) => items.push(node),
            Some(Open::Mapping { entries, keys, merges, key }) => match key.take() {
                None => match node.value {
                    Value::Scalar(scalar) => *key = Some((scalar.text, node.span)),
                    _ => return Err(Problem::at(node.span, "a key must be a text")),
                },
                Some((name, _)) if name == "<<" => merges.push(node),
                Some((name, span)) if keys.insert(name.clone()) => {
                    entries.push(MappingEntry { key: name, key_span: span, value: node });
                }
                Some((name, span)) => problems.push(
                    Problem::at(span, format!("the key `{name}` is given twice"))
                        .label("second time")
                        .hint("keep one of them"),
                ),
            },
        }
        Ok(())
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar(_) => 0,
        Value::Sequence(items) => items.iter().map(count).sum(),
        Value::Mapping(entries) => entries.iter().map(|entry| count(&entry.value)).sum(),
    }
}

/// Applies merge keys (`<<: *defaults`): a key given in the mapping itself wins, then what is
/// first in a list, then later merges.
fn merge(mut entries: Vec<MappingEntry>, merges: Vec<Node>) -> Result<Vec<MappingEntry>, Problem> {
    for node in merges.into_iter().rev() {
        let sources = match node.value {
            Value::Mapping(_) => vec![node],
            Value::Sequence(items) => items,
            Value::Scalar(_) => {
                return Err(Problem::at(node.span, "`<<` merges a mapping, or a list of mappings"));
            }
        };
        for source in sources {
            let Value::Mapping(inherited) = source.value else {
                return Err(Problem::at(source.span, "`<<` merges a mapping, or a list of mappings"));
            };
            for entry in inherited {
                if !entries.iter().any(|own| own.key == entry.key) {
                    entries.push(entry);
                }
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
