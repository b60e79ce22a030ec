//! The words of HAProxy's runtime API (Management Guide, section 9.3): commands as text, answers taken apart. An
//! answer is judged by its text alone, since the API has no status.

use jiff::Timestamp;

use crate::certificate::{Certificate, KeyAlgorithm};
use crate::model::{Secret, Serial};
use crate::service::Held;

/// Below `tune.bufsize` by this much HAProxy is safe: at its very size it has been seen to spin or to crash, and
/// some of the buffer is kept back for rewriting.
const RESERVE: usize = 1_024;

/// Why HAProxy did not do as told. Reads after "HAProxy: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// It said no.
    #[error("`{command}` was refused: {answer}")]
    Refused {
        /// What was asked, without its payload.
        command: String,
        /// What it said, on one line.
        answer: String,
    },
    /// The socket is of a lower level than `admin`.
    #[error("its socket may not change certificates: give it `level admin` in haproxy.cfg")]
    NotAdmin,
    /// Before 3.1 it puts a certificate into whatever transaction is open.
    #[error(
        "the new certificate went into a transaction that somebody else holds open for `{other}`; that one was aborted"
    )]
    Crossed {
        /// The name that the other transaction is about.
        other: String,
    },
    /// Somebody else is changing a certificate.
    #[error(
        "somebody else has a transaction open for `{other}`: `abort ssl cert {other}` on its socket ends it"
    )]
    Busy {
        /// The name that the other transaction is about.
        other: String,
    },
    /// There is nothing of that name.
    #[error("it has no certificate `{path}`; it has {known}")]
    NoCertificate {
        /// The name that was looked for.
        path: String,
        /// Those that there are.
        known: String,
    },
    /// After a success, another certificate is there.
    #[error("it holds {found} after it said that it took {wanted}")]
    NotTaken {
        /// What `show ssl cert` says.
        found: String,
        /// What it should.
        wanted: String,
    },
    /// It did not answer.
    #[error("`{command}` got no answer")]
    Silent {
        /// What was asked.
        command: String,
    },
}

/// `show ssl cert`: the names, and whose transaction is open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertificateList {
    /// Names of the certificates that it holds.
    pub names: Vec<String>,
    /// The name that a transaction is about.
    pub open: Option<String>,
}

/// Lists the crt-lists: it changes nothing, and like every change of a certificate it is for the level `admin` alone. An
/// operator may list the certificates.
pub fn crt_lists() -> Secret {
    command("show ssl crt-list")
}

/// Whether the socket that answered so may change certificates.
///
/// # Errors
/// When its level is too low.
pub fn read_level(answer: &str) -> Result<(), RuntimeError> {
    match refused("show ssl crt-list", answer) {
        low @ RuntimeError::NotAdmin => Err(low),
        _ => Ok(()),
    }
}

/// Lists the certificates.
pub fn list() -> Secret {
    command("show ssl cert")
}

/// Reads the list.
///
/// # Errors
/// When the answer is no list.
pub fn read_list(answer: &str) -> Result<CertificateList, RuntimeError> {
    let mut list = CertificateList::default();
    let mut headed = false;
    for line in answer.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (line, line.strip_prefix('*')) {
            ("# transaction" | "# filename", _) => headed = true,
            (_, Some(name)) if headed => list.open = Some(name.to_owned()),
            _ if headed => list.names.push(line.to_owned()),
            _ => return Err(refused("show ssl cert", answer)),
        }
    }
    if headed { Ok(list) } else { Err(refused("show ssl cert", answer)) }
}

/// Opens a transaction with a certificate, its chain and its key: PEM without blank lines, of which the first
/// would end it. None where it is longer than HAProxy's buffer is safe for.
pub fn set(name: &str, pem: &Secret, bufsize: u32) -> Option<Secret> {
    let text = pem.expose();
    let head = format!("set ssl cert {name} <<\n");
    let size = head.len() + text.len() + 2;
    if size + RESERVE > bufsize as usize {
        return None;
    }
    // All at once: a growing vector would leave copies of the key behind in freed memory.
    let mut command = Vec::with_capacity(size);
    command.extend_from_slice(head.as_bytes());
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        command.extend_from_slice(line.trim_ascii_end());
        command.push(b'\n');
    }
    command.push(b'\n');
    Some(Secret::new(command))
}

