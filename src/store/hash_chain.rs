//! Each fact carries the hash of the one before, so that a journal that was torn or edited is found.
//!
//! It finds accidents and edits by hand. Somebody who may write the whole file could compute the chain anew:
//! whoever must rule that out keeps the last hash elsewhere.

use openssl::sha::Sha256;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::ledger::FactKind;

/// One fact in the chain, as it is written.
pub(super) struct Link<'a> {
    pub(super) seq: i64,
    pub(super) operation: &'a str,
    pub(super) time: &'a str,
    pub(super) fact: &'a str,
}

/// The hash of a fact, given that of the one before (empty for the first).
pub(super) fn seal(before: &str, link: &Link<'_>) -> String {
    let seq = link.seq.to_string();
    digest(&[before, &seq, link.operation, link.time, link.fact])
}

/// SHA-256 over fields, each after its length: no two lists of fields look alike.
fn digest(fields: &[&str]) -> String {
    let mut sha = Sha256::new();
    for field in fields {
        sha.update(&(field.len() as u64).to_be_bytes());
        sha.update(field.as_bytes());
    }
    hex::encode(sha.finish())
}

/// The digest of what a rollout was before its first fact.
pub(super) fn record_digest(connection: &Connection, id: &str) -> rusqlite::Result<String> {
    connection.query_row(
        "SELECT id, certificate, version, playbook, plan, started FROM rollouts WHERE id = ?1",
        [id],
        |row| {
            let fields: Vec<String> = (0..6).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?;
            Ok(digest(&fields.iter().map(String::as_str).collect::<Vec<_>>()))
        },
    )
}

/// Where a journal is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Tampered {
    /// Numbers are without gaps.
    #[error("fact {seq} is missing")]
    Missing {
        /// Its number.
        seq: i64,
    },
    /// The fact, its time, its place or its hash was changed.
    #[error("fact {seq} of operation `{operation}` is not as it was written, or the one before it is not")]
    Changed {
        /// Its number.
        seq: i64,
        /// Its operation.
        operation: String,
    },
    /// The rollout's plan, playbook or version was changed.
    #[error("the record of rollout `{rollout}` (fact {seq}) is not as it was written")]
    Record {
        /// The number of its first fact.
        seq: i64,
        /// The rollout.
        rollout: String,
    },
    /// There are records of rollouts that never began.
    #[error("there are {records} records of rollouts, and {rollouts} began")]
    Added {
        /// How many records there are.
        records: i64,
        /// How many rollouts began.
        rollouts: i64,
    },
    /// Facts at the end were taken away.
    #[error("the journal ends with fact {found}, and was written up to fact {written}")]
    Cut {
        /// The last fact there is.
        found: i64,
        /// The last that was written.
        written: i64,
    },
    /// The database file itself is damaged.
    #[error("the database is damaged: {words}")]
    Damaged {
        /// SQLite's words.
        words: String,
    },
}

/// Goes through the whole chain; gives the number of facts, or the first place that is wrong. What others write meanwhile
/// is not seen: one transaction reads all of it.
pub(super) fn verify(connection: &mut Connection) -> rusqlite::Result<Result<i64, Tampered>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let sound: String = transaction.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Ok(Err(Tampered::Damaged { words: sound }));
    }
    let mut select =
        transaction.prepare("SELECT seq, operation, time, fact, hash, kind FROM facts ORDER BY seq")?;
    let mut rows = select.query([])?;
    let (mut last, mut before, mut rollouts) = (0, String::new(), 0);
    while let Some(row) = rows.next()? {
        let (seq, operation): (i64, String) = (row.get(0)?, row.get(1)?);
        let (time, fact, hash): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
        if seq != last + 1 {
            return Ok(Err(Tampered::Missing { seq: last + 1 }));
        }
        let link = Link { seq, operation: &operation, time: &time, fact: &fact };
        let value: serde_json::Value = serde_json::from_str(&fact).unwrap_or_default();
        let event = value["event"].as_str().unwrap_or_default();
        // The kind is beside the fact for the sake of indexes, and follows from it.
        let kind: String = row.get(5)?;
        if seal(&before, &link) != hash || FactKind::of_event(event).name() != kind {
            return Ok(Err(Tampered::Changed { seq, operation }));
        }
        if event == "rollout.started" {
            rollouts += 1;
            let digest = value["record_sha256"].as_str().unwrap_or_default();
            if record_digest(&transaction, &operation).optional()?.as_deref() != Some(digest) {
                return Ok(Err(Tampered::Record { seq, rollout: operation }));
            }
        }
        (last, before) = (seq, hash);
    }
    let head: Option<(i64, String)> = transaction
        .query_row("SELECT seq, hash FROM head WHERE one = 1", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (written, hash) = head.unwrap_or_default();
    if written != last || hash != before {
        return Ok(Err(Tampered::Cut { found: last, written }));
    }
    let records: i64 = transaction.query_row("SELECT count(*) FROM rollouts", [], |row| row.get(0))?;
    Ok(if records == rollouts { Ok(last) } else { Err(Tampered::Added { records, rollouts }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lists_of_fields_have_the_same_hash() {
        let fields: [&[&str]; 6] =
            [&["ab", "c"], &["a", "bc"], &["abc"], &["abc", ""], &["", "abc"], &["ab", "d"]];
        let mut digests: Vec<String> = fields.into_iter().map(digest).collect();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), fields.len());
    }

    #[test]
    fn a_hash_is_over_every_field_of_a_fact_and_the_hash_before() {
        let link = |seq, operation, time, fact| Link { seq, operation, time, fact };
        let all = [
            seal("", &link(1, "o", "t", "f")),
            seal("x", &link(1, "o", "t", "f")),
            seal("", &link(2, "o", "t", "f")),
            seal("", &link(1, "p", "t", "f")),
            seal("", &link(1, "o", "u", "f")),
            seal("", &link(1, "o", "t", "g")),
        ];
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
