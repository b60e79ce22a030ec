//! Why an operation failed: data, without a way out. Whoever shows it knows what its reader can type or click.

use std::error::Error;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::model::{CertificateName, HostName, OperationId, Revocation, Version, WaveName};
use crate::operations::Ended;
use crate::ports::JournalError;
use crate::ports::StoreError;
use crate::rollout::RolloutRecord;
use crate::yaml::{Problems, Sources};

/// Why an operation failed, and how it left the fleet.
#[derive(Debug)]
pub struct OperationError {
    /// What failed.
    pub problem: Problem,
    /// Why, from the nearest cause to the farthest.
    pub causes: Vec<String>,
    /// How the fleet was left, where that is not plain.
    pub left: Option<Left>,
}

/// How an operation that failed left the fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Left {
    /// Nothing at all was changed.
    #[error("nothing was changed")]
    Unchanged,
    /// No host was touched.
    #[error("no host was touched")]
    Untouched,
    /// No host was touched; a new version is in the store.
    #[error("no host was touched; {version} is in the store{}", if *.is_used { " and is used next time" } else { "" })]
    Stored {
        /// Which.
        version: Version,
        /// The next rollout takes it.
        is_used: bool,
    },
    /// Nothing was revoked.
    #[error("nothing was revoked")]
    NotRevoked,
    /// A revocation is noted, and not confirmed.
    #[error("it is noted, and no rollout will put it on a host again")]
    NotedAsRevoked,
    /// Each host with how it was left.
    #[error("{}", .0.iter().map(|(host, how)| format!("{host} {how}")).collect::<Vec<_>>().join(", "))]
    Hosts(Vec<(HostName, String)>),
}

