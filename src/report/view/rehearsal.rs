//! How a host rehearsed.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::install::{Rehearsed, Tested};
use crate::report::view::View;

impl View for Rehearsed {
    /// One line.
    fn text(&self, _: bool) -> String {
        format!("{}: {}", self.host, words(self))
    }

    fn objects(&self, time: Timestamp) -> Vec<Value> {
        vec![json!({"time": time, "event": "plan.rehearsed", "host": self.host, "good": self.is_good(),
            "text": words(self)})]
    }
}

fn words(rehearsed: &Rehearsed) -> String {
    let tested = |tested: &Tested| match tested {
        Tested::Took(service) => format!("{service} would take it"),
        Tested::Refused(service, reason) => format!("{service} refuses it: {}", reason.trim()),
        Tested::Untested(reason) => {
            format!("no server could be asked without touching what is live: {}", reason.trim())
        }
    };
    match &rehearsed.result {
        Err(reason) => format!("failed: {reason}"),
        Ok(all) => {
            let done = std::iter::once("uploaded, owned and removed again".to_owned());
            done.chain(all.iter().map(tested)).collect::<Vec<_>>().join("; ")
        }
    }
}
