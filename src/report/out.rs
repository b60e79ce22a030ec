//! The only way out: what people and programs read passes here, so that no text makes a terminal do something.

use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

use serde_json::Value;

use crate::model::{for_json, for_terminal};

/// Why a result could not be written, the first time.
static FAILED: OnceLock<String> = OnceLock::new();

/// Where a line goes. When nobody reads it any more (`| head`), nobody misses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Out {
    /// Standard output: results.
    Result,
    /// Standard error: remarks, and errors.
    Remark,
}

impl Out {
    /// A text for people, and a line's end.
    pub fn text(self, text: &str) {
        let text = for_terminal(text);
        self.note(match self {
            Self::Result => writeln!(anstream::stdout(), "{text}"),
            Self::Remark => writeln!(anstream::stderr(), "{text}"),
        });
    }

    /// A JSON object, and a line's end.
    pub fn object(self, object: &Value) {
        let line = object.to_string();
        let line = for_json(&line);
        self.note(match self {
            Self::Result => writeln!(std::io::stdout(), "{line}"),
            Self::Remark => writeln!(std::io::stderr(), "{line}"),
        });
    }

    /// A result that went to a full disk is a failure of the command.
    fn note(self, written: std::io::Result<()>) {
        if let (Self::Result, Err(error)) = (self, written)
            && error.kind() != ErrorKind::BrokenPipe
        {
            let _ = FAILED.set(error.to_string());
        }
    }

    /// Why a result could not be written, where one could not.
    pub fn failure() -> Option<&'static str> {
        FAILED.get().map(String::as_str)
    }
}

/// A writer whose text passes as well: for the log of the libraries.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        std::io::stderr().write_all(for_terminal(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
