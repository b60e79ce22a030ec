//! Questions that a person answers on the terminal.

use std::io::{BufRead, Write};

use tokio::sync::{oneshot, watch};

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;

/// Asks before a change; only `yes` goes ahead. With `--yes` nobody is asked.
///
/// # Errors
/// When the answer is another, there is no terminal, or Ctrl-C ends the question.
pub(super) async fn ask(
    question: &str,
    yes: bool,
    cancel: &watch::Receiver<bool>,
    settings: &Settings,
) -> Result<(), Failure> {
    if yes || confirmed(&format!("{question} Type `yes` to continue"), cancel, settings).await? {
        Ok(())
    } else {
        Err(Failure::new("not confirmed; no host was touched"))
    }
}

/// Whether the answer is `yes`.
///
/// # Errors
/// When there is no terminal, or Ctrl-C ends the question.
pub(super) async fn confirmed(
    question: &str,
    cancel: &watch::Receiver<bool>,
    settings: &Settings,
) -> Result<bool, Failure> {
    if !settings.interactive() {
        return Err(Failure::usage("Cannot ask for confirmation (no terminal). Use `--yes`."));
    }
    let mut stderr = std::io::stderr();
    let asked = write!(stderr, "{question}: ").and_then(|()| stderr.flush());
    asked.map_err(|error| Failure::to("ask", &error))?;
    // A thread of its own: reading cannot be stopped, and nobody must wait for it.
    let (tell, answer) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line).map(|_| line);
        drop(tell.send(read));
    });
    let mut cancel = cancel.clone();
    let answer = tokio::select! {
        answer = answer => answer,
        // It never turns back; a lost sender means that nobody can ask for it any more.
        _ = cancel.wait_for(|cancelled| *cancelled) => {
            drop(writeln!(stderr));
            let mut failure = Failure::new("interrupted at the question");
            failure.state = Some("nothing was changed".to_owned());
            failure.exit = Exit::Interrupted;
            return Err(failure);
        }
    };
    let line = answer.map_err(|error| Failure::to("read the answer", &error))?;
    let line = line.map_err(|error| Failure::to("read the answer", &error))?;
    Ok(line.trim() == "yes")
}
