//! How the steps ended.

use crate::install::answer::Answer;
use crate::install::{InstallError, OldProcesses, Output, ScriptService, SudoLogs};
use crate::model::{ServiceName, Version, visible};

/// The first line of the shell that attends a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockAnswer {
    /// The lock is held for as long as that shell runs; and what sudo keeps of what that is sent and prints.
    Locked(SudoLogs),
    /// Another one holds it: as it named itself.
    Busy(String),
    /// It cannot be held there.
    Refused(InstallError),
}

impl LockAnswer {
    /// Reads a line; None when it is something that a login shell said.
    pub fn parse(line: &str) -> Option<Self> {
        let statement = line.trim_end().strip_prefix("certwave:")?;
        match statement.split_once(' ').unwrap_or((statement, "")) {
            ("locked", logs) => SudoLogs::parse(logs).map(Self::Locked),
            ("busy", holder) => Some(Self::Busy(visible(holder))),
            ("refused", why) => {
                let (what, reason) = why.split_once('\t').unwrap_or((why, ""));
                Some(Self::Refused(InstallError::named(&visible(what), &visible(reason))))
            }
            _ => None,
        }
    }

    /// Why it ended without an answer, or with the one that the lock is busy.
    pub fn failure(output: &Output<'_>) -> InstallError {
        let text = String::from_utf8_lossy(output.stdout);
        match text.lines().find_map(Self::parse) {
            Some(Self::Busy(holder)) => InstallError::Locked { holder },
            Some(Self::Refused(error)) => error,
            _ => Answer::read(output).err().unwrap_or_else(|| InstallError::classify(output)),
        }
    }
}

/// How `stage` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staged {
    /// The version is in the archive now.
    New,
    /// It was there already, complete, and was not touched.
    Already,
}

impl Staged {
    /// Reads the script's answer.
    ///
    /// # Errors
    /// When it was not staged; nothing but leftovers may remain.
    pub fn parse(output: &Output<'_>) -> Result<Self, InstallError> {
        match Answer::read(output)?.result.as_str() {
            "staged" => Ok(Self::New),
            "already" => Ok(Self::Already),
            other => Answer::unexpected(other),
        }
    }
}

/// Why the dead-man switch that an `activate` armed would end at a reboot, where the boot unit for it could not be written.
pub fn ends_at_reboot(output: &Output<'_>) -> Option<String> {
    Answer::read(output).ok()?.value("ends-at-reboot").map(str::to_owned)
}

/// How `activate` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Activation {
    /// Live, and every service is proven to have reloaded.
    Activated,
    /// A service's test refused it; nothing was reloaded.
    Refused {
        /// The service.
        service: ServiceName,
        /// The last lines of what its test said.
        output: String,
        /// Whether the link is back where it was before the rollout (on a first installation: gone again).
        swapped_back: bool,
        /// Whether the service refuses what was there before as well.
        broken_before: bool,
    },
    /// The link is switched, but a reload is not confirmed: roll back.
    ReloadFailed {
        /// The service.
        service: ServiceName,
        /// The last lines of what was said.
        output: String,
    },
}

impl Activation {
    /// Reads the answer of a script that was made with these services.
    ///
    /// # Errors
    /// When a step before the test failed.
    pub fn parse(output: &Output<'_>, services: &[ScriptService]) -> Result<Self, InstallError> {
        let answer = Answer::read(output)?;
        let said = answer.block("output").unwrap_or_default().to_owned();
        let words: Vec<&str> = answer.result.split(' ').collect();
        match words[..] {
            ["activated"] => Ok(Self::Activated),
            ["refused", number, swapped, broken] => Ok(Self::Refused {
                service: service(services, number)?,
                output: said,
                swapped_back: swapped == "yes",
                broken_before: broken == "yes",
            }),
            ["reload-failed", number] => {
                Ok(Self::ReloadFailed { service: service(services, number)?, output: said })
            }
            _ => Answer::unexpected(&answer.result),
        }
    }

