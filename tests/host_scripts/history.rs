//! What a host writes down of the versions that were verified on it.

use std::fs;

use certwave::install::{Activation, AlreadyKnown, FilePart, History, InstallError, InstallSpec, Pruned};

use crate::support::{Host, SHELLS, read, version};

fn history(host: &Host) -> History {
    host.inspect().history
}

fn verified(host: &Host) -> [Option<u32>; 2] {
    let history = history(host);
    let number = |found: Option<&certwave::model::Version>| (1..=9).find(|n| found == Some(&version(*n)));
    let last = history.last();
    [last.and_then(|last| number(history.before(last).next())), number(last)]
}

#[test]
fn a_version_is_in_it_once_it_is_final_and_until_the_host_goes_back_from_it() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        assert!(history(&host).is_empty(), "{shell:?}");
        host.install(&version(1), None, "one");
        host.commit(None);
        assert_eq!(verified(&host), [None, Some(1)], "{shell:?}");
        host.stage(&version(2), "two").unwrap();
        host.activate(&version(2), Some(&version(1))).unwrap();
        // No switch was armed, and yet it is known that nobody made it final.
        assert!(host.inspect().is_unconfirmed(), "{shell:?}");
        assert_eq!(verified(&host), [None, Some(1)], "{shell:?}");
        host.commit(Some(&version(1)));
        assert!(!host.inspect().is_unconfirmed(), "{shell:?}");
        assert_eq!(verified(&host), [Some(1), Some(2)], "{shell:?}");
        host.rollback(&version(1), true).unwrap();
        assert!(!host.inspect().is_unconfirmed(), "{shell:?}");
        assert_eq!(verified(&host), [None, Some(1)], "{shell:?}");
    }
}

#[test]
fn what_stood_there_before_is_its_beginning() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        let link = host.link("a.crt", FilePart::Fullchain);
        fs::write(&link, "before").unwrap();
        host.stage(&version(2), "two").unwrap();
        host.activate(&version(2), Some(&version(1))).unwrap();
        assert_eq!(verified(&host), [None, Some(1)], "{shell:?}");
        assert!(host.inspect().is_unconfirmed(), "{shell:?}");
        host.commit(Some(&version(1)));
        assert_eq!(verified(&host), [Some(1), Some(2)], "{shell:?}");
    }
}

/// Whoever finds a version live that nobody confirmed goes back to the one before it, whatever is to come instead.
#[test]
fn what_was_found_live_and_unconfirmed_is_replaced() {
    for shell in SHELLS {
        for wanted in [1, 3] {
            let host = Host::new(shell).with_command();
            host.install(&version(1), None, "one");
            host.commit(None);
            host.stage(&version(2), "two").unwrap();
            host.activate(&version(2), Some(&version(1))).unwrap();
            host.stage(&version(wanted), "wanted").unwrap();
            let seen = |live| AlreadyKnown { live, ..AlreadyKnown::default() };
            let activate =
                |live| InstallSpec::activate(&version(wanted), Some(&version(1)), None, &seen(live));
            let activated = |live| Activation::parse(&host.ask(&activate(live)).output(), &host.services);
            // Somebody else may have switched it since.
            assert_eq!(
                activated(None),
                Err(InstallError::Moved { found: version(2).to_string() }),
                "{shell:?}"
            );
            assert_eq!(activated(Some(version(2))), Ok(Activation::Activated), "{shell:?}");
            assert_eq!(host.live_version(), Some(version(wanted)), "{shell:?}");
        }
    }
}

#[test]
fn what_cannot_be_written_down_is_not_final() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        host.commit(None);
        host.stage(&version(2), "two").unwrap();
        host.activate(&version(2), Some(&version(1))).unwrap();
        let file = host.directory().join("archive/a.test/.history");
        fs::rename(&file, file.with_extension("away")).unwrap();
        fs::create_dir(&file).unwrap();
        let ended = host.ask(&InstallSpec::commit(&version(2), Some(&version(1)), &[], false));
        let refused = Pruned::parse(&ended.output()).unwrap_err();
        assert!(matches!(refused, InstallError::NotWritable { .. }), "{shell:?}: {refused:?}");
        assert!(file.is_dir(), "{shell:?}");
        // Nor may it be taken away that the version would be undone.
        let switch = host.directory().join(".dead-man.a.test");
        fs::write(&switch, "token='1' # x y\n").unwrap();
        let ended = host.ask(&InstallSpec::commit(&version(2), Some(&version(1)), &[], false));
        let refused = Pruned::parse(&ended.output()).unwrap_err();
        assert!(matches!(refused, InstallError::StillArmed { .. }), "{shell:?}: {refused:?}");
        assert!(switch.exists(), "{shell:?}");
    }
}

