//! Commands that fail without a word, and those that take too long: a person is told which it was.

use certwave::install::Activation;
use certwave::service::{self, ServiceSpec};

use crate::support::{Host, in_every_shell, quoted, version};

/// With the status of a command that was killed, or just failed.
#[test]
fn a_step_that_prints_nothing_has_words_all_the_same() {
    in_every_shell(|shell| {
        for (command, words) in [
            ("exit 7", "it ended with 7 and printed nothing"),
            ("echo >&2; exit 7", "it failed and printed nothing"),
        ] {
            let mut host = Host::new(shell);
            host.command(command, "true");
            host.install_unchecked();
            let refused = host.activate(&version(2), Some(&version(1))).unwrap();
            let expected = format!("command's configuration was already broken before the switch: {words}");
            assert_eq!(refused.problem().unwrap(), expected, "{shell:?}");
            let Ok(back) = host.rollback(&version(1), true) else { panic!() };
            assert_eq!(
                back.problem().unwrap(),
                format!("command refused the previous configuration: {words}")
            );
            host.services.clear();
            host.command("true", command);
            let unreloaded = host.activate(&version(2), Some(&version(1))).unwrap();
            assert_eq!(unreloaded.problem().unwrap(), format!("command did not reload: {words}"));
        }
    });
}

/// Neither of the new certificate nor of what was there before it says anything.
#[test]
fn a_test_that_is_slower_than_its_time_is_called_slow_and_nothing_else() {
    in_every_shell(|shell| {
        for (test, broken_before) in [("sleep 60", false), ("echo looking; sleep 60", false)] {
            let mut host = Host::new(shell);
            let spec = service::Command { test: Some(test.to_owned()), reload: "true".to_owned() };
            host.add_service("command", &ServiceSpec::Command(spec), 1);
            host.install_unchecked();
            let refused = host.activate(&version(2), Some(&version(1))).unwrap();
            assert!(
                matches!(refused, Activation::Refused { broken_before: broken, .. } if broken == broken_before)
            );
            let said = refused.problem().unwrap();
            assert!(
                said.starts_with("command's test is slower than `verify: timeout`: "),
                "{shell:?}: {said}"
            );
            assert!(said.ends_with("gave up after 1 s"), "{shell:?}: {said}");
        }
        // Where the new certificate is refused at once, a slow test of the old one is no proof against that.
        let mut host = Host::new(shell);
        let live = quoted(&host.live("fullchain.pem"));
        let test = format!("if grep -q two '{live}'; then echo bad; exit 1; fi; sleep 60");
        let spec = service::Command { test: Some(test), reload: "true".to_owned() };
        host.add_service("command", &ServiceSpec::Command(spec), 1);
        host.install_unchecked();
        let refused = host.activate(&version(2), Some(&version(1))).unwrap();
        assert_eq!(refused.problem().unwrap(), "command refused the configuration: bad", "{shell:?}");
    });
}
