//! A look that is taken again and again, until somebody has seen enough.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::report::screen;

/// What one look came to.
pub(super) struct Look {
    /// All of it, for people.
    pub(super) block: String,
    /// All of it in a sentence.
    pub(super) sentence: String,
    /// Each thing that was looked at.
    pub(super) told: Vec<Told>,
    /// Whether all is as it should be.
    pub(super) good: bool,
}

/// One thing that was looked at.
pub(super) struct Told {
    /// Tells it from others, look by look.
    pub(super) key: String,
    /// How it is, in one line.
    pub(super) line: String,
    /// How it is, as an object.
    pub(super) object: Value,
}

impl Look {
    /// What the shell is told.
    pub(super) fn exit(&self) -> Exit {
        if self.good { Exit::Done } else { Exit::Failed }
    }
}

/// Looks until Ctrl-C. On a terminal each look takes the place of the one before; elsewhere only what changed is
/// told.
///
/// # Errors
/// With the first look that could not be taken.
pub(super) async fn watch(
    every: Duration,
    printer: Printer,
    mut cancel: watch::Receiver<bool>,
    mut look: impl AsyncFnMut() -> Result<Look, Failure>,
) -> Result<Exit, Failure> {
    let mut seen = Seen::default();
    let mut exit = Exit::Interrupted;
    loop {
        let looked = tokio::select! { looked = look() => looked?, _ = cancel.changed() => return Ok(exit) };
        exit = looked.exit();
        seen.show(looked, every, printer)?;
        tokio::select! { () = tokio::time::sleep(every) => {}, _ = cancel.changed() => return Ok(exit) }
    }
}

/// What was told so far.
#[derive(Default)]
struct Seen {
    lines: HashMap<String, String>,
    sentence: String,
    any: bool,
}

impl Seen {
    fn show(&mut self, look: Look, every: Duration, printer: Printer) -> Result<(), Failure> {
        let first = !std::mem::replace(&mut self.any, true);
        let drawn = printer.draw(|size| screen(&look.block, size, every, Timestamp::now(), first));
        if drawn.map_err(|error| Failure::to("draw", &error))? {
            return Ok(());
        }
        let now = Timestamp::now().strftime("%H:%M:%SZ").to_string();
        let changed: Vec<&Told> = look.told.iter().filter(|told| self.is_news(told)).collect();
        let lines = || {
            if first {
                return look.block.clone();
            }
            let mut lines: Vec<String> = changed.iter().map(|told| format!("{now} {}", told.line)).collect();
            lines.extend((self.sentence != look.sentence).then(|| format!("{now} {}", look.sentence)));
            lines.join("\n")
        };
        printer.result(lines, || changed.iter().map(|told| told.object.clone()).collect());
        for told in look.told {
            self.lines.insert(told.key, told.line);
        }
        self.sentence = look.sentence;
        Ok(())
    }

    fn is_news(&self, told: &Told) -> bool {
        self.lines.get(&told.key) != Some(&told.line)
    }
}
