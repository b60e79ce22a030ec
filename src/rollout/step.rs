//! The steps on one host, and how each may end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Fingerprint, ServiceName, Version, visible_lines};
use crate::rollout::baseline::Baseline;
use crate::rollout::measured::{Measured, Proven};
use crate::rollout::remark::Remark;
use crate::service::ServiceWay;
use crate::verify::EndpointState;

/// A step on one host, in the order they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Read only: facts, lock, room, what is served now.
    Inspect,
    /// Upload beside what is live.
    Stage,
    /// Switch, test, reload.
    Activate,
    /// Live handshakes.
    Verify,
    /// Make it final.
    Commit,
    /// Switch back, reload, prove the previous certificate.
    Rollback,
}

impl Step {
    /// The step's name as people and JSON see it.
    pub fn name(self) -> &'static str {
        match self {
            Step::Inspect => "inspect",
            Step::Stage => "stage",
            Step::Activate => "activate",
            Step::Verify => "verify",
            Step::Commit => "commit",
            Step::Rollback => "rollback",
        }
    }
}

/// What a host can go back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Its folder on the host.
    pub version: Version,
    /// Its leaf; two of dual certificates.
    pub leaves: Vec<Fingerprint>,
    /// It is never put back after this time.
    pub not_after: Timestamp,
    /// It was revoked, and is never put back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

/// What a host's dead-man switch did while nobody was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// When, by the host's clock.
    pub at: Timestamp,
    /// The version that nobody confirmed.
    pub target: Version,
    /// The version that it put back, or should have.
    pub previous: Version,
    /// Why it could not, or what did not take it.
    pub problem: Option<String>,
}

/// Why a step has no result of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepFailure {
    /// The step did not do what it should.
    Failed {
        /// In words.
        reason: String,
    },
    /// The host could not be reached; nothing was sent.
    Unreachable {
        /// In words.
        reason: String,
    },
    /// The connection broke in the middle: the step may or may not have happened.
    InDoubt {
        /// In words.
        reason: String,
    },
}

impl StepFailure {
    /// The reason in words.
    pub fn reason(&self) -> &str {
        match self {
            StepFailure::Failed { reason }
            | StepFailure::Unreachable { reason }
            | StepFailure::InDoubt { reason } => reason,
        }
    }

    /// Whether the connection is of no use any more.
    pub fn is_disconnected(&self) -> bool {
        !matches!(self, StepFailure::Failed { .. })
    }
}

/// What an inspection found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspected {
    /// The new certificate is live and every endpoint proves it: nothing to do.
    pub proven: bool,
    /// The new version's folder is complete.
    pub staged: bool,
    /// What the host can go back to.
    pub previous: Option<Previous>,
    /// The new version waits for its confirmation: else the dead-man switch undoes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub armed: bool,
    /// The new version is live and was made final before this rollout: there is nothing to undo.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already: bool,
    /// What the dead-man switch did since the last commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<Box<Undone>>,
    /// What a careful person should know; the rollout goes ahead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<Remark>,
    /// What its endpoints showed, as far as they were dialled.
    #[serde(flatten)]
    pub baseline: Baseline,
}

/// What an activation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Activated {
    /// Switched, tested, and each server took the certificate.
    Reloaded(Reloaded),
    /// Refused before anything was reloaded; what is live is as it was.
    Refused {
        /// The server's words.
        reason: String,
    },
}

/// How the servers of a host took a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reloaded {
    /// In which way each did; earlier versions did not write that down.
    pub ways: Vec<ServiceWay>,
    /// What a careful person should know.
    pub risks: Vec<Remark>,
}

/// What a verification showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// Every endpoint serves the new certificate.
    Proven(Proven),
    /// One does not.
    Disproven(Disproven),
}

/// An endpoint that does not serve the new certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disproven {
    /// What it serves.
    pub state: EndpointState,
    /// In words, with the endpoint.
    pub reason: String,
    /// What was seen while the host was switched.
    pub measured: Measured,
    /// The services of which an endpoint shows a certificate that certwave never issued, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<ServiceName>,
}

/// What a commit came to. One that fails has made the new version final all the same; only old versions are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// The new version is final; and what a careful person should know.
    Final(Vec<Remark>),
    /// It is not, and is or will be undone by the dead-man switch.
    Refused {
        /// Why.
        reason: String,
    },
}

