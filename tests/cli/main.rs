//! What a person types wrong, and what the program says: no network, no servers.

#![allow(clippy::unwrap_used)] // A test says what it expects by failing.

mod listeners;
mod plan;
mod programs;
mod sealing;

use std::path::Path;
use std::process::{Command, Stdio};

const INVENTORY: &str = "all:\n  children:\n    web:\n      hosts:\n        web[01:03].x:\n";
const PLAYBOOK: &str = "\
certificate: {domains: [api.example.com]}
issuers: [{acme: letsencrypt, challenge: {http-01: {push: all, webroot: /var/www}}}]
services: [{hosts: all, nginx: {}}]
waves: [{name: canary, hosts: \"all[0]\", soak: 5m}, {name: production, hosts: all}]
";

fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    run_in(folder, args, &[])
}

fn run_in(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certwave"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CERTWAVE_")) {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    let output =
        command.args(args).current_dir(folder).env("HOME", folder).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// `check` of a playbook and an inventory.
fn check(playbook: &str, inventory: &str) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("playbook.yaml"), playbook).unwrap();
    std::fs::write(folder.path().join("hosts.yaml"), inventory).unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["check", "playbook.yaml", "-i", "hosts.yaml"]);
    (code, format!("{stdout}{stderr}"))
}

/// The smallest playbook, with one thing wrong.
fn wrong(from: &str, to: &str) -> String {
    assert!(PLAYBOOK.contains(from), "{from}");
    let (code, text) = check(&PLAYBOOK.replace(from, to), INVENTORY);
    assert_eq!(code, 64, "{text}");
    text
}

#[test]
fn the_smallest_playbook_is_valid() {
    let (code, text) = check(PLAYBOOK, INVENTORY);
    assert_eq!(code, 0, "{text}");
    insta::assert_snapshot!(text, @"playbook.yaml: valid, `api.example.com` on 3 hosts: canary (1 host, soak 5m), production (2 hosts)");
}

