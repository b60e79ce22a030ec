//! What `running` needs: a fleet's command, and how it ended.

use std::process::Output;

use serde_json::Value;

pub(crate) use crate::fleet::Fleet;

/// How the program ended, and all that it said.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn new(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or(-1);
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// The last line of JSON.
    pub(crate) fn last(&self) -> Value {
        serde_json::from_str(self.stdout.lines().last().unwrap_or_default())
            .unwrap_or_else(|_| panic!("\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr))
    }

    /// The SHA-256 of the leaf that was rolled out.
    pub(crate) fn leaf(&self) -> String {
        self.last()["certificate"]["fingerprint_sha256"].as_str().unwrap().to_owned()
    }
}
