//! Words to settings to one command to an exit code; the only place that prints errors.

mod args;
mod commands;
mod conclude;
mod error;
mod exit;
mod hints;
mod printer;
mod reference;
mod runtime;
mod settings;
mod signal;
mod terminal;
mod watch;

use std::process::ExitCode;

use args::{LogFormat, OutputFormat};
use clap::Parser;
use error::Failure;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::report::Out;

pub use args::Args;
pub use exit::Exit;
pub use reference::reference;

/// Runs certwave.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let wanted = matches!(
                error.kind(),
                clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion
            );
            let object = Failure::usage(in_one_line(&error.render().to_string())).json(Timestamp::now());
            if !wanted && asks_for_json("--log-format", "CERTWAVE_LOG_FORMAT") {
                Out::Remark.object(&object);
            } else {
                let _ = error.print();
            }
            if !wanted && asks_for_json("--output", "CERTWAVE_OUTPUT") {
                print_json(&object);
            }
            return if wanted { Exit::Done } else { Exit::Usage }.into();
        }
    };
    let resolved = settings::Settings::resolve(&args.global);
    let (json, log_json) = match &resolved {
        Ok(settings) => (settings.output == OutputFormat::Json, settings.log_format == LogFormat::Json),
        Err(_) => {
            (args.global.output == Some(OutputFormat::Json), args.global.log_format == Some(LogFormat::Json))
        }
    };
    let changes = args.command.changes_hosts();
    let ran = resolved.and_then(|settings| {
        settings.start_log();
        commands::run(args.command, &settings)
    });
    match ran {
        Ok(exit) => {
            // A program that reads lines gets at least one.
            if json && !printer::has_printed() {
                print_json(&json!({"time": Timestamp::now(), "event": "finished", "exit_code": exit.code()}));
            }
            conclude(exit, changes).into()
        }
        Err(failure) => {
            let object = failure.json(Timestamp::now());
            if log_json {
                Out::Remark.object(&object);
            } else {
                failure.print();
            }
            if json && !failure.is_told {
                print_json(&object);
            }
            failure.exit.into()
        }
    }
}

/// A command that cannot write its results fails. Where it changed hosts, its exit code still says what became of them.
fn conclude(exit: Exit, changes_hosts: bool) -> Exit {
    let Some(reason) = Out::failure() else { return exit };
    Failure::new(format!("write the results to standard output: {reason}")).print();
    if exit == Exit::Done && !changes_hosts { Exit::Failed } else { exit }
}

/// What is wrong with the words, without the usage that follows: an argument that is missing has a line of its own.
fn in_one_line(text: &str) -> String {
    let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
}

/// Whether the words that cannot be understood ask for JSON, by an option or a variable.
fn asks_for_json(option: &str, variable: &str) -> bool {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let pair = words.windows(2).any(|pair| pair[0] == option && pair[1] == "json");
    pair || words.iter().any(|word| *word == format!("{option}=json"))
        || std::env::var(variable).is_ok_and(|value| value == "json")
}

/// The last line, for programs. When nobody reads it, nobody misses it.
fn print_json(line: &Value) {
    Out::Result.object(line);
}