/// How a step ended: each with what only it can answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "StoredStep", try_from = "StoredStep")]
pub enum StepEnded {
    /// What the host has.
    Inspect(Result<Inspected, StepFailure>),
    /// Whether the new version lies beside what is live; and what the endpoints showed then.
    Stage(Result<Baseline, StepFailure>),
    /// Whether the host was switched.
    Activate(Result<Activated, StepFailure>),
    /// Whether its endpoints prove the new certificate.
    Verify(Result<Verified, StepFailure>),
    /// Whether the new version is final.
    Commit(Result<Committed, StepFailure>),
    /// Whether the previous certificate is live again, and proven; and what was seen meanwhile.
    Rollback(Result<Measured, StepFailure>),
}

impl StepEnded {
    /// A step that has no result of its own.
    pub fn without_result(step: Step, failure: StepFailure) -> Self {
        match step {
            Step::Inspect => StepEnded::Inspect(Err(failure)),
            Step::Stage => StepEnded::Stage(Err(failure)),
            Step::Activate => StepEnded::Activate(Err(failure)),
            Step::Verify => StepEnded::Verify(Err(failure)),
            Step::Commit => StepEnded::Commit(Err(failure)),
            Step::Rollback => StepEnded::Rollback(Err(failure)),
        }
    }

    /// Which step it was.
    pub fn step(&self) -> Step {
        match self {
            StepEnded::Inspect(_) => Step::Inspect,
            StepEnded::Stage(_) => Step::Stage,
            StepEnded::Activate(_) => Step::Activate,
            StepEnded::Verify(_) => Step::Verify,
            StepEnded::Commit(_) => Step::Commit,
            StepEnded::Rollback(_) => Step::Rollback,
        }
    }

    /// Why it has no result of its own, where it has none.
    pub fn failure(&self) -> Option<&StepFailure> {
        match self {
            StepEnded::Inspect(Err(failure))
            | StepEnded::Stage(Err(failure))
            | StepEnded::Activate(Err(failure))
            | StepEnded::Verify(Err(failure))
            | StepEnded::Commit(Err(failure))
            | StepEnded::Rollback(Err(failure)) => Some(failure),
            _ => None,
        }
    }
}

impl StepEnded {
    /// The same with every text of a host's, a server's or a person's as [`visible_lines`] has it: what is kept and shown of a step passes here.
    #[must_use]
    pub fn visible(mut self) -> Self {
        let pass = |text: &mut String| *text = visible_lines(text);
        let measured = |measured: &mut Measured| measured.first_failure.iter_mut().for_each(pass);
        match &mut self {
            StepEnded::Inspect(Err(failure))
            | StepEnded::Stage(Err(failure))
            | StepEnded::Activate(Err(failure))
            | StepEnded::Verify(Err(failure))
            | StepEnded::Commit(Err(failure))
            | StepEnded::Rollback(Err(failure)) => match failure {
                StepFailure::Failed { reason }
                | StepFailure::Unreachable { reason }
                | StepFailure::InDoubt { reason } => pass(reason),
            },
            StepEnded::Inspect(Ok(inspected)) => {
                inspected.undone.iter_mut().filter_map(|undone| undone.problem.as_mut()).for_each(pass);
                inspected.risks.iter_mut().for_each(|remark| pass(&mut remark.text));
            }
            StepEnded::Activate(Ok(Activated::Reloaded(Reloaded { risks, .. })))
            | StepEnded::Commit(Ok(Committed::Final(risks))) => {
                risks.iter_mut().for_each(|remark| pass(&mut remark.text));
            }
            StepEnded::Activate(Ok(Activated::Refused { reason }))
            | StepEnded::Commit(Ok(Committed::Refused { reason })) => pass(reason),
            StepEnded::Verify(Ok(Verified::Proven(proven))) => {
                measured(&mut proven.measured);
                proven.risks.iter_mut().for_each(|remark| pass(&mut remark.text));
                proven.disrupted.iter_mut().for_each(pass);
            }
            StepEnded::Verify(Ok(Verified::Disproven(disproven))) => {
                pass(&mut disproven.reason);
                measured(&mut disproven.measured);
            }
            StepEnded::Rollback(Ok(seen)) => measured(seen),
            StepEnded::Stage(Ok(_)) => {}
        }
        self
    }
}

/// How a step ended, as journals keep it: the step, and a word for its result.
#[derive(Serialize, Deserialize)]
struct StoredStep {
    step: Step,
    #[serde(flatten)]
    result: StoredResult,
}

