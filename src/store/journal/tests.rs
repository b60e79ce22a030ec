//! What the journal keeps, and what it refuses.

use super::*;
use crate::ledger::Issuance;
use crate::ports::{Journal as _, Lease, Leases};
use crate::rollout::{Origin, RolloutKind, RolloutOutcome};
use crate::store::Store;

fn record(id: &OperationId) -> RolloutRecord {
    RolloutRecord {
        id: id.clone(),
        certificate: "a.test".parse().unwrap(),
        version: "20261123T200100Z-3f9a1c2e".parse().unwrap(),
        playbook: "playbooks/a.yaml".to_owned(),
        started: Timestamp::UNIX_EPOCH,
        outcome: None,
        origin: Some(Origin { kind: RolloutKind::Rollback, by: "ann@here".to_owned(), hosts: 3 }),
    }
}

struct Written {
    folder: tempfile::TempDir,
    journal: Journal,
    lease: Lease,
    id: OperationId,
}

/// A journal with a rollout of four events.
fn written() -> Written {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state")).unwrap();
    let journal = store.journal().unwrap();
    let id = OperationId::new(1, [0; 10]);
    let lease = store.leases(&journal).take(&record(&id).certificate, "rollout 1").unwrap();
    journal.begin(lease.as_ref(), &record(&id), "{}").unwrap();
    let now = Timestamp::UNIX_EPOCH;
    journal
        .append(lease.as_ref(), &id, &[(now, Event::Cancelled.into()), (now, Event::Resumed.into())])
        .unwrap();
    let finished = Event::finished(RolloutOutcome::Interrupted);
    journal.append(lease.as_ref(), &id, &[(now, finished.into())]).unwrap();
    Written { folder, journal, lease, id }
}

#[test]
fn events_come_back_in_order_and_the_outcome_is_theirs() {
    let Written { folder, journal, lease, id } = written();
    drop((journal, lease));
    let journal = Store::open(&folder.path().join("state")).unwrap().journal().unwrap();
    let events: Vec<Event> = journal.events(&id).map(|event| event.unwrap().1).collect();
    let outcome = RolloutOutcome::Interrupted;
    assert!(matches!(events[0], Event::Started { .. }));
    assert_eq!(events[1..], [Event::Cancelled, Event::Resumed, Event::finished(outcome)]);
    let finished = RolloutRecord { outcome: Some(outcome), ..record(&id) };
    assert_eq!(journal.rollouts().unwrap(), [finished]);
    assert_eq!(journal.plan(&id).unwrap().as_deref(), Some("{}"));
    assert_eq!(journal.plan(&OperationId::new(2, [0; 10])).unwrap(), None);
    assert_eq!(journal.verify().unwrap(), Ok(4));
}

#[test]
fn a_rollout_that_is_resumed_has_no_outcome_until_it_ends_again() {
    let Written { journal, lease, id, .. } = written();
    let outcome = || journal.rollouts().unwrap()[0].outcome;
    assert_eq!(outcome(), Some(RolloutOutcome::Interrupted));
    let append = |event: Event| journal.append(lease.as_ref(), &id, &[(Timestamp::UNIX_EPOCH, event.into())]);
    append(Event::Resumed).unwrap();
    assert_eq!(outcome(), None);
    append(Event::finished(RolloutOutcome::Succeeded)).unwrap();
    assert_eq!(outcome(), Some(RolloutOutcome::Succeeded));
}

#[test]
fn others_cannot_read_it_whatever_the_umask_was() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("state");
    let journal = Store::open(&root).unwrap().journal().unwrap();
    let mode = |name: &str| std::fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o777;
    let all = ["journal.db", "journal.db-wal", "journal.db-shm"];
    assert_eq!(all.map(mode), [0o600; 3]);
    // One that an earlier certwave made, which was killed.
    all.iter().for_each(|name| {
        std::fs::set_permissions(root.join(name), PermissionsExt::from_mode(0o644)).unwrap();
    });
    let _again = Store::open(&root).unwrap().journal().unwrap();
    assert_eq!(all.map(mode), [0o600; 3]);
    drop(journal);
}

