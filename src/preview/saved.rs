//! A plan on the disk: what was planned, from what, and what was seen. It is executed as it is, or not at all.

use jiff::Timestamp;
use openssl::sha::sha256;
use serde::{Deserialize, Serialize};

use crate::model::Version;
use crate::plan::Plan;
use crate::preview::seen::Seen;

/// The layout of the file.
const FORMAT: u32 = 2;

/// A file that the plan was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its path, absolute.
    pub path: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// What would be rolled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "certificate", rename_all = "snake_case")]
pub enum Next {
    /// A version from the store.
    Stored {
        /// Which.
        version: Version,
    },
    /// A new one, issued when the plan is executed.
    New {
        /// It was asked for, though none was due.
        forced: bool,
        /// Which, where it is read from files: then it is known already.
        version: Option<Version>,
    },
}

/// A saved plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// When it was made.
    pub made: Timestamp,
    /// It is not executed after this time.
    pub valid_until: Timestamp,
    /// The playbook.
    pub playbook: SourceFile,
    /// The inventory's files and folders, as they were named.
    pub inventory: Vec<String>,
    /// `--limit`, as it was given.
    pub limit: Option<String>,
    /// Every file that the inventory was read from.
    pub inventory_files: Vec<SourceFile>,
    /// What is rolled out.
    pub next: Next,
    /// What is done.
    pub plan: Plan,
    /// What was seen on each host of the schedule.
    pub seen: Vec<Seen>,
}

/// Why a file is no plan that can be executed.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// Not JSON, or not of this shape.
    #[error("it is not a plan of certwave's")]
    Unreadable(#[source] serde_json::Error),
    /// Of another version of certwave.
    #[error("it has format {found}, and this certwave knows format {FORMAT}")]
    Format {
        /// Its format.
        found: u32,
    },
    /// It was changed after it was made.
    #[error("it was changed after it was made: its hash is not what it says")]
    Changed,
    /// It is too old.
    #[error("it was valid until {valid_until}")]
    Expired {
        /// Until when it was valid.
        valid_until: Timestamp,
    },
}

/// What stands in the file: the hash first, then what it is of, as text: parsing cannot change what is hashed.
#[derive(Serialize, Deserialize)]
struct Envelope {
    certwave_plan: u32,
    sha256: String,
    plan: String,
}

impl SavedPlan {
    /// The file's text.
    ///
    /// # Errors
    /// Never, for a plan that was read or resolved.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        let plan = serde_json::to_string(self)?;
        let sha256 = hex::encode(sha256(plan.as_bytes()));
        serde_json::to_string_pretty(&Envelope { certwave_plan: FORMAT, sha256, plan })
            .map(|text| text + "\n")
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// When it is not a plan, was changed, or is too old.
    pub fn from_text(text: &str, now: Timestamp) -> Result<Self, SavedPlanError> {
        let envelope: Envelope = serde_json::from_str(text).map_err(SavedPlanError::Unreadable)?;
        if envelope.certwave_plan != FORMAT {
            return Err(SavedPlanError::Format { found: envelope.certwave_plan });
        }
        if hex::encode(sha256(envelope.plan.as_bytes())) != envelope.sha256 {
            return Err(SavedPlanError::Changed);
        }
        let plan: Self = serde_json::from_str(&envelope.plan).map_err(SavedPlanError::Unreadable)?;
        if plan.valid_until <= now {
            return Err(SavedPlanError::Expired { valid_until: plan.valid_until });
        }
        Ok(plan)
    }
}
