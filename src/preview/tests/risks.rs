//! What a careful person should know of a host, at the edges.

use super::*;
use crate::install::{Boots, Guard, Keeper, SudoLog};
use crate::model::{DnsName, WaveName};
use crate::preview::{Bar, Risk, covers, refusal, risks_of};
use crate::rollout::{Silent, Undone};
use crate::verify::{ClientDemand, Endpoint};

/// The risks of the first host of a plan, changed so.
fn risks(plan: &Plan, change: impl FnOnce(&mut SeenHost)) -> Vec<Risk> {
    let mut seen = host(plan);
    change(&mut seen);
    risks_of(plan.hosts.first().unwrap(), &seen, &[leaf(2, 9_999_999)], start())
}

fn previous(host: &mut SeenHost) -> &mut Previous {
    host.previous.as_mut().unwrap()
}

#[test]
fn a_good_host_has_no_risks() {
    assert_eq!(risks(&plan(""), |_| {}), []);
}

#[test]
fn a_clock_is_off_by_more_than_five_seconds() {
    for (ahead, off) in [(5, false), (-5, false), (6, true), (-6, true)] {
        let found = risks(&plan(""), |host| host.clock_ahead = ahead);
        assert_eq!(found == [Risk::Clock { ahead }], off, "{ahead}");
    }
}

#[test]
fn what_may_end_a_dead_man_switch_before_its_time_is_a_risk() {
    use Keeper::{None as Process, Session, System, User};
    let off = plan("install: {dead_man: off}");
    for (keeper, boots, id) in [
        (Session, None, Some("switch_in_session")),
        (User, None, Some("switch_ends_at_reboot")),
        (Process, None, Some("switch_ends_at_reboot")),
        (System, None, None),
        (System, Some(Boots::Unit), None),
        (System, Some(Boots::Off), Some("switch_ends_at_reboot")),
        (System, Some(Boots::Masked), Some("switch_ends_at_reboot")),
        (System, Some(Boots::Unsafe), Some("switch_ends_at_reboot")),
        (System, Some(Boots::Unwritable), Some("switch_ends_at_reboot")),
    ] {
        let change = |host: &mut SeenHost| (host.keeper, host.boots) = (Some(keeper), boots);
        let found: Vec<String> = risks(&plan(""), change).iter().map(|risk| risk.remark().risk).collect();
        assert_eq!(found, Vec::from_iter(id), "{keeper:?}, {boots:?}");
        assert_eq!(risks(&off, change), []);
        // A first installation has no switch.
        let first =
            |host: &mut SeenHost| (host.keeper, host.boots, host.previous) = (Some(keeper), boots, None);
        assert_eq!(risks(&plan(""), first), [Risk::NoWayBack]);
    }
}

#[test]
fn a_host_whose_sudo_keeps_the_key_is_refused_whatever_a_person_said() {
    for accepted in [false, true] {
        let mut plan = plan("");
        let host_plan = plan.hosts.iter_mut().next().unwrap();
        host_plan.accepted = accepted;
        let logged = |host: &mut SeenHost| host.input_log = SudoLog::On;
        assert_eq!(risks(&plan, logged), [Risk::InputLogged]);
        assert_eq!(risks(&plan, |host| host.input_log = SudoLog::Unknown), [Risk::InputLogUnknown]);
        let (one, mut seen) = (plan.hosts.first().unwrap(), host(&plan));
        seen.input_log = SudoLog::Unknown;
        assert_eq!(refusal(one, &seen), None);
        seen.input_log = SudoLog::On;
        let words = refusal(one, &seen).unwrap();
        assert!(words.starts_with("refused before anything is sent: sudo would keep"), "{words}");
        assert!(!words.contains("--accept"), "{words}");
        // It is sent nothing any more.
        seen.proven = true;
        assert_eq!(refusal(one, &seen), None);
    }
}

