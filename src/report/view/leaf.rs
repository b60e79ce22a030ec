//! A leaf, as much of it as tells it from others.

use serde_json::{Value, json};

use crate::certificate::Leaf;

/// The fields that results name a leaf by.
pub(super) fn brief(leaf: &Leaf) -> Value {
    json!({
        "fingerprint_sha256": leaf.fingerprint_sha256, "serial": leaf.serial, "not_after": leaf.not_after,
    })
}