/// All that this thread has read so far, in bytes.
fn bytes_read() -> u64 {
    let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[test]
fn to_list_rollouts_no_plan_is_read() {
    let Written { folder, journal, lease, id } = written();
    let plan = "x".repeat(1_000_000);
    let listed: Vec<OperationId> = (2..10).rev().map(|at| OperationId::new(at, [0; 10])).collect();
    listed.iter().rev().for_each(|id| journal.begin(lease.as_ref(), &record(id), &plan).unwrap());
    drop((journal, lease));
    // Nothing of it is in memory.
    let journal = Store::open(&folder.path().join("state")).unwrap().journal().unwrap();
    let before = bytes_read();
    let rollouts = journal.rollouts().unwrap();
    let read = bytes_read() - before;
    assert!(read < 500_000, "{read} bytes");
    let found: Vec<OperationId> = rollouts.into_iter().map(|rollout| rollout.id).collect();
    assert_eq!(found, [listed, vec![id]].concat());
    assert_eq!(journal.plan(&found[0]).unwrap(), Some(plan));
}

#[test]
fn what_is_longer_than_a_page_is_read_whole() {
    let Written { journal, lease, id, .. } = written();
    // With the four that are there: a page, and no more.
    for more in [PAGE - 4, 1, PAGE] {
        let now = Timestamp::UNIX_EPOCH;
        journal.append(lease.as_ref(), &id, &vec![(now, Event::Resumed.into()); more]).unwrap();
        let numbers: Vec<i64> = journal.entries().map(|entry| entry.unwrap().seq).collect();
        let all = journal.verify().unwrap().unwrap();
        assert_eq!(numbers, (1..=all).collect::<Vec<_>>());
        assert_eq!(journal.events(&id).count(), numbers.len());
    }
    let other = OperationId::new(2, [0; 10]);
    assert_eq!(journal.events(&other).count(), 0);
}

#[test]
fn every_kind_of_edit_is_found_and_named() {
    let operation = || OperationId::new(1, [0; 10]).to_string();
    for (sql, found) in [
        (
            "UPDATE facts SET time = '2026-01-01T00:00:00Z' WHERE seq = 2",
            Tampered::Changed { seq: 2, operation: operation() },
        ),
        ("UPDATE facts SET fact = '{}' WHERE seq = 3", Tampered::Changed { seq: 3, operation: operation() }),
        (
            "UPDATE facts SET hash = hash || '0' WHERE seq = 3",
            Tampered::Changed { seq: 3, operation: operation() },
        ),
        (
            "UPDATE facts SET kind = 'issuance' WHERE seq = 2",
            Tampered::Changed { seq: 2, operation: operation() },
        ),
        (
            "INSERT INTO rollouts SELECT 'X', certificate, version, playbook, plan, started FROM rollouts",
            Tampered::Added { records: 2, rollouts: 1 },
        ),
        ("DELETE FROM facts WHERE seq = 2", Tampered::Missing { seq: 2 }),
        ("DELETE FROM facts WHERE seq = 4", Tampered::Cut { found: 3, written: 4 }),
        ("DELETE FROM facts", Tampered::Cut { found: 0, written: 4 }),
        // What is there is whole, and the head says something else.
        (
            "UPDATE head SET hash = (SELECT hash FROM facts WHERE seq = 3)",
            Tampered::Cut { found: 4, written: 4 },
        ),
        ("UPDATE head SET seq = 5", Tampered::Cut { found: 4, written: 5 }),
        ("DELETE FROM head", Tampered::Cut { found: 4, written: 0 }),
        ("DELETE FROM rollouts", Tampered::Record { seq: 1, rollout: operation() }),
        ("UPDATE rollouts SET plan = '[]'", Tampered::Record { seq: 1, rollout: operation() }),
        ("UPDATE rollouts SET version = certificate", Tampered::Record { seq: 1, rollout: operation() }),
        ("UPDATE rollouts SET playbook = 'b.yaml'", Tampered::Record { seq: 1, rollout: operation() }),
    ] {
        let written = written();
        written.journal.database.with(|connection| connection.execute(sql, [])).unwrap();
        assert_eq!(written.journal.verify().unwrap(), Err(found), "{sql}");
    }
}

#[test]
fn a_fact_that_follows_the_last_one_by_its_hash_is_found_where_the_head_does_not_know_it() {
    let Written { folder: _folder, journal, lease: _lease, id } = written();
    let (time, fact) = (Timestamp::UNIX_EPOCH.to_string(), r#"{"event":"rollout.cancelled"}"#);
    let added = journal.database.with(|connection| {
        let before: String =
            connection.query_row("SELECT hash FROM facts WHERE seq = 4", [], |row| row.get(0))?;
        let link = hash_chain::Link { seq: 5, operation: id.as_str(), time: &time, fact };
        let hash = hash_chain::seal(&before, &link);
        let sql = "INSERT INTO facts (seq, operation, kind, time, fact, hash) VALUES (5, ?1, 'rollout', ?2, ?3, ?4)";
        connection.execute(sql, [id.as_str(), &time, fact, &hash])
    });
    assert_eq!(added.unwrap(), 1);
    assert_eq!(journal.verify().unwrap(), Err(Tampered::Cut { found: 5, written: 4 }));
}

#[test]
fn a_rollout_is_newer_than_another_when_it_began_later_whatever_it_is_called() {
    let Written { folder: _folder, journal, lease, id } = written();
    let [early, late] = [9, 3].map(|at| OperationId::new(at, [0; 10]));
    // The clock was set back in between.
    for id in [&early, &late] {
        let started = Timestamp::from_second(-i64::from(id == &late)).unwrap();
        journal.begin(lease.as_ref(), &RolloutRecord { started, ..record(id) }, "{}").unwrap();
    }
    journal.append(lease.as_ref(), &id, &[(Timestamp::UNIX_EPOCH, Event::Resumed.into())]).unwrap();
    let found: Vec<OperationId> = journal.rollouts().unwrap().into_iter().map(|rollout| rollout.id).collect();
    assert_eq!(found, [late, early, id]);
}

#[test]
fn facts_are_written_together_or_not_at_all() {
    let Written { folder: _folder, journal, lease, id } = written();
    // The second cannot be written.
    let full =
        "CREATE TRIGGER full BEFORE INSERT ON facts WHEN new.seq = 6 BEGIN SELECT raise(ABORT, 'full'); END";
    journal.database.with(|connection| connection.execute_batch(full)).unwrap();
    let now = Timestamp::UNIX_EPOCH;
    let both = [(now, Event::Cancelled.into()), (now, Event::Resumed.into())];
    assert!(journal.append(lease.as_ref(), &id, &both).is_err());
    assert_eq!(journal.events(&id).count(), 4);
    assert_eq!(journal.verify().unwrap(), Ok(4));
}

#[test]
fn a_fact_that_cannot_be_read_is_told_by_its_number_and_those_before_it_are_read() {
    let Written { folder: _folder, journal, lease: _lease, id } = written();
    let newer = r#"UPDATE facts SET fact = '{"event":"rollout.dreamt"}' WHERE seq = 3"#;
    journal.database.with(|connection| connection.execute(newer, [])).unwrap();
    let read: Vec<_> = journal.events(&id).collect();
    assert!(read[0].is_ok() && read[1].is_ok());
    let words = read[2].as_ref().unwrap_err().to_string();
    assert_eq!(words, format!("read fact 3 of operation `{id}` in the journal"));
}

#[test]
fn who_was_deposed_writes_nothing_more() {
    let Written { folder: _folder, journal, lease, id } = written();
    let taken = "UPDATE leases SET epoch = epoch + 1, holder = 'rollout 2'";
    journal.database.with(|connection| connection.execute(taken, [])).unwrap();
    let event = (Timestamp::UNIX_EPOCH, Event::Resumed.into());
    let error = journal.append(lease.as_ref(), &id, &[event]).unwrap_err();
    assert!(matches!(error, StoreError::Deposed { ref holder, .. } if holder == "rollout 2"), "{error}");
    let other = OperationId::new(2, [0; 10]);
    let error = journal.begin(lease.as_ref(), &record(&other), "{}").unwrap_err();
    assert!(matches!(error, StoreError::Deposed { .. }), "{error}");
    assert_eq!(journal.rollouts().unwrap().len(), 1);
    assert_eq!(journal.verify().unwrap(), Ok(4));
}

#[test]
fn what_happened_before_a_rollout_began_is_not_its_beginning() {
    let Written { folder: _folder, journal, lease, .. } = written();
    let other = OperationId::new(2, [0; 10]);
    let failed = Issuance::Failed {
        certificate: lease.token().certificate.clone(),
        issuer: "ca".to_owned(),
        reason: "no".to_owned(),
    };
    let early = Timestamp::from_second(-1).unwrap();
    journal.append(lease.as_ref(), &other, &[(early, failed.clone().into())]).unwrap();
    assert_eq!(journal.rollouts().unwrap().len(), 1);
    journal.begin(lease.as_ref(), &record(&other), "{}").unwrap();
    let rollouts = journal.rollouts().unwrap();
    assert_eq!((&rollouts[0].id, rollouts[0].started), (&other, Timestamp::UNIX_EPOCH));
    assert_eq!(rollouts[0].origin, record(&other).origin);
    assert_eq!(journal.events(&other).count(), 1);
    let beside: Vec<Fact> = journal.beside_rollouts().map(|entry| entry.unwrap().fact).collect();
    assert_eq!(beside, [Fact::from(failed)]);
    assert_eq!(journal.verify().unwrap(), Ok(6));
}

#[test]
fn a_journal_of_a_newer_certwave_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", schema::FORMAT + 1)
        .unwrap();
    let newer = Journal::open(&path, || Ok(Vec::new())).unwrap_err();
    assert!(
        matches!(newer, StoreError::Newer { found, known, .. } if (found, known) == (schema::FORMAT + 1, schema::FORMAT))
    );
}