/// What failed.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// An act, for the causes that are told beside it.
    #[error("failed to {0}")]
    Act(String),
    /// The store.
    #[error("failed to {0}")]
    Store(#[from] StoreError),
    /// A file that was named cannot be read.
    #[error("failed to read {}`{}`", if *.folder { "the folder " } else { "" }, path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// It should be a folder.
        folder: bool,
    },
    /// Files have problems, each with its place.
    #[error("{}; nothing was touched", if problems.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", problems.len()) })]
    Files {
        /// All of them.
        problems: Problems,
        /// The texts that they are in.
        sources: Sources,
    },
    /// There is no inventory.
    #[error("no inventory: certwave does not know any host")]
    NoInventory,
    /// A folder without an inventory.
    #[error("there is no inventory file in `{}`", .0.display())]
    NoInventoryFile(PathBuf),
    /// A limit that leaves no host, or is none.
    #[error("the limit `{limit}` {}", if *.is_empty { "matches no host" } else { "cannot be used" })]
    Limit {
        /// As it was given.
        limit: String,
        /// It is a pattern, but matches nothing.
        is_empty: bool,
    },
    /// A host that is accepted as it is, and is not in the rollout.
    #[error("{0}: this host is not in the rollout")]
    AcceptedHost(HostName),
    /// A plan that must not be.
    #[error("the plan breaks rules that hold for every plan")]
    BrokenPlan,
    /// A version that is not in the store.
    #[error("there is no version {version} of `{name}` in the store")]
    NoVersion {
        /// Of which certificate.
        name: CertificateName,
        /// Which.
        version: Version,
        /// The newest that there are.
        newest: Vec<Version>,
    },
    /// A version that cannot be rolled out.
    #[error("{name} {version} will not do")]
    Unfit {
        /// Of which certificate.
        name: CertificateName,
        /// Which.
        version: Version,
    },
    /// A version without a certificate.
    #[error("{name} {version} holds no certificate")]
    Empty {
        /// Of which certificate.
        name: CertificateName,
        /// Which.
        version: Version,
    },
    /// A version that was revoked.
    #[error("{name} {version} was revoked on {} ({})", revocation.at.strftime("%Y-%m-%d"), revocation.reason)]
    Revoked {
        /// Of which certificate.
        name: CertificateName,
        /// Which.
        version: Version,
        /// When, and why.
        revocation: Revocation,
    },
    /// The version that a rollout was about cannot be rolled out any more.
    #[error("{why}")]
    UnfitToResume {
        /// The rollout.
        record: Box<RolloutRecord>,
        /// Why not.
        why: Box<Problem>,
    },
    /// No issuer gave a certificate.
    #[error("failed to get a certificate for `{name}`")]
    NotIssued {
        /// For which certificate.
        name: CertificateName,
        /// What usually helps where the issuer failed so.
        advice: Option<&'static str>,
    },
    /// There is no such certificate in the store.
    #[error("there is no certificate `{0}` in the store")]
    NoCertificate(CertificateName),
    /// No certificate was ever issued.
    #[error("no certificate `{0}` was issued yet")]
    NothingIssued(CertificateName),
    /// A playbook without a kind of key.
    #[error("`{0}` has no kind of key")]
    NoKeyType(CertificateName),
    /// Handshakes would fail with the new certificate.
    #[error("the new certificate would not be trusted: {0}")]
    NotTrusted(String),
    /// A saved plan that is none, or is too old.
    #[error("`{}` is not carried out", .0.display())]
    SavedPlan(PathBuf),
    /// What a saved plan was made from, or for, changed.
    #[error("`{}` is not carried out: something changed since it was made", path.display())]
    SavedPlanOutdated {
        /// The file.
        path: PathBuf,
        /// A rollout did not end: it comes first.
        unfinished: Option<OperationId>,
    },
    /// A rollout of the same certificate waits for a person.
    #[error("rollout {} of {} {} is paused, or waits for an approval", .0.id, .0.certificate, .0.version)]
    Waits(Box<RolloutRecord>),
    /// Nobody said yes.
    #[error("not confirmed; no host was touched")]
    NotConfirmed,
    /// Nobody was there to say yes.
    #[error("nobody is there to confirm it")]
    NobodyToConfirm,
    /// It was stopped before it began.
    #[error("interrupted {0}")]
    Interrupted(&'static str),
    /// There is nothing to go back from.
    #[error("nothing of `{0}` was rolled out yet")]
    NothingRolledOut(CertificateName),
    /// What there is to go back to was revoked.
    #[error(
        "every version of `{name}` that these hosts were verified on before was revoked, the last of them {version}"
    )]
    AllRevoked {
        /// Of which certificate.
        name: CertificateName,
        /// The newest of them.
        version: Version,
    },
    /// No rollout left its certificate on any of the hosts.
    #[error("there is nothing to put back: no rollout of `{0}` left its certificate on any of these hosts")]
    NothingToPutBack(CertificateName),
    /// Hosts serve different versions, and have none in common.
    #[error("these hosts serve different versions of `{0}`, and were never verified on a common one")]
    NoCommonVersion(CertificateName),
    /// What would be gone back to expires too soon.
    #[error("{version} expires on {}, before a renewal could be sure to finish", not_after.strftime("%Y-%m-%d %H:%M:%SZ"))]
    ExpiresTooSoon {
        /// Which.
        version: Version,
        /// When.
        not_after: Timestamp,
        /// How long a renewal may take.
        renewal_takes: std::time::Duration,
    },
    /// A version that is to be revoked is served.
    #[error("{version} is what {} {}, by the journal's account", named(hosts), if hosts.len() == 1 { "serves" } else { "serve" })]
    Served {
        /// Which.
        version: Version,
        /// By whom.
        hosts: Vec<HostName>,
    },
    /// No CA says that it is revoked.
    #[error("no CA has confirmed that {name} {version} is revoked")]
    RevocationUnconfirmed {
        /// Of which certificate.
        name: CertificateName,
        /// Which.
        version: Version,
    },
    /// No rollout has that name.
    #[error("there is no rollout `{0}`")]
    NoRollout(String),
    /// Two rollouts' names begin so.
    #[error("`{wanted}` is the start of \"{first}\" and \"{second}\"")]
    Ambiguous {
        /// The start.
        wanted: String,
        /// One.
        first: OperationId,
        /// Another.
        second: OperationId,
    },
    /// Several rollouts could be resumed.
    #[error("several rollouts are unfinished: {}", .0.iter().map(|one| format!("{} of {}", one.id, one.certificate)).collect::<Vec<_>>().join(", "))]
    SeveralUnfinished(Vec<RolloutRecord>),
    /// A later rollout of the same certificate has taken this one's place.
    #[error("rollout {} of {} was followed by another, {newest}", record.id, record.certificate)]
    Followed {
        /// The earlier one.
        record: Box<RolloutRecord>,
        /// The newest.
        newest: OperationId,
    },
    /// Nothing of a rollout is left to be done.
    #[error("rollout {} is finished{words}", record.id)]
    Finished {
        /// Which.
        record: Box<RolloutRecord>,
        /// What that means for what was asked, or how it ended.
        words: String,
        /// What was asked.
        asked: Asked,
    },
    /// A rollout that does not run cannot be paused.
    #[error("rollout {0} does not run: there is nothing to pause")]
    NotRunning(OperationId),
    /// Whoever has the certificate did not take a command up.
    #[error("whoever works on the certificate of rollout {0} has not heard of it yet")]
    NotHeard(OperationId),
    /// No wave waits for an approval, or another one does.
    #[error("{}", match wave { Some(wave) => format!("wave `{wave}` does not wait for an approval"), None => format!("no wave of rollout {rollout} waits for an approval") })]
    NothingAwaitsApproval {
        /// The rollout.
        rollout: OperationId,
        /// The wave that was named.
        wave: Option<WaveName>,
        /// Waves that do wait.
        waiting: Vec<WaveName>,
    },
    /// No rollout left a host on a certificate.
    #[error("no rollout of `{0}` left a host on its certificate yet")]
    NeverVerified(CertificateName),
    /// A rollout left no host on its certificate.
    #[error("rollout {rollout} left no host{} on its certificate", limit.as_ref().map(|limit| format!(" that matches `{limit}`")).unwrap_or_default())]
    NoHostLeft {
        /// Which.
        rollout: OperationId,
        /// Among which hosts.
        limit: Option<String>,
    },
    /// A file of facts that is none.
    #[error("{}:{line}: this is not what `--record` wrote", path.display())]
    Facts {
        /// Which.
        path: PathBuf,
        /// Where.
        line: usize,
    },
    /// The journal could not be written while hosts were changed.
    #[error("failed to {}", match error { JournalError::Unwritable(_) => "keep the journal", JournalError::Deposed(_) => "go on" })]
    Journal {
        /// The rollout.
        rollout: OperationId,
        /// Why not.
        error: JournalError,
        /// How it went until then; none where another controller goes on.
        so_far: Option<Box<Ended>>,
    },
}

