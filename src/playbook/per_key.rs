//! A value for each of dual certificates.

use std::collections::BTreeMap;

use crate::certificate::KeyAlgorithm;
use crate::yaml::{Fields, FromNode, Node, Problems, Value};

/// One value, or one for each algorithm: `secret: api` and `secret: {ecdsa: api, rsa: api_rsa}`.
#[derive(Debug, Clone, PartialEq)]
pub enum PerKey<T> {
    /// The same for whatever there is.
    One(T),
    /// Each its own.
    Each(BTreeMap<KeyAlgorithm, T>),
}

impl<T: FromNode> FromNode for PerKey<T> {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        if !matches!(node.value, Value::Mapping(_)) {
            return T::from_node(node, problems).map(PerKey::One);
        }
        let mut fields = Fields::of(node, "a value for each algorithm", problems)?;
        let each =
            KeyAlgorithm::ALL.map(|algorithm| (algorithm, fields.required(algorithm.as_str(), problems)));
        fields.finish(problems);
        let each: Option<BTreeMap<KeyAlgorithm, T>> =
            each.into_iter().map(|(algorithm, value)| Some((algorithm, value?))).collect();
        each.map(PerKey::Each)
    }
}