#[test]
fn an_unconfirmed_version_that_nobody_will_undo_is_a_risk_of_its_own() {
    for (guard, until_boot) in
        [(Guard::Process, None), (Guard::Boot, Some(true)), (Guard::Nobody, Some(false))]
    {
        let found = risks(&plan(""), |host| (host.unconfirmed, host.guard) = (true, Some(guard)));
        let unguarded = until_boot.map(|until_boot| Risk::Unguarded { until_boot });
        assert_eq!(found, [Some(Risk::Unconfirmed), unguarded].into_iter().flatten().collect::<Vec<_>>());
    }
}

#[test]
fn a_way_back_is_gone_when_it_lapses_and_short_an_hour_before() {
    let name = |found: &[Risk]| match found {
        [] => "none",
        [Risk::WayBackUnfit { .. }] => "unfit",
        [Risk::WayBackShort { .. }] => "short",
        [Risk::NoWayBack] => "no way back",
        _ => panic!("{found:?}"),
    };
    let plan = plan("");
    for (seconds, risk) in [(-1, "unfit"), (0, "unfit"), (1, "short"), (3_600, "short"), (3_601, "none")] {
        let found = risks(&plan, |host| previous(host).not_after = after(seconds));
        assert_eq!(name(&found), risk, "{seconds}");
    }
    assert_eq!(name(&risks(&plan, |host| previous(host).revoked = true)), "unfit");
    assert_eq!(name(&risks(&plan, |host| host.previous = None)), "no way back");
}

#[test]
fn a_host_that_has_it_all_is_told_only_what_makes_it_fail() {
    let plan = plan("");
    let trouble = |host: &mut SeenHost| {
        (host.proven, host.clock_ahead) = (true, 99);
        host.problems = vec!["no room".to_owned()];
    };
    assert_eq!(risks(&plan, trouble), [Risk::Fails { reason: "no room".to_owned() }]);
    // Its confirmation never came: it is worked on.
    let found = risks(&plan, |host| (host.proven, host.unconfirmed) = (true, true));
    assert_eq!(found, [Risk::Unconfirmed]);
    let undone = Undone { at: start(), target: version(2), previous: version(1), problem: None };
    assert_eq!(risks(&plan, |host| host.undone = Some(undone)), [Risk::Undone { target: version(2) }]);
    let open = Risk::KeyOpen { path: "/a.key".to_owned() };
    assert_eq!(risks(&plan, |host| host.open_keys = vec!["/a.key".to_owned()]), [open]);
}

#[test]
fn another_issuer_is_told_of_the_same_kind_of_key_alone() {
    let plan = plan("");
    let other = Risk::OtherIssuer { now: "CN=two".to_owned(), then: "CN=one".to_owned() };
    let two = |host: &mut SeenHost| host.served[0].leaf.as_mut().unwrap().issuer = "CN=two".to_owned();
    assert_eq!(risks(&plan, two), std::slice::from_ref(&other));
    // On the disk, too.
    assert_eq!(risks(&plan, |host| host.on_disk[0].issuer = "CN=two".to_owned()), [other]);
    let rsa = |host: &mut SeenHost| {
        two(host);
        host.served[0].leaf.as_mut().unwrap().key_type = Some(KeyType::Rsa2048);
    };
    assert_eq!(risks(&plan, rsa), []);
}

fn file(path: &str, is_key: bool, ours: bool, leaf: Option<Leaf>) -> SeenFile {
    SeenFile { path: path.to_owned(), is_key, ours, leaf }
}

#[test]
fn a_server_has_to_name_a_certificate_that_is_switched_and_a_key_is_none() {
    let plan = plan("");
    let not_named = [Risk::NotNamed { service: "nginx".to_owned() }];
    let with = |files: Vec<SeenFile>| risks(&plan, |host| host.reads[0].files = files);
    assert_eq!(with(vec![file("/k", true, true, None), file("/c", false, false, None)]), not_named);
    assert_eq!(with(vec![file("/c", false, true, None), file("/d", false, false, None)]), []);
    // It does not tell what it reads.
    assert_eq!(with(Vec::new()), []);
}

