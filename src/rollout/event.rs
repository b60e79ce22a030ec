//! The facts of a rollout, as the journal keeps them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gate::{GateFailure, Sample};
use crate::model::{CertificateName, HostName, Version, WaveName};
use crate::rollout::outcome::{Pause, RolloutOutcome};
use crate::rollout::step::{Step, StepEnded};

/// How a rollout came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// In which direction it goes.
    pub kind: RolloutKind,
    /// Who started it: `user@host`.
    pub by: String,
    /// How many hosts it has.
    pub hosts: usize,
}

/// The direction of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutKind {
    /// Forward, to a certificate that is newer or chosen.
    Rollout,
    /// Back, to what hosts had before or to an earlier version.
    Rollback,
}

impl RolloutKind {
    /// The word as JSON writes it.
    pub fn name(self) -> &'static str {
        match self {
            RolloutKind::Rollout => "rollout",
            RolloutKind::Rollback => "rollback",
        }
    }
}

/// What may take only so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deadline {
    /// The time in which no host of the wave comes to its end.
    Progress,
    /// The wave, with its soak.
    Wave,
    /// The rollout.
    Rollout,
}

/// Why a wave failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum WaveFailure {
    /// More hosts failed than may.
    Budget {
        /// How many failed.
        failed: usize,
        /// How many may.
        allowed: usize,
        /// Of how many.
        hosts: usize,
    },
    /// A certificate that certwave never issued answered after the switch, on more hosts than may fail, or in two services or waves:
    /// something stands between.
    Interposed {
        /// Where the last one did.
        host: HostName,
    },
    /// A gate failed during the soak.
    #[serde(rename = "soak")]
    Gate(GateFailure),
    /// Within its budget, but not one host was proven: nothing is known.
    NothingProven,
    /// It took too long.
    Overdue {
        /// What did.
        deadline: Deadline,
        /// The limit, in seconds.
        after: u64,
    },
    /// Somebody stopped it.
    Aborted {
        /// Who.
        by: String,
    },
}

/// Why a host was not rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum RefusedRollback {
    /// There was no certificate before.
    NoPrevious,
    /// It had the new certificate before this rollout.
    Already,
    /// The one before is no longer valid.
    Lapsed {
        /// Since when.
        not_after: Timestamp,
    },
    /// The one before expires before a renewal could be sure to finish.
    TooSoon {
        /// Its version.
        version: Version,
        /// When.
        not_after: Timestamp,
    },
    /// The one before was revoked.
    Revoked {
        /// Its version.
        version: Version,
    },
}

impl fmt::Display for RefusedRollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RefusedRollback::NoPrevious => f.write_str("there is no previous certificate to go back to"),
            RefusedRollback::Already => {
                f.write_str("it had this certificate before the rollout, and keeps it")
            }
            RefusedRollback::Lapsed { not_after } => {
                write!(f, "its previous certificate expired on {not_after} and is not put back")
            }
            RefusedRollback::TooSoon { version, not_after } => write!(
                f,
                "its previous certificate {version} expires on {not_after}, before a renewal could be sure to finish"
            ),
            RefusedRollback::Revoked { version } => {
                write!(f, "its previous certificate {version} was revoked and is not put back")
            }
        }
    }
}