#[test]
fn every_problem_is_told_at_once() {
    let text = check(
        "certificat: {domains: [api.example.com]}\n\
         issuers: [{acme: letsencrypt, challenge: {http-01: {push: wb, webroot: \"{{ root }}\"}}}]\n\
         services: [{hosts: all, nginx: {prefx: /x}}]\n\
         install: {mode: 0644, keep: 1}\n\
         waves: [{name: canary, hosts: \"all[0]\", soak: 5}, {name: canary, hosts: all, parallel: 0}]\n",
        INVENTORY,
    );
    assert_eq!(text.0, 64);
    insta::assert_snapshot!(text.1, @r#"
error: a playbook needs the key `certificate`
 --> playbook.yaml:1:1
  |
1 | certificat: {domains: [api.example.com]}
  | ^^^^^^^^^^ `certificate` is missing

error: unknown key `certificat` in a playbook
 --> playbook.yaml:1:1
  |
1 | certificat: {domains: [api.example.com]}
  | ^^^^^^^^^^
  |
  = help: did you mean `certificate`?

error: unknown key `prefx` in `nginx`
 --> playbook.yaml:3:33
  |
3 | services: [{hosts: all, nginx: {prefx: /x}}]
  |                                 ^^^^^
  |
  = help: did you mean `prefix`?

error: with mode `0644` every user of the host could read the private key
 --> playbook.yaml:4:17
  |
4 | install: {mode: 0644, keep: 1}
  |                 ^^^^
  |
  = help: end it in 0, as `"0640"`, and set `group` to the servers' group

error: `keep` is 1, and at least 2 are needed
 --> playbook.yaml:4:29
  |
4 | install: {mode: 0644, keep: 1}
  |                             ^
  |
  = help: the version before is what a host goes back to

error: `5` is not a duration: write a whole number and its unit, such as `90s`, `5m`, `12h` or `30d`
 --> playbook.yaml:5:47
  |
5 | waves: [{name: canary, hosts: "all[0]", soak: 5}, {name: canary, hosts: all, parallel: 0}]
  |                                               ^

error: two waves are named `canary`
 --> playbook.yaml:5:58
  |
5 | waves: [{name: canary, hosts: "all[0]", soak: 5}, {name: canary, hosts: all, parallel: 0}]
  |                                                          ^^^^^^
  |
  = help: waves are known by their names: give each its own

error: `parallel` is 0: no host would ever be changed
 --> playbook.yaml:5:88
  |
5 | waves: [{name: canary, hosts: "all[0]", soak: 5}, {name: canary, hosts: all, parallel: 0}]
  |                                                                                        ^

error: 8 problems; nothing was touched
"#);
}

#[test]
fn a_deadline_that_no_wave_could_keep_is_told() {
    let playbook = PLAYBOOK.replace("soak: 5m}", "soak: 5m, deadline: 5m, progress_deadline: 0s}");
    let (_, text) = check(&format!("{playbook}deadline: 0s\n"), INVENTORY);
    insta::assert_snapshot!(text, @r#"
error: `deadline` is 5m, and the soak alone takes 5m
 --> playbook.yaml:4:61
  |
4 | waves: [{name: canary, hosts: "all[0]", soak: 5m, deadline: 5m, progress_deadline: 0s}, {name: production, hosts: all}]
  |                                                             ^^
  |
  = help: the wave could never pass: its hosts and its soak have to fit

error: `progress_deadline` is 0: nothing could ever be over in time
 --> playbook.yaml:4:84
  |
4 | waves: [{name: canary, hosts: "all[0]", soak: 5m, deadline: 5m, progress_deadline: 0s}, {name: production, hosts: all}]
  |                                                                                    ^^
  |
  = help: leave it out: then there is no limit

error: `deadline` is 0: nothing could ever be over in time
 --> playbook.yaml:5:11
  |
5 | deadline: 0s
  |           ^^
  |
  = help: leave it out: then there is no limit

error: 3 problems; nothing was touched
"#);
}

#[test]
fn a_dead_man_switch_that_is_too_fast_or_no_time_is_told() {
    let with = |setting: &str| {
        let (_, text) = check(&format!("{PLAYBOOK}install: {{dead_man: {setting}}}\n"), INVENTORY);
        text
    };
    assert!(!with("off").contains("error"), "{}", with("off"));
    assert!(!with("3m").contains("error"), "{}", with("3m"));
    assert!(with("soon").contains("`soon` is not a duration"), "{}", with("soon"));
    insta::assert_snapshot!(with("10s"), @r"
error: `dead_man` is 10s, and a proof may take 30s
 --> playbook.yaml:5:21
  |
5 | install: {dead_man: 10s}
  |                     ^^^
  |
  = help: without it, it is 4m30s here: long enough for switch, reload and proof

error: 1 problem; nothing was touched
");
}

#[test]
fn patterns_and_variables_are_checked_against_the_inventory() {
    let text = check(
        &PLAYBOOK
            .replace("hosts: all, nginx: {}", "hosts: wbe, nginx: {}")
            .replace("webroot: /var/www", "webroot: \"{{ root }}/www\"")
            .replace("\"all[0]\"", "\"all[7]\""),
        INVENTORY,
    );
    assert_eq!(text.0, 64);
    insta::assert_snapshot!(text.1, @r#"
error: web01.x: the variable `root` is not set
 --> playbook.yaml:2:73
  |
2 | issuers: [{acme: letsencrypt, challenge: {http-01: {push: all, webroot: "{{ root }}/www"}}}]
  |                                                                         ^^^^^^^^^^^^^^^^

error: web02.x: the variable `root` is not set
 --> playbook.yaml:2:73
  |
2 | issuers: [{acme: letsencrypt, challenge: {http-01: {push: all, webroot: "{{ root }}/www"}}}]
  |                                                                         ^^^^^^^^^^^^^^^^

error: web03.x: the variable `root` is not set
 --> playbook.yaml:2:73
  |
2 | issuers: [{acme: letsencrypt, challenge: {http-01: {push: all, webroot: "{{ root }}/www"}}}]
  |                                                                         ^^^^^^^^^^^^^^^^

error: `wbe` names no group and no host; did you mean `web`?
 --> playbook.yaml:3:20
  |
3 | services: [{hosts: wbe, nginx: {}}]
  |                    ^^^

error: the pattern `all[7]` matches no host
 --> playbook.yaml:4:31
  |
4 | waves: [{name: canary, hosts: "all[7]", soak: 5m}, {name: production, hosts: all}]
  |                               ^^^^^^^^
  |
  = help: `certwave inventory hosts PATTERN` shows what a pattern matches

error: web01.x and 2 more: in a wave, but no service matches
 |
 = help: without a service nothing is reloaded and nothing can be proven: add one, or leave the host out

error: 6 problems; nothing was touched
"#);
}

#[test]
fn each_kind_of_mistake_has_its_words() {
    for (from, to, words) in [
        ("soak: 5m", "soak: 5m, soak: 6m", "the key `soak` is given twice"),
        ("soak: 5m", "gates: []", "unknown key `gates` in a wave"),
        ("issuers:", "\tissuers:", "tab"),
        ("[api.example.com]", "api.example.com", "expected a list, found `api.example.com`"),
        (
            "[api.example.com]",
            "[{env: NO_SUCH_VARIABLE}]",
            "the environment variable `NO_SUCH_VARIABLE` is not set",
        ),
        ("[api.example.com]", "[{file: nowhere}]", "failed to read `nowhere`"),
        ("[api.example.com]", "[\"*.example.com\"]", "cannot issue the wildcard"),
        ("nginx: {}", "haprox: {}", "unknown key `haprox` in a service"),
        ("nginx: {}", "haproxy: {}", "`haproxy` needs to know how HAProxy takes the certificate"),
        ("nginx: {}", "haproxy: {reload: systemd, crt_list: /etc/l}", "`crt_list` needs the `socket`"),
        ("nginx: {}", "envoy: {sds: /etc/sds.yaml}", "`envoy` needs the key `secret`"),
        (
            "[api.example.com]",
            "[api.example.com], key: [ecdsa-p256, ecdsa-p384]",
            "`ecdsa-p256` and `ecdsa-p384` are both ecdsa",
        ),
        (
            "nginx: {}",
            "envoy: {sds: /etc/sds.yaml, secret: api, admin: localhost}",
            "`localhost` is no admin interface",
        ),
        ("nginx: {}", "nginx: {}, verify: {starttls: nntp}", "is not a protocol that changes to TLS"),
        ("nginx: {}", "nginx: {}, verify: {answers: 0}", "without an answer nothing is proven"),
        ("nginx: {}", "nginx: {}, verify: {port: []}", "expected at least one"),
        ("nginx: {}", "nginx: {}, verify: {addresses: \"a b\"}", "`a b` is no address or name to dial"),
        (
            "issuers:",
            "install: {links: {/etc/a.crt: fullchain.rsa.pem}}\nissuers:",
            "there is no `fullchain.rsa.pem` in a version",
        ),
        ("hosts: all}]", "hosts: \"all[0]\"}]", "is empty: earlier waves have all its hosts"),
        ("hosts: all}]", "hosts: all, max_failures: lots}]", "expected a number of hosts"),
        ("issuers:", "on_failure: retreat\nissuers:", "is nothing that can follow a failure"),
        ("issuers:", "verify: {ca_file: none.pem}\nissuers:", "failed to read `none.pem`"),
        ("nginx: {}", "nginx: {prefix: relative}", "it must be absolute"),
        ("nginx: {}", "nginx: {prefix: \"{{ x | y }}\"}", "is not the name of a variable"),
        ("nginx: {}", "nginx: {prefix: {{ x }}}", "a key must be a text"),
    ] {
        let text = wrong(from, to);
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
        assert!(text.contains("playbook.yaml:"), "no place in:\n{text}");
    }
}

#[test]
fn a_name_that_is_too_long_for_a_hosts_files_is_marked_with_the_way_out() {
    let text = wrong("{domains:", &format!("{{name: {}, domains:", "n".repeat(222)));
    for words in
        ["playbook.yaml:1:21", "222 characters", "a name of at most 221 characters: `certificate: {name: …}`"]
    {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
}

#[test]
fn a_host_in_two_waves_goes_with_the_first_and_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("playbook.yaml"), PLAYBOOK).unwrap();
    std::fs::write(folder.path().join("hosts.yaml"), INVENTORY).unwrap();
    let check = |more: &[&str]| {
        let (code, _, stderr) =
            run(folder.path(), &[&["check", "playbook.yaml", "-i", "hosts.yaml"], more].concat());
        assert_eq!(code, 0);
        stderr
    };
    assert_eq!(check(&[]), "");
    assert_eq!(check(&["-v"]), "note: web01.x is also in `canary` and is updated there\n");
}

#[test]
fn what_init_writes_is_valid_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let (code, ..) = run(folder.path(), &["init"]);
    assert_eq!(code, 0);
    let (code, stdout, stderr) = run(folder.path(), &["check", "playbooks/api.example.com.yaml"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (code, _, stderr) = run(folder.path(), &["init"]);
    assert_eq!(code, 64);
    assert!(stderr.contains("exists already; nothing was written"), "{stderr}");
    // The timer runs this certwave in this folder.
    let script = std::fs::read_to_string(folder.path().join("renewal/renew.sh")).unwrap();
    assert!(
        script.contains(&format!("{} rollout \"$playbook\" --yes", env!("CARGO_BIN_EXE_certwave"))),
        "{script}"
    );
    let mode = std::fs::metadata(folder.path().join("renewal/renew.sh")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o755);
    let here = folder.path().canonicalize().unwrap().display().to_string();
    for name in ["certwave-renew.service", "certwave-renew.cron"] {
        let text = std::fs::read_to_string(folder.path().join("renewal").join(name)).unwrap();
        assert!(text.contains(&format!("/bin/sh {here}/renewal/renew.sh")) && !text.contains('@'), "{text}");
    }
    // It tries every playbook, and fails where one does.
    for name in ["api.example.com.yaml", "second.yaml"] {
        std::fs::write(folder.path().join("playbooks").join(name), format!("wrong: {name}\n")).unwrap();
    }
    let mut command = Command::new("sh");
    let ran =
        command.arg(folder.path().join("renewal/renew.sh")).env("HOME", folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(64), "{said}");
    assert!(said.contains("api.example.com.yaml:1") && said.contains("second.yaml:1"), "{said}");
    std::fs::remove_dir_all(folder.path().join("playbooks")).unwrap();
    let (code, stdout, _) = run(folder.path(), &["inventory", "hosts", "web[0:1]"]);
    assert_eq!((code, stdout.as_str()), (0, "web01.example.com\nweb02.example.com\n"));
}

#[test]
fn the_examples_of_the_project_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for playbook in std::fs::read_dir(root.join("playbooks")).unwrap() {
        let playbook = playbook.unwrap().path().display().to_string();
        let (code, stdout, stderr) = run(root, &["check", &playbook, "-i", "inventories/example.yaml"]);
        assert_eq!(code, 0, "{stdout}{stderr}");
    }
}

#[test]
fn a_wrong_word_is_bad_usage() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["rolout"][..],
        &["rollout"],
        &["check"],
        &["demo", "--break", "heart"],
        &["--state", "x", "history"],
    ] {
        let (code, _, stderr) = run(folder.path(), args);
        assert_eq!(code, 64, "{args:?} {stderr}");
    }
    let (code, stdout, _) = run(folder.path(), &["--version"]);
    assert!(code == 0 && stdout.starts_with("certwave "));
    let (code, _, stderr) = run(folder.path(), &["show", "01J"]);
    assert!(code == 64 && stderr.contains("there is no rollout `01J`"), "{stderr}");
}

#[test]
fn completions_and_man_pages_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, _) = run(folder.path(), &["completions", "bash"]);
    assert!(code == 0 && stdout.contains("_certwave()"));
    let (code, ..) = run(folder.path(), &["man", "pages"]);
    assert!(code == 0 && folder.path().join("pages/certwave-rollout.1").exists());
}

