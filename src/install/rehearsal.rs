//! A rehearsal: a throw-away version is staged aside, servers' own tests are run against it, and all is removed again.

use crate::install::answer::Answer;
use crate::install::outcome::{gave_up, words};
use crate::install::script::with_services;
use crate::install::texts::{CHANGE, COMMON, FOLDERS, STAGE, WAYS};
use crate::install::{
    InstallError, InstallSpec, Layout, Output, Ownership, Script, ScriptService, StagePayload,
};
use crate::model::{HostName, ServiceName, Version};

/// What became of one service's test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tested {
    /// It would take the version.
    Took(ServiceName),
    /// It would not: its own words.
    Refused(ServiceName, String),
    /// No service could be tested without touching what is live: why.
    Untested(String),
}

/// How a host rehearsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// Which.
    pub host: HostName,
    /// What became of each service's test; else why it did not come to that.
    pub result: Result<Vec<Tested>, String>,
}

impl Rehearsed {
    /// Whether nothing went wrong. What could not be tried did not.
    pub fn is_good(&self) -> bool {
        let good = |tested: &Tested| !matches!(tested, Tested::Refused(..));
        self.result.as_ref().is_ok_and(|tested| tested.iter().all(good))
    }
}

impl InstallSpec {
    /// Puts a version [aside](InstallSpec::aside); its payload goes to standard input. Answer: [`crate::install::Staged`].
    pub fn stage_aside(&self, version: &Version, payload: &StagePayload) -> Script {
        let aside = self.aside();
        let Ownership { owner, group, key_mode } = Ownership::without_any(self);
        aside
            .prelude()
            .assign("owner", &owner)
            .assign("group", &group)
            .assign("version", version.as_str())
            .assign("size", &payload.bytes.size().to_string())
            .assign("folder", &payload.folder)
            .assign("formats", &payload.formats)
            .assign("alone", "no")
            .assign("key_mode", &format!("{key_mode:04o}"))
            .text(COMMON)
            .text(CHANGE)
            .text(WAYS)
            .text(FOLDERS)
            .text("safe_or_fail")
            .text(STAGE)
    }

    /// The same host, with everything in a folder of its own and no links.
    pub fn aside(&self) -> InstallSpec {
        let directory = self.layout.directory().join(".rehearsal");
        InstallSpec {
            layout: Layout::new(directory, self.layout.name().clone()),
            links: Vec::new(),
            copies: Vec::new(),
            ..self.clone()
        }
    }

    /// Tests what was staged [`aside`](InstallSpec::aside), where the host can without touching what is live, and removes
    /// it. Answer: [`rehearsed`].
    pub fn rehearse(&self, version: &Version, services: &[ScriptService]) -> Script {
        let aside = self.aside().layout;
        let shadow = aside.version(version);
        let test = with_services(self.prelude(), services)
            .assign("shadow", shadow.as_str())
            .text(COMMON)
            .text(&self.each_link())
            .text(include_str!("scripts/rehearse_test.sh"));
        self.prelude()
            .assign("aside", aside.directory().as_str())
            .assign("test", test.as_str())
            .text(COMMON)
            .text(include_str!("scripts/rehearse.sh"))
    }
}

/// What a service said, all of it on one line.
fn refused(reason: &str) -> String {
    let last = reason.trim().rfind("gave up after ").map_or(reason, |at| &reason.trim()[at..]);
    let its = if gave_up(last) { "its test is slower than `verify: timeout`: " } else { "" };
    match reason.trim() {
        "" => words(""),
        said => format!("{its}{said}"),
    }
}

/// Reads a rehearsal's answer.
///
/// # Errors
/// When it did not come to its end, or spoke out of protocol.
pub fn rehearsed(output: &Output<'_>, services: &[ScriptService]) -> Result<Vec<Tested>, InstallError> {
    let answer = Answer::read(output)?;
    let (mut all, mut reason) = (Vec::new(), String::new());
    for (key, value) in answer.statements() {
        let unexpected = || InstallError::Unexpected { statement: format!("{key} {value}") };
        let service = || {
            let number = value.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let service = number.and_then(|number| services.get(number)).ok_or_else(unexpected)?;
            Ok(service.name.clone())
        };
        match key {
            "reason" => value.clone_into(&mut reason),
            "took" => all.push(Tested::Took(service()?)),
            "refused" => all.push(Tested::Refused(service()?, refused(&std::mem::take(&mut reason)))),
            "untested" => all.push(Tested::Untested(value.to_owned())),
            _ => return Err(unexpected()),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &str) -> Result<Vec<Tested>, InstallError> {
        let service = |name: &str| ScriptService {
            name: name.parse().unwrap(),
            settings: Vec::new(),
            script: "",
            ports: Vec::new(),
        };
        let said = format!("\n{said}certwave:result rehearsed\n");
        let output = Output { status: 0, stdout: said.as_bytes(), stderr: b"" };
        rehearsed(&output, &[service("nginx"), service("haproxy")])
    }

    #[test]
    fn each_service_says_what_it_thinks_of_the_version() {
        let all = "certwave:took 1\ncertwave:reason unknown directive\ncertwave:refused 2\ncertwave:untested no unshare\n";
        let expected = [
            Tested::Took("nginx".parse().unwrap()),
            Tested::Refused("haproxy".parse().unwrap(), "unknown directive".to_owned()),
            Tested::Untested("no unshare".to_owned()),
        ];
        assert_eq!(read(all).unwrap(), expected);
        for other in ["certwave:took 0\n", "certwave:refused 3\n", "certwave:took x\n", "certwave:surprise\n"]
        {
            assert!(matches!(read(other), Err(InstallError::Unexpected { .. })), "{other}");
        }
    }

    #[test]
    fn a_service_that_says_nothing_or_takes_too_long_has_words() {
        let words = |reason: &str| match &read(&format!("{reason}certwave:refused 1\n")).unwrap()[..] {
            [Tested::Refused(_, words)] => words.clone(),
            other => panic!("{other:?}"),
        };
        for silent in ["", "certwave:reason \n"] {
            assert_eq!(words(silent), "it failed and printed nothing");
        }
        for said in ["gave up after 20 s", "looking gave up after 20 s"] {
            let slow = format!("its test is slower than `verify: timeout`: {said}");
            assert_eq!(words(&format!("certwave:reason {said}\n")), slow);
        }
    }

    #[test]
    fn a_rehearsal_is_good_unless_something_was_refused_or_failed() {
        let (took, refused) = ("certwave:took 1\n", "certwave:refused 2\n");
        let good = |result| Rehearsed { host: "web01".parse().unwrap(), result }.is_good();
        for (said, expected) in [
            (String::new(), true),
            (took.to_owned(), true),
            ("certwave:untested no unshare\n".to_owned(), true),
            (refused.to_owned(), false),
            (format!("{took}{refused}"), false),
        ] {
            assert_eq!(good(Ok(read(&said).unwrap())), expected, "{said}");
        }
        assert!(!good(Err("no room".to_owned())));
    }
}
