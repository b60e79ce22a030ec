//! What people and programs read: results on standard output, remarks on standard error.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use serde_json::json;

use crate::cli::args::LogFormat;
use crate::cli::settings::Settings;

/// Set by the first result.
static PRINTED: AtomicBool = AtomicBool::new(false);

/// Whether any result was written.
pub(super) fn has_printed() -> bool {
    PRINTED.load(Ordering::Relaxed)
}

/// Writes a result to standard output. A closed pipe (`| head`) is not a failure.
pub(super) fn print(text: &str) {
    PRINTED.store(true, Ordering::Relaxed);
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// Writes a remark to standard error, unless told to be quiet.
pub(super) fn remark(settings: &Settings, text: &str) {
    if settings.verbosity < 0 {
        return;
    }
    let _ = match settings.log_format {
        LogFormat::Text => writeln!(anstream::stderr(), "{text}"),
        LogFormat::Json => {
            let line = json!({"time": Timestamp::now(), "event": "remark", "text": text.trim()});
            writeln!(std::io::stderr(), "{line}")
        }
    };
}
