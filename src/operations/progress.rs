//! What an operation says before its result.

use jiff::Timestamp;

use crate::acme;
use crate::model::{CertificateName, OperationId, Version, WaveName};
use crate::plan::Plan;
use crate::ports::Observer;
use crate::rollout::RolloutRecord;

/// Hears what an operation says. Whoever calls the operation turns it into words, pages or nothing.
pub trait Progress: Sync {
    /// Something is known, or begins.
    fn say(&self, news: &News);

    /// A rollout begins to be driven: whatever sees its events.
    fn observer(&self, rollout: &OperationId, plan: &Plan) -> Box<dyn Observer>;
}

/// What an operation says.
#[derive(Debug, Clone)]
pub enum News {
    /// What is going to be rolled out, before anybody is asked.
    Intended {
        /// The certificate.
        name: CertificateName,
        /// Why this version, or a new one.
        why: String,
        /// Each wave with how many hosts it has.
        waves: Vec<(WaveName, usize)>,
    },
    /// What a fleet is going to be put back on, before anybody is asked.
    GoesBack {
        /// The certificate.
        name: CertificateName,
        /// To what.
        to: BackTo,
    },
    /// An earlier rollout did not come to its end.
    Unfinished {
        /// Which.
        record: RolloutRecord,
        /// What follows from that; none where it is going to be asked.
        anew: Option<Anew>,
        /// Playbook and inventory are as they were.
        same: bool,
    },
    /// An earlier rollout stays paused: nobody can resume it.
    StaysPaused {
        /// Which.
        rollout: OperationId,
        /// Why not.
        reason: String,
    },
    /// A rollout is taken up where its journal ends.
    Resumes {
        /// As its journal has it.
        record: RolloutRecord,
    },
    /// It is outside of every window, and what is served is about to expire.
    WindowOverridden {
        /// When it expires.
        served_until: Timestamp,
    },
    /// An ACME server is asked.
    Issuing {
        /// Which, as the playbook calls it.
        issuer: String,
        /// How far the order is.
        progress: acme::Progress,
    },
    /// An issuer gave no certificate; the next one is tried.
    IssuerFailed {
        /// Which.
        issuer: String,
        /// Why.
        reason: String,
    },
    /// There is a new certificate.
    Issued {
        /// Whose.
        name: CertificateName,
        /// Which version.
        version: Version,
        /// Until when it is valid.
        not_after: Timestamp,
        /// By whom.
        issuer: String,
        /// It was read from files.
        read: bool,
    },
}

/// What a rollback puts on hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackTo {
    /// A version from the store.
    Version {
        /// Which.
        version: Version,
        /// Until when it is valid.
        not_after: Timestamp,
    },
    /// Each host what it had before a version.
    Before {
        /// Before which.
        version: Version,
    },
}

/// Why a rollout that did not end is not resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anew {
    /// Another certificate is asked for.
    OtherCertificate,
    /// Playbook or inventory changed.
    OtherPlan,
}
