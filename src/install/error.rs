//! Why a step could not be done on a host.

use crate::install::Output;
use crate::model::{ServiceName, visible};

/// Why a step could not be done. Reads after "failed to …"; in every case what is live was not changed, or is
/// again what it was, unless the script was [`InstallError::Unfinished`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// `sudo -n` would ask for a password.
    #[error("`sudo -n` asks for a password: allow it without one in sudoers, or log in as another user")]
    SudoPassword,
    /// sudo refuses this user or command.
    #[error("`sudo` refused: {reason}")]
    SudoRefused {
        /// What it said.
        reason: String,
    },
    /// There is no sudo.
    #[error("`sudo` is not installed on the host")]
    NoSudo,
    /// sudo keeps what it is sent, and a private key would have been.
    #[error("{}", Self::INPUT_LOGGED)]
    InputLogged,
    /// Tools that the scripts need.
    #[error("the host lacks {}", .tools.iter().map(|tool| format!("`{tool}`")).collect::<Vec<_>>().join(", "))]
    MissingTools {
        /// Their names.
        tools: Vec<String>,
    },
    /// A folder on a file system that is mounted read-only.
    #[error("`{path}` is on a read-only file system")]
    ReadOnly {
        /// The folder.
        path: String,
    },
    /// A folder that cannot be written to.
    #[error("`{path}` cannot be written to: {reason}")]
    NotWritable {
        /// The folder.
        path: String,
        /// What the host said.
        reason: String,
    },
    /// Others than root and the login's user can change where certwave keeps its files.
    #[error(
        "others can change what `install: directory` holds, at `{path}`: {reason}. Root would run what they put there: make it root's, and let nobody else write to it (`chown root {path}`, `chmod go-w {path}`), or set another `install: directory`"
    )]
    Exposed {
        /// The folder, or a link on the way to it.
        path: String,
        /// Who can, as the host said.
        reason: String,
    },
    /// Too little room, found before anything was sent.
    #[error("no room in `{path}`: {free_kib} KiB free, {needed_kib} KiB needed")]
    NoRoom {
        /// The install folder.
        path: String,
        /// Free for this user.
        free_kib: u64,
        /// What a version needs.
        needed_kib: u64,
    },
    /// The disk or a quota ran full.
    #[error("no room left in `{path}`: {reason}")]
    Full {
        /// What was written.
        path: String,
        /// What the host said.
        reason: String,
    },
    /// The wanted owner is no user of the host.
    #[error("user `{owner}` does not exist on the host")]
    NoOwner {
        /// The name.
        owner: String,
    },
    /// The wanted group is no group of the host.
    #[error("group `{group}` does not exist on the host")]
    NoGroup {
        /// The name.
        group: String,
    },
    /// Files cannot be given to that owner and group.
    #[error(
        "user `{user}` may not give files to `{owner}`: set `ansible_become`, or another owner and group"
    )]
    MayNotGive {
        /// Who runs the scripts.
        user: String,
        /// `OWNER:GROUP`
        owner: String,
    },
    /// Files with a private key that are replaced differ, and the playbook does not say which of them is right.
    #[error(
        "{first}, and {second}: say in `install` which `owner`, `group` and `mode` the new files shall have, or give one of them a file of its own by `install: copies`"
    )]
    KeysDiffer {
        /// A file, and whose it is.
        first: String,
        /// Another one.
        second: String,
    },
    /// A server could not read the new key, now or at its next start.
    #[error(
        "service `{service}` runs as user `{user}`, who could not read the new key ({owned}): set `owner`, `group` or `mode` in `install`, or give it a file of its own by `install: copies`"
    )]
    KeyUnreadable {
        /// Which.
        service: ServiceName,
        /// Its user's name, or number.
        user: String,
        /// The key's owner, group and mode.
        owned: String,
    },
    /// A server does not see what is installed.
    #[error(
        "service `{service}` (user `{user}`) cannot enter `{path}`: its systemd unit may hide that (`InaccessiblePaths`), or its root folder, or its user has no right to; set `install: directory`, or give it files of its own by `install: copies`"
    )]
    Hidden {
        /// Which.
        service: ServiceName,
        /// Its user's name, or number.
        user: String,
        /// The folder.
        path: String,
    },
    /// Two processes take connections at one port, and a reload reaches one of them.
    #[error(
        "process {process} (`{name}`) takes connections at port {port} as well, and a reload of `{service}` does not reach it: finish its upgrade, or end that process"
    )]
    Rival {
        /// The service whose port that is.
        service: ServiceName,
        /// TCP port.
        port: u16,
        /// The other process; 0 where it could not be found.
        process: u32,
        /// Its name.
        name: String,
    },
    /// A link's folder is missing.
    #[error("the folder of `{path}` does not exist")]
    NoFolder {
        /// The link.
        path: String,
    },
    /// Something at a link's path that cannot be kept as the previous version.
    #[error(
        "`{path}` is not what the live version holds, and cannot be kept: move it away, then roll out again"
    )]
    Occupied {
        /// The link.
        path: String,
    },
    /// What is at a link's path cannot be copied.
    #[error("`{path}` cannot be kept as the previous version: {reason}")]
    Unadoptable {
        /// The link, or the version.
        path: String,
        /// What the host said.
        reason: String,
    },
    /// The live link was made by something else.
    #[error("`{path}` was not made by certwave: move it away")]
    LiveOccupied {
        /// The link.
        path: String,
    },
    /// Another rollout works on the host.
    #[error("another rollout holds the lock: {holder}")]
    Locked {
        /// Rollout and controller, as it named itself.
        holder: String,
    },
    /// A service cannot be reloaded as things are.
    #[error("service `{service}` is not ready: {reason}")]
    ServiceNotReady {
        /// Which one.
        service: ServiceName,
        /// Why.
        reason: String,
    },
    /// A version is not in the archive, or damaged.
    #[error("version `{version}` is not complete in the host's archive")]
    Incomplete {
        /// Which one.
        version: String,
    },
    /// The live version changed since the host was inspected.
    #[error("another version became live since the host was inspected: `{found}`")]
    Moved {
        /// What is live now.
        found: String,
    },
    /// The dead-man switch could not be armed; nothing was switched.
    #[error("the dead-man switch `{path}` could not be armed: {reason}")]
    Unarmed {
        /// Its file.
        path: String,
        /// What the host said.
        reason: String,
    },
    /// The dead-man switch could not be disarmed: it will put the previous version back.
    #[error("the dead-man switch `{path}` could not be disarmed")]
    StillArmed {
        /// Its file.
        path: String,
    },
    /// Nobody confirmed the version in time: the dead-man switch put the one before back.
    #[error("the version was undone by its dead-man switch before it was confirmed: `{found}` is live")]
    Undone {
        /// What is live now.
        found: String,
    },
    /// The payload could not be unpacked.
    #[error("the files could not be unpacked: {reason}")]
    Unpack {
        /// What tar said.
        reason: String,
    },
    /// What arrived is not what was sent.
    #[error("the files that arrived are not those that were sent")]
    Corrupt,
    /// The script ended without an answer: what it did is not known, the host must be inspected.
    #[error("the script ended with status {status} before it was finished: {reason}")]
    Unfinished {
        /// Its exit status; a signal is 128 plus its number.
        status: u32,
        /// The last of what it said.
        reason: String,
    },
    /// A statement that no script of this version makes.
    #[error("the host answered out of protocol: `{statement}`")]
    Unexpected {
        /// The statement.
        statement: String,
    },
}

