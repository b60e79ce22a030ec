//! Journals of every format that certwave ever wrote are read for ever.
//!
//! Each `fixtures/journals/format-N.sql` is the dump of a journal that a certwave of its time wrote.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use certwave::ledger::Fact;
use certwave::plan::Plan;
use certwave::ports::Journal as _;
use certwave::report::Tally;
use certwave::store::Store;

fn open(fixture: &Path) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let store = Store::open(&state).unwrap();
    let database = rusqlite::Connection::open(state.join("journal.db")).unwrap();
    // A dump has its tables in any order.
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.execute_batch(&std::fs::read_to_string(fixture).unwrap()).unwrap();
    (folder, store)
}

/// The number and the hash of the last fact, which nothing but the facts themselves decides.
const HEADS: [(i64, &str); 4] = [
    (50, "50eebc859ca4d2235be6c757a5bb86c51d7b455dd45b90b256a5b70bac0725f3"),
    (57, "7acefed2ebb5d993118368df11717e86babe56167fbdfbfc1001bf90cfdbb7e9"),
    (82, "45af9da388875f11a5b4ad97817ca805eb61700f6e38800d6bbd9810abda3439"),
    (90, "f88e0fabde95979dda522ee961ede44b985b99c098764f34fac51e05cb66e093"),
];

/// A journal that a certwave of its time wrote.
struct Recorded {
    folder: tempfile::TempDir,
    store: Store,
}

impl Recorded {
    /// Each format's, with its number.
    fn all() -> impl Iterator<Item = (usize, Self)> {
        (1..=HEADS.len()).map(|format| (format, Self::of(format)))
    }

    fn of(format: usize) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journals");
        let (folder, store) = open(&folder.join(format!("format-{format}.sql")));
        Self { folder, store }
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("state/journal.db")).unwrap()
    }

    fn head(&self) -> (i64, String) {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.database().query_row("SELECT seq, hash FROM head", [], row).unwrap()
    }
}

#[test]
fn every_format_has_its_recorded_journal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journals");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), HEADS.len());
}

#[test]
fn journals_of_every_format_replay_to_their_outcome() {
    for (format, recorded) in Recorded::all() {
        let journal = recorded.store.journal().unwrap();
        let rollouts = journal.rollouts().unwrap();
        assert!(rollouts.len() >= 2, "format {format}");
        for rollout in rollouts {
            let plan: Plan = serde_json::from_str(&journal.plan(&rollout.id).unwrap().unwrap()).unwrap();
            let mut tally = Tally::new(&plan.schedule);
            journal.events(&rollout.id).map(Result::unwrap).for_each(|(at, event)| tally.take_in(at, &event));
            let summary = tally.summary();
            assert!(rollout.outcome.is_some(), "format {format}: {}", rollout.id);
            assert_eq!(summary.outcome, rollout.outcome);
            assert!(summary.reasons().is_empty());
        }
    }
}

#[test]
fn journals_of_every_format_end_with_the_hash_that_was_recorded() {
    for (format, recorded) in Recorded::all() {
        let (seq, hash) = HEADS[format - 1];
        // Opened again it is as it was left.
        for _ in 0..2 {
            assert_eq!(recorded.store.journal().unwrap().verify().unwrap(), Ok(seq), "format {format}");
            assert_eq!(recorded.head(), (seq, hash.to_owned()), "format {format}");
        }
    }
}

