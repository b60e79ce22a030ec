//! What the journal knows of each rollout as a whole.

use jiff::Timestamp;
use rusqlite::Row;

use crate::model::{CertificateName, RolloutId, Version};
use crate::rollout::{Origin, RolloutOutcome};

/// What the journal knows of a rollout, but for its plan, which may take megabytes, and its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutRecord {
    /// Its name.
    pub id: RolloutId,
    /// What it rolls out.
    pub certificate: CertificateName,
    /// Which version of it.
    pub version: Version,
    /// The playbook's path as the user typed it.
    pub playbook: String,
    /// When it started.
    pub started: Timestamp,
    /// How it ended, if it did.
    pub outcome: Option<RolloutOutcome>,
    /// How it came about; none where an earlier version began it.
    pub origin: Option<Origin>,
}

/// All rollouts, newest first. When one started is what its first event says: in its row that comes after the plan, which would be read for it.
pub(super) const ROLLOUTS: &str = "SELECT id, certificate, version, playbook,
     coalesce((SELECT time FROM events WHERE rollout = rollouts.id ORDER BY seq LIMIT 1), started),
     (SELECT json_extract(event, '$.outcome') FROM events
       WHERE rollout = rollouts.id AND json_extract(event, '$.event') IN ('rollout.finished', 'rollout.resumed')
       ORDER BY seq DESC LIMIT 1),
     (SELECT json_extract(event, '$.origin') FROM events WHERE rollout = rollouts.id ORDER BY seq LIMIT 1)
   FROM rollouts ORDER BY (SELECT min(seq) FROM events WHERE rollout = rollouts.id) DESC";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<RolloutRecord> {
    fn parsed<T: std::str::FromStr>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
    where
        T::Err: ToString,
    {
        let text: String = row.get(at)?;
        text.parse().map_err(|error: T::Err| {
            rusqlite::Error::FromSqlConversionFailure(
                at,
                rusqlite::types::Type::Text,
                error.to_string().into(),
            )
        })
    }
    let outcome: Option<String> = row.get(5)?;
    let origin: Option<String> = row.get(6)?;
    Ok(RolloutRecord {
        id: parsed(row, 0)?,
        certificate: parsed(row, 1)?,
        version: parsed(row, 2)?,
        playbook: row.get(3)?,
        started: parsed(row, 4)?,
        outcome: outcome.and_then(|word| serde_json::from_value(word.into()).ok()),
        origin: origin.and_then(|text| serde_json::from_str(&text).ok()),
    })
}
