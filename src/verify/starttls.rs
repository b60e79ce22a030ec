//! Protocols that begin in the clear and change to TLS on request.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How TLS is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartTls {
    /// RFC 3207
    Smtp,
    /// RFC 9051, section 6.2.1
    Imap,
    /// RFC 2595, section 4
    Pop3,
    /// RFC 4511, section 4.14
    Ldap,
    /// PostgreSQL, "Frontend/Backend Protocol", SSL session encryption
    Postgres,
    /// RFC 4217
    Ftp,
    /// RFC 6120, section 5
    Xmpp,
    /// MySQL, "Client/Server Protocol", `SSLRequest`
    Mysql,
}

impl StartTls {
    /// All of them.
    pub const ALL: [StartTls; 8] = [
        StartTls::Smtp,
        StartTls::Imap,
        StartTls::Pop3,
        StartTls::Ldap,
        StartTls::Postgres,
        StartTls::Ftp,
        StartTls::Xmpp,
        StartTls::Mysql,
    ];

    /// The word for it in playbooks.
    pub fn as_str(self) -> &'static str {
        match self {
            StartTls::Smtp => "smtp",
            StartTls::Imap => "imap",
            StartTls::Pop3 => "pop3",
            StartTls::Ldap => "ldap",
            StartTls::Postgres => "postgres",
            StartTls::Ftp => "ftp",
            StartTls::Xmpp => "xmpp",
            StartTls::Mysql => "mysql",
        }
    }
}

impl fmt::Display for StartTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for StartTls {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        StartTls::ALL
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a protocol that changes to TLS"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are in playbooks, plans and journals.
    #[test]
    fn each_protocol_has_one_word() {
        let words = ["smtp", "imap", "pop3", "ldap", "postgres", "ftp", "xmpp", "mysql"];
        for (protocol, word) in StartTls::ALL.into_iter().zip(words) {
            assert_eq!((protocol.as_str(), word.parse()), (word, Ok(protocol)));
            assert_eq!(serde_json::to_value(protocol).unwrap(), word);
        }
        assert_eq!("SMTP".parse::<StartTls>().unwrap_err(), "`SMTP` is not a protocol that changes to TLS");
    }
}
