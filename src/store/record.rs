//! What the journal knows of each rollout as a whole.

use rusqlite::Row;

use crate::rollout::RolloutRecord;

/// All rollouts, newest first. When one started is what its first event says: in its row that comes after the plan, which would be read for it.
pub(super) const ROLLOUTS: &str = "SELECT id, certificate, version, playbook,
     coalesce((SELECT time FROM facts WHERE operation = rollouts.id AND kind = 'rollout' ORDER BY seq LIMIT 1), started),
     (SELECT json_extract(fact, '$.outcome') FROM facts
       WHERE operation = rollouts.id AND kind = 'rollout'
         AND json_extract(fact, '$.event') IN ('rollout.finished', 'rollout.resumed')
       ORDER BY seq DESC LIMIT 1),
     (SELECT json_extract(fact, '$.origin') FROM facts
       WHERE operation = rollouts.id AND kind = 'rollout' ORDER BY seq LIMIT 1)
   FROM rollouts
   ORDER BY (SELECT min(seq) FROM facts WHERE operation = rollouts.id AND kind = 'rollout') DESC";

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
