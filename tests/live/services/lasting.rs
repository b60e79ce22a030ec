//! What outlives a switch: plans warn, and the rollout's end repeats it, also with `--yes`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use certwave::lab::wait_for;
use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};

use crate::services::others::Dovecot;
use crate::support::{Fleet, Run, edit};

/// The words of a host's risks, in a plan and at a rollout's end.
fn risks(run: &Run, host: usize, id: &str) -> Vec<String> {
    let last = run.last();
    let host = if last["event"] == "plan.finished" { &run.lines()[host] } else { &last["hosts"][host] };
    let risks = host["risks"].as_array().cloned().unwrap_or_default();
    let of_id = risks.iter().filter(|risk| risk["risk"] == id);
    of_id.map(|risk| risk["text"].as_str().unwrap().to_owned()).collect()
}

fn plan(fleet: &Fleet) -> Run {
    fleet.run(&["plan", "playbook.yaml", "--force", "--output", "json"]).expect(0)
}

#[test]
fn what_cuts_downloads_after_a_reload_is_told_by_plan_and_at_the_end() {
    let fleet = Fleet::mixed(1, 1, 0);
    let nginx = &fleet.lab.hosts[0].nginx.config;
    let haproxy = &crate::services::haproxy::haproxy(&fleet).config;
    edit(nginx, "events", "worker_shutdown_timeout 40s;\nevents");
    edit(haproxy, "global\n", "global\n  hard-stop-after 50s\n");
    let cut = |service: &str, after: &str, setting: &str| {
        format!(
            "{service} cuts what clients still have open {after} after the reload (`{setting}`): downloads, WebSockets"
        )
    };
    let by_nginx = [cut("nginx", "40s", "worker_shutdown_timeout")];
    let by_haproxy = [cut("haproxy", "50s", "hard-stop-after")];
    // HAProxy's runtime API touches no connection.
    for run in [plan(&fleet), fleet.roll_out(&["--force"]).expect(0)] {
        assert_eq!(risks(&run, 0, "cut_later"), by_nginx);
        assert_eq!(risks(&run, 1, "cut_later"), [""; 0]);
        assert_eq!(risks(&run, 1, "idle_closed"), [""; 0]);
    }
    // What it would be told there is too long: a reload.
    fleet.edit("    haproxy:\n", "    haproxy:\n      bufsize: 2048\n");
    for run in [plan(&fleet), fleet.roll_out(&["--force"]).expect(0)] {
        let known = run.last()["event"] != "plan.finished";
        assert_eq!(risks(&run, 1, "cut_later"), by_haproxy[..usize::from(known)], "{}", run.stdout);
        assert_eq!(risks(&run, 1, "idle_closed").len(), usize::from(known));
    }
    // A person reads it, too.
    let end = fleet.run(&["rollout", "playbook.yaml", "--force", "--yes"]).expect(0);
    assert!(
        end.stderr.contains(&by_nginx[0]) || end.stdout.contains(&by_nginx[0]),
        "{}{}",
        end.stdout,
        end.stderr
    );
    edit(haproxy, "mode http\n", "mode http\n  option idle-close-on-response\n");
    let run = fleet.roll_out(&["--force"]).expect(0);
    assert_eq!(risks(&run, 1, "idle_closed"), [""; 0]);
}

/// A mail program that waits for new mail (RFC 2177).
struct Idling {
    stream: BufReader<SslStream<TcpStream>>,
}

impl Idling {
    fn start(dovecot: &Dovecot) -> Self {
        let mut stream = BufReader::new(TcpStream::connect(dovecot.imap).unwrap());
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        stream.get_mut().write_all(b"a STARTTLS\r\n").unwrap();
        line.clear();
        stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("a OK"), "{line}");
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        let mut config = connector.build().configure().unwrap();
        config.set_verify_hostname(false);
        let stream = BufReader::new(config.connect("api.lab.test", stream.into_inner()).unwrap());
        let mut idling = Self { stream };
        idling.say("b LOGIN someone secret", "b OK");
        idling.say("c IDLE", "+ ");
        idling
    }

    fn say(&mut self, line: &str, wanted: &str) {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        let mut seen = String::new();
        while !seen.lines().last().is_some_and(|last| last.starts_with(wanted)) {
            let read = self.stream.read_line(&mut seen).unwrap();
            assert!(read > 0, "{line}: it was cut: {seen}");
        }
    }

    /// Whether it can go on. Dovecot says goodbye to who sent nothing for ten seconds.
    fn still_lives(mut self) -> bool {
        self.stream.get_ref().get_ref().set_read_timeout(Some(std::time::Duration::from_secs(13))).unwrap();
        let mut unasked = String::new();
        match self.stream.read_line(&mut unasked) {
            Ok(_) => {
                assert!(unasked.is_empty() || unasked.starts_with("* BYE"), "{unasked}");
                return false;
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}"),
        }
        let asked = self.stream.get_mut().write_all(b"DONE\r\n");
        let mut line = String::new();
        while asked.is_ok() && self.stream.read_line(&mut line).is_ok_and(|read| read > 0) {
            if line.lines().any(|line| line.starts_with("c OK")) {
                return true;
            }
        }
        false
    }
}

