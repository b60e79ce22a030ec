//! `windows:` when hosts may be changed.

use std::time::Duration;

use crate::model::Window;
use crate::yaml::{Fields, FromNode, Node, OneOrMany, Problem, Problems};

/// When hosts may be changed, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// In any of these; at least one.
    pub allow: Vec<Window>,
    /// With no more than this left of what is served, at any time.
    pub override_before_expiry: Option<Duration>,
}

impl FromNode for Windows {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "`windows`", problems)?;
        let allow: Option<OneOrMany<Window>> = fields.required("allow", problems);
        let override_before_expiry = fields.optional("override_before_expiry", problems);
        fields.finish(problems);
        Some(Self { allow: allow?.0, override_before_expiry })
    }
}

impl FromNode for Window {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let text = String::from_node(node, problems)?;
        text.parse().map_err(|error| problems.push(Problem::at(node.span, format!("{error}")))).ok()
    }
}