/// The words for the results of all steps.
#[derive(Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum StoredResult {
    Inspected(Inspected),
    /// Of a stage or a commit.
    Done {
        /// Of a stage alone.
        #[serde(flatten)]
        baseline: Baseline,
        /// Of a commit alone.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        risks: Vec<Remark>,
    },
    Activated {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        ways: Vec<ServiceWay>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        risks: Vec<Remark>,
    },
    /// Of an activation or a commit.
    Refused {
        reason: String,
    },
    Proven(Proven),
    Disproven(Disproven),
    RolledBack {
        /// Earlier versions did not measure the way back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        measured: Option<Measured>,
    },
    Failed {
        reason: String,
    },
    Unreachable {
        reason: String,
    },
    InDoubt {
        reason: String,
    },
}

impl From<StepFailure> for StoredResult {
    fn from(failure: StepFailure) -> Self {
        match failure {
            StepFailure::Failed { reason } => StoredResult::Failed { reason },
            StepFailure::Unreachable { reason } => StoredResult::Unreachable { reason },
            StepFailure::InDoubt { reason } => StoredResult::InDoubt { reason },
        }
    }
}

impl From<StepEnded> for StoredStep {
    fn from(ended: StepEnded) -> Self {
        let step = ended.step();
        let result = match ended {
            StepEnded::Inspect(result) => result.map(StoredResult::Inspected),
            StepEnded::Stage(result) => {
                result.map(|baseline| StoredResult::Done { baseline, risks: Vec::new() })
            }
            StepEnded::Activate(result) => result.map(|activated| match activated {
                Activated::Reloaded(Reloaded { ways, risks }) => StoredResult::Activated { ways, risks },
                Activated::Refused { reason } => StoredResult::Refused { reason },
            }),
            StepEnded::Verify(result) => result.map(|verified| match verified {
                Verified::Proven(proven) => StoredResult::Proven(proven),
                Verified::Disproven(disproven) => StoredResult::Disproven(disproven),
            }),
            StepEnded::Commit(result) => result.map(|committed| match committed {
                Committed::Final(risks) => StoredResult::Done { baseline: Baseline::default(), risks },
                Committed::Refused { reason } => StoredResult::Refused { reason },
            }),
            StepEnded::Rollback(result) => result.map(|measured| StoredResult::RolledBack {
                measured: Some(measured).filter(Measured::is_any),
            }),
        };
        Self { step, result: result.unwrap_or_else(StoredResult::from) }
    }
}

impl TryFrom<StoredStep> for StepEnded {
    type Error = String;

    fn try_from(StoredStep { step, result }: StoredStep) -> Result<Self, Self::Error> {
        let failure = match result {
            StoredResult::Failed { reason } => StepFailure::Failed { reason },
            StoredResult::Unreachable { reason } => StepFailure::Unreachable { reason },
            StoredResult::InDoubt { reason } => StepFailure::InDoubt { reason },
            // What an older certwave, or somebody else, wrote down passes, too.
            result => return Self::with_result(step, result).map(Self::visible),
        };
        Ok(Self::without_result(step, failure).visible())
    }
}