#[test]
fn dovecot_ends_idle_sessions_unless_its_setting_keeps_them_and_plan_recommends_that() {
    for (setting, kept) in [("", false), ("shutdown_clients = no\n", true)] {
        let fleet = Fleet::start(1);
        let dovecot = Dovecot::start(&fleet, setting);
        fleet.edit("\ninstall:", &format!("{}\ninstall:", dovecot.service(dovecot.imap.port(), "imap")));
        let idling = Idling::start(&dovecot);
        let ends = ["a reload of command ends the sessions of its clients: set `shutdown_clients = no`"];
        let expected = if kept { &ends[..0] } else { &ends[..] };
        for run in [plan(&fleet), fleet.roll_out(&["--force"]).expect(0)] {
            assert_eq!(risks(&run, 0, "sessions_ended"), expected);
        }
        assert_eq!(idling.still_lives(), kept, "{setting}");
        assert!(wait_for(std::time::Duration::from_secs(20), || TcpStream::connect(dovecot.imap).is_ok()));
    }
}

/// A client that does not come to the end of its request, as a download or a WebSocket does not.
fn hold(address: std::net::SocketAddr) -> SslStream<TcpStream> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    let mut config = connector.build().configure().unwrap();
    config.set_verify_hostname(false);
    let mut held = config.connect("api.lab.test", TcpStream::connect(address).unwrap()).unwrap();
    held.write_all(b"GET / HTTP/1.1\r\nHost: api.lab.test\r\n").unwrap();
    held
}

#[test]
fn old_workers_are_counted_at_the_end_and_by_status() {
    let fleet = Fleet::mixed(1, 1, 0);
    // A reload of HAProxy, as of what is too long for its memory.
    fleet.edit("    haproxy:\n", "    haproxy:\n      bufsize: 2048\n");
    let (nginx, haproxy) = (fleet.lab.hosts[0].nginx.https, fleet.lab.fronts[0].server.https());
    let by_status = || {
        let run = fleet.run(&["status", "playbook.yaml", "--output", "json"]).expect(0);
        run.lines().iter().map(|line| line["old_workers"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!([risks(&run, 0, "old_workers"), risks(&run, 1, "old_workers")], [[""; 0], [""; 0]]);
    let mut held = Vec::new();
    for count in 1..=2 {
        held.extend([hold(nginx), hold(haproxy)]);
        let run = fleet.roll_out(&["--force"]).expect(0);
        let serve = if count == 1 { "worker still serves" } else { "workers still serve" };
        let words = |service: &str| {
            format!(
                "{service}: {count} old {serve} the certificate from before, to connections that were open"
            )
        };
        assert_eq!(risks(&run, 0, "old_workers"), [words("nginx")]);
        assert_eq!(risks(&run, 1, "old_workers"), [words("haproxy")]);
        assert_eq!(by_status(), [count, count]);
    }
    let text = fleet.run(&["status", "playbook.yaml"]).expect(0).stdout;
    assert!(text.contains("nginx: 2 old workers still serve connections from before a reload"), "{text}");
    drop(held);
    assert!(wait_for(std::time::Duration::from_secs(40), || by_status() == [0, 0]));
}

/// What a held client gets when it comes to the end of its request.
fn answered(mut held: SslStream<TcpStream>) -> bool {
    let mut answer = Vec::new();
    let _ = held.write_all(b"Connection: close\r\n\r\n");
    let _ = std::io::Read::read_to_end(&mut held, &mut answer);
    answer.starts_with(b"HTTP/1.1 200")
}

#[test]
fn connections_that_a_switch_does_not_touch_keep_the_old_key_in_use_and_revoke_says_so() {
    let fleet = Fleet::mixed(1, 1, 1);
    let first = fleet.roll_out(&[]).expect(0);
    let old = first.last()["certificate"]["version"].as_str().unwrap().to_owned();
    let (haproxy, envoy) = (fleet.lab.fronts[0].server.https(), fleet.lab.fronts[1].server.https());
    // A session of before the switch, besides, which a client may ask to resume.
    let file = fleet.lab.directory().join("session.pem");
    assert!(!session(haproxy, "-sess_out", &file));
    let held = [hold(haproxy), hold(envoy)];
    fleet.roll_out(&["--force"]).expect(0);
    assert_eq!(held.map(answered), [true, true]);
    assert!(session(haproxy, "-sess_in", &file), "HAProxy resumes no session from before the switch");

    let revoked =
        fleet.run(&["revoke", "playbook.yaml", &old, "--reason", "key-compromise", "--yes"]).expect(0);
    let name = |front: usize| fleet.lab.fronts[front].name.clone();
    let words = format!(
        "on {} (by runtime API, where old TLS sessions are resumed as well) and {} (by SDS): restart these servers",
        name(0),
        name(1)
    );
    assert!(revoked.stdout.contains(&words), "{}", revoked.stdout);
}

/// Whether a session of before is resumed: OpenSSL's client keeps it in a file.
fn session(address: std::net::SocketAddr, option: &str, file: &std::path::Path) -> bool {
    let ended = std::process::Command::new("openssl")
        .args([
            "s_client",
            "-tls1_2",
            "-servername",
            "api.lab.test",
            "-connect",
            &address.to_string(),
            option,
        ])
        .arg(file)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(said.contains("New, TLSv1.2") || said.contains("Reused, TLSv1.2"), "{said}");
    said.contains("Reused, TLSv1.2")
}
