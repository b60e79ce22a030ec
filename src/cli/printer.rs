//! What people and programs read: results on standard output, remarks on standard error.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::args::{LogFormat, OutputFormat};
use crate::model::OperationId;
use crate::plan::Plan;
use crate::ports::Observer;
use crate::report::view::View;
use crate::report::{JsonReporter, Out, PlainReporter, ProgressReporter, Quiet};

/// Set by the first result.
static PRINTED: AtomicBool = AtomicBool::new(false);

/// Whether any result was written.
pub(super) fn has_printed() -> bool {
    PRINTED.load(Ordering::Relaxed)
}

/// Writes a line of standard output. A closed pipe (`| head`) is not a failure.
fn print(text: &str) {
    PRINTED.store(true, Ordering::Relaxed);
    Out::Result.text(text);
}

/// The same of an object for programs.
fn print_object(object: &Value) {
    PRINTED.store(true, Ordering::Relaxed);
    Out::Result.object(object);
}

/// Knows in which form a result goes out, and how much is said beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    output: OutputFormat,
    log_format: LogFormat,
    verbosity: i8,
}

impl Printer {
    /// `verbosity`: -1 quiet, 0 normal, 1 and more verbose.
    pub(super) fn new(output: OutputFormat, log_format: LogFormat, verbosity: i8) -> Self {
        Self { output, log_format, verbosity }
    }

    /// Whether each detail is wanted.
    pub(super) fn is_verbose(self) -> bool {
        self.verbosity > 0
    }

    /// Whether only results are wanted.
    pub(super) fn is_quiet(self) -> bool {
        self.verbosity < 0
    }

    /// Whether programs read the results.
    pub(super) fn is_json(self) -> bool {
        self.output == OutputFormat::Json
    }

    /// A result: a text for people, or objects for programs, one a line.
    pub(super) fn show(self, view: &impl View) {
        self.show_text(view);
        self.show_objects(view);
    }

    /// What people read of a result; programs get it otherwise.
    pub(super) fn show_text(self, view: &impl View) {
        if !self.is_json() {
            self.text(&view.text(self.is_verbose()));
        }
    }

    /// What programs read of a result; people get it otherwise.
    pub(super) fn show_objects(self, view: &impl View) {
        if self.is_json() {
            view.objects(Timestamp::now()).iter().for_each(print_object);
        }
    }

    /// A text on standard output for people alone.
    pub(super) fn text(self, text: &str) {
        if !self.is_json() && !text.is_empty() {
            print(text);
        }
    }

    /// A text that is the same for people and programs.
    pub(super) fn script(self, text: &str) {
        print(text);
    }

    /// A remark on standard error, unless told to be quiet.
    pub(super) fn remark(self, text: &str) {
        if self.is_quiet() {
            return;
        }
        match self.log_format {
            LogFormat::Text => Out::Remark.text(text),
            LogFormat::Json => {
                Out::Remark.object(&json!({"time": Timestamp::now(), "event": "remark", "text": text.trim()}))
            }
        }
    }

    /// A remark that programs find in the result.
    pub(super) fn aside(self, text: &str) {
        if !self.is_json() {
            self.remark(text);
        }
    }

    /// Draws on the screen, where results are for people and standard output is a terminal. Whether it did.
    pub(super) fn draw(self, screen: impl FnOnce((u16, u16)) -> String) -> std::io::Result<bool> {
        let mut stdout = std::io::stdout();
        if self.is_json() || !stdout.is_terminal() {
            return Ok(false);
        }
        let size =
            terminal_size::terminal_size_of(&stdout).map_or((80, 24), |(width, height)| (width.0, height.0));
        stdout.write_all(screen(size).as_bytes()).and_then(|()| stdout.flush()).map(|()| true)
    }

    /// Whatever shows a rollout while it is driven.
    pub(super) fn observer(self, id: &OperationId, plan: &Plan) -> Box<dyn Observer> {
        let json = || JsonReporter::new(id.clone(), plan.schedule.clone());
        match (self.output, self.log_format) {
            (OutputFormat::Json, _) => Box::new(json()),
            _ if self.is_quiet() => Box::new(Quiet),
            (_, LogFormat::Json) => Box::new(json().on_stderr()),
            _ if can_draw() => {
                let back = if plan.schedule.goes_back() { " back" } else { "" };
                let title = format!("{}{back}", plan.certificate.name);
                Box::new(ProgressReporter::new(plan.schedule.clone(), title, self.is_verbose()))
            }
            _ => Box::new(PlainReporter::new(self.is_verbose())),
        }
    }
}

/// Whether standard error is a terminal that can move its cursor. One that cannot (`TERM=dumb`, or none) gets lines.
fn can_draw() -> bool {
    let term = std::env::var_os("TERM").filter(|term| !term.is_empty() && term != "dumb");
    std::io::stderr().is_terminal() && term.is_some()
}