#[test]
fn a_file_that_is_still_read_for_a_name_of_the_certificate_is_told() {
    let plan = plan("");
    let with = |names: &[&str], ours: bool| {
        let mut other = leaf(9, 86_400);
        other.names = names.iter().map(|name| (*name).to_owned()).collect();
        risks(&plan, |host| host.reads[0].files.push(file("/old.pem", false, ours, Some(other))))
    };
    let still = Risk::StillReads {
        service: "nginx".to_owned(),
        path: "/old.pem".to_owned(),
        name: "a.test".to_owned(),
    };
    assert_eq!(with(&["a.test"], false), [still]);
    assert_eq!(with(&["b.test"], false), []);
    assert_eq!(with(&["a.test"], true), []);
}

#[test]
fn a_link_is_not_named_where_every_server_tells_what_it_reads() {
    let plan = plan("install: {links: {/etc/a.crt: fullchain.pem}}");
    let not_named = [Risk::LinkNotNamed { path: "/etc/a.crt".to_owned() }];
    assert_eq!(risks(&plan, |_| {}), not_named);
    assert_eq!(risks(&plan, |host| host.reads[0].files[0].path = "/etc/a.crt".to_owned()), []);
    assert_eq!(risks(&plan, |host| host.reads[0].variable = true), []);
    assert_eq!(risks(&plan, |host| host.reads.clear()), []);
    let silent = risks(&plan, |host| {
        let mut silent = host.reads[0].clone();
        silent.files.clear();
        host.reads.push(silent);
    });
    assert_eq!(silent, []);
}

/// Of dual certificates, the second may be what the rollout brings.
#[test]
fn a_place_that_answers_with_its_other_certificate_does_answer() {
    let plan = plan("certificate: {domains: [a.test], key: [ecdsa-p256, rsa-2048]}");
    let silent = |host: &mut SeenHost, at: usize| {
        (host.served[at].leaf, host.served[at].reason) = (None, Some("no shared signature".to_owned()));
    };
    assert_eq!(risks(&plan, |host| silent(host, 1)), []);
    let both = risks(&plan, |host| {
        silent(host, 0);
        silent(host, 1);
    });
    assert!(both.iter().all(|risk| matches!(risk, Risk::NoHandshake { .. })) && !both.is_empty(), "{both:?}");
}

#[test]
fn a_star_covers_one_whole_label() {
    let covers_it = |of: &str, name: &str| {
        let mut leaf = leaf(1, 1);
        leaf.names = vec![of.to_owned()];
        covers(&leaf, &name.parse::<DnsName>().unwrap())
    };
    for (of, name, is) in [
        ("a.test", "a.test", true),
        ("A.Test", "a.test", true),
        ("*.a.test", "b.a.test", true),
        ("*.a.test", "a.test", false),
        ("*.a.test", "c.b.a.test", false),
        ("*.test", "a.test", true),
        ("b.a.test", "a.test", false),
        ("*.b.test", "b.a.test", false),
    ] {
        assert_eq!(covers_it(of, name), is, "{of} for {name}");
    }
}

#[test]
fn what_refuses_a_host_is_said_once_with_the_way_out() {
    let plan = plan("");
    let mut seen = host(&plan);
    seen.served[0].ours = false;
    seen.served.push(seen.served[0].clone());
    let words = refusal(plan.hosts.first().unwrap(), &seen).unwrap();
    assert!(words.starts_with("refused before the switch: nginx at"), "{words}");
    assert_eq!(words.matches("another certificate is served").count(), 1, "{words}");
    assert!(words.ends_with("(where the rollout is to repair that, `--accept HOST` goes ahead)"), "{words}");
}