/// Whether a file in PEM holds a private key of any kind (RFC 7468, sections 10 and 11; RFC 5915).
pub fn has_key(pem: &Secret) -> bool {
    const END: &[u8] = b"PRIVATE KEY-----";
    pem.expose().windows(END.len()).any(|part| part == END)
}

/// A certificate, and its key from a file of its own, as [`set`] takes them.
pub fn with_key(certificate: &Secret, key: &Secret) -> Secret {
    // All at once: a growing vector would leave copies of the key behind in freed memory.
    let mut both = Vec::with_capacity(certificate.size() + 1 + key.size());
    both.extend_from_slice(certificate.expose());
    both.push(b'\n');
    both.extend_from_slice(key.expose());
    Secret::new(both)
}

/// Reads what `set ssl cert` said.
///
/// # Errors
/// Unless a transaction was opened for this very name.
pub fn read_set(name: &str, answer: &str) -> Result<(), RuntimeError> {
    let said = answer.trim();
    let about =
        |verb: &str| said.strip_prefix(&format!("Transaction {verb} for certificate "))?.strip_suffix('!');
    match (about("created"), about("updated")) {
        (Some(created), _) if created == name => Ok(()),
        // It was open before: what else is in it is not ours.
        (_, Some(other)) => Err(RuntimeError::Crossed { other: other.to_owned() }),
        _ => Err(refused(&format!("set ssl cert {name}"), answer)),
    }
}

/// Makes the transaction's certificate the one that is served.
pub fn commit(name: &str) -> Secret {
    command(&format!("commit ssl cert {name}"))
}

/// Reads what `commit ssl cert` said: its last line is `Success!`, or it did not happen.
///
/// # Errors
/// When it did not happen; the transaction is still open then.
pub fn read_commit(name: &str, answer: &str) -> Result<(), RuntimeError> {
    succeeded(&format!("commit ssl cert {name}"), answer)
}

/// Ends a transaction without effect.
pub fn abort(name: &str) -> Secret {
    command(&format!("abort ssl cert {name}"))
}

/// Makes an empty certificate.
pub fn new(name: &str) -> Secret {
    command(&format!("new ssl cert {name}"))
}

/// Reads what `new ssl cert` said; that it is there already is as good.
///
/// # Errors
/// When it is not there.
pub fn read_new(name: &str, answer: &str) -> Result<(), RuntimeError> {
    match answer.contains("New empty certificate store") || answer.contains("already exists") {
        true => Ok(()),
        false => Err(refused(&format!("new ssl cert {name}"), answer)),
    }
}

/// Shows what is in a crt-list.
pub fn crt_list(crt_list: &str) -> Secret {
    command(&format!("show ssl crt-list {crt_list}"))
}

/// Whether a crt-list that was shown has a certificate: each line begins with one, unless it is the heading.
pub fn is_listed(name: &str, answer: &str) -> bool {
    answer.lines().any(|line| line.split_whitespace().next() == Some(name))
}

/// Has a listener use a certificate.
pub fn add_to_list(crt_list: &str, name: &str) -> Secret {
    command(&format!("add ssl crt-list {crt_list} {name}"))
}

/// Reads what `add ssl crt-list` said; that it is listed already is as good.
///
/// # Errors
/// When it is not listed.
pub fn read_add(crt_list: &str, name: &str, answer: &str) -> Result<(), RuntimeError> {
    if answer.contains("already exists in this") {
        return Ok(());
    }
    succeeded(&format!("add ssl crt-list {crt_list} {name}"), answer)
}

/// Has no listener use a certificate any more.
pub fn remove_from_list(crt_list: &str, name: &str) -> Secret {
    command(&format!("del ssl crt-list {crt_list} {name}"))
}

/// Forgets a certificate that no listener uses.
pub fn forget(name: &str) -> Secret {
    command(&format!("del ssl cert {name}"))
}

/// Shows what is served under a name.
pub fn show(name: &str) -> Secret {
    command(&format!("show ssl cert {name}"))
}

/// How far a report bears out what should be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It says all of it.
    Whole,
    /// What it says fits, and it does not say the rest.
    InPart,
}

