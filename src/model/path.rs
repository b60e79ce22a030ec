//! Paths on a host: absolute, POSIX, and never interpreted by the controller's file system.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::foreign::{acts, visible};

/// Why a text is not a path on a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a path on a host: {reason}", visible(text))]
pub struct InvalidPath {
    text: String,
    reason: &'static str,
}

/// An absolute path on a host, without `.` or `..`, without a trailing slash, never `/` itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPath(String);

impl HostPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of `name` inside this folder. `name` is one component.
    ///
    /// # Panics
    /// When `name` is empty or holds a slash: names come from the program, not from a user.
    pub fn join(&self, name: &str) -> HostPath {
        assert!(!name.is_empty() && !name.contains('/') && name != "..", "`{name}` is not one component");
        HostPath(format!("{}/{name}", self.0))
    }

    /// The folder that this path is in; `/` is not a `HostPath`, hence text.
    pub fn parent(&self) -> &str {
        match self.0.rfind('/') {
            Some(0) | None => "/",
            Some(slash) => &self.0[..slash],
        }
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl FromStr for HostPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let invalid = |reason| Err(InvalidPath { text: text.to_owned(), reason });
        if !text.starts_with('/') {
            return invalid("it must be absolute, starting with `/`");
        }
        if text.chars().any(char::is_control) {
            return invalid("it contains a control character");
        }
        if text.chars().any(acts) {
            return invalid("it contains a character that changes how others are shown");
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            return invalid("it is the root folder");
        }
        if parts.iter().any(|part| matches!(*part, "." | "..")) {
            return invalid("it contains `.` or `..`");
        }
        Ok(Self(format!("/{}", parts.join("/"))))
    }
}

impl TryFrom<String> for HostPath {
    type Error = InvalidPath;
    fn try_from(text: String) -> Result<Self, InvalidPath> {
        text.parse()
    }
}

impl From<HostPath> for String {
    fn from(path: HostPath) -> String {
        path.0
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_plain() {
        let path: HostPath = "/etc//certwave/".parse().unwrap();
        assert_eq!(path.as_str(), "/etc/certwave");
        assert_eq!(path.join("live").as_str(), "/etc/certwave/live");
        assert_eq!((path.parent(), path.file_name()), ("/etc", "certwave"));
        let top: HostPath = "/srv".parse().unwrap();
        assert_eq!((top.parent(), top.file_name()), ("/", "srv"));
        // Dots that are part of a name are no way up.
        assert_eq!("/etc/..a/.b".parse::<HostPath>().unwrap().as_str(), "/etc/..a/.b");
        for bad in ["", "etc", "/", "//", "/etc/../root", "/a\nb", "/./a", "/a/..", "a/b", "/a\u{7f}"] {
            assert!(bad.parse::<HostPath>().is_err(), "{bad:?}");
        }
    }
}
