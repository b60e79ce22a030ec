//! Why there is no certificate.

use std::path::PathBuf;

use instant_acme::Error;

use crate::model::visible;
use crate::ports::{KeepError, StoreError};

/// Why there is no certificate. Nothing on any host was changed.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The server does not answer.
    #[error("reach the ACME server {url}: {reason}")]
    Unreachable {
        /// Its directory.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server refused: its own words.
    #[error("get the ACME server to {act}: {detail}{}", kind.as_ref().map(|kind| format!(" ({kind})")).unwrap_or_default())]
    Refused {
        /// What was asked of it.
        act: &'static str,
        /// Its words, those for single names included.
        detail: String,
        /// The problem's type (RFC 8555, section 6.7).
        kind: Option<String>,
    },
    /// The server could not see the challenge.
    #[error("prove to the ACME server that `{domain}` is ours: {detail}")]
    Challenge {
        /// Which name.
        domain: String,
        /// The server's words.
        detail: String,
    },
    /// The token could not be put where the server looks for it.
    #[error("publish the challenge for `{domain}`: {reason}")]
    Publish {
        /// Which name.
        domain: String,
        /// Why.
        reason: String,
    },
    /// The server took too long.
    #[error("wait for the ACME server to {act}")]
    TimedOut {
        /// What it was to do.
        act: &'static str,
    },
    /// certwave's own listener for challenges.
    #[error("listen on {address} for the challenge")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// A file of trusted roots.
    #[error("use `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Nothing was ever ordered from this CA, or its account's file is gone.
    #[error("find an account at {url}")]
    NoAccount {
        /// Its directory.
        url: String,
    },
    /// The account's file is not one.
    #[error(
        "read the account `{name}`: move it out of the state's folder `accounts`, and a new account is made"
    )]
    Account {
        /// Which.
        name: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// The account, or the order, could not be kept or had again.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// Another controller works on the certificate now, or nobody can tell.
    #[error(transparent)]
    Lease(#[from] StoreError),
    /// A key could not be made.
    #[error("make a key")]
    Key(#[from] openssl::error::ErrorStack),
    /// Something in between.
    #[error("{act}: {reason}")]
    Protocol {
        /// What was tried.
        act: &'static str,
        /// Why not.
        reason: String,
    },
}

/// Whether the CA says that it got this HTTP status: a number of its own in its words.
fn answered(detail: &str, status: &str) -> bool {
    detail.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == status)
}

impl IssueError {
    /// The way out, where there is a usual one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            IssueError::Unreachable { reason, .. } if reason.contains("certificate") => {
                Some("if the server's own certificate is from a private CA, name its root in `ca_file`")
            }
            IssueError::Keep(error) => error.hint,
            IssueError::Unreachable { .. } => Some("nothing was changed; try again when it answers"),
            IssueError::Refused { kind: Some(kind), .. } if kind.contains("rateLimited") => {
                Some("the CA's rate limit: wait, or let a second issuer stand behind the first")
            }
            IssueError::Challenge { detail, .. } if answered(detail, "403") => Some(
                "the web server answered, but may not read the token: it needs access to `webroot` and every folder above it",
            ),
            IssueError::Challenge { detail, .. } if answered(detail, "404") => Some(
                "the web server answered, but found no token: does it serve `webroot` on port 80 under this name?",
            ),
            IssueError::Challenge { .. } => Some(
                "the CA asked http://DOMAIN/.well-known/acme-challenge/…: does the name lead to these hosts, from port 80?",
            ),
            _ => None,
        }
    }

    /// The server does not know the account (RFC 8555, section 6.7): it was removed there.
    pub(super) fn is_unknown_account(&self) -> bool {
        matches!(self, IssueError::Refused { kind: Some(kind), .. } if kind == "accountDoesNotExist")
    }

    /// What instant-acme says, in our words.
    pub(super) fn of(act: &'static str, url: &str, error: Error) -> Self {
        match error {
            Error::Api(problem) => {
                let mut detail = problem.detail.clone().unwrap_or_else(|| "no reason given".to_owned());
                for sub in &problem.subproblems {
                    detail.push_str(&format!("; {sub}"));
                }
                let kind = problem.r#type.map(|kind| visible(kind.rsplit(':').next().unwrap_or(&kind)));
                IssueError::Refused { act, detail: visible(&detail), kind }
            }
            Error::Timeout(_) => IssueError::TimedOut { act },
            Error::Other(error) => {
                let mut reason = error.to_string();
                let mut next = error.source();
                while let Some(cause) = next {
                    reason = cause.to_string();
                    next = cause.source();
                }
                IssueError::Unreachable { url: url.to_owned(), reason: visible(&reason) }
            }
            other => IssueError::Protocol { act, reason: visible(&other.to_string()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::testing::refusal;

    #[test]
    fn a_web_server_that_answers_is_told_from_a_name_that_leads_elsewhere() {
        let hint = |detail: &str| {
            let error = IssueError::Challenge { domain: "a.test".to_owned(), detail: detail.to_owned() };
            error.hint().unwrap().to_owned()
        };
        // Pebble's words, and Boulder's.
        let pebble =
            "Non-200 status code from HTTP: http://a.test:5002/.well-known/acme-challenge/x: 403 Forbidden";
        let boulder = "192.0.2.1: Invalid response from http://a.test/.well-known/acme-challenge/x: 404";
        assert!(hint(pebble).contains("may not read the token"));
        assert!(hint(boulder).contains("found no token"));
        let name = "DNS problem: NXDOMAIN looking up A for a4034.test";
        assert!(hint(name).contains("does the name lead to these hosts"));
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words_and_by_its_kind() {
        let of = |kind| IssueError::of("take the order", "https://ca.test/dir", refusal(kind, Some(403)));
        let limited = of(Some("rateLimited"));
        assert_eq!(limited.to_string(), "get the ACME server to take the order: because (rateLimited)");
        assert!(limited.hint().unwrap().starts_with("the CA's rate limit"));
        assert!(of(Some("accountDoesNotExist")).is_unknown_account());
        for other in [limited, of(Some("unauthorized")), of(None)] {
            assert!(!other.is_unknown_account(), "{other}");
        }
        assert_eq!(of(None).to_string(), "get the ACME server to take the order: because");
    }

    #[test]
    fn of_a_server_that_cannot_be_reached_the_last_cause_is_told() {
        let of = |cause: &'static str| {
            let outer = std::io::Error::other(std::io::Error::other(cause));
            IssueError::of("take the order", "https://ca.test/dir", Error::Other(Box::new(outer)))
        };
        let away = of("connection refused");
        assert_eq!(away.to_string(), "reach the ACME server https://ca.test/dir: connection refused");
        assert!(away.hint().unwrap().contains("try again when it answers"));
        assert!(of("certificate verify failed").hint().unwrap().contains("name its root in `ca_file`"));
    }
}
