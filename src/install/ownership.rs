//! Whose the installed files are, and who may read the private key.

use crate::install::{InstallError, InstallSpec};

/// Where no file stands that is replaced, and the playbook says nothing.
const KEY_MODE: u16 = 0o600;
/// The bits that a private key may have: never for others, never to be run, and its group only reads it.
const KEPT: u16 = 0o640;

/// A file with a private key that stands on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Its path.
    pub path: String,
    /// Its owner, by name where there is one, else by number.
    pub owner: String,
    /// Its group, likewise.
    pub group: String,
    /// Its owner and its group, by number.
    numbers: (String, String),
    /// Its permission bits.
    pub mode: u16,
}

impl KeyFile {
    /// `UID GID MODE PATH|USER|GROUP`, as GNU's and busybox's `stat -c '%u %g %a %n|%U|%G'` print it. Paths and names may
    /// have spaces.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(4, ' ');
        let (uid, gid) = (words.next()?, words.next()?);
        let mode = u16::from_str_radix(words.next()?, 8).ok()? & 0o777;
        let mut names = words.next()?.rsplitn(3, '|');
        let (group, user, path) = (names.next()?, names.next()?, names.next()?);
        let named = |number: &str, name: &str| if name == "UNKNOWN" { number } else { name }.to_owned();
        let numbers = (uid.to_owned(), gid.to_owned());
        Some(Self { path: path.to_owned(), owner: named(uid, user), group: named(gid, group), numbers, mode })
    }

    /// Whether everybody can read it.
    pub fn is_open(&self) -> bool {
        self.mode & 0o004 != 0
    }

    /// Its owner's number.
    pub(super) fn uid(&self) -> Option<u32> {
        self.numbers.0.parse().ok()
    }

    /// Its group's number.
    pub(super) fn gid(&self) -> Option<u32> {
        self.numbers.1.parse().ok()
    }

    fn words(&self) -> String {
        format!("`{}` is {}:{} {:04o}", self.path, self.owner, self.group, self.mode)
    }
}

/// Whose the files of a version are on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// The files' owner: a name or a number.
    pub owner: String,
    /// The files' group: a name or a number.
    pub group: String,
    /// The mode of the files that hold the private key; the others are 0644.
    pub key_mode: u16,
}

impl Ownership {
    /// What the playbook says; else what holds for the key files that stand there; else root's, and for nobody else to read.
    ///
    /// # Errors
    /// Where the files that stand there differ in what the playbook leaves open: each path may need its own.
    pub fn of(spec: &InstallSpec, standing: &[KeyFile]) -> Result<Self, InstallError> {
        let open = |file: &KeyFile| {
            (
                spec.owner.is_none().then(|| file.owner.clone()),
                spec.group.is_none().then(|| file.group.clone()),
                spec.key_mode.is_none().then(|| without_others(file.mode)),
            )
        };
        let Some(first) = standing.first() else { return Ok(Self::without_any(spec)) };
        if let Some(other) = standing.iter().find(|other| open(other) != open(first)) {
            return Err(InstallError::KeysDiffer { first: first.words(), second: other.words() });
        }
        Ok(Self {
            owner: spec.owner.clone().unwrap_or_else(|| first.owner.clone()),
            group: spec.group.clone().unwrap_or_else(|| first.group.clone()),
            key_mode: spec.key_mode.unwrap_or(without_others(first.mode)),
        })
    }

    /// Where nothing stands there.
    pub fn without_any(spec: &InstallSpec) -> Self {
        let root = || "root".to_owned();
        Self {
            owner: spec.owner.clone().unwrap_or_else(root),
            group: spec.group.clone().unwrap_or_else(root),
            key_mode: spec.key_mode.unwrap_or(KEY_MODE),
        }
    }

    /// Whether a key file is as it should be. The numbers are those of this owner and this group, as far as the host told
    /// them: a user or a group may have several names.
    pub fn holds_for(&self, file: &KeyFile, (uid, gid): (Option<u32>, Option<u32>)) -> bool {
        let owner = self.owner == file.owner || uid.is_some() && uid == file.uid();
        let group = self.group == file.group || gid.is_some() && gid == file.gid();
        owner && group && self.key_mode == file.mode
    }
}

