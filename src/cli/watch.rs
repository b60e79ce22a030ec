//! A status or a scan that is taken again and again, until somebody has seen enough.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::model::for_terminal;
use crate::report::screen;
use crate::report::view::View;

/// What one round came to.
pub(super) struct Round {
    /// All of it, for people.
    pub(super) text: String,
    /// All of it in a sentence.
    pub(super) sentence: String,
    /// Each thing that was read.
    pub(super) told: Vec<Told>,
    /// Whether all is as it should be.
    pub(super) good: bool,
}

/// One thing that was read.
pub(super) struct Told {
    /// Tells it from others, round by round.
    pub(super) key: String,
    /// How it is, in one line.
    pub(super) line: String,
    /// How it is, for programs.
    pub(super) objects: Vec<Value>,
}

impl Told {
    /// What a view says.
    pub(super) fn of(key: String, view: &impl View) -> Self {
        Self { key, line: view.text(false), objects: view.objects(Timestamp::now()) }
    }
}

impl Round {
    /// The exit code.
    fn exit(&self) -> Exit {
        if self.good { Exit::Done } else { Exit::Failed }
    }
}

/// Goes on until Ctrl-C. On a terminal each round takes the place of the one before; elsewhere only what changed is
/// told.
///
/// # Errors
/// With the first round that could not be taken.
pub(super) async fn watch(
    every: Duration,
    printer: Printer,
    mut cancel: watch::Receiver<bool>,
    mut read: impl AsyncFnMut() -> Result<Round, Failure>,
) -> Result<Exit, Failure> {
    let mut told = ToldSoFar::default();
    let mut exit = Exit::Interrupted;
    loop {
        let round = tokio::select! { round = read() => round?, _ = cancel.changed() => return Ok(exit) };
        exit = round.exit();
        told.show(round, every, printer)?;
        tokio::select! { () = tokio::time::sleep(every) => {}, _ = cancel.changed() => return Ok(exit) }
    }
}

/// What one round has that the one before had not.
struct Changes<'l> {
    /// All of it for people, where there was none before.
    whole: Option<&'l str>,
    changed: Vec<&'l Told>,
    /// The sentence, where it is another.
    sentence: Option<&'l str>,
}

impl View for Changes<'_> {
    fn text(&self, _: bool) -> String {
        if let Some(whole) = self.whole {
            return whole.to_owned();
        }
        let now = Timestamp::now().strftime("%H:%M:%SZ").to_string();
        let lines = self.changed.iter().map(|told| told.line.as_str()).chain(self.sentence);
        lines.map(|line| format!("{now} {line}")).collect::<Vec<_>>().join("\n")
    }

    fn objects(&self, _: Timestamp) -> Vec<Value> {
        self.changed.iter().flat_map(|told| told.objects.clone()).collect()
    }
}

/// What was told so far.
#[derive(Default)]
struct ToldSoFar {
    lines: HashMap<String, String>,
    sentence: String,
    any: bool,
}

impl ToldSoFar {
    fn show(&mut self, round: Round, every: Duration, printer: Printer) -> Result<(), Failure> {
        let first = !std::mem::replace(&mut self.any, true);
        let drawn =
            printer.draw(|size| screen(&for_terminal(&round.text), size, every, Timestamp::now(), first));
        if drawn.map_err(|error| Failure::to("draw", &error))? {
            return Ok(());
        }
        let changed = round.told.iter().filter(|told| self.is_news(told)).collect();
        let sentence = (self.sentence != round.sentence).then_some(round.sentence.as_str());
        printer.show(&Changes { whole: first.then_some(round.text.as_str()), changed, sentence });
        for told in round.told {
            self.lines.insert(told.key, told.line);
        }
        self.sentence = round.sentence;
        Ok(())
    }

    fn is_news(&self, told: &Told) -> bool {
        self.lines.get(&told.key) != Some(&told.line)
    }
}
