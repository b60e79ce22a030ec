//! The dead-man switch: armed on the host before its live link is switched, disarmed when that is confirmed. If
//! nobody confirms, because the controller or the network is gone, the host goes back by itself.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::install::Script;
use crate::install::shell::assignments;
use crate::install::texts::WAYS;
use crate::model::Version;

/// What keeps a switch alive on a host.
const KEEPER: &str = include_str!("scripts/dead_man_keeper.sh");
/// Whether it outlives a reboot.
const BOOTS: &str = include_str!("scripts/dead_man_boots.sh");
const TAKE_OVER: &str = include_str!("scripts/dead_man_take_over.sh");
const HOST_LOG: &str = include_str!("scripts/host_log.sh");
/// Runs a script that nobody else can have written.
const OWN_SCRIPT: &str = include_str!("scripts/own_script.sh");
const ONLY_ROOTS: &str = include_str!("scripts/only_roots.sh");

/// What a switch does when nobody disarms it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadMan {
    /// The version that is being switched to. Where another is live by then, nothing is done.
    pub target: Version,
    /// The version that is put back.
    pub previous: Version,
    /// It is not put back from this time on.
    pub not_after: Timestamp,
    /// How long it waits, counted from when it is armed.
    pub after: Duration,
}

impl DeadMan {
    /// Its settings, as a line of its script.
    pub(super) fn settings(&self) -> String {
        assignments(&[
            ("target", self.target.as_str()),
            ("version", self.previous.as_str()),
            ("until", &self.not_after.as_second().to_string()),
            ("seconds", &self.after.as_secs().max(1).to_string()),
        ])
    }

    /// What the switch does first, after its settings.
    pub(super) fn waiting() -> Script {
        Script::new().text(include_str!("scripts/dead_man_wait.sh"))
    }

    /// What it does when nobody disarmed it, after what the shell that armed it was given, too.
    pub(super) fn firing() -> Script {
        Script::new().text(HOST_LOG).text(TAKE_OVER).text(include_str!("scripts/dead_man_fire.sh"))
    }

    /// Starts one where the end of a login does not end it.
    pub(super) fn starting() -> Script {
        Script::new()
            .assign("own_script", Self::own_script().as_str())
            .text(KEEPER)
            .text(include_str!("scripts/dead_man_start.sh"))
    }

    /// What runs a switch's script: `sh -c` with this, and the script's path as its name.
    fn own_script() -> Script {
        // It has no folder of certwave's versions: the script's own is judged like any other.
        Script::new().assign("directory", "/proc/self/none").text(WAYS).text(OWN_SCRIPT)
    }

    /// Writes one down for the host's next boot.
    pub(super) fn outliving() -> Script {
        let roots = Script::new().text(ONLY_ROOTS);
        let runner = roots
            .clone()
            .assign("own_script", Self::own_script().as_str())
            .text(include_str!("scripts/boot_runner.sh"));
        let at_boot = Script::new().text(HOST_LOG).text(include_str!("scripts/dead_man_at_boot.sh"));
        Script::new()
            .assign("roots", roots.as_str())
            .assign("runner", runner.as_str())
            .assign("unit_text", include_str!("scripts/boot.service"))
            .assign("at_boot", at_boot.as_str())
            .text("eval \"$roots\"")
            .text(BOOTS)
            .text(include_str!("scripts/dead_man_boot_arm.sh"))
    }

    /// Finds out what would keep one alive, and whether it would outlive a reboot.
    pub(super) fn lasting(boot_unit: bool) -> Script {
        let word = if boot_unit { "yes" } else { "no" };
        Script::new().assign("boot_unit", word).text(KEEPER).text(ONLY_ROOTS).text(BOOTS)
    }
}

/// What keeps a switch alive once the login that armed it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// The host's systemd, which root asks for it.
    System,
    /// The user's own systemd, which lingers.
    User,
    /// Nothing: systemd may end it with the login's session.
    Session,
    /// Nothing, on a host that systemd does not run: no login's end ends it.
    None,
}

impl Keeper {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "system" => Self::System,
            "user" => Self::User,
            "session" => Self::Session,
            "none" => Self::None,
            _ => return None,
        })
    }
}

/// Whether a switch that root's systemd keeps outlives a reboot of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boots {
    /// The boot unit puts the previous version back before servers start.
    Unit,
    /// The playbook does not want that unit.
    Off,
    /// The host's administrator does not: it is masked.
    Masked,
    /// Others than root may write on the way to what the unit would read.
    Unsafe,
    /// The unit cannot be written there.
    Unwritable,
}

impl Boots {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "unit" => Self::Unit,
            "off" => Self::Off,
            "masked" => Self::Masked,
            "unsafe" => Self::Unsafe,
            "unwritable" => Self::Unwritable,
            _ => return None,
        })
    }
}

