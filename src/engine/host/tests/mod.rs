//! What each step makes of what a host answers, by transcripts. The answers are those of real hosts.

mod activate;
mod ends;
mod inspect;
mod names;
mod previous;
mod staples;
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
    let asked = format!("…version='{}'…show_active…", set.version());
    let leaves = set.bundles().map(|bundle| String::from_utf8(bundle.cert_pem()).unwrap());
    transcript.then(asked, ok(&archive_shows(leaves)))
}

/// What a host says of a version in its archive.
fn archive_shows(leaves: impl IntoIterator<Item = String>) -> String {
    let block = |pem: String| {
        let lines: String = pem.lines().map(|line| format!("|{line}\n")).collect();
        format!("certwave:begin active\n{lines}certwave:end active\n")
    };
    leaves.into_iter().map(block).collect::<String>() + "certwave:result shown\n"
}