impl InstallError {
    /// What it means for a server whose memory is put back to what lies on the disk that sudo keeps what is printed, with the
    /// way out.
    pub const OUTPUT_LOGGED: &str = "on the way back its key is read from the disk, and sudo would keep that in its log of \
         standard output (`log_output` or `log_stdout` in sudoers, or the tag `LOG_OUTPUT`): turn that off for this login, by \
         `Defaults:LOGIN !log_output, !log_stdout` or by `NOLOG_OUTPUT:` in its rule";
    /// What it means that sudo keeps what it is sent, with the way out.
    pub const INPUT_LOGGED: &str = "sudo would keep the private key in its log of standard input (`log_input` or `log_stdin` in \
         sudoers, or the tag `LOG_INPUT`): turn that off for this login, by `Defaults:LOGIN !log_input, !log_stdin` or by \
         `NOLOG_INPUT:` in its rule";

    /// The failure that a script named: `KIND VALUE`, with the reason it gave before.
    pub(super) fn named(statement: &str, reason: &str) -> Self {
        let (kind, value) = statement.split_once(' ').unwrap_or((statement, ""));
        let (path, reason) = (value.to_owned(), reason.to_owned());
        match kind {
            "unwritable" => Self::unwritable(path, reason),
            "unsafe" => Self::Exposed { path, reason },
            "unpack" if is_full(&reason) => Self::Full { path, reason },
            "unpack" => Self::Unpack { reason },
            "corrupt" => Self::Corrupt,
            "owner" => Self::owner(value, &reason),
            "occupied" => Self::Occupied { path },
            "unadoptable" if is_full(&reason) => Self::Full { path, reason },
            "unadoptable" => Self::Unadoptable { path, reason },
            "no-folder" => Self::NoFolder { path },
            "live-occupied" => Self::LiveOccupied { path },
            "incomplete" => Self::Incomplete { version: path },
            "unarmed" => Self::Unarmed { path, reason },
            "armed" => Self::StillArmed { path },
            "undone" => Self::Undone { found: path },
            "moved" => Self::Moved { found: path },
            _ => Self::Unexpected { statement: statement.to_owned() },
        }
    }

