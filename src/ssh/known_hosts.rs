//! OpenSSH's `known_hosts` format (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// A public key as it goes over the wire. Comments are no part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKeyBlob(Vec<u8>);

impl PublicKeyBlob {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// `ssh-ed25519`: the string that every blob begins with (RFC 4253, section 6.6).
    pub(super) fn algorithm(&self) -> Option<&str> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        std::str::from_utf8(rest.get(..length)?).ok()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a line says of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// It is the host's key.
    Key,
    /// `@cert-authority`: it signs host certificates.
    Authority,
    /// `@revoked`: never to be accepted.
    Revoked,
}

/// One line that could be read.
#[derive(Debug)]
pub(super) struct KnownHostsLine {
    /// From 1, comments and empty lines counted.
    pub(super) number: usize,
    pub(super) says: Says,
    pub(super) key: PublicKeyBlob,
}

/// How a line that does not simply list names selects hosts.
#[derive(Debug)]
enum Selector {
    /// Wildcards and negations.
    Patterns(String),
    /// HMAC-SHA1 of the name, keyed with the salt.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

impl Selector {
    fn selects(&self, name: &str) -> bool {
        match self {
            Selector::Patterns(patterns) => matches_list(patterns, name),
            Selector::Hashed { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name.as_bytes()).verify_slice(hash).is_ok()),
        }
    }
}

/// A file, indexed once: a fleet's file has thousands of lines, and every host asks.
#[derive(Debug, Default)]
pub(super) struct KnownHostsFile {
    pub(super) path: PathBuf,
    lines: Vec<KnownHostsLine>,
    /// By name, in lower case; indices into `lines`.
    by_name: HashMap<String, Vec<usize>>,
    /// To be tried one after the other.
    by_selector: Vec<(Selector, usize)>,
}

impl KnownHostsFile {
    /// Reads the file's text. Lines that OpenSSH skips (comments, malformed ones) are skipped.
    pub(super) fn parse(path: &Path, text: &[u8]) -> Self {
        let mut file = Self { path: path.to_owned(), ..Self::default() };
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let Some((says, names, key)) = std::str::from_utf8(line).ok().and_then(parse_line) else {
                continue;
            };
            let position = file.lines.len();
            if let Some(hashed) = names.strip_prefix('|') {
                let Some(selector) = parse_hashed(hashed) else { continue };
                file.by_selector.push((selector, position));
            } else if names.contains(['*', '?', '!']) {
                file.by_selector.push((Selector::Patterns(names.to_ascii_lowercase()), position));
            } else {
                for name in names.split(',') {
                    file.by_name.entry(name.to_ascii_lowercase()).or_default().push(position);
                }
            }
            file.lines.push(KnownHostsLine { number: index + 1, says, key });
        }
        file
    }

    /// The lines that speak of a name, which is in lower case; from the top.
    pub(super) fn lines_of(&self, name: &str) -> Vec<&KnownHostsLine> {
        let listed = self.by_name.get(name).into_iter().flatten().copied();
        let selected =
            self.by_selector.iter().filter(|(by, _)| by.selects(name)).map(|(_, position)| *position);
        let mut positions: Vec<usize> = listed.chain(selected).collect();
        positions.sort_unstable();
        positions.dedup();
        positions.into_iter().map(|position| &self.lines[position]).collect()
    }
}

/// The name under which a host at an address and port is listed.
pub(super) fn listed_name(address: &str, port: u16) -> String {
    let address = address.to_ascii_lowercase();
    if port == 22 { address } else { format!("[{address}]:{port}") }
}

fn parse_line(line: &str) -> Option<(Says, &str, PublicKeyBlob)> {
    let mut words = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty());
    let mut first = words.next()?;
    if first.starts_with('#') {
        return None;
    }
    let says = match first {
        "@cert-authority" => Says::Authority,
        "@revoked" => Says::Revoked,
        other if other.starts_with('@') => return None,
        _ => Says::Key,
    };
    if says != Says::Key {
        first = words.next()?;
    }
    let algorithm = words.next()?;
    let key = PublicKeyBlob::new(STANDARD.decode(words.next()?).ok()?);
    (key.algorithm() == Some(algorithm)).then_some((says, first, key))
}

fn parse_hashed(text: &str) -> Option<Selector> {
    let (salt, hash) = text.strip_prefix("1|")?.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    (hash.len() == 20).then_some(Selector::Hashed { salt, hash })
}

/// Whether a comma-separated list of patterns matches: one does, and none that is negated does.
fn matches_list(patterns: &str, name: &str) -> bool {
    let mut matched = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(negated) if matches_pattern(negated, name) => return false,
            Some(_) => {}
            None => matched |= matches_pattern(pattern, name),
        }
    }
    matched
}

