//! What a host goes back to.

use std::collections::BTreeSet;

use super::{archive_shows, in_doubt, showing_pem};
use crate::certificate::CertificateSet;
use crate::certificate::testing::{Authority, LeafSpec, pem};
use crate::engine::host::previous::WayBack;
use crate::engine::host::session::{Session, answer};
use crate::engine::testing::{Transcript, World, certificates, facts, maybe_sent, ok, previous, verified};
use crate::install::Facts;
use crate::model::Version;
use crate::rollout::{Previous, StepFailure};

/// A host that was looked at while `new` is rolled out.
struct Looked {
    said: String,
    undo: bool,
    revoked: BTreeSet<Version>,
}

fn looked(live: Option<&CertificateSet>, complete: &[&CertificateSet], more: &str) -> Looked {
    Looked { said: facts(live, complete, more), undo: false, revoked: BTreeSet::new() }
}

fn armed(target: &CertificateSet, previous: &CertificateSet) -> String {
    format!("certwave:armed {} {} process\n", target.version(), previous.version())
}

impl Looked {
    fn undone(self) -> Self {
        Self { undo: true, ..self }
    }

    /// The way back, where that is asked besides.
    async fn way(
        &self,
        more: impl FnOnce(Transcript) -> Transcript,
    ) -> Result<Option<Previous>, StepFailure> {
        let world = World::nginx();
        let plan = world.host();
        let transcript = more(Transcript::new().then("connect", ok("")));
        let session = Session::unlocked(&transcript.host(), plan).await.unwrap();
        let output = ok(&self.said).unwrap();
        let facts = Facts::parse(&answer(&output), &plan.install, &plan.script_services()).unwrap();
        let target = Some(certificates().new.version());
        let (undo, revoked) = (self.undo, &self.revoked);
        WayBack { plan, session: &session, facts: &facts, target, undo, revoked }.find().await
    }

    async fn to(&self, expected: &CertificateSet) {
        let way = self.way(|transcript| showing_pem(transcript, expected)).await;
        assert_eq!(way, Ok(Some(previous(expected))));
    }

    async fn nowhere(&self) {
        assert_eq!(self.way(|transcript| transcript).await, Ok(None));
    }
}

#[tokio::test]
async fn where_nothing_is_there_is_no_way_back() {
    looked(None, &[], "").nowhere().await;
}

#[tokio::test]
async fn what_stands_at_the_links_is_a_version_named_by_when_its_validity_began() {
    let all = certificates();
    let standing = String::from_utf8(pem(&[&all.foreign])).unwrap();
    let standing: String = standing.lines().map(|line| format!("|{line}\n")).collect();
    let said = looked(None, &[], &format!("certwave:begin active\n{standing}certwave:end active\n"));
    let way = said.way(|transcript| transcript).await.unwrap().unwrap();
    assert_eq!(way.version, Version::found(all.foreign.not_before, &all.foreign.fingerprint));
    assert_eq!((way.leaves, way.not_after), (vec![all.foreign.fingerprint], all.foreign.not_after));
}

#[tokio::test]
async fn of_dual_certificates_the_one_that_expires_first_sets_the_time() {
    let all = certificates();
    let second = Authority::new("Root").issue(&LeafSpec { to_days: 2, ..LeafSpec::default() }).0;
    let text = String::from_utf8(pem(&[&second])).unwrap();
    let block: String = text.lines().map(|line| format!("|{line}\n")).collect();
    let more = format!("certwave:begin active\n{block}certwave:end active\n");
    let way = looked(Some(&all.old), &[&all.old], &more).way(|transcript| transcript).await.unwrap().unwrap();
    assert_eq!(way.leaves.len(), 2);
    assert_eq!(way.not_after, second.not_after);
}

#[tokio::test]
async fn where_the_target_is_live_for_good_there_is_nothing_to_undo() {
    let all = certificates();
    let complete = [&all.older, &all.old, &all.new];
    looked(Some(&all.new), &complete, "").nowhere().await;
    looked(Some(&all.new), &complete, &verified(&[&all.older, &all.old, &all.new])).nowhere().await;
}