#[test]
fn a_row_that_was_changed_removed_moved_or_added_is_found_in_journals_of_every_format() {
    let (changed, missing) =
        (|seq| format!("fact {seq} of operation"), |seq| format!("fact {seq} is missing"));
    let ends =
        |found, written| format!("the journal ends with fact {found}, and was written up to fact {written}");
    const TABLES: [&str; 3] = ["facts", "rollouts", "head"];
    for (format, recorded) in Recorded::all() {
        let (last, _) = HEADS[format - 1];
        let journal = recorded.store.journal().unwrap();
        let database = recorded.database();
        database.execute_batch("PRAGMA synchronous = OFF; ATTACH ':memory:' AS kept;").unwrap();
        let each = |sql: fn(&str) -> String| database.execute_batch(&TABLES.map(sql).concat()).unwrap();
        each(|table| format!("CREATE TABLE kept.{table} AS SELECT * FROM main.{table};"));
        let same = "operation, kind, time, fact, hash FROM facts";
        let swapped = "UPDATE facts SET seq = -5 WHERE seq = 5; UPDATE facts SET seq = 5 WHERE seq = 6;
                       UPDATE facts SET seq = 6 WHERE seq = -5";
        for (sql, found) in [
            ("UPDATE facts SET time = '2026-01-01T00:00:00Z' WHERE seq = 5".to_owned(), changed(5)),
            ("UPDATE facts SET fact = fact || ' ' WHERE seq = 5".to_owned(), changed(5)),
            (
                "UPDATE facts SET operation = '01M8N4NPDX1GCDYWN2H0DA1K0Z' WHERE seq = 5".to_owned(),
                changed(5),
            ),
            ("DELETE FROM facts WHERE seq = 1".to_owned(), missing(1)),
            ("DELETE FROM facts WHERE seq = 5".to_owned(), missing(5)),
            (format!("DELETE FROM facts WHERE seq = {last}"), ends(last - 1, last)),
            ("DELETE FROM facts".to_owned(), ends(0, last)),
            (swapped.to_owned(), changed(5)),
            (format!("INSERT INTO facts SELECT {last} + 1, {same} WHERE seq = {last}"), changed(last + 1)),
            (format!("INSERT INTO facts SELECT 0, {same} WHERE seq = 1"), missing(1)),
            ("UPDATE head SET hash = replace(hash, substr(hash, 1, 1), 'x')".to_owned(), ends(last, last)),
            ("UPDATE head SET hash = (SELECT hash FROM facts WHERE seq = 1)".to_owned(), ends(last, last)),
            ("UPDATE head SET seq = seq + 1".to_owned(), ends(last, last + 1)),
            ("DELETE FROM head".to_owned(), ends(last, 0)),
            ("UPDATE rollouts SET plan = plan || ' '".to_owned(), "the record of rollout".to_owned()),
            ("DELETE FROM rollouts".to_owned(), "the record of rollout".to_owned()),
        ] {
            database.execute_batch(&sql).unwrap();
            let words = journal.verify().unwrap().unwrap_err().to_string();
            assert!(words.starts_with(&found), "format {format}: {sql}: {words}");
            each(|table| format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept.{table};"));
            assert_eq!(journal.verify().unwrap(), Ok(last));
        }
    }
}

#[test]
fn what_people_asked_of_a_rollout_outlives_an_older_format() {
    let recorded = Recorded::of(3);
    let asked = r#"{"event":"rollout.abort_requested","by":"ann"}"#;
    let rollout = "01M8N0W7VAEJ8PJTYBKBM18DVX";
    recorded
        .database()
        .execute("INSERT INTO wishes (rollout, event) VALUES (?1, ?2)", [rollout, asked])
        .unwrap();
    let commands = recorded.store.journal().unwrap().commands(&rollout.parse().unwrap()).unwrap();
    let events: Vec<String> =
        commands.iter().map(|command| serde_json::to_string(&command.event).unwrap()).collect();
    assert_eq!(events, [asked]);
}

/// Whoever reads a journal with another version, or its events as JSON, finds what has always been there.
#[test]
fn events_of_every_format_are_written_as_they_were() {
    for (_, recorded) in Recorded::all() {
        let database = recorded.database();
        // Up to format 3 there were events of rollouts alone.
        let facts = database.prepare("SELECT fact FROM facts ORDER BY seq");
        let mut query = facts.or_else(|_| database.prepare("SELECT event FROM events ORDER BY seq")).unwrap();
        let stored = query.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
        let mut events = 0;
        for stored in stored {
            let fact: Fact = serde_json::from_str(&stored).unwrap();
            assert_eq!(serde_json::to_string(&fact).unwrap(), stored);
            events += 1;
        }
        assert!(events > 20, "{events}");
    }
}