/// `*` is any run of characters, `?` one character (ssh_config(5), "PATTERNS").
pub(super) fn matches_pattern(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last `*` did not fit.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (p, n) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn lines(text: &str, name: &str) -> Vec<usize> {
        let file = KnownHostsFile::parse(Path::new("known_hosts"), text.as_bytes());
        file.lines_of(name).iter().map(|line| line.number).collect()
    }

    #[test]
    fn names_are_matched_as_openssh_matches_them() {
        let text = format!(
            "# comment\n\nweb01,192.0.2.1 {A}\n*.example.com,!secret.example.com {A} comment # with hash\n\
             \tWEB02\t{}\r\n[web03]:2222 {A}\n@revoked old {A}\n@cert-authority *.ca {A}\n@what web01 {A}\n\
             web01 ssh-rsa {}\nweb? {A}",
            A.replace(' ', "\t  "),
            A.split(' ').nth(1).unwrap(),
        );
        assert_eq!(lines(&text, "web01"), [3]);
        assert_eq!(lines(&text, "192.0.2.1"), [3]);
        assert_eq!(lines(&text, "a.example.com"), [4]);
        assert_eq!(lines(&text, "secret.example.com"), [] as [usize; 0]);
        assert_eq!(lines(&text, "web02"), [5]);
        assert_eq!(lines(&text, &listed_name("Web03", 2222)), [6]);
        assert_eq!(lines(&text, "web03"), [] as [usize; 0]);
        assert_eq!(lines(&text, "web4"), [11]);
        let file = KnownHostsFile::parse(Path::new("x"), text.as_bytes());
        assert_eq!(file.lines_of("old")[0].says, Says::Revoked);
        assert_eq!(file.lines_of("db.ca")[0].says, Says::Authority);
    }

    #[test]
    fn wildcards_backtrack() {
        assert!(matches_pattern("*a*b?c", "xaabbab1c"));
        assert!(!matches_pattern("*a*b?c", "xaabbab1d"));
        assert!(matches_pattern("*", ""));
        assert!(!matches_pattern("?", ""));
        assert!(matches_pattern("a**", "a"));
    }

    /// The same lines as `ssh-keygen -F`, over lists made from a small alphabet, plain and hashed. It does
    /// not look at the keys, and so finds malformed lines, too, unlike ssh: there are none.
    #[test]
    fn finds_what_ssh_keygen_finds() {
        if Command::new("ssh-keygen").arg("-?").output().is_err() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let names =
            ["a", "b", "ab", "a.b", "b.a", "[a]:2222", "[a.b]:2222", "192.0.2.1", "::1", "[::1]:2222"];
        let patterns = ["*", "?", "a*", "*.b", "!a", "!*.b", "a?b", "[a]:*", "[*]:2222", "B", "A.b", "", "!"];
        let mut text = String::new();
        for (i, name) in names.iter().enumerate() {
            for (j, pattern) in patterns.iter().enumerate() {
                let marker = ["", "", "@revoked ", "@cert-authority ", "@other "][(i + j) % 5];
                let third = names[(i * 3 + j) % names.len()];
                let gap = ["\t", " ", "  "][(i + 2 * j) % 3];
                let lead = ["", " ", "\t"][j % 3];
                text += &format!("{lead}{marker}{name},{pattern},{third}{gap}{A} c#{j}\n# {name} {A}\n\n");
                text += &format!("{pattern}{gap}{A}\n");
            }
        }
        let plain = folder.path().join("plain");
        std::fs::write(&plain, &text).unwrap();
        let hashed = folder.path().join("hashed");
        let some: String = names.iter().map(|name| format!("{name} {A}\n")).collect();
        std::fs::write(&hashed, some).unwrap();
        assert!(
            Command::new("ssh-keygen").arg("-H").arg("-f").arg(&hashed).output().unwrap().status.success()
        );

        let mut compared = 0;
        for path in [&plain, &hashed] {
            let file = KnownHostsFile::parse(path, &std::fs::read(path).unwrap());
            for name in names.iter().chain(&["c", "aab", "ccb", "[c]:2222", "[a]:22"]) {
                let output = Command::new("ssh-keygen").args(["-F", name, "-f"]).arg(path).output().unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                let theirs: Vec<usize> = text
                    .lines()
                    .filter_map(|line| line.strip_prefix("# Host ")?.split(" found: line ").nth(1))
                    .map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
                    .collect();
                let ours: Vec<usize> = file.lines_of(name).iter().map(|line| line.number).collect();
                assert_eq!(ours, theirs, "{name} in {}", path.display());
                compared += ours.len();
            }
        }
        assert!(compared > 100, "{compared} lines compared");
    }
}
