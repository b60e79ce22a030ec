//! The journal's tables, and how a journal of an earlier format becomes one of this.

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::ledger::{Fact, FactKind};
use crate::model::InvalidName;
use crate::rollout::{Event, Origin};
use crate::store::hash_chain::{Link, record_digest, seal};

/// The format that this version writes. Format 1 had no chain and no leases, format 2 no commands, format 3 only the facts
/// of rollouts.
pub(super) const FORMAT: u32 = 4;

const TABLES: &str = "
    CREATE TABLE rollouts (
        id TEXT PRIMARY KEY, certificate TEXT NOT NULL, version TEXT NOT NULL,
        playbook TEXT NOT NULL, plan TEXT NOT NULL, started TEXT NOT NULL
    ) STRICT;
    CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
    CREATE TABLE leases (
        certificate TEXT PRIMARY KEY, epoch INTEGER NOT NULL, holder TEXT NOT NULL, expires TEXT NOT NULL
    ) STRICT;";

/// The kind of a fact is in its text as well; the column is there for the indexes.
const FACTS: &str = "
    CREATE TABLE facts (
        seq INTEGER PRIMARY KEY, operation TEXT NOT NULL, kind TEXT NOT NULL,
        time TEXT NOT NULL, fact TEXT NOT NULL, hash TEXT NOT NULL
    ) STRICT;
    CREATE INDEX facts_of_operation ON facts (operation, kind, seq);
    CREATE INDEX facts_beside_rollouts ON facts (seq) WHERE kind <> 'rollout';";

const COMMANDS: &str = "CREATE TABLE commands (number INTEGER PRIMARY KEY AUTOINCREMENT, rollout TEXT NOT NULL, event TEXT NOT NULL) STRICT;";

/// A fact that a journal of an earlier format lacks, as it is written.
pub(super) struct Import {
    pub(super) operation: String,
    pub(super) kind: FactKind,
    pub(super) time: String,
    pub(super) fact: String,
}

/// Brings a database to [`FORMAT`], in one transaction, and adds what it lacks.
pub(super) fn bring_up(connection: &mut Connection, imports: &[Import]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have done it since: asked again inside.
    let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        0 => transaction.execute_batch(&[TABLES, FACTS, COMMANDS].concat())?,
        1 => from_1(&transaction)?,
        2 => transaction.execute_batch(&[FACTS, FROM_EVENTS, COMMANDS].concat())?,
        3 => transaction.execute_batch(&[FACTS, FROM_EVENTS, FROM_WISHES].concat())?,
        _ => return Ok(()),
    }
    for Import { operation, kind, time, fact } in imports {
        append(&transaction, operation, *kind, time, fact)?;
    }
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// Every event was one of a rollout. The chain goes over the same texts.
const FROM_EVENTS: &str = "
    INSERT INTO facts SELECT seq, rollout, 'rollout', time, event, hash FROM events;
    DROP TABLE events;";

const FROM_WISHES: &str = "ALTER TABLE wishes RENAME TO commands;";

/// Events get their place in the chain, rollout by rollout, as they were written.
fn from_1(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction
        .execute_batch("ALTER TABLE rollouts RENAME TO rollouts_1; ALTER TABLE events RENAME TO events_1;")?;
    transaction.execute_batch(&[TABLES, FACTS, COMMANDS].concat())?;
    transaction.execute_batch(
        "INSERT INTO rollouts SELECT id, certificate, version, playbook, plan, started FROM rollouts_1;",
    )?;
    let ids: Vec<(String, String)> = transaction
        .prepare("SELECT id, started FROM rollouts ORDER BY id")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (id, started) in ids {
        start(transaction, &id, &started, None)?;
        let events: Vec<(String, String)> = transaction
            .prepare("SELECT time, event FROM events_1 WHERE rollout = ?1 ORDER BY seq")?
            .query_map([&id], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (time, event) in events {
            append(transaction, &id, FactKind::Rollout, &time, &event)?;
        }
    }
    transaction.execute_batch("DROP TABLE events_1; DROP TABLE rollouts_1;")
}

/// The first event of a rollout binds its record, plan and all, into the chain.
pub(super) fn start(
    transaction: &Transaction<'_>,
    id: &str,
    time: &str,
    origin: Option<Origin>,
) -> rusqlite::Result<()> {
    let sha256 = record_digest(transaction, id)?;
    let (certificate, version): (String, String) =
        transaction.query_row("SELECT certificate, version FROM rollouts WHERE id = ?1", [id], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let wrong = |error: String| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    };
    let event = Event::Started {
        certificate: certificate.parse().map_err(|error: InvalidName| wrong(error.to_string()))?,
        version: version.parse().map_err(wrong)?,
        record_sha256: sha256,
        origin,
    };
    let event = serde_json::to_string(&event).map_err(|error| wrong(error.to_string()))?;
    append(transaction, id, FactKind::Rollout, time, &event)
}

/// Adds a fact to the end of the chain.
pub(super) fn append(
    transaction: &Transaction<'_>,
    operation: &str,
    kind: FactKind,
    time: &str,
    fact: &str,
) -> rusqlite::Result<()> {
    let head = transaction
        .prepare_cached("SELECT seq, hash FROM head WHERE one = 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
    let (seq, before): (i64, String) = match head {
        Err(rusqlite::Error::QueryReturnedNoRows) => (0, String::new()),
        head => head?,
    };
    let seq = seq + 1;
    let hash = seal(&before, &Link { seq, operation, time, fact });
    let sql = "INSERT INTO facts (seq, operation, kind, time, fact, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    transaction.prepare_cached(sql)?.execute(params![seq, operation, kind.name(), time, fact, hash])?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO head (one, seq, hash) VALUES (1, ?1, ?2)")?
        .execute(params![seq, hash])?;
    Ok(())
}

/// Forgets the commands that an event takes up, in the transaction that writes the event: none is lost, and none is taken up
/// twice.
pub(super) fn take_up(
    transaction: &Transaction<'_>,
    rollout: &str,
    fact: &Fact,
    text: &str,
) -> rusqlite::Result<()> {
    match fact {
        Fact::Rollout(
            Event::PauseRequested { .. } | Event::AbortRequested { .. } | Event::Approved { .. },
        ) => transaction
            .prepare_cached("DELETE FROM commands WHERE rollout = ?1 AND event = ?2")?
            .execute([rollout, text]),
        _ => return Ok(()),
    }
    .map(drop)
}
