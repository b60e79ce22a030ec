//! What an inspection's answer is taken for.

use super::*;
use crate::install::{Beside, BesideKind, NamedFile};
use crate::install::{FilePart, Layout};

const VERSION: &str = "20261123T200100Z-3f9a1c2e";

fn spec() -> InstallSpec {
    InstallSpec {
        layout: Layout::new("/etc/certwave".parse().unwrap(), "a.test".parse().unwrap()),
        keep: 3,
        owner: Some("web".to_owned()),
        group: Some("ssl".to_owned()),
        key_mode: Some(0o600),
        boot_unit: true,
        links: vec![
            ("/etc/ssl/a.crt".parse().unwrap(), FilePart::Fullchain.into()),
            ("/etc/ssl/a.key".parse().unwrap(), FilePart::Privkey.into()),
        ],
        copies: Vec::new(),
    }
}

fn services() -> Vec<ScriptService> {
    let service = |name: &str| ScriptService {
        name: name.parse().unwrap(),
        settings: Vec::new(),
        script: "",
        ports: Vec::new(),
    };
    vec![service("nginx"), service("haproxy")]
}

/// What `inspect` prints of two links and two services, and what it says besides.
fn read(more: &str, links: &str, services: &str) -> Result<Facts, InstallError> {
    let said = format!("\ncertwave:user 1000 ann\n{more}{links}{services}certwave:result inspected\n");
    Facts::parse(&Output { status: 0, stdout: said.as_bytes(), stderr: b"" }, &spec(), &self::services())
}

const OURS: &str = "certwave:link ours\ncertwave:link ours\n";
const READY: &str = "certwave:ready 1\ncertwave:ready 2\n";

fn facts(more: &str) -> Facts {
    read(more, OURS, READY).unwrap()
}

fn problems(facts: &Facts) -> Vec<String> {
    facts.problems(&spec(), &services()).iter().map(ToString::to_string).collect()
}

#[test]
fn what_sudo_keeps_is_told_by_a_word() {
    use crate::install::SudoLog::{Off, On, Unknown};
    assert_eq!(facts("").sudo_logs, SudoLogs { input: Off, output: Off });
    assert_eq!(facts("certwave:sudo-logs on off\n").sudo_logs, SudoLogs { input: On, output: Off });
    assert_eq!(facts("certwave:sudo-logs unknown on\n").sudo_logs, SudoLogs { input: Unknown, output: On });
    for odd in ["perhaps off", "on", "on perhaps"] {
        assert!(read(&format!("certwave:sudo-logs {odd}\n"), OURS, READY).is_err(), "{odd}");
    }
}

#[test]
fn a_live_link_is_ours_where_it_leads_to_a_version_of_this_certificate_by_our_words() {
    let version = VERSION.parse().unwrap();
    assert_eq!(facts(&format!("certwave:live ../archive/a.test/{VERSION}\n")).live, Live::Version(version));
    for foreign in [
        format!("../archive/b.test/{VERSION}"),
        format!("/etc/certwave/archive/a.test/{VERSION}"),
        format!("/srv/archive/a.test/{VERSION}"),
        format!("../../archive/a.test/{VERSION}"),
        format!("../archive/a.test/{VERSION}/"),
        format!("../archive/a.test/old/{VERSION}"),
        format!("../archive/a.test/../b.test/{VERSION}"),
        VERSION.to_owned(),
        "../archive/a.test/latest".to_owned(),
        "../archive/a.test".to_owned(),
        String::new(),
    ] {
        let found = facts(&format!("certwave:live {foreign}\n"));
        assert_eq!(found.live, Live::Foreign, "{foreign}");
        assert_eq!(found.live_version(), None);
    }
    assert_eq!(facts("certwave:live-occupied\n").live, Live::Foreign);
    assert_eq!(facts("").live, Live::Missing);
}