/// No repair makes a handshake of ours what its listener takes.
#[test]
fn a_listener_that_cannot_be_verified_refuses_a_host_whatever_a_person_said() {
    for accepted in [false, true] {
        let mut plan = plan("");
        let mut seen = host(&plan);
        let host_plan = plan.hosts.iter_mut().next().unwrap();
        host_plan.accepted = accepted;
        let served = &mut seen.served[0];
        (served.leaf, served.reason) = (None, Some("TLS alert: handshake failure".to_owned()));
        served.demand = Some(ClientDemand::ClientCertificate);
        let words = refusal(host_plan, &seen).unwrap();
        let told = "refused before the switch: nginx at web01:443 cannot be verified: TLS alert: handshake failure; the server \
                    asks for a client certificate: set `verify: client_certificate: {certificate: FILE, key: FILE}`";
        assert_eq!(words, told);
        seen.served[0].demand = None;
        assert_eq!(refusal(host_plan, &seen).is_none(), accepted);
    }
}

#[test]
fn a_remark_keeps_the_id_of_its_risk() {
    let remark = Risk::Clock { ahead: 9 }.remark();
    assert_eq!((remark.risk.as_str(), remark.text.as_str()), ("clock", "its clock is 9 s ahead"));
    assert_eq!(Risk::NoWayBack.remark().risk, "no_way_back");
    assert!(Bar::Never < Bar::UnlessAccepted && Bar::UnlessAccepted < Bar::Always);
}

