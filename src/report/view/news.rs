//! What happens while a certificate is fetched.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::report::view::View;

/// Something that happened just now.
#[derive(Debug, Clone, Copy)]
pub struct TimedNews<'n> {
    /// When.
    pub time: Timestamp,
    /// Its kind, as a word.
    pub event: &'n str,
    /// What, in words.
    pub text: &'n str,
}

impl View for TimedNews<'_> {
    fn text(&self, _: bool) -> String {
        format!("{} {}", self.time.strftime("%H:%M:%SZ"), self.text)
    }

    /// With the time when it happened.
    fn objects(&self, _: Timestamp) -> Vec<Value> {
        vec![json!({"time": self.time, "event": self.event, "text": self.text})]
    }
}