    /// `USER OWNER:GROUP`: the files could not be given away, told apart by what chown said.
    fn owner(value: &str, reason: &str) -> Self {
        let (user, owner) = value.split_once(' ').unwrap_or(("", value));
        let (name, group) = owner.split_once(':').unwrap_or((owner, ""));
        match reason.contains("invalid") || reason.contains("unknown") {
            true if reason.contains("group") && !reason.contains("user") => {
                Self::NoGroup { group: group.to_owned() }
            }
            true => Self::NoOwner { owner: name.to_owned() },
            false => Self::MayNotGive { user: user.to_owned(), owner: owner.to_owned() },
        }
    }

    /// A folder that cannot be written to, told apart by what the host said.
    pub(super) fn unwritable(path: String, reason: String) -> Self {
        if reason.contains("Read-only file system") {
            Self::ReadOnly { path }
        } else if is_full(&reason) {
            Self::Full { path, reason }
        } else {
            Self::NotWritable { path, reason }
        }
    }

    /// What an output without an answer means: mostly that sudo did not let the script run at all.
    pub fn classify(output: &Output<'_>) -> Self {
        let stderr = String::from_utf8_lossy(output.stderr);
        let sudo = stderr.lines().find_map(|line| line.strip_prefix("sudo: "));
        let last = |text: &str| text.lines().rev().find(|line| !line.trim().is_empty()).map(visible);
        if stderr.contains("sudo: a password is required") || stderr.contains("sudo: a terminal is required")
        {
            return Self::SudoPassword;
        }
        if let Some(reason) = sudo {
            return Self::SudoRefused { reason: visible(reason) };
        }
        if let Some(line) = stderr
            .lines()
            .find(|line| line.contains("not in the sudoers file") || line.contains("not allowed to execute"))
        {
            return Self::SudoRefused { reason: visible(line) };
        }
        if output.status == 127 && stderr.contains("sudo") {
            return Self::NoSudo;
        }
        let reason = last(&stderr)
            .or_else(|| last(&String::from_utf8_lossy(output.stdout)))
            .unwrap_or_else(|| "it said nothing".to_owned());
        Self::Unfinished { status: output.status, reason }
    }
}