#[tokio::test]
async fn what_a_host_went_back_from_or_never_confirmed_is_no_way_back() {
    let all = certificates();
    let complete = [&all.older, &all.old, &all.new];
    // No switch waits, and yet nobody made the live version final.
    looked(Some(&all.new), &complete, &verified(&[&all.older])).to(&all.older).await;
    looked(Some(&all.old), &complete, &verified(&[&all.older])).to(&all.older).await;
    looked(Some(&all.old), &[&all.old], &verified(&[&all.older])).nowhere().await;
    // The newest in the archive is one that the host went back from.
    let back = verified(&[&all.older, &all.old]) + &format!("certwave:history ={}\n", all.older.version());
    looked(Some(&all.new), &complete, &back).to(&all.older).await;
    // A switch that waits knows better than the history: the last activation armed it.
    let more = verified(&[&all.old, &all.older]) + &armed(&all.new, &all.old);
    looked(Some(&all.new), &complete, &more).to(&all.old).await;
}

#[tokio::test]
async fn who_undoes_the_target_goes_back_to_what_was_verified_before_it_whatever_its_age() {
    let all = certificates();
    let complete = [&all.older, &all.old, &all.new];
    let said = |sets: &[&CertificateSet]| looked(Some(&all.new), &complete, &verified(sets)).undone();
    said(&[&all.older, &all.old, &all.new]).to(&all.old).await;
    said(&[&all.old, &all.older, &all.new]).to(&all.older).await;
    said(&[&all.new]).nowhere().await;
    // Of several, the newest that is still there.
    let pruned = verified(&[&all.older, &all.old, &all.new]);
    looked(Some(&all.new), &[&all.older, &all.new], &pruned).undone().to(&all.older).await;
    // A host that only an older release switched wrote nothing down: what is older counts.
    said(&[]).to(&all.old).await;
}

#[tokio::test]
async fn a_version_that_nobody_confirmed_is_no_way_back_and_the_one_before_it_is() {
    let all = certificates();
    // The live version is another one than the target.
    looked(Some(&all.old), &[&all.older, &all.old], &armed(&all.old, &all.older)).to(&all.older).await;
    looked(Some(&all.old), &[&all.old], &armed(&all.old, &all.older)).nowhere().await;
    let confirmed = looked(Some(&all.old), &[&all.older, &all.old], &armed(&all.new, &all.older));
    assert_eq!(confirmed.way(|transcript| transcript).await, Ok(Some(previous(&all.old))));
}

#[tokio::test]
async fn a_damaged_version_is_no_way_back() {
    let all = certificates();
    looked(Some(&all.old), &[&all.older], "").nowhere().await;
    let known = verified(&[&all.older, &all.old]);
    looked(Some(&all.old), &[&all.older], &known).to(&all.older).await;
}

#[tokio::test]
async fn a_revoked_version_is_marked() {
    let all = certificates();
    let mut said = looked(Some(&all.old), &[&all.old], "");
    assert!(!said.way(|transcript| transcript).await.unwrap().unwrap().revoked);
    said.revoked.insert(all.old.version().clone());
    assert!(said.way(|transcript| transcript).await.unwrap().unwrap().revoked);
    let mut said = looked(Some(&all.new), &[&all.old, &all.new], &verified(&[&all.old]));
    said.revoked.insert(all.old.version().clone());
    assert!(said.way(|transcript| showing_pem(transcript, &all.old)).await.unwrap().unwrap().revoked);
}

#[tokio::test]
async fn an_archive_that_shows_no_certificate_is_no_way_back_and_one_that_was_not_read_is_in_doubt() {
    let all = certificates();
    let said = looked(Some(&all.new), &[&all.old, &all.new], &verified(&[&all.old]));
    let shows = |text: String| said.way(move |transcript| transcript.then("exec …", ok(&text)));
    assert_eq!(shows(archive_shows([])).await, Ok(None));
    assert_eq!(shows(archive_shows(["nonsense".to_owned()])).await, Ok(None));
    assert!(matches!(shows(String::new()).await, Err(StepFailure::InDoubt { .. })));
    let broken = said.way(|transcript| transcript.then("exec …", maybe_sent("it broke"))).await;
    assert_eq!(broken, Err(in_doubt("it broke")));
}
