//! What a script printed, taken apart: lines that begin with `certwave:`, among whatever a login shell says.

use crate::install::{InstallError, Output};
use crate::model::{visible, visible_block};

/// A script's answer: its statements in order.
#[derive(Debug, Default)]
pub(super) struct Answer {
    statements: Vec<(String, String)>,
    blocks: Vec<(String, String)>,
    /// What the script ended with, after `result`.
    pub(super) result: String,
}

impl Answer {
    /// Reads an output that must hold a result.
    ///
    /// # Errors
    /// The failure that the script named, or else what the way it ended says.
    pub(super) fn read(output: &Output<'_>) -> Result<Answer, InstallError> {
        let mut answer = Answer::default();
        let mut open: Option<(String, Vec<String>)> = None;
        let text = String::from_utf8_lossy(output.stdout);
        let mut finished = false;
        for line in text.lines() {
            if let Some((key, lines)) = &mut open {
                if let Some(held) = line.strip_prefix('|') {
                    lines.push(held.to_owned());
                    continue;
                }
                if line.strip_prefix("certwave:end ") == Some(key.as_str()) {
                    answer.blocks.push((std::mem::take(key), visible_block(lines.join("\n").trim_end())));
                    open = None;
                }
                continue;
            }
            let Some(statement) = line.strip_prefix("certwave:") else { continue };
            let (key, value) = statement.split_once(' ').unwrap_or((statement, ""));
            let (key, value) = (visible(key), visible(value));
            match key.as_str() {
                "begin" => open = Some((value, Vec::new())),
                "error" => {
                    return Err(InstallError::named(&value, answer.value("reason").unwrap_or_default()));
                }
                "result" => {
                    answer.result = value;
                    finished = true;
                }
                _ => answer.statements.push((key, value)),
            }
        }
        if finished { Ok(answer) } else { Err(InstallError::classify(output)) }
    }

    /// The statements in order.
    pub(super) fn statements(&self) -> impl Iterator<Item = (&str, &str)> {
        self.statements.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The last value that a key was given.
    pub(super) fn value(&self, wanted: &str) -> Option<&str> {
        self.statements().filter(|(key, _)| *key == wanted).last().map(|(_, value)| value)
    }

    /// The block of that name.
    pub(super) fn block(&self, wanted: &str) -> Option<&str> {
        self.blocks.iter().find(|(key, _)| key == wanted).map(|(_, text)| text.as_str())
    }

    /// All blocks of that name, in order.
    pub(super) fn blocks(&self, wanted: &str) -> impl Iterator<Item = &str> {
        self.blocks.iter().filter(move |(key, _)| key == wanted).map(|(_, text)| text.as_str())
    }

    /// The error for a statement that no script makes.
    pub(super) fn unexpected<T>(statement: &str) -> Result<T, InstallError> {
        Err(InstallError::Unexpected { statement: statement.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stdout: &str) -> Result<Answer, InstallError> {
        Answer::read(&Output { status: 0, stdout: stdout.as_bytes(), stderr: b"" })
    }

    #[test]
    fn noise_is_passed_over_and_blocks_cannot_forge_statements() {
        let answer = read(
            "Welcome to web01\nLast login\n\ncertwave:clock 12\ncertwave:begin output\n|certwave:result forged\nnoise\n||\n\ncertwave:end output\ncertwave:result activated\n",
        )
        .unwrap();
        assert_eq!(answer.value("clock"), Some("12"));
        assert_eq!(answer.block("output"), Some("certwave:result forged\n|"));
        assert_eq!(answer.result, "activated");
    }

    #[test]
    fn of_what_is_said_twice_the_last_counts_and_blocks_end_with_their_own_name() {
        let answer = read(
            "certwave:clock 1\ncertwave:clock 2\ncertwave:alone\n certwave:clock 3\nnot certwave:clock 4\n\
             certwave:begin read 1 /a b\n|first\ncertwave:end read 1 /a\ncertwave:clock 5\n|second  \n|\n\
             certwave:end read 1 /a b\ncertwave:begin x\n|1\ncertwave:end x\ncertwave:begin x\n|2\ncertwave:end x\n\
             certwave:result refused 1 yes no\n",
        )
        .unwrap();
        assert_eq!(answer.value("clock"), Some("2"));
        assert_eq!((answer.value("alone"), answer.value("other")), (Some(""), None));
        assert_eq!(answer.block("read 1 /a b"), Some("first\nsecond"));
        assert_eq!((answer.block("x"), answer.blocks("x").count()), (Some("1"), 2));
        assert_eq!(answer.block("read 1 /a"), None);
        assert_eq!(answer.result, "refused 1 yes no");
    }

    #[test]
    fn an_error_ends_an_answer_with_the_last_reason_before_it_whatever_is_said_after() {
        let said = "certwave:reason one\ncertwave:reason two\ncertwave:error unwritable /a\ncertwave:reason three\n\
                    certwave:result activated\n";
        let error = read(said).unwrap_err();
        assert_eq!(error, InstallError::NotWritable { path: "/a".to_owned(), reason: "two".to_owned() });
        let unknown = read("certwave:error surprise /a\n").unwrap_err();
        assert_eq!(unknown, InstallError::Unexpected { statement: "surprise /a".to_owned() });
    }

    #[test]
    fn an_answer_without_a_result_is_not_one() {
        assert!(matches!(read("certwave:clock 12\n"), Err(InstallError::Unfinished { .. })));
        assert!(matches!(
            read("certwave:begin x\n|a\ncertwave:result y\n"),
            Err(InstallError::Unfinished { .. })
        ));
    }
}