/// One fact. What a rollout is at any time is the fold of its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// The beginning.
    #[serde(rename = "rollout.started")]
    Started {
        /// What is rolled out.
        certificate: CertificateName,
        /// Which version of it.
        version: Version,
        /// SHA-256 of the rollout's record, with its plan: what was planned cannot be changed afterwards.
        record_sha256: String,
        /// How it came about; earlier versions did not write that down.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    /// A wave begins.
    #[serde(rename = "wave.started")]
    WaveStarted {
        /// Its name.
        wave: WaveName,
        /// How many hosts it has.
        hosts: usize,
    },
    /// About to act on a host.
    #[serde(rename = "step.started")]
    StepStarted {
        /// Where.
        host: HostName,
        /// What.
        step: Step,
    },
    /// Acted on a host.
    #[serde(rename = "step.finished")]
    StepFinished {
        /// Where.
        host: HostName,
        /// What, and how it ended.
        #[serde(flatten)]
        ended: StepEnded,
    },
    /// The rollout stopped: the host is taken no further. Whether its live certificate was touched, its steps before that tell.
    #[serde(rename = "host.abandoned")]
    HostAbandoned {
        /// Where.
        host: HostName,
    },
    /// A host that should go back does not answer: it is tried again.
    #[serde(rename = "host.awaited")]
    HostAwaited {
        /// Where.
        host: HostName,
        /// Not before.
        until: Timestamp,
        /// When its dead-man switch will have put its previous certificate back, where one is armed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        returns: Option<Timestamp>,
    },
    /// A host that should go back cannot: a person has to look at it, unless nothing was reloaded.
    #[serde(rename = "rollback.refused")]
    RollbackRefused {
        /// Where.
        host: HostName,
        /// Why.
        #[serde(flatten)]
        reason: RefusedRollback,
    },
    /// No host may be begun now.
    #[serde(rename = "window.awaited")]
    WindowAwaited {
        /// When the next window opens.
        until: Timestamp,
    },
    /// Hosts of a wave that could not be reached are tried again, when all others are done.
    #[serde(rename = "retry.planned")]
    RetryPlanned {
        /// The wave.
        wave: WaveName,
        /// Which.
        hosts: Vec<HostName>,
        /// Not before.
        until: Timestamp,
    },
    /// Now they are.
    #[serde(rename = "retry.started")]
    RetryStarted {
        /// The wave.
        wave: WaveName,
    },
    /// All hosts of a wave are done; it is watched.
    #[serde(rename = "soak.started")]
    SoakStarted {
        /// The wave.
        wave: WaveName,
        /// Until when.
        until: Timestamp,
    },
    /// What a gate measured since the soak started.
    #[serde(rename = "soak.observed")]
    GateObserved {
        /// The wave.
        wave: WaveName,
        /// Which gate, and what.
        #[serde(flatten)]
        sample: Sample,
    },
    /// The wave is done, the next one may start.
    #[serde(rename = "wave.passed")]
    WavePassed {
        /// Its name.
        wave: WaveName,
    },
    /// The wave is stopped.
    #[serde(rename = "wave.failed")]
    WaveFailed {
        /// Its name.
        wave: WaveName,
        /// Why.
        #[serde(flatten)]
        reason: WaveFailure,
    },
    /// Hosts that are done go back, in this order.
    #[serde(rename = "rollback.started")]
    RollbackStarted {
        /// Newest wave first.
        hosts: Vec<HostName>,
    },
    /// Somebody asked to stop for now: hosts in flight are finished, no other is begun.
    #[serde(rename = "rollout.pause_requested")]
    PauseRequested {
        /// Who.
        by: String,
    },
    /// Somebody asked to stop and to roll back as `on_failure` says.
    #[serde(rename = "rollout.abort_requested")]
    AbortRequested {
        /// Who.
        by: String,
    },
    /// A wave that asks for an approval may begin.
    #[serde(rename = "wave.approved")]
    Approved {
        /// Which.
        wave: WaveName,
        /// Who said so.
        by: String,
    },
    /// Somebody asked to stop.
    #[serde(rename = "rollout.cancelled")]
    Cancelled,
    /// The controller died and came back: whatever was under way is in doubt.
    #[serde(rename = "rollout.resumed")]
    Resumed,
    /// The end.
    #[serde(rename = "rollout.finished")]
    Finished {
        /// In one word.
        outcome: RolloutOutcome,
        /// Why it is paused, where it is; earlier versions did not write that down.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pause: Option<Pause>,
    },
}

impl Event {
    /// The end, for good or until somebody takes up what is left.
    pub fn finished(outcome: RolloutOutcome) -> Self {
        Event::Finished { outcome, pause: None }
    }

    /// The end for now.
    pub fn paused(pause: Pause) -> Self {
        Event::Finished { outcome: RolloutOutcome::Paused, pause: Some(pause) }
    }
}
