//! How a host differs from what it should be, named for what it is.

use std::fmt;

use crate::install::Guard;
use crate::model::{HostPath, Serial, Version};
use crate::verify::Finding;

/// A difference. Certificates are named by the first digits of their fingerprints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// The host cannot be reached over SSH, so nothing is known of its disk and memory.
    NoLogin(String),
    /// Its disk could not be read.
    DiskUnreadable(String),
    /// Its server did not say what it holds.
    MemoryUnreadable(String),
    /// The endpoint does not answer.
    NoAnswer(String),
    /// It answers, but not with TLS.
    NotTls(String),
    /// Nothing was installed there yet.
    NotInstalled,
    /// What stands where the live link should is not certwave's.
    ForeignLink,
    /// The live link points to another version.
    LinkElsewhere {
        /// Which.
        to: Version,
        /// Because a dead-man switch put that one back.
        put_back: bool,
    },
    /// Paths that the server's configuration names and that no longer lead to the live version.
    PathsElsewhere(Vec<HostPath>),
    /// The live version's files are not what was installed.
    Damaged,
    /// Nobody confirmed the live version.
    Unconfirmed {
        /// What its dead-man switch puts back.
        back_to: Version,
        /// Who does, if anybody.
        guard: Guard,
    },
    /// The file is another than what is served, and a restart would help.
    NotReloaded {
        /// What is served.
        served: String,
        /// What is on disk.
        file: String,
    },
    /// What should be served is only in memory.
    DiskBehind {
        /// What is on disk, which a restart would serve.
        file: String,
    },
    /// The server's configuration on disk does not name what is in its memory.
    NotNamed {
        /// The files of ours that it should name.
        paths: Vec<HostPath>,
    },
    /// The server's configuration on disk names another certificate for this name, which is not in its memory.
    NotLoaded {
        /// The file.
        path: String,
        /// The certificate that is in it.
        holds: String,
    },
    /// The server says that it holds another certificate than it serves.
    MemoryElsewhere {
        /// The serial number of what it says that it holds.
        held: Serial,
        /// What is served.
        served: String,
    },
    /// One that certwave never issued is served.
    Foreign {
        /// What is served.
        served: String,
        /// The names that it is for.
        names: String,
        /// Who issued it.
        issuer: String,
    },
    /// Another certificate of certwave's store is served.
    Other {
        /// Which version of this certificate it is; none where it is another certificate's.
        version: Option<Version>,
        /// What is served.
        served: String,
        /// The names that it is for.
        names: String,
    },
    /// Something is wrong with what is served.
    Finding(Finding),
}

impl Drift {
    /// The word for it in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Drift::NoLogin(_) => "no_login",
            Drift::DiskUnreadable(_) => "disk_unreadable",
            Drift::MemoryUnreadable(_) => "memory_unreadable",
            Drift::NoAnswer(_) => "no_answer",
            Drift::NotTls(_) => "not_tls",
            Drift::NotInstalled => "not_installed",
            Drift::ForeignLink => "foreign_link",
            Drift::LinkElsewhere { .. } => "link_elsewhere",
            Drift::PathsElsewhere(_) => "path_elsewhere",
            Drift::Damaged => "damaged",
            Drift::Unconfirmed { .. } => "unconfirmed",
            Drift::NotReloaded { .. } => "not_reloaded",
            Drift::DiskBehind { .. } => "disk_behind",
            Drift::NotNamed { .. } => "not_named",
            Drift::NotLoaded { .. } => "not_loaded",
            Drift::MemoryElsewhere { .. } => "memory_elsewhere",
            Drift::Foreign { .. } => "foreign_certificate",
            Drift::Other { .. } => "other_certificate",
            Drift::Finding(finding) => match finding {
                Finding::IncompleteChain { .. } => "incomplete_chain",
                Finding::WrongOrder => "wrong_order",
                Finding::ExtraRoot => "extra_root",
                Finding::ExtraCertificates { .. } => "extra_certificates",
                Finding::OtherChain => "other_chain",
                Finding::WrongName { .. } => "wrong_name",
                Finding::NotTrusted(_) => "not_trusted",
                Finding::Expired(_) => "expired",
                Finding::NotYetValid(_) => "not_yet_valid",
                Finding::Unreadable(_) => "unreadable",
            },
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Drift::NoLogin(reason) => write!(f, "no SSH: {reason}"),
            Drift::DiskUnreadable(reason) => write!(f, "its disk could not be read: {reason}"),
            Drift::MemoryUnreadable(reason) => write!(f, "its memory could not be read: {reason}"),
            Drift::NoAnswer(reason) => write!(f, "no answer: {reason}"),
            Drift::NotTls(reason) => write!(f, "it answers, but not with TLS: {reason}"),
            Drift::NotInstalled => f.write_str("nothing was installed there yet"),
            Drift::ForeignLink => f.write_str("the live link is not certwave's"),
            Drift::LinkElsewhere { to, put_back: false } => write!(f, "the live link points to {to}"),
            Drift::LinkElsewhere { to, put_back: true } => {
                write!(f, "the live link points to {to}, which the host's dead-man switch put back")
            }
            Drift::PathsElsewhere(paths) => {
                let lead = if paths.len() == 1 { "does" } else { "do" };
                write!(f, "{} {lead} not lead to the live version", listed(paths))
            }
            Drift::NotNamed { paths } => {
                write!(
                    f,
                    "the configuration on disk does not name {}: a restart would not serve that",
                    listed(paths)
                )
            }
            Drift::NotLoaded { path, holds } => write!(
                f,
                "the configuration on disk names `{path}` ({holds}) for this name, which is not in memory: a restart would load it"
            ),
            Drift::Damaged => f.write_str("the live version's files are not what was installed"),
            Drift::Unconfirmed { back_to, guard: Guard::Process } => {
                write!(f, "not confirmed yet: without that the host goes back to {back_to} by itself")
            }
            Drift::Unconfirmed { back_to, guard } => {
                let until = if *guard == Guard::Boot { " before the host's next boot" } else { "" };
                write!(
                    f,
                    "never confirmed, and nobody puts {back_to} back{until}: the process of the dead-man switch is gone; \
                     `certwave resume` confirms the live version or goes back"
                )
            }
            Drift::NotReloaded { served, file } => {
                write!(f, "the reload did not happen: {file} is on disk, {served} is served")
            }
            Drift::DiskBehind { file } => {
                write!(f, "memory differs from disk: a restart would serve {file}")
            }
            Drift::MemoryElsewhere { held, served } => {
                write!(f, "another certificate is in memory (serial {held}) than is served ({served})")
            }
            Drift::Foreign { served, names, issuer } => {
                write!(f, "a certificate from another tool is served: {served} for {names}, by {issuer}")
            }
            Drift::Other { version, served, names } => match version {
                Some(version) => write!(f, "outdated: still serves version {version}"),
                None => write!(
                    f,
                    "another certificate of certwave's store is served: {served} for {names}; check the virtual host"
                ),
            },
            Drift::Finding(finding) => finding.fmt(f),
        }
    }
}

fn listed(paths: &[HostPath]) -> String {
    paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ")
}