#[test]
fn each_thing_that_would_fail_a_rollout_is_a_problem_and_nothing_else_is() {
    for (said, problem) in [
        ("certwave:missing tar\n", "the host lacks `tar`"),
        (
            "certwave:reason it may not be written to\ncertwave:unwritable /etc\n",
            "`/etc` cannot be written to: it may not be written to",
        ),
        (
            "certwave:reason Read-only file system\ncertwave:unwritable /etc\n",
            "`/etc` is on a read-only file system",
        ),
        ("certwave:free 63\n", "no room in `/etc/certwave`: 63 KiB free, 64 KiB needed"),
        ("certwave:no-owner\n", "user `web` does not exist on the host"),
        ("certwave:no-group\n", "group `ssl` does not exist on the host"),
        // A user or group that does not exist is named once, and not also as somebody else's.
        ("certwave:no-owner\ncertwave:foreign-owner\n", "user `web` does not exist on the host"),
        ("certwave:no-group\ncertwave:foreign-group\n", "group `ssl` does not exist on the host"),
        ("certwave:live-occupied\n", "`/etc/certwave/live/a.test` was not made by certwave: move it away"),
    ] {
        assert_eq!(problems(&facts(said)), [problem], "{said}");
    }
    let may_not =
        "user `ann` may not give files to `web:ssl`: set `ansible_become`, or another owner and group";
    for said in ["certwave:foreign-owner\n", "certwave:foreign-group\n"] {
        assert_eq!(problems(&facts(said)), [may_not], "{said}");
    }
    for said in ["", "certwave:free 64\n", "certwave:free -\n", "certwave:free \n", "certwave:reason odd\n"] {
        assert_eq!(problems(&facts(said)), [] as [&str; 0], "{said}");
    }
    assert_eq!(facts("certwave:free -\n").free_kib, u64::MAX);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told_once_with_its_own_reason() {
    let said = "certwave:reason one\ncertwave:unwritable /a\ncertwave:reason two\ncertwave:unwritable /b\n\
                certwave:reason three\ncertwave:unwritable /a\n";
    let told = [("/a", "one"), ("/b", "two")].map(|(path, reason)| (path.to_owned(), reason.to_owned()));
    assert_eq!(facts(said).unwritable, told);
}

#[test]
fn what_stands_at_a_link_may_be_replaced_unless_it_is_no_file() {
    for (said, state, problem) in [
        ("ours", LinkState::Ours, None),
        ("missing", LinkState::Missing, None),
        ("file", LinkState::File, None),
        ("link ../a b.crt", LinkState::OtherLink("../a b.crt".to_owned()), None),
        ("no-folder", LinkState::NoFolder, Some("the folder of `/etc/ssl/a.key` does not exist")),
        (
            "other",
            LinkState::Other,
            Some(
                "`/etc/ssl/a.key` is not what the live version holds, and cannot be kept: move it away, then roll out again",
            ),
        ),
    ] {
        let found = read("", &format!("certwave:link ours\ncertwave:link {said}\n"), READY).unwrap();
        assert_eq!(found.links, [LinkState::Ours, state]);
        assert_eq!(problems(&found), Vec::from_iter(problem), "{said}");
        assert_eq!(found.is_linked(), said == "ours", "{said}");
    }
}

#[test]
fn a_server_that_is_down_is_no_problem_and_one_that_is_not_ready_is() {
    let reasons = "certwave:reason it does not run\ncertwave:down 1\ncertwave:reason unknown directive\ncertwave:unready 2\n";
    let found = read("", OURS, reasons).unwrap();
    assert_eq!(found.down, [0]);
    assert_eq!(problems(&found), ["service `haproxy` is not ready: unknown directive"]);
    let down: Vec<String> = found.not_running(&services()).iter().map(ToString::to_string).collect();
    assert_eq!(down, ["service `nginx` is not ready: it does not run"]);
    // A reason is that of what follows it, and of nothing after.
    let found = read("certwave:reason odd\n", OURS, "certwave:ready 1\ncertwave:unready 2\n").unwrap();
    assert_eq!(found.services, [Ok(()), Err("odd".to_owned())]);
    let of_a_folder = "certwave:reason it is full\ncertwave:unwritable /a\n";
    let found = read(of_a_folder, OURS, "certwave:down 1\ncertwave:unready 2\n").unwrap();
    assert_eq!(found.services, [Err(String::new()), Err(String::new())]);
}

#[test]
fn a_test_that_fails_without_a_word_or_takes_too_long_has_words() {
    let broken = |said: &str| facts(&format!("certwave:broken 1{said}\n")).reads[0].broken.clone().unwrap();
    for silent in ["", " "] {
        assert_eq!(broken(silent), "it failed and printed nothing");
    }
    assert_eq!(broken(" gave up after 9 s"), "its test is slower than `verify: timeout`: gave up after 9 s");
}

#[test]
fn versions_are_told_oldest_first_however_they_are_listed() {
    let (older, newer) = ("20251123T200100Z-ffffffff", "20261124T200100Z-00000000");
    let said: String =
        [newer, "lost+found", older, VERSION].map(|name| format!("certwave:version {name}\n")).concat();
    let found: Vec<String> = facts(&said).complete.iter().map(ToString::to_string).collect();
    assert_eq!(found, [older, VERSION, newer]);
}

#[test]
fn what_a_server_reads_is_told_with_whose_it_is() {
    let said = "certwave:reads 2 ours certificate /etc/ssl/a.crt\ncertwave:reads 2 other certificate /etc/ssl/b c.crt\n\
                certwave:begin read 2 /etc/ssl/b c.crt\n|-----BEGIN CERTIFICATE-----\ncertwave:end read 2 /etc/ssl/b c.crt\n\
                certwave:reads 2 other key /etc/ssl/b.key\ncertwave:reads 2 other certificate /etc/ssl/none.crt\n\
                certwave:begin read 2 /etc/ssl/none.crt\ncertwave:end read 2 /etc/ssl/none.crt\n\
                certwave:broken 1 nginx: [emerg] unknown directive\ncertwave:variable 2\n\
                certwave:setting 2 idle-closed www, shop\ncertwave:beside 2 sctl /etc/ssl/a b.sctl\n";
    let file = |path: &str, is_key, ours, pem: Option<&str>| NamedFile {
        path: path.to_owned(),
        is_key,
        ours,
        pem: pem.map(str::to_owned),
    };
    let files = vec![
        file("/etc/ssl/a.crt", false, true, None),
        file("/etc/ssl/b c.crt", false, false, Some("-----BEGIN CERTIFICATE-----")),
        file("/etc/ssl/b.key", true, false, None),
        file("/etc/ssl/none.crt", false, false, None),
    ];
    let broken = Some("nginx: [emerg] unknown directive".to_owned());
    let settings = [("idle-closed".to_owned(), "www, shop".to_owned())].into_iter().collect();
    let beside = vec![Beside { kind: BesideKind::Sctl, path: "/etc/ssl/a b.sctl".to_owned() }];
    assert_eq!(
        facts(said).reads,
        [
            Reads { broken, ..Reads::default() },
            Reads { broken: None, files, variable: true, settings, beside }
        ]
    );
}

#[test]
fn an_answer_that_lacks_a_link_or_a_service_or_has_one_too_many_is_none() {
    for (links, services) in [
        ("certwave:link ours\n", READY),
        ("certwave:link ours\ncertwave:link ours\ncertwave:link ours\n", READY),
        (OURS, "certwave:ready 1\n"),
        (OURS, "certwave:ready 1\ncertwave:ready 2\ncertwave:ready 3\n"),
    ] {
        let error = read("", links, services).unwrap_err();
        assert!(matches!(error, InstallError::Unexpected { .. }), "{error:?}");
    }
}

#[test]
fn a_statement_that_no_script_makes_is_out_of_protocol() {
    for said in [
        "user ann",
        "user x ann",
        "clock soon",
        "armed",
        "armed x y",
        "fired 1",
        "link sideways",
        "broken nginx words",
        "variable 3",
        "variable 0",
        "reads 3 ours key /a",
        "reads 1 ours",
        "surprise",
    ] {
        let error = read(&format!("certwave:{said}\n"), OURS, READY).unwrap_err();
        assert!(matches!(error, InstallError::Unexpected { .. }), "{said}: {error:?}");
    }
}

#[test]
fn who_runs_the_scripts_and_when_is_told() {
    let found = facts("certwave:clock 1800000007\n");
    assert_eq!((found.uid, found.user.as_str()), (1000, "ann"));
    assert_eq!(found.clock, Some(Timestamp::from_second(1_800_000_007).unwrap()));
    assert_eq!(facts("").clock, None);
}

/// Two names of one user or group are the same owner: what counts is the number.
#[test]
fn files_are_misowned_where_their_owners_number_is_another_one() {
    let live = format!("certwave:live ../archive/a.test/{VERSION}\n");
    let numbers = "certwave:owner-number 33\ncertwave:group-number 7\n";
    for (numbers, file, misowned) in [
        (numbers, "33 7 600 /a|web|ssl", false),
        (numbers, "33 7 600 /a|www-data|tls", false),
        (numbers, "34 7 600 /a|www-data|tls", true),
        (numbers, "33 8 600 /a|www-data|tls", true),
        (numbers, "33 7 640 /a|www-data|tls", true),
        ("", "33 7 600 /a|web|ssl", false),
        ("", "33 7 600 /a|www-data|ssl", true),
        ("", "33 7 600 /a|web|tls", true),
    ] {
        let facts = facts(&format!("{numbers}{live}certwave:key-file {file}\n"));
        assert_eq!(facts.is_misowned(&spec()), misowned, "{numbers}{file}");
    }
    // Of the login's own user, the host tells the number in any case.
    let spec = InstallSpec { owner: Some("ann".to_owned()), group: None, ..spec() };
    let misowned = |file: &str| facts(&format!("{live}certwave:key-file {file}\n")).is_misowned(&spec);
    assert!(!misowned("1000 7 600 /a|anna|tls"));
    assert!(misowned("1001 7 600 /a|anna|tls"));
}