    /// In words, for a person; None when all is well.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Activated => None,
            Self::Refused { service, output, .. } if gave_up(output) => {
                Some(format!("{service}'s test {}", words(output)))
            }
            Self::Refused { service, output, broken_before: true, .. } => Some(format!(
                "{service}'s configuration was already broken before the switch: {}",
                words(output)
            )),
            Self::Refused { service, output, .. } => {
                Some(format!("{service} refused the configuration: {}", words(output)))
            }
            Self::ReloadFailed { service, output } => Some(not_reloaded(service, output)),
        }
    }
}

fn not_reloaded(service: &ServiceName, output: &str) -> String {
    let is = if gave_up(output) { "the command " } else { "" };
    format!("{service} did not reload: {is}{}", words(output))
}

/// Whether a command was ended for its time.
pub(super) fn gave_up(output: &str) -> bool {
    let last = output.lines().last().and_then(|line| line.trim().strip_prefix("gave up after "));
    last.and_then(|rest| rest.strip_suffix(" s")).is_some_and(|seconds| seconds.parse::<u64>().is_ok())
}

/// What a command said, as the end of a sentence; never nothing.
pub(super) fn words(output: &str) -> String {
    match output.trim() {
        "" => "it failed and printed nothing".to_owned(),
        said if gave_up(said) => format!("is slower than `verify: timeout`: {said}"),
        said => said.to_owned(),
    }
}

/// How `rollback` ended. In every case the link is back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollback {
    /// Back, and every service is proven to have reloaded, where that was asked for.
    RolledBack,
    /// A service refuses its configuration; it still runs with what it loaded last.
    TestFailed {
        /// The service.
        service: ServiceName,
        /// The last lines of what its test said.
        output: String,
    },
    /// A reload is not confirmed.
    ReloadFailed {
        /// The service.
        service: ServiceName,
        /// The last lines of what was said.
        output: String,
    },
}

impl Rollback {
    /// Reads the answer of a script that was made with these services.
    ///
    /// # Errors
    /// When the link could not be put back.
    pub fn parse(output: &Output<'_>, services: &[ScriptService]) -> Result<Self, InstallError> {
        let answer = Answer::read(output)?;
        let said = answer.block("output").unwrap_or_default().to_owned();
        match answer.result.split_once(' ') {
            None if answer.result == "rolled-back" => Ok(Self::RolledBack),
            Some(("test-failed", number)) => {
                Ok(Self::TestFailed { service: service(services, number)?, output: said })
            }
            Some(("reload-failed", number)) => {
                Ok(Self::ReloadFailed { service: service(services, number)?, output: said })
            }
            _ => Answer::unexpected(&answer.result),
        }
    }

    /// In words, for a person; None when all is well.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::RolledBack => None,
            Self::TestFailed { service, output } if gave_up(output) => {
                Some(format!("{service}'s test {}", words(output)))
            }
            Self::TestFailed { service, output } => {
                Some(format!("{service} refused the previous configuration: {}", words(output)))
            }
            Self::ReloadFailed { service, output } => Some(not_reloaded(service, output)),
        }
    }
}

/// How `commit` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Versions that are gone from the archive: first those that were not verified there, oldest first.
    pub pruned: Vec<Version>,
    /// Processes of its servers that still serve what they had before.
    pub old: Vec<OldProcesses>,
}

impl Pruned {
    /// Reads the script's answer.
    ///
    /// # Errors
    /// When the archive could not be pruned; the new version is live all the same.
    pub fn parse(output: &Output<'_>) -> Result<Self, InstallError> {
        let answer = Answer::read(output)?;
        let pruned = answer
            .statements()
            .filter(|(key, _)| *key == "pruned")
            .filter_map(|(_, value)| value.parse().ok());
        let old = answer.statements().filter(|(key, _)| *key == "old");
        let old = old.filter_map(|(_, value)| OldProcesses::parse(value)).collect();
        Ok(Self { pruned: pruned.collect(), old })
    }
}

