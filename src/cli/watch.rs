//! A look that is taken again and again, until somebody has seen enough.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::cli::carry_out::cancel_on_signal;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::output::print;
use crate::cli::settings::Settings;
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
    settings: &Settings,
    mut look: impl AsyncFnMut() -> Result<Look, Failure>,
) -> Result<Exit, Failure> {
    let mut cancel = cancel_on_signal()?;
    let mut seen = Seen::default();
    let mut exit = Exit::Interrupted;
    loop {
        let looked = tokio::select! { looked = look() => looked?, _ = cancel.changed() => return Ok(exit) };
        exit = looked.exit();
        seen.show(looked, every, settings)?;
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
    fn show(&mut self, look: Look, every: Duration, settings: &Settings) -> Result<(), Failure> {
        let first = !std::mem::replace(&mut self.any, true);
        let mut stdout = std::io::stdout();
        if !settings.json() && stdout.is_terminal() {
            let size = terminal_size::terminal_size_of(&stdout)
                .map_or((80, 24), |(width, height)| (width.0, height.0));
            let text = screen(&look.block, size, every, Timestamp::now(), first);
            let drawn = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
            return drawn.map_err(|error| Failure::to("draw", &error));
        }
        let now = Timestamp::now().strftime("%H:%M:%SZ").to_string();
        let changed: Vec<&Told> = look.told.iter().filter(|told| self.is_news(told)).collect();
        if settings.json() {
            changed.iter().for_each(|told| print(&told.object.to_string()));
        } else if first {
            print(&look.block);
        } else {
            changed.iter().for_each(|told| print(&format!("{now} {}", told.line)));
            if self.sentence != look.sentence {
                print(&format!("{now} {}", look.sentence));
            }
        }
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