/// Write it anew with `UPDATE_REFERENCE=1 cargo test --test cli`.
#[test]
fn the_reference_of_commands_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/cli.md");
    let text = certwave::cli::reference();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap_or_default(),
        text,
        "UPDATE_REFERENCE=1 cargo test --test cli"
    );
}

/// A name is shown as it is, or refused; why is one line that moves nothing.
#[test]
fn a_host_name_that_would_turn_the_line_round_is_refused() {
    for name in ["web\u{202e}10", "web\u{9b}2J", "\\e]0;owned\\a"] {
        let inventory = format!("all: {{hosts: {{\"{name}\": {{ansible_host: 192.0.2.1}}}}}}\n");
        let (code, told) = check(PLAYBOOK, &inventory);
        assert_eq!(code, 64, "{told}");
        assert!(told.contains("is not a host name") || told.contains("not valid YAML"), "{told}");
        let acts = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!told.chars().any(acts), "{told:?}");
    }
}

/// Who redirects results to a full disk is told, and so is a script.
#[test]
fn results_that_cannot_be_written_are_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["completions", "bash"][..], &["--output", "json", "history"], &["man"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = Command::new(env!("CARGO_BIN_EXE_certwave"))
            .args(args)
            .current_dir(&folder)
            .env("HOME", folder.path())
            .stdout(full)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("write the results to standard output: No space left"), "{args:?}: {said}");
        // A reader that has enough is no failure.
        let text = format!("{} {} | true", env!("CARGO_BIN_EXE_certwave"), args.join(" "));
        let mut piped = Command::new("sh");
        piped.args(["-c", &text]).current_dir(&folder).env("HOME", folder.path());
        assert!(piped.output().unwrap().status.success(), "{args:?}");
    }
}
