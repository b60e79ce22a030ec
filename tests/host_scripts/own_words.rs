//! The end of servers' own logs since a switch.

use std::fs;
use std::io::Write;

use certwave::install::{Activation, InstallSpec, OwnWords};
use certwave::service::{Command, Envoy, ServiceSpec};

use crate::nginx::Site;
use crate::support::{Host, SHELLS, Shell, version};

fn own_words(host: &Host) -> Vec<OwnWords> {
    let ended = host.ask(&InstallSpec::own_words());
    OwnWords::parse(&ended.output(), &host.services)
        .unwrap_or_else(|error| panic!("{:?}: {error}\n{}", host.shell, ended.text()))
}

#[test]
fn nginx_tells_what_its_logs_got_since_its_reload_and_no_more() {
    for shell in SHELLS {
        let site = Site::new(shell);
        let say = |text: &str| {
            let mut log = fs::OpenOptions::new().append(true).open(site.error_log()).unwrap();
            writeln!(log, "{text}").unwrap();
        };
        // Nothing was switched yet, and what a log got before matters to nobody.
        assert_eq!(own_words(&site.host), [], "{shell:?}");
        say("before");
        site.stage_next();
        assert_eq!(site.activate_next(), Activation::Activated, "{shell:?}");
        say("since \u{1b}[2J");
        let words = own_words(&site.host);
        assert_eq!(words.len(), 1, "{shell:?}");
        let last = words[0].lines.last().unwrap();
        assert_eq!(last, "since \\u{1b}[2J", "{shell:?}");
        assert!(!words[0].lines.iter().any(|line| line.contains("before")), "{shell:?}: {words:?}");
        // The next switch is another one.
        assert_eq!(site.activate_next(), Activation::Activated, "{shell:?}");
        assert!(!format!("{:?}", own_words(&site.host)).contains("since"), "{shell:?}");
    }
}

/// A journal that tells how it was asked.
fn with_journal(host: &mut Host) {
    if host.shell == Shell::Busybox {
        let log = host.file("asked");
        fs::write(
            host.file("bin/journalctl"),
            format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\necho 'it died'\n", log.display()),
        )
        .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(host.file("bin/journalctl"), mode).unwrap();
        return;
    }
    let log = host.file("asked");
    host.shim("journalctl", &format!("printf '%s\\n' \"$*\" >>'{}'\necho 'it died'", log.display()));
}

#[test]
fn the_journal_of_the_unit_that_a_command_names_is_asked_from_the_switch_on() {
    for shell in SHELLS {
        for (command, unit) in [
            ("true || systemctl reload api", Some("api")),
            ("true || /bin/systemctl --quiet try-restart api.service", Some("api.service")),
            ("true", None),
        ] {
            let mut host = Host::named(shell, "certwave");
            with_journal(&mut host);
            let spec = ServiceSpec::Command(Command { test: None, reload: command.to_owned() });
            host.add_service("api", &spec, 30);
            let before =
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            host.install(&version(1), None, "one");
            let words = own_words(&host);
            let asked = fs::read_to_string(host.file("asked")).unwrap_or_default();
            let Some(unit) = unit else {
                assert_eq!((words, asked.as_str()), (Vec::new(), ""), "{shell:?}: {command}");
                continue;
            };
            assert_eq!(words[0].lines, ["it died"], "{shell:?}: {command}");
            assert!(asked.contains(&format!("--unit={unit} --since=@")), "{shell:?}: {asked}");
            let since: u64 = asked.trim().rsplit('@').next().unwrap().parse().unwrap();
            assert!(since.abs_diff(before) < 60, "{shell:?}: {since}, {before}");
        }
    }
}

#[test]
fn a_server_that_no_unit_runs_tells_nothing() {
    for shell in SHELLS {
        let mut host = Host::named(shell, "certwave");
        with_journal(&mut host);
        host.add_service(
            "mesh",
            &ServiceSpec::Envoy(Envoy {
                watched: host.directory().to_str().unwrap().parse().unwrap(),
                secrets: Vec::new(),
                admin: None,
            }),
            30,
        );
        host.install(&version(1), None, "one");
        // No Envoy of this machine is a unit's.
        assert_eq!(own_words(&host), [], "{shell:?}");
    }
}