/// What was asked of a rollout that is finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To be resumed.
    Resume,
    /// To be aborted.
    Abort,
    /// To have a wave approved.
    Approve,
}

/// So many hosts are named.
const NAMED: usize = 5;

fn named(hosts: &[HostName]) -> String {
    let named = hosts.iter().take(NAMED).map(HostName::as_str).collect::<Vec<_>>().join(", ");
    match hosts.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// An error and all below it.
fn chain(error: &dyn Error) -> Vec<String> {
    let (mut chain, mut next) = (Vec::new(), Some(error));
    while let Some(cause) = next {
        chain.push(cause.to_string());
        next = cause.source();
    }
    chain
}

impl OperationError {
    /// An act that failed, with the chain of its causes.
    pub fn to(act: &str, error: &dyn Error) -> Self {
        let problem = Problem::Act(act.to_owned());
        Self { problem, causes: chain(error), left: None }
    }

    /// Adds a cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Says how the fleet was left.
    #[must_use]
    pub fn leaves(self, left: Left) -> Self {
        Self { left: Some(left), ..self }
    }
}

impl From<Problem> for OperationError {
    fn from(problem: Problem) -> Self {
        Self { problem, causes: Vec::new(), left: None }
    }
}

impl From<StoreError> for OperationError {
    fn from(error: StoreError) -> Self {
        let causes = chain(&error).split_off(1);
        Self { problem: Problem::Store(error), causes, left: None }
    }
}
