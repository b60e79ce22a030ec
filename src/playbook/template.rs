//! Texts that take a host's variables: `{{ name }}`.

use std::str::FromStr;

use crate::yaml::{FromNode, Node, Problem, Problems, Span};

/// A text with places for a host's variables. Only names stand between the braces: no filters, no
/// expressions.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
    /// Where it was written.
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Variable(String),
}

/// A host has no variable of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable `{name}` is not set")]
pub struct MissingVariable {
    /// The name between the braces.
    pub name: String,
}

impl Template {
    /// A template from a text that is not a value of its own, such as a key.
    pub(super) fn of_text(text: &str, span: Span, problems: &mut Problems) -> Option<Self> {
        Template::parse(text, span).map_err(|problem| problems.push(problem)).ok()
    }

    fn parse(text: &str, span: Span) -> Result<Self, Problem> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find("{{") {
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let inside = &rest[open + 2..];
            let close = inside
                .find("}}")
                .ok_or_else(|| Problem::at(span, "`{{` without `}}`").hint("write `{{ variable }}`"))?;
            let name = inside[..close].trim();
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !is_name {
                return Err(Problem::at(span, format!("`{name}` is not the name of a variable")).hint(
                    "only a variable's name can stand between `{{` and `}}`: no filters and no expressions",
                ));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = &inside[close + 2..];
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts, span })
    }

    /// The text where no variable is in it: then it is the same for every host.
    pub fn constant(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Notes that a constant is none of the values that it has to be; what variables come to, only hosts know.
    pub(super) fn check<T: FromStr>(&self, problems: &mut Problems)
    where
        T::Err: ToString,
    {
        let wrong = self.constant().and_then(|text| text.parse::<T>().err());
        problems.extend(wrong.map(|error| Problem::at(self.span, error.to_string())));
    }

    /// The text for one host, whose variables `look_up` knows.
    ///
    /// # Errors
    /// When the host does not have one of them.
    pub fn render(&self, look_up: &dyn Fn(&str) -> Option<String>) -> Result<String, MissingVariable> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => Ok(text.clone()),
                Part::Variable(name) => look_up(name).ok_or_else(|| MissingVariable { name: name.clone() }),
            })
            .collect()
    }
}

impl FromNode for Template {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = String::from_node(node, problems)?;
        Template::of_text(&text, node.span, problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Sources, parse};

    fn read(yaml: &str) -> Result<Template, String> {
        let mut sources = Sources::default();
        let id = sources.add("test.yaml", yaml);
        let mut problems = Problems::default();
        let node = parse(&sources, id, &mut problems).unwrap();
        Template::from_node(&node, &mut problems).ok_or_else(|| problems.sorted()[0].message.clone())
    }

    #[test]
    fn variables_are_filled_in() {
        let template = read("\"{{ root }}/nginx/{{name}}\"").unwrap();
        let vars = |name: &str| (name != "none").then(|| name.to_uppercase());
        assert_eq!(template.render(&vars).unwrap(), "ROOT/nginx/NAME");
        let missing = read("\"{{ none }}\"").unwrap().render(&vars).unwrap_err();
        assert_eq!(missing.to_string(), "the variable `none` is not set");
        assert_eq!(read("plain").unwrap().render(&vars).unwrap(), "plain");
        for (text, filled) in [
            ("{{ a }}", "A"),
            ("{{a}}{{b}}", "AB"),
            ("x{{ a }}y{{ b }}z", "xAyBz"),
            ("{{ _a1 }}", "_A1"),
            ("}} {", "}} {"),
        ] {
            let template = read(&format!("\"{text}\"")).unwrap();
            assert_eq!(template.render(&vars).unwrap(), filled);
            assert_eq!(template.constant().is_some(), filled == text, "{text}");
        }
    }

    #[test]
    fn jinja_is_refused() {
        assert_eq!(read("\"{{ a | b }}\"").unwrap_err(), "`a | b` is not the name of a variable");
        assert_eq!(read("\"{{ a\"").unwrap_err(), "`{{` without `}}`");
        for name in ["", "1a", "a.b", "a-b", "ä"] {
            let message = format!("`{name}` is not the name of a variable");
            assert_eq!(read(&format!("\"{{{{ {name} }}}}\"")).unwrap_err(), message);
        }
    }
}