/// A key that others could read stays readable for its group.
fn without_others(mode: u16) -> u16 {
    let group = if mode & 0o004 != 0 { 0o040 } else { 0 };
    (mode | group) & KEPT | 0o400
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::Layout;

    fn spec(owner: Option<&str>, group: Option<&str>, key_mode: Option<u16>) -> InstallSpec {
        InstallSpec {
            layout: Layout::new("/etc/certwave".parse().unwrap(), "a.test".parse().unwrap()),
            keep: 3,
            owner: owner.map(str::to_owned),
            group: group.map(str::to_owned),
            key_mode,
            boot_unit: true,
            links: Vec::new(),
            copies: Vec::new(),
        }
    }

    fn file(text: &str) -> KeyFile {
        KeyFile::parse(text).unwrap()
    }

    fn of(spec: &InstallSpec, standing: &[&str]) -> Result<String, InstallError> {
        let standing: Vec<KeyFile> = standing.iter().map(|text| file(text)).collect();
        let owned = Ownership::of(spec, &standing)?;
        Ok(format!("{}:{} {:04o}", owned.owner, owned.group, owned.key_mode))
    }

    #[test]
    fn the_playbook_is_heard_first_then_what_stands_there_then_root() {
        let open = spec(None, None, None);
        let haproxy = "109 112 600 /etc/ssl/a b.pem|haproxy|haproxy";
        assert_eq!(of(&open, &[]).unwrap(), "root:root 0600");
        assert_eq!(of(&open, &[haproxy]).unwrap(), "haproxy:haproxy 0600");
        assert_eq!(of(&open, &[haproxy, haproxy]).unwrap(), "haproxy:haproxy 0600");
        assert_eq!(of(&spec(Some("root"), None, None), &[haproxy]).unwrap(), "root:haproxy 0600");
        assert_eq!(of(&spec(None, Some("ssl"), None), &[haproxy]).unwrap(), "haproxy:ssl 0600");
        assert_eq!(of(&spec(None, None, Some(0o640)), &[haproxy]).unwrap(), "haproxy:haproxy 0640");
        assert_eq!(of(&spec(None, Some("ssl"), Some(0o640)), &[]).unwrap(), "root:ssl 0640");
        // A user that the host does not know by name.
        assert_eq!(of(&open, &["4711 4712 400 /a|UNKNOWN|UNKNOWN"]).unwrap(), "4711:4712 0400");
    }

    #[test]
    fn a_key_that_others_can_read_is_left_to_its_group() {
        for (stands, becomes) in [
            ("644", "0640"),
            ("604", "0640"),
            ("444", "0440"),
            ("640", "0640"),
            ("660", "0640"),
            ("600", "0600"),
            ("400", "0400"),
            ("755", "0640"),
            ("0", "0400"),
        ] {
            let owned = of(&spec(None, None, None), &[&format!("0 33 {stands} /a|root|www-data")]).unwrap();
            assert_eq!(owned, format!("root:www-data {becomes}"), "{stands}");
        }
    }

    #[test]
    fn two_files_that_differ_are_named_unless_the_playbook_settles_it() {
        let two = ["0 0 600 /a|root|root", "0 33 640 /b|root|www-data"];
        let error = of(&spec(None, None, None), &two).unwrap_err().to_string();
        assert!(
            error.contains("`/a` is root:root 0600") && error.contains("`/b` is root:www-data 0640"),
            "{error}"
        );
        assert!(of(&spec(None, Some("www-data"), None), &two).is_err());
        assert_eq!(of(&spec(None, Some("ssl"), Some(0o600)), &two).unwrap(), "root:ssl 0600");
    }

    #[test]
    fn a_file_is_as_it_should_be_by_owner_group_and_mode() {
        let owned = Ownership { owner: "root".to_owned(), group: "ssl".to_owned(), key_mode: 0o640 };
        let (untold, told) = ((None, None), (Some(0), Some(7)));
        for numbers in [untold, told] {
            assert!(owned.holds_for(&file("0 7 640 /a|root|ssl"), numbers));
            for other in ["0 7 600 /a|root|ssl", "0 0 640 /a|root|root", "5 7 640 /a|app|ssl"] {
                assert!(!owned.holds_for(&file(other), numbers), "{other}");
            }
        }
        // Other names of the same.
        assert!(owned.holds_for(&file("0 7 640 /a|toor|tls"), told));
        assert!(!owned.holds_for(&file("0 7 640 /a|toor|tls"), untold));
        let numbers = Ownership { owner: "0".to_owned(), group: "7".to_owned(), key_mode: 0o640 };
        assert_eq!(file("9 9 600 /a b|c|ad\\user|domain users").group, "domain users");
        assert!(numbers.holds_for(&file("0 7 640 /a|root|ssl"), told));
        assert!(
            !numbers.holds_for(&file("5 7 640 /a|app|ssl"), told)
                && !numbers.holds_for(&file("0 8 640 /a|root|tls"), told)
        );
        for bad in ["", "0 0 600 root root", "0 0 9 /a|root|root"] {
            assert_eq!(KeyFile::parse(bad), None, "{bad}");
        }
    }
}
