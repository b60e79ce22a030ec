//! The reference of all commands and flags, from the same words that parse them.

use clap::CommandFactory;

use crate::cli::args::Args;

/// `docs/reference/cli.md`. A test compares the two.
pub fn reference() -> String {
    let mut text = String::from(
        "# Commands\n\nWritten by `tests/cli` from the program's own words: do not edit by hand.\n",
    );
    let mut command = Args::command().term_width(96);
    command.build();
    section(&mut text, &mut command);
    text
}

fn section(text: &mut String, command: &mut clap::Command) {
    let name = command.get_bin_name().unwrap_or("certwave").to_owned();
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    text.push_str(&format!("\n## `{name}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end()));
    for inner in command.get_subcommands_mut() {
        if inner.get_name() != "help" {
            section(text, inner);
        }
    }
}
