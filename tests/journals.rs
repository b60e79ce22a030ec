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

#[test]
fn journals_of_every_format_replay_to_their_outcome() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journals");
    let mut formats = 0;
    for fixture in std::fs::read_dir(folder).unwrap() {
        let fixture = fixture.unwrap().path();
        let (_folder, store) = open(&fixture);
        let journal = store.journal().unwrap();
        assert!(journal.verify().unwrap().is_ok(), "{}", fixture.display());
        let rollouts = journal.rollouts().unwrap();
        assert!(rollouts.len() >= 2, "{}", fixture.display());
        for rollout in rollouts {
            let plan: Plan = serde_json::from_str(&journal.plan(&rollout.id).unwrap().unwrap()).unwrap();
            let mut tally = Tally::new(&plan.schedule);
            journal.events(&rollout.id).map(Result::unwrap).for_each(|(at, event)| tally.take_in(at, &event));
            let summary = tally.summary();
            assert!(rollout.outcome.is_some(), "{}: {}", fixture.display(), rollout.id);
            assert_eq!(summary.outcome, rollout.outcome);
            assert!(summary.reasons().is_empty());
            // Opened again it is as it was left.
            assert_eq!(store.journal().unwrap().verify().unwrap(), journal.verify().unwrap());
        }
        formats += 1;
    }
    assert!(formats >= 1);
}

/// Whoever reads a journal with another version, or its events as JSON, finds what has always been there.
#[test]
fn events_of_every_format_are_written_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journals");
    for fixture in std::fs::read_dir(folder).unwrap() {
        let (folder, _store) = open(&fixture.unwrap().path());
        let database = rusqlite::Connection::open(folder.path().join("state/journal.db")).unwrap();
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