impl StepEnded {
    fn with_result(step: Step, result: StoredResult) -> Result<Self, String> {
        Ok(match (step, result) {
            (Step::Inspect, StoredResult::Inspected(inspected)) => StepEnded::Inspect(Ok(inspected)),
            (Step::Stage, StoredResult::Done { baseline, risks }) if risks.is_empty() => {
                StepEnded::Stage(Ok(baseline))
            }
            (Step::Activate, StoredResult::Activated { ways, risks }) => {
                StepEnded::Activate(Ok(Activated::Reloaded(Reloaded { ways, risks })))
            }
            (Step::Activate, StoredResult::Refused { reason }) => {
                StepEnded::Activate(Ok(Activated::Refused { reason }))
            }
            (Step::Verify, StoredResult::Proven(proven)) => StepEnded::Verify(Ok(Verified::Proven(proven))),
            (Step::Verify, StoredResult::Disproven(disproven)) => {
                StepEnded::Verify(Ok(Verified::Disproven(disproven)))
            }
            (Step::Commit, StoredResult::Done { baseline, risks }) if baseline == Baseline::default() => {
                StepEnded::Commit(Ok(Committed::Final(risks)))
            }
            (Step::Commit, StoredResult::Refused { reason }) => {
                StepEnded::Commit(Ok(Committed::Refused { reason }))
            }
            (Step::Rollback, StoredResult::RolledBack { measured }) => {
                StepEnded::Rollback(Ok(measured.unwrap_or_default()))
            }
            (step, _) => return Err(format!("`{}` has a result that is not its own", step.name())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each as every version has written it, with all that it may carry.
    #[test]
    fn what_is_kept_of_a_step_stays_as_it_is() {
        let previous =
            r#"{"version":"20261126T022654Z-a7a71b94","leaves":[],"not_after":"2027-02-24T02:26:53Z"}"#;
        let measured =
            r#""handshakes":{"tried":9,"failed":1},"first_failure":"it was slow","held":"answered""#;
        let silent = r#""silent":[{"service":"nginx","endpoint":{"address":"192.0.2.1","port":8443,"server_name":"a.test","via":"direct","key":null,"starttls":null}}]"#;
        let elsewhere =
            r#""elsewhere":[{"service":"nginx","address":"192.0.2.1","port":8443,"names":["www.a.test"]}]"#;
        let with_client = silent.replace(
            r#""starttls":null"#,
            r#""starttls":null,"client":{"client_certificate":{"certificate":"/a.pem","key":"/a.key"},"alpn":["h2"],"proxy_protocol":"v2","rate":"5/s"}"#,
        );
        let failed =
            |step: &str, result: &str| format!(r#"{{"step":"{step}","result":"{result}","reason":"no"}}"#);
        let mut all = vec![
            format!(
                r#"{{"step":"inspect","result":"inspected","proven":true,"staged":false,"previous":{previous},"armed":true,"undone":{{"at":"2027-02-24T02:26:53Z","target":"20261126T022654Z-a7a71b94","previous":"20261126T022654Z-a7a71b94","problem":null}},"risks":[{{"risk":"clock","text":"late"}}],{silent}}}"#
            ),
            r#"{"step":"inspect","result":"inspected","proven":true,"staged":false,"previous":null}"#
                .to_owned(),
            r#"{"step":"stage","result":"done"}"#.to_owned(),
            format!(r#"{{"step":"stage","result":"done",{silent}}}"#),
            format!(r#"{{"step":"stage","result":"done",{silent},{elsewhere}}}"#),
            format!(r#"{{"step":"stage","result":"done",{with_client}}}"#),
            r#"{"step":"activate","result":"activated"}"#.to_owned(),
            r#"{"step":"activate","result":"activated","risks":[{"risk":"clock","text":"late"}]}"#.to_owned(),
            r#"{"step":"activate","result":"activated","ways":[{"service":"edge","way":"runtime_api"},{"service":"mesh","way":"sds"},{"service":"web","way":"reload"}]}"#.to_owned(),
            failed("activate", "refused"),
            format!(r#"{{"step":"verify","result":"proven",{measured}}}"#),
            format!(
                r#"{{"step":"verify","result":"proven",{measured},"risks":[{{"risk":"name_elsewhere","text":"no"}}]}}"#
            ),
            format!(
                r#"{{"step":"verify","result":"disproven","state":"previous","reason":"no","measured":{{{measured}}}}}"#
            ),
            r#"{"step":"commit","result":"done"}"#.to_owned(),
            r#"{"step":"commit","result":"done","risks":[{"risk":"old_workers","text":"two"}]}"#.to_owned(),
            failed("commit", "refused"),
            r#"{"step":"rollback","result":"rolled_back"}"#.to_owned(),
            format!(r#"{{"step":"rollback","result":"rolled_back","measured":{{{measured}}}}}"#),
            format!(
                r#"{{"step":"verify","result":"proven",{measured},"unexplained":1,"disrupted":"1 of 9"}}"#
            ),
        ];
        for step in ["inspect", "stage", "activate", "verify", "commit", "rollback"] {
            all.extend(["failed", "unreachable", "in_doubt"].map(|result| failed(step, result)));
        }
        for stored in all {
            let ended: StepEnded = serde_json::from_str(&stored).unwrap();
            assert_eq!(serde_json::to_string(&ended).unwrap(), stored);
        }
        for stored in [
            failed("inspect", "refused"),
            failed("rollback", "refused"),
            r#"{"step":"commit","result":"activated"}"#.to_owned(),
            r#"{"step":"activate","result":"done"}"#.to_owned(),
            format!(r#"{{"step":"commit","result":"done",{silent}}}"#),
            r#"{"step":"stage","result":"done","risks":[{"risk":"old_workers","text":"two"}]}"#.to_owned(),
            r#"{"step":"stage","result":"rolled_back"}"#.to_owned(),
        ] {
            assert!(serde_json::from_str::<StepEnded>(&stored).is_err(), "{stored}");
        }
    }
}
