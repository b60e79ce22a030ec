//! Words to settings to one command to an exit code; the only place that prints errors.

mod args;
mod carry_out;
mod clock;
mod commands;
mod error;
mod exit;
mod find;
mod left;
mod load;
mod planning;
mod reference;
mod rehearsal;
mod replay;
mod served;
mod settings;
mod stored;
mod watch;

use std::process::ExitCode;

use clap::Parser;

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
            let _ = error.print();
            return if wanted { Exit::Done } else { Exit::Usage }.into();
        }
    };
    let ran = settings::Settings::resolve(&args.global).and_then(|settings| {
        settings.start_log();
        commands::run(args.command, &settings)
    });
    match ran {
        Ok(exit) => exit.into(),
        Err(error) => {
            error.print();
            error.exit.into()
        }
    }
}
