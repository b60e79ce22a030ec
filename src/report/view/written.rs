//! What was written on this machine's disk.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::report::view::View;

/// A file of a new project.
#[derive(Debug, Clone, Copy)]
pub struct WrittenFile<'p>(pub &'p Path);

impl View for WrittenFile<'_> {
    fn text(&self, _: bool) -> String {
        format!("wrote {}", self.0.display())
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        vec![json!({"time": time, "event": "init.wrote", "path": self.0})]
    }
}

/// The manual pages, in a folder.
#[derive(Debug, Clone, Copy)]
pub struct WrittenManual<'p>(pub &'p Path);

impl View for WrittenManual<'_> {
    fn text(&self, _: bool) -> String {
        format!("man pages are in `{0}`: `man {0}/certwave.1`", self.0.display())
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        vec![json!({"time": time, "event": "man.wrote", "directory": self.0})]
    }
}
