//! The one way in which certwave says that something failed.

use std::error::Error;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::hints::{exit, hint, message};
use crate::operations::{OperationError, Problem};
use crate::report::Out;

/// An error as a person sees it: what, why, how things were left, and the way out.
#[derive(Debug)]
pub(super) struct Failure {
    /// What failed.
    pub(super) message: String,
    /// Why, from the nearest cause to the farthest.
    pub(super) causes: Vec<String>,
    /// How the fleet was left.
    pub(super) state: Option<String>,
    /// The way out.
    pub(super) hint: Option<String>,
    /// Texts that say it all themselves, such as problems with their snippets.
    pub(super) report: Vec<String>,
    /// The same problems for programs.
    pub(super) problems: Vec<Value>,
    /// A last line in JSON has told it already.
    pub(super) is_told: bool,
    /// The exit code.
    pub(super) exit: Exit,
}

impl Failure {
    /// A failure before any host was changed.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            causes: Vec::new(),
            state: None,
            hint: None,
            report: Vec::new(),
            problems: Vec::new(),
            is_told: false,
            exit: Exit::Failed,
        }
    }

    /// A failure to do something, with the chain of its causes.
    pub(super) fn to(act: &str, error: &dyn Error) -> Self {
        let mut failure = Self::new(format!("failed to {act}"));
        let mut next = Some(error);
        while let Some(cause) = next {
            failure.causes.push(cause.to_string());
            next = cause.source();
        }
        failure
    }

    /// A mistake in what was typed or written.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new(message) }
    }

    /// Adds a cause.
    pub(super) fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds the way out.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// For programs: the last line of a command that failed.
    pub(super) fn json(&self, time: Timestamp) -> Value {
        let mut line = json!({
            "time": time, "event": "error", "message": self.message, "causes": self.causes, "state": self.state,
            "hint": self.hint, "exit_code": self.exit.code(),
        });
        if !self.problems.is_empty() {
            line["problems"] = self.problems.clone().into();
        }
        line
    }

    /// Prints it to standard error.
    pub(super) fn print(&self) {
        let mut text = Vec::new();
        if self.write(&mut text).is_ok() {
            Out::Remark.text(String::from_utf8_lossy(&text).trim_end_matches('\n'));
        }
    }

    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let bold = Style::new().bold();
        for text in &self.report {
            writeln!(out, "{text}\n")?;
        }
        writeln!(out, "{red}error{red:#}: {}", self.message)?;
        for cause in &self.causes {
            writeln!(out, "  caused by: {cause}")?;
        }
        if let Some(state) = &self.state {
            writeln!(out, "{bold}state{bold:#}: {state}")?;
        }
        if let Some(hint) = &self.hint {
            writeln!(out, "{bold}hint{bold:#}: {hint}")?;
        }
        Ok(())
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        let OperationError { problem, causes, left } = error;
        let mut failure = Self {
            causes,
            state: left.map(|left| left.to_string()),
            hint: hint(&problem),
            exit: exit(&problem),
            ..Self::new(message(&problem))
        };
        if let Problem::Files { problems, sources } = &problem {
            let color = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
            let sorted = problems.sorted();
            failure.report = sorted.iter().map(|problem| problem.render(sources, color)).collect();
            failure.problems = sorted.iter().map(|problem| problem.json(sources)).collect();
        }
        failure
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        OperationError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_object_for_programs() {
        let mut failure = Failure::usage("1 problem; nothing was touched").because("a").hint("b");
        failure.problems.push(json!({"file": "a.yaml", "line": 2}));
        let object = failure.json(Timestamp::UNIX_EPOCH);
        let expected = json!({"time": "1970-01-01T00:00:00Z", "event": "error",
            "message": "1 problem; nothing was touched", "causes": ["a"], "state": null, "hint": "b",
            "exit_code": 64, "problems": [{"file": "a.yaml", "line": 2}]});
        assert_eq!(object, expected);
    }

    #[test]
    fn a_failure_says_what_why_how_and_the_way_out() {
        let mut failure = Failure::new("wave `canary` stopped: 1 of 1 host failed, 0 may fail")
            .because("web01: nginx refused the configuration")
            .hint("mend the host, then run it again");
        failure.state = Some("web01 is proven back on its previous certificate".to_owned());
        let mut out = Vec::new();
        failure.write(&mut anstream::StripStream::new(&mut out)).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
error: wave `canary` stopped: 1 of 1 host failed, 0 may fail
  caused by: web01: nginx refused the configuration
state: web01 is proven back on its previous certificate
hint: mend the host, then run it again
"#);
    }
}
