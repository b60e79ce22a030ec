//! What each step makes of what a host answers, by transcripts. The answers are those of real hosts.

mod activate;
mod ends;
mod inspect;
mod previous;
mod verify;

use crate::certificate::CertificateSet;
use crate::engine::testing::{Transcript, ok};
use crate::rollout::{StepEnded, StepFailure};

fn failure_of(ended: &StepEnded) -> StepFailure {
    ended.failure().unwrap_or_else(|| panic!("{ended:?}")).clone()
}

fn failed(reason: &str) -> StepFailure {
    StepFailure::Failed { reason: reason.to_owned() }
}

fn in_doubt(reason: &str) -> StepFailure {
    StepFailure::InDoubt { reason: reason.to_owned() }
}

/// The certificates of a version in the archive are asked for.
fn showing_pem(transcript: Transcript, set: &CertificateSet) -> Transcript {
    let asked = format!("exec …version='\\''{}'\\''…cert fullchain…", set.version());
    let leaves: Vec<u8> = set.bundles().flat_map(|bundle| bundle.cert_pem()).collect();
    transcript.then(asked, ok(std::str::from_utf8(&leaves).unwrap()))
}
