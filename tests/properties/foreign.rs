//! Text from somewhere else never makes a terminal do something, and never looks like a line of certwave's own.

use certwave::install::{InstallError, LockAnswer, Output, Staged};
use certwave::model::{
    CertificateName, DnsName, FOREIGN_BYTES, HostName, HostPath, ServiceName, WaveName, for_json,
    for_terminal, visible, visible_lines,
};
use certwave::rollout::{Event, StepEnded};
use proptest::prelude::*;

/// Texts that attack: sequences of a terminal's, C1, marks of direction, ends of lines, forged lines, and much of it.
fn foreign() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("\x1b]0;title\x07".to_owned()),
        Just("\x1b]52;c;ZXZpbA==\x07".to_owned()),
        Just("\x1b[2J\x1b[1;1H".to_owned()),
        Just("\x1b[31m".to_owned()),
        Just("\u{9b}2J\u{9d}0;t\u{9c}".to_owned()),
        Just("\r12:00:00Z web2: proven".to_owned()),
        Just("\nweb2: proven\n".to_owned()),
        Just("\u{202e}\u{2066}\u{200f}\u{61c}\u{2028}\u{feff}\u{e0041}".to_owned()),
        any::<String>(),
        proptest::char::range('\0', '\u{a0}').prop_map(String::from),
        "[ -~]{0,40}",
    ];
    (proptest::collection::vec(part, 0..12), 1_usize..60)
        .prop_map(|(parts, times)| parts.concat().repeat(times))
}

fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// One line, which does nothing.
fn is_line(text: &str) -> bool {
    !text.chars().any(acts)
}

/// All of `text` but colours, line ends and tabs.
fn without_own(text: &str) -> String {
    let color = regex::Regex::new("\x1b\\[[0-9;:]*m").unwrap();
    color.replace_all(text, "").replace(['\n', '\t'], "")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_goes_out_does_nothing(text in foreign()) {
        let shown = for_terminal(&text);
        prop_assert!(is_line(&without_own(&shown)), "{shown:?}");
        prop_assert_eq!(for_terminal(&shown).into_owned(), shown.clone().into_owned());
        let value = serde_json::json!({"reason": text, text.as_str(): [1, text.as_str()]});
        let line = value.to_string();
        let line = for_json(&line);
        prop_assert!(is_line(&line), "{line:?}");
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

    #[test]
    fn what_enters_is_seen_and_bounded(text in foreign()) {
        let one = visible(&text);
        prop_assert!(is_line(&one) && one.len() <= FOREIGN_BYTES, "{one:?}");
        let lines = visible_lines(&text);
        prop_assert_eq!((visible(&one), visible_lines(&lines)), (one, lines.clone()));
        prop_assert!(lines.len() <= FOREIGN_BYTES);
        for (at, line) in lines.split('\n').enumerate() {
            prop_assert!(is_line(line), "{line:?}");
            prop_assert!(at == 0 || line.is_empty() || line.starts_with("  "), "{lines:?}");
        }
    }

    /// By whatever way a host's answer becomes a failure.
    #[test]
    fn what_a_host_says_is_harmless(text in foreign()) {
        let said = |stdout: &str, stderr: &str, status| {
            let output = Output { status, stdout: stdout.as_bytes(), stderr: stderr.as_bytes() };
            let staged = Staged::parse(&output).map_or_else(|error| error.to_string(), |_| String::new());
            [staged, LockAnswer::failure(&output).to_string(), InstallError::classify(&output).to_string()]
        };
        let statements = ["reason", "error unwritable", "error unsafe", "error occupied", "error", "result", "busy", "locked"];
        let mut all = Vec::new();
        for statement in statements {
            all.extend(said(&format!("certwave:reason {text}\ncertwave:{statement} {text}\n"), &text, 1));
        }
        all.extend(said(&text, "", 1));
        all.extend(said("", &format!("sudo: {text}"), 1));
        all.extend(said("", &text, 127));
        for told in all {
            prop_assert!(is_line(&told), "{told:?}");
        }
    }

    #[test]
    fn names_are_refused_or_harmless_and_so_is_why(text in foreign()) {
        fn told<T: std::str::FromStr + ToString>(text: &str) -> String where T::Err: ToString {
            text.parse::<T>().map_or_else(|error| error.to_string(), |name| name.to_string())
        }
        let all = [
            told::<HostName>(&text), told::<WaveName>(&text), told::<ServiceName>(&text), told::<CertificateName>(&text),
            told::<DnsName>(&text),
            text.parse::<HostPath>().map_or_else(|error| error.to_string(), |path| path.to_string()),
            format!("/{text}").parse::<HostPath>().map_or_else(|error| error.to_string(), |path| path.to_string()),
        ];
        for told in all {
            prop_assert!(is_line(&told), "{told:?}");
        }
    }

    /// What an older certwave kept, and what this one keeps.
    #[test]
    fn what_is_kept_of_a_step_is_harmless(text in foreign()) {
        let measured = serde_json::json!({"handshakes": {"tried": 9, "failed": 1}, "first_failure": text, "held": null});
        let mut all: Vec<serde_json::Value> = ["inspect", "stage", "activate", "verify", "commit", "rollback"]
            .iter()
            .flat_map(|step| ["failed", "unreachable", "in_doubt"].map(|result| serde_json::json!({"step": step, "result": result, "reason": text})))
            .collect();
        let with = |mut value: serde_json::Value, more: &serde_json::Value| {
            value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            value
        };
        all.extend([
            serde_json::json!({"step": "activate", "result": "refused", "reason": text}),
            serde_json::json!({"step": "commit", "result": "refused", "reason": text}),
            serde_json::json!({"step": "activate", "result": "activated", "risks": [{"risk": "clock", "text": text}]}),
            with(serde_json::json!({"step": "verify", "result": "proven"}), &measured),
            serde_json::json!({"step": "verify", "result": "disproven", "state": "previous", "reason": text, "measured": measured}),
            serde_json::json!({"step": "inspect", "result": "inspected", "proven": false, "staged": false, "previous": null,
                "undone": {"at": "2027-02-24T02:26:53Z", "target": "20261126T022654Z-a7a71b94", "previous": "20261126T022654Z-a7a71b94", "problem": text},
                "risks": [{"risk": "clock", "text": text}]}),
        ]);
        for stored in all {
            let ended: StepEnded = serde_json::from_value(stored).unwrap();
            let event = Event::StepFinished { host: "web01".parse().unwrap(), ended: ended.clone() };
            let kept = serde_json::to_value(&event).unwrap();
            let mut texts = vec![kept];
            while let Some(value) = texts.pop() {
                match value {
                    serde_json::Value::String(text) => {
                        prop_assert!(text.split('\n').all(is_line), "{text:?}");
                        prop_assert!(text.split('\n').skip(1).all(|line| line.is_empty() || line.starts_with("  ")), "{text:?}");
                    }
                    serde_json::Value::Array(all) => texts.extend(all),
                    serde_json::Value::Object(all) => texts.extend(all.into_iter().map(|(_, value)| value)),
                    _ => {}
                }
            }
            prop_assert_eq!(ended.clone().visible(), ended);
        }
    }
}