fn is_full(reason: &str) -> bool {
    ["No space left", "quota exceeded", "File too large", "File size limit"]
        .iter()
        .any(|text| reason.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classify(status: u32, stderr: &str) -> String {
        InstallError::classify(&Output { status, stdout: b"", stderr: stderr.as_bytes() }).to_string()
    }

    #[test]
    fn sudo_is_told_from_a_script_that_died() {
        assert!(classify(1, "sudo: a password is required\n").contains("asks for a password"));
        assert_eq!(classify(1, "sudo: unknown user: web\n"), "`sudo` refused: unknown user: web");
        assert!(classify(1, "ann is not in the sudoers file.\n").starts_with("`sudo` refused"));
        assert_eq!(
            classify(127, "bash: line 1: exec: sudo: not found\n"),
            "`sudo` is not installed on the host"
        );
        assert!(
            classify(1, "sudo: a terminal is required to read the password\n")
                .contains("asks for a password")
        );
        assert!(
            classify(1, "Sorry, user ann is not allowed to execute 'x' as root on web01.\n")
                .starts_with("`sudo` refused")
        );
        assert_eq!(
            classify(137, ""),
            "the script ended with status 137 before it was finished: it said nothing"
        );
        let (status, reason) = (127, "sh: 3: tar: not found".to_owned());
        let missing = InstallError::Unfinished { status, reason };
        assert_eq!(classify(127, "odd\nsh: 3: tar: not found\n\n"), missing.to_string());
    }

    #[test]
    fn the_last_words_of_a_script_that_died_are_told_wherever_it_said_them() {
        let died = |stdout: &[u8], stderr: &[u8]| match InstallError::classify(&Output {
            status: 143,
            stdout,
            stderr,
        }) {
            InstallError::Unfinished { status: 143, reason } => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(died(b"certwave:clock 12\n", b"one\ntwo\n \n"), "two");
        assert_eq!(died(b"Welcome\ncertwave:clock 12\n\n", b""), "certwave:clock 12");
        assert_eq!(died(b"\n", b" \n"), "it said nothing");
    }

    #[test]
    fn each_failure_that_a_script_names_has_its_meaning() {
        for (statement, words) in [
            (
                "unsafe /srv",
                "others can change what `install: directory` holds, at `/srv`: why. Root would run what they put there: make it root's, and let nobody else write to it (`chown root /srv`, `chmod go-w /srv`), or set another `install: directory`",
            ),
            ("unpack V", "the files could not be unpacked: why"),
            ("corrupt V", "the files that arrived are not those that were sent"),
            (
                "occupied /a",
                "`/a` is not what the live version holds, and cannot be kept: move it away, then roll out again",
            ),
            ("unadoptable /a", "`/a` cannot be kept as the previous version: why"),
            ("no-folder /a", "the folder of `/a` does not exist"),
            ("live-occupied /a", "`/a` was not made by certwave: move it away"),
            ("incomplete V", "version `V` is not complete in the host's archive"),
            ("unarmed /a", "the dead-man switch `/a` could not be armed: why"),
            ("armed /a", "the dead-man switch `/a` could not be disarmed"),
            (
                "undone V",
                "the version was undone by its dead-man switch before it was confirmed: `V` is live",
            ),
            ("moved V", "another version became live since the host was inspected: `V`"),
            ("exploded V", "the host answered out of protocol: `exploded V`"),
        ] {
            assert_eq!(InstallError::named(statement, "why").to_string(), words);
        }
        for statement in ["unwritable /a", "unpack /a", "unadoptable /a"] {
            for full in [
                "No space left on device",
                "Disk quota exceeded",
                "File too large",
                "File size limit exceeded",
            ] {
                let full = InstallError::named(statement, full).to_string();
                assert!(full.starts_with("no room left in `/a`: "), "{full}");
            }
        }
    }

    #[test]
    fn owners_are_told_from_groups() {
        let named = |reason| InstallError::named("owner ann root:web", reason).to_string();
        assert_eq!(named("chown: invalid user: 'root:web'"), "user `root` does not exist on the host");
        // Names may have the words in them.
        assert_eq!(named("chown: invalid user: 'root:group'"), "user `root` does not exist on the host");
        assert_eq!(named("chown: invalid group: 'root:web'"), "group `web` does not exist on the host");
        assert_eq!(named("chown: unknown group web"), "group `web` does not exist on the host");
        assert!(named("Operation not permitted").starts_with("user `ann` may not give files to `root:web`"));
    }

    #[test]
    fn a_full_disk_is_told_from_a_read_only_one() {
        let named = |reason| InstallError::named("unwritable /etc/certwave", reason).to_string();
        assert_eq!(named("mkdir: Read-only file system"), "`/etc/certwave` is on a read-only file system");
        assert!(named("cannot create: No space left on device").starts_with("no room left in"));
        assert!(named("Permission denied").contains("cannot be written to: Permission denied"));
    }
}