/// Whether `show ssl cert` tells of this leaf, with so many certificates behind it. HAProxy 2.6 ends its report before the
/// fingerprint and the chain where the key is neither EC nor plain RSA: what it does not say is neither right nor wrong.
///
/// # Errors
/// With what it holds instead.
pub fn read_show(name: &str, leaf: &Certificate, chain: usize, answer: &str) -> Result<Told, RuntimeError> {
    is_report(name, answer)?;
    let plain = |text: &str| text.to_ascii_lowercase().trim_start_matches('0').to_owned();
    let serial = field("Serial", answer);
    let links = answer.lines().filter(|line| line.starts_with("Chain Subject:")).count();
    // The chain comes after the leaf's issuer.
    let tells_chain = links > 0 || field("Issuer", answer).is_some();
    let is_other = serial.is_some_and(|serial| plain(serial) != plain(leaf.serial.as_str()));
    if is_other || (tells_chain && links != chain) {
        let serial = serial.unwrap_or("not told");
        return Err(RuntimeError::NotTaken {
            found: match tells_chain {
                true => format!("serial {serial} with a chain of {links}"),
                false => format!("serial {serial}"),
            },
            wanted: format!("serial {} with a chain of {chain}", leaf.serial),
        });
    }
    Ok(if serial.is_some() && tells_chain { Told::Whole } else { Told::InPart })
}

/// What `show ssl cert` tells of the leaf that is held under a name; None where it does not say which one that is.
///
/// # Errors
/// When there is none: an empty certificate, or another answer.
pub fn read_held(name: &str, answer: &str) -> Result<Option<Held>, RuntimeError> {
    is_report(name, answer)?;
    let unreadable = || refused(&format!("show ssl cert {name}"), answer);
    let Some(serial) = field("Serial", answer) else { return Ok(None) };
    let digits = format!("{}{serial}", if serial.len() % 2 == 1 { "0" } else { "" });
    let serial = hex::decode(digits).map_err(|_| unreadable())?;
    let sha1 = match field("SHA1 FingerPrint", answer) {
        None => None,
        Some(text) => {
            let mut sha1 = [0; 20];
            hex::decode_to_slice(text, &mut sha1).map_err(|_| unreadable())?;
            Some(sha1)
        }
    };
    let algorithm = field("Algorithm", answer).and_then(|text| match text {
        text if text.starts_with("EC") => Some(KeyAlgorithm::Ecdsa),
        text if text.starts_with("RSA") => Some(KeyAlgorithm::Rsa),
        _ => None,
    });
    let not_after = field("notAfter", answer).and_then(read_time);
    Ok(Some(Held { serial: Serial::from_bytes(&serial), sha1, not_after, algorithm }))
}

/// A report names its file first. Of a certificate that is empty, it says so.
fn is_report(name: &str, answer: &str) -> Result<(), RuntimeError> {
    let is_empty = field("Status", answer) == Some("Empty");
    // Before 2.2 there was no status.
    let tells = field("Serial", answer).is_some() || field("Status", answer).is_some();
    match tells && !is_empty {
        true => Ok(()),
        false => Err(refused(&format!("show ssl cert {name}"), answer)),
    }
}

/// What a report says under a heading; None where that is nothing.
fn field<'a>(key: &str, answer: &'a str) -> Option<&'a str> {
    let said = answer.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)?;
    (!said.is_empty()).then_some(said)
}

/// `Feb 22 15:03:00 2027 GMT`, as OpenSSL writes it.
fn read_time(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix(" GMT")?.split_whitespace().collect::<Vec<_>>().join(" ");
    let time = jiff::civil::DateTime::strptime("%b %d %H:%M:%S %Y", &text).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(time).ok()
}

/// One command, as it is sent on a connection of its own.
fn command(text: &str) -> Secret {
    Secret::new(format!("{text}\n").into_bytes())
}

fn succeeded(command: &str, answer: &str) -> Result<(), RuntimeError> {
    match answer.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
        Some("Success!") => Ok(()),
        _ => Err(refused(command, answer)),
    }
}

fn refused(command: &str, answer: &str) -> RuntimeError {
    let answer: Vec<&str> = answer.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match answer[..] {
        [] => RuntimeError::Silent { command: command.to_owned() },
        ["Permission denied", ..] => RuntimeError::NotAdmin,
        _ => {
            let answer = answer.join(" | ");
            // "The ongoing transaction is about 'A' but you are trying to set 'B'"
            let other = answer
                .split_once("ongoing transaction is about '")
                .and_then(|(_, rest)| rest.split_once('\''));
            match other {
                Some((other, _)) => RuntimeError::Busy { other: other.to_owned() },
                None => RuntimeError::Refused { command: command.to_owned(), answer },
            }
        }
    }
}

#[cfg(test)]
mod tests;