fn service(services: &[ScriptService], number: &str) -> Result<ServiceName, InstallError> {
    let found = number.parse::<usize>().ok().and_then(|number| services.get(number.checked_sub(1)?));
    match found {
        Some(service) => Ok(service.name.clone()),
        None => Answer::unexpected(&format!("service {number}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> Vec<ScriptService> {
        let service = |name: &str| ScriptService {
            name: name.parse().unwrap(),
            settings: Vec::new(),
            script: "",
            ports: Vec::new(),
        };
        vec![service("nginx"), service("haproxy")]
    }

    /// What is read of a script that printed two lines and ended so.
    fn read<T>(result: &str, parse: impl Fn(&Output<'_>) -> T) -> T {
        let said =
            format!("certwave:begin output\n|one\n|two\ncertwave:end output\ncertwave:result {result}\n");
        parse(&Output { status: 1, stdout: said.as_bytes(), stderr: b"" })
    }

    fn is_out_of_protocol<T: std::fmt::Debug>(read: &Result<T, InstallError>) -> bool {
        matches!(read, Err(InstallError::Unexpected { .. }))
    }

    #[test]
    fn the_lock_says_who_holds_it() {
        assert_eq!(LockAnswer::parse("certwave:locked\n"), Some(LockAnswer::Locked(SudoLogs::default())));
        let logs = SudoLogs { input: crate::install::SudoLog::On, output: crate::install::SudoLog::Unknown };
        assert_eq!(LockAnswer::parse("certwave:locked on unknown\n"), Some(LockAnswer::Locked(logs)));
        assert_eq!(LockAnswer::parse("certwave:locked surprise\n"), None);
        let (path, reason) = ("/srv/tls".to_owned(), "it belongs to user 7\tor so".to_owned());
        let told = LockAnswer::parse("certwave:refused unsafe /srv/tls\tit belongs to user 7\tor so\n");
        let reason = reason.replace('\t', " ");
        assert_eq!(told, Some(LockAnswer::Refused(InstallError::Exposed { path, reason })));
        assert_eq!(LockAnswer::parse("certwave:locked\r\n"), Some(LockAnswer::Locked(SudoLogs::default())));
        for other in
            ["Welcome!", "locked", " certwave:locked", "certwave:lock", "certwave:lockedout", "certwave:"]
        {
            assert_eq!(LockAnswer::parse(other), None, "{other}");
        }
        let busy = Output { status: 75, stdout: b"hello\ncertwave:busy 01JD on ops1\n", stderr: b"" };
        assert_eq!(LockAnswer::failure(&busy).to_string(), "another rollout holds the lock: 01JD on ops1");
    }

    #[test]
    fn a_version_is_staged_where_the_host_says_so() {
        assert_eq!(read("staged", Staged::parse), Ok(Staged::New));
        assert_eq!(read("already", Staged::parse), Ok(Staged::Already));
        for other in ["staged 1", "activated", ""] {
            assert!(is_out_of_protocol(&read(other, Staged::parse)), "{other}");
        }
    }

    #[test]
    fn a_refusal_tells_whether_the_link_is_back_and_whether_all_was_broken_before() {
        let activation = |result: &str| read(result, |output| Activation::parse(output, &services()));
        for (result, service, swapped_back, broken_before) in [
            ("refused 1 yes no", "nginx", true, false),
            ("refused 2 no yes", "haproxy", false, true),
            // Nobody knows whether it is back.
            ("refused 1 unknown unknown", "nginx", false, false),
        ] {
            let (service, output) = (service.parse().unwrap(), "one\ntwo".to_owned());
            let refused = Activation::Refused { service, output, swapped_back, broken_before };
            assert_eq!(activation(result), Ok(refused), "{result}");
        }
        let (service, output) = ("haproxy".parse().unwrap(), "one\ntwo".to_owned());
        assert_eq!(activation("reload-failed 2"), Ok(Activation::ReloadFailed { service, output }));
        assert_eq!(activation("activated"), Ok(Activation::Activated));
        for other in [
            "activated 1",
            "refused",
            "refused 1",
            "refused 1 yes",
            "refused 1 yes no no",
            "reload-failed",
            "staged",
            "",
        ] {
            assert!(is_out_of_protocol(&activation(other)), "{other}");
        }
    }

    #[test]
    fn a_switch_that_a_reboot_would_end_is_told_with_its_reason_beside_the_result() {
        let read = |said: &str| {
            let said = format!("{said}certwave:result activated\n");
            let output = Output { status: 0, stdout: said.as_bytes(), stderr: b"" };
            assert_eq!(Activation::parse(&output, &services()), Ok(Activation::Activated));
            ends_at_reboot(&output)
        };
        assert_eq!(read(""), None);
        assert_eq!(read("certwave:ends-at-reboot mkdir: no room\n"), Some("mkdir: no room".to_owned()));
    }

    #[test]
    fn a_problem_always_has_words_and_a_slow_test_is_called_slow() {
        let service = || "nginx".parse().unwrap();
        let refused = |output: &str, broken_before| {
            let output = output.to_owned();
            Activation::Refused { service: service(), output, swapped_back: true, broken_before }
                .problem()
                .unwrap()
        };
        let nothing = "it failed and printed nothing";
        assert_eq!(
            refused(" \n", true),
            format!("nginx's configuration was already broken before the switch: {nothing}")
        );
        assert_eq!(refused("", false), format!("nginx refused the configuration: {nothing}"));
        for broken_before in [false, true] {
            let said = refused("looking\ngave up after 20 s", broken_before);
            assert_eq!(said, "nginx's test is slower than `verify: timeout`: looking\ngave up after 20 s");
        }
        assert_eq!(
            refused("gave up after 20 s\nbad", false),
            "nginx refused the configuration: gave up after 20 s\nbad"
        );
        let unreloaded = |output: &str| {
            let output = output.to_owned();
            let forth = Activation::ReloadFailed { service: service(), output: output.clone() }.problem();
            assert_eq!(forth, Rollback::ReloadFailed { service: service(), output }.problem());
            forth.unwrap()
        };
        assert_eq!(unreloaded(""), format!("nginx did not reload: {nothing}"));
        assert_eq!(
            unreloaded("gave up after 20 s"),
            "nginx did not reload: the command is slower than `verify: timeout`: gave up after 20 s"
        );
        let untested = |output: &str| {
            Rollback::TestFailed { service: service(), output: output.to_owned() }.problem().unwrap()
        };
        assert_eq!(untested(""), format!("nginx refused the previous configuration: {nothing}"));
        assert_eq!(
            untested("gave up after 2 s"),
            "nginx's test is slower than `verify: timeout`: gave up after 2 s"
        );
    }

    #[test]
    fn a_rollback_is_done_where_the_host_says_just_that() {
        let rollback = |result: &str| read(result, |output| Rollback::parse(output, &services()));
        assert_eq!(rollback("rolled-back"), Ok(Rollback::RolledBack));
        let said = || ("nginx".parse().unwrap(), "one\ntwo".to_owned());
        let (service, output) = said();
        assert_eq!(rollback("test-failed 1"), Ok(Rollback::TestFailed { service, output }));
        let (service, output) = said();
        assert_eq!(rollback("reload-failed 1"), Ok(Rollback::ReloadFailed { service, output }));
        for other in ["rolled-back 1", "rolled", "test-failed", "reload-failed 3", "activated", ""] {
            assert!(is_out_of_protocol(&rollback(other)), "{other}");
        }
    }

    #[test]
    fn a_commit_tells_what_it_removed() {
        let said =
            b"certwave:pruned 20251123T200100Z-ffffffff\ncertwave:pruned x\ncertwave:result committed\n";
        let pruned = Pruned::parse(&Output { status: 0, stdout: said, stderr: b"" }).unwrap().pruned;
        assert_eq!(pruned, ["20251123T200100Z-ffffffff".parse().unwrap()]);
    }

    #[test]
    fn a_service_that_does_not_exist_is_out_of_protocol() {
        for number in ["0", "3", "-1", "x", ""] {
            let result = format!("reload-failed {number}");
            let read = read(&result, |output| Activation::parse(output, &services()));
            assert!(is_out_of_protocol(&read), "{number}");
        }
    }
}
