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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_tells_of_each_of_its_servers_or_why_it_did_not_come_to_that() {
        let shown = |result| {
            let rehearsed = Rehearsed { host: "web01".parse().unwrap(), result };
            let good = &rehearsed.objects(Timestamp::UNIX_EPOCH)[0]["good"];
            format!("{good}: {}", rehearsed.text(false))
        };
        let service = |name: &str| name.parse().unwrap();
        let texts = [
            shown(Ok(vec![])),
            shown(Ok(vec![
                Tested::Took(service("nginx")),
                Tested::Refused(service("haproxy"), " broken \n".to_owned()),
            ])),
            shown(Ok(vec![Tested::Untested("the host has no unshare".to_owned())])),
            shown(Err("no room left".to_owned())),
        ];
        insta::assert_snapshot!(texts.join("\n"), @"
        true: web01: uploaded, owned and removed again
        false: web01: uploaded, owned and removed again; nginx would take it; haproxy refuses it: broken
        true: web01: uploaded, owned and removed again; no server could be asked without touching what is live: the host has no unshare
        false: web01: failed: no room left
        ");
    }
}