/// Who puts back a version that nobody confirms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// The switch's process, when its time is over.
    Process,
    /// That process is gone; the host's next boot does it.
    Boot,
    /// Nobody: only its file is left.
    Nobody,
}

/// A switch that is armed, as `inspect` found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Armed {
    /// The version that nobody confirmed yet.
    pub target: Version,
    /// The version that it would put back.
    pub previous: Version,
    /// Who would.
    pub guard: Guard,
}

impl Armed {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (target, previous) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let guard = match words.next()? {
            "process" => Guard::Process,
            "boot" => Guard::Boot,
            "nobody" => Guard::Nobody,
            _ => return None,
        };
        Some(Self { target, previous, guard })
    }
}

/// What a switch did, as it wrote it down on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// When, by the host's clock.
    pub at: Timestamp,
    /// The version that nobody confirmed.
    pub target: Version,
    /// The version that it put back, or should have.
    pub previous: Version,
    /// Why it could not be put back, or what did not take it.
    pub problem: Option<String>,
}

impl Fired {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let at = Timestamp::from_second(words.next()?.parse().ok()?).ok()?;
        let (target, previous) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let (result, service) = (words.next()?, words.next().unwrap_or_default());
        let problem = match result {
            "rolled-back" => None,
            "lapsed" => Some("it had expired by then".to_owned()),
            "incomplete" => Some("it is not complete in the archive".to_owned()),
            "unwritable" => Some("the live link could not be switched".to_owned()),
            "test-failed" => Some(format!("{service} refuses its configuration")),
            "reload-failed" => Some(format!("{service} could not be reloaded")),
            "test-hung" => Some(format!("the test of {service} did not end")),
            "reload-hung" => Some(format!("the reload of {service} did not end")),
            _ => return None,
        };
        Some(Self { at, target, previous, problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_host_are_read() {
        let line = "1764115200 20261126T000000Z-aaaaaaaa 20261125T000000Z-bbbbbbbb reload-failed nginx";
        let fired = Fired::parse(line).unwrap();
        assert_eq!(fired.at.to_string(), "2025-11-26T00:00:00Z");
        assert_eq!(fired.problem.unwrap(), "nginx could not be reloaded");
        assert_eq!(Fired::parse("1764115200 20261126T000000Z-aaaaaaaa"), None);
        for (word, guard) in [
            ("process", Some(Guard::Process)),
            ("boot", Some(Guard::Boot)),
            ("nobody", Some(Guard::Nobody)),
            ("", None),
        ] {
            let armed = Armed::parse(&format!("20261126T000000Z-aaaaaaaa 20261125T000000Z-bbbbbbbb {word}"));
            assert_eq!(armed.as_ref().map(|armed| armed.guard), guard);
            assert!(armed.is_none_or(|armed| armed.target > armed.previous));
        }
    }

    #[test]
    fn each_end_of_a_switch_has_its_words() {
        let (target, previous) = ("20261126T000000Z-aaaaaaaa", "20261125T000000Z-bbbbbbbb");
        let fired = |end: &str| Fired::parse(&format!("1764115200 {target} {previous} {end}"));
        for (end, problem) in [
            ("rolled-back", None),
            ("lapsed", Some("it had expired by then")),
            ("incomplete", Some("it is not complete in the archive")),
            ("unwritable", Some("the live link could not be switched")),
            ("test-failed haproxy", Some("haproxy refuses its configuration")),
            ("reload-failed nginx", Some("nginx could not be reloaded")),
            ("test-hung haproxy", Some("the test of haproxy did not end")),
            ("reload-hung nginx", Some("the reload of nginx did not end")),
        ] {
            let found = fired(end).unwrap();
            assert_eq!((found.target.as_str(), found.previous.as_str()), (target, previous));
            assert_eq!(found.problem.as_deref(), problem, "{end}");
        }
        assert_eq!(fired("exploded"), None);
        assert_eq!(Fired::parse(&format!("soon {target} {previous} rolled-back")), None);
        for wrong in [target, "", "x y", "20261126T000000Z-aaaaaaaa y"] {
            assert_eq!(Armed::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_switch_waits_for_a_second_at_least() {
        for (after, seconds) in [(0, 1), (999, 1), (1_000, 1), (220_999, 220)] {
            let dead_man = DeadMan {
                target: "20261126T000000Z-aaaaaaaa".parse().unwrap(),
                previous: "20261125T000000Z-bbbbbbbb".parse().unwrap(),
                not_after: Timestamp::from_second(1_800_000_000).unwrap(),
                after: Duration::from_millis(after),
            };
            assert_eq!(
                dead_man.settings(),
                format!(
                    "target='20261126T000000Z-aaaaaaaa'; version='20261125T000000Z-bbbbbbbb'; until='1800000000'; \
                     seconds='{seconds}'; "
                )
            );
        }
    }
}