#[test]
fn a_line_that_was_cut_off_harms_no_other_and_a_long_history_begins_anew() {
    for shell in SHELLS {
        let host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        host.commit(None);
        let file = host.directory().join("archive/a.test/.history");
        fs::write(&file, read(&file) + "+20261102T2001").unwrap();
        host.install(&version(3), Some(&version(1)), "three");
        host.commit(Some(&version(1)));
        assert_eq!(verified(&host), [Some(1), Some(3)], "{shell:?}");
        let shorter = [version(1), version(3)];
        let ended = host.ask(&InstallSpec::commit(&version(3), Some(&version(1)), &shorter, false));
        assert_eq!(ended.status, 0, "{shell:?}: {}", ended.text());
        let lines: Vec<String> =
            read(&file).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        assert_eq!(lines, [1, 3, 3].map(|n| format!("+{}", version(n))), "{shell:?}");
        assert_eq!(verified(&host), [Some(1), Some(3)], "{shell:?}");
    }
}

/// Makes the live version final, and tells which versions went.
fn pruned(host: &Host, previous: u32, back: bool) -> Vec<u32> {
    let live = host.live_version().unwrap();
    let ended = host.ask(&InstallSpec::commit(&live, Some(&version(previous)), &[], back));
    let pruned = Pruned::parse(&ended.output()).unwrap().pruned;
    (1..=9).filter(|n| pruned.contains(&version(*n))).collect()
}

#[test]
fn a_version_that_was_never_verified_or_gone_back_from_goes_before_an_older_one() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        host.install(&version(1), None, "one");
        host.commit(None);
        host.stage(&version(2), "two").unwrap();
        host.install(&version(3), Some(&version(1)), "three");
        host.rollback(&version(1), true).unwrap();
        host.install(&version(4), Some(&version(1)), "four");
        assert_eq!(pruned(&host, 1, false), [2], "{shell:?}");
        host.install(&version(5), Some(&version(4)), "five");
        assert_eq!(pruned(&host, 4, false), [3], "{shell:?}");
        host.install(&version(6), Some(&version(5)), "six");
        assert_eq!(pruned(&host, 5, false), [1], "{shell:?}");
        host.spec.keep = 2;
        assert_eq!(pruned(&host, 5, false), [4], "{shell:?}");
    }
}

#[test]
fn what_a_host_goes_back_to_next_is_kept_when_it_was_sent_back() {
    for shell in SHELLS {
        let mut host = Host::new(shell).with_command();
        host.spec.keep = 9;
        let mut previous = None;
        for n in 1..=4 {
            host.install(&version(n), previous.as_ref(), &format!("content {n}"));
            host.commit(previous.as_ref());
            previous = Some(version(n));
        }
        host.spec.keep = 2;
        host.activate(&version(2), Some(&version(4))).unwrap();
        assert_eq!(pruned(&host, 4, true), [3], "{shell:?}");
        assert_eq!(verified(&host), [Some(1), Some(2)], "{shell:?}");
        host.install(&version(5), Some(&version(2)), "five");
        assert_eq!(pruned(&host, 2, false), [1, 4], "{shell:?}");
        assert_eq!(host.inspect().complete, [version(2), version(5)], "{shell:?}");
    }
}

/// As `History` reads it: a line that was cut off is none.
#[test]
fn which_versions_count_when_the_archive_is_pruned_is_what_the_history_says() {
    for (story, removed) in [
        ("", &[1][..]),
        ("+1", &[2]),
        ("+1 +2 +3", &[1]),
        ("+1 +2 +3 =1", &[2]),
        ("+1 +2 +3 <2", &[3]),
        ("+1 +3 <2", &[3]),
        ("+3 +2 <1", &[2]),
        ("+1 +2 +3 +2 =2", &[1]),
        ("- +1 x1 +2 >3", &[3]),
    ] {
        // The parser is the same in every shell.
        let mut host = Host::new(SHELLS[0]).with_command();
        host.spec.keep = 3;
        for n in 1..=3 {
            host.stage(&version(n), &format!("content {n}")).unwrap();
        }
        host.install(&version(4), Some(&version(3)), "four");
        let lines = story.split_whitespace().map(|word| match word.split_at(1) {
            (what, number) if !number.is_empty() => format!("{what}{}\n", version(number.parse().unwrap())),
            (what, _) => format!("{what}\n"),
        });
        let file = host.directory().join("archive/a.test/.history");
        fs::write(&file, lines.collect::<String>() + "+20261102T200100Z-000").unwrap();
        assert_eq!(pruned(&host, 4, false), removed, "{story}");
    }
}