/// Each in words: a new one has to be read aloud first.
#[test]
fn every_risk_reads_well() {
    let text = |text: &str| text.to_owned();
    let version: Version = "20261123T200100Z-3f9a1c2e".parse().unwrap();
    let time: Timestamp = "2026-12-24T18:00:00Z".parse().unwrap();
    let wave: WaveName = "canary".parse().unwrap();
    let risks = [
        Risk::Away { reason: text("connection refused") },
        Risk::Fails { reason: text("there is no `tar`") },
        Risk::InputLogged,
        Risk::InputLogUnknown,
        Risk::NotRunning { service: text("nginx"), reason: text("there is no pid file") },
        Risk::Broken { service: text("nginx"), reason: text("unknown directive \"x\"") },
        Risk::StillReads { service: text("nginx"), path: text("/etc/a.pem"), name: text("a.test") },
        Risk::NotNamed { service: text("nginx") },
        Risk::LinkNotNamed { path: text("/etc/ssl/a.crt") },
        Risk::KeyOpen { path: text("/etc/ssl/a.key") },
        Risk::Clock { ahead: 94 },
        Risk::Clock { ahead: -7 },
        Risk::NoWayBack,
        Risk::WayBackUnfit { version: version.clone(), reason: text("was revoked") },
        Risk::WayBackShort { version: version.clone(), not_after: time },
        Risk::SwitchInSession,
        Risk::SwitchEndsAtReboot { reason: text("the host does not run systemd") },
        Risk::Unconfirmed,
        Risk::Unguarded { until_boot: false },
        Risk::Unguarded { until_boot: true },
        Risk::Undone { target: version },
        Risk::ClientRefused {
            endpoint: text("nginx at 192.0.2.1:443"),
            demand: ClientDemand::ProxyProtocolV2,
            reason: text("the connection was closed"),
        },
        Risk::RateLimited { endpoint: text("nginx at 192.0.2.1:443") },
        Risk::NoHandshake { endpoint: text("nginx at 192.0.2.1:443"), reason: text("timed out") },
        Risk::Foreign {
            endpoint: text("nginx at 192.0.2.1:443"),
            names: vec![text("b.test")],
            issuer: text("CN=R10"),
        },
        Risk::NotTrusted { reason: text("self-signed certificate in certificate chain") },
        Risk::OtherIssuer { now: text("CN=R10"), then: text("CN=R11") },
        Risk::WaveStops { wave: wave.clone(), reason: text("2 of 3 hosts failed, 0 may fail") },
        Risk::MayMissDeadline { wave },
        Risk::TooLate { expires: time, over: time },
    ];
    let lines: Vec<String> = risks.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    does not answer: connection refused
    would fail before anything live is changed: there is no `tar`
    sudo would keep the private key in its log of standard input (`log_input` or `log_stdin` in sudoers, or the tag `LOG_INPUT`): turn that off for this login, by `Defaults:LOGIN !log_input, !log_stdin` or by `NOLOG_INPUT:` in its rule
    does not tell whether sudo logs standard input (`log_input`, `log_stdin`), by which the private key comes
    nginx does not run: there is no pid file
    nginx does not take its configuration as it is: unknown directive "x"
    nginx reads `/etc/a.pem` for a.test, which the rollout does not switch: add it to `install: links`
    nginx names no file that the rollout switches: it would go on to serve what it serves, or would after a restart
    no server's configuration names `/etc/ssl/a.crt`: is the link needed?
    everybody can read the key in `/etc/ssl/a.key`: only its owner and its group will read the new one
    its clock is 94 s ahead
    its clock is 7 s behind
    has no certificate to go back to
    would not go back to 20261123T200100Z-3f9a1c2e: it was revoked
    would go back to 20261123T200100Z-3f9a1c2e, which expires on 2026-12-24 18:00:00Z
    its dead-man switch would live in the login's session, and systemd may end it with the login (`KillUserProcesses=yes`) or at a reboot: nobody would put the previous certificate back; use `ansible_become`, or type `loginctl enable-linger USER` on the host
    its dead-man switch would end at a reboot, and nobody would put the previous certificate back: the host does not run systemd
    has a live version that was never confirmed
    nobody puts the previous certificate back: the process of its dead-man switch is gone; `certwave resume` confirms the live version or goes back
    nobody puts the previous certificate back before its next boot: the process of its dead-man switch is gone; `certwave resume` confirms the live version or goes back
    went back by itself from 20261123T200100Z-3f9a1c2e, which nobody had confirmed; what clients noticed then is unobserved
    nginx at 192.0.2.1:443 cannot be verified: the connection was closed; the server wants a header of the PROXY protocol first: set `verify: proxy_protocol: v2`
    nginx at 192.0.2.1:443 refused the controller for a while after the switch, as a server does that limits how often one address may connect; it was verified with fewer handshakes: set `verify: rate: HANDSHAKES/s` below that limit
    nginx at 192.0.2.1:443: TLS handshake fails now: timed out
    nginx at 192.0.2.1:443: another certificate is served, for b.test by `CN=R10`, which this rollout does not replace; check the server's configuration, `verify`, or for a proxy in front
    the new certificate is not trusted: self-signed certificate in certificate chain; name its CA's root in `verify: ca_file`
    serves a certificate of `CN=R10` now, and would one of `CN=R11`: soak longer
    wave `canary` would stop: 2 of 3 hosts failed, 0 may fail
    wave `canary` may miss its deadline where everything takes all its time
    what is served now begins to expire on 2026-12-24 18:00:00Z, and the rollout may take until 2026-12-24 18:00:00Z
    "#);
}

#[test]
fn an_endpoint_is_silent_where_no_handshake_came_about() {
    let mut host = host(&plan(""));
    assert_eq!(host.silent(), []);
    let answered = host.served[0].clone();
    let unanswered =
        SeenServed { leaf: None, reason: Some("refused".to_owned()), elsewhere: false, ..answered.clone() };
    // Dialled when it was inspected, and when it was staged.
    host.served = vec![unanswered.clone(), unanswered.clone()];
    let endpoint = |port| Endpoint { port, ..answered.endpoint.clone() };
    let silent = |port| Silent { service: answered.service.clone(), endpoint: endpoint(port) };
    assert_eq!(host.silent(), [silent(443)]);
    host.served = vec![unanswered.clone(), answered.clone()];
    assert_eq!(host.silent(), []);
    host.served.push(SeenServed { endpoint: endpoint(8443), ..unanswered });
    assert_eq!(host.silent(), [silent(8443)]);
}
