//! What a plan would roll out.

use serde::Serialize;

use crate::certificate::Leaf;
use crate::model::Version;

/// What would be rolled out.
#[derive(Debug, Clone)]
pub struct PlannedCertificate {
    /// Its name in the store.
    pub name: String,
    /// Why it is this one.
    pub why: String,
    /// What is in the store now, with its version; none before the first.
    pub now: Vec<(String, Leaf)>,
    /// What would be issued or read; none where it is in the store.
    pub next: Option<Coming>,
}

/// A certificate that is not in the store yet.
#[derive(Debug, Clone, Serialize)]
pub struct Coming {
    /// The kinds of its keys.
    pub keys: Vec<String>,
    /// What it is for.
    pub names: Vec<String>,
    /// Who is asked, in this order.
    pub issuers: Vec<String>,
    /// What that draws on the limits of CAs, in words.
    pub limits: Vec<String>,
    /// Its version, where it is read from files.
    pub version: Option<Version>,
}
