//! Host keys: what `known_hosts` says about them, as OpenSSH reads it.

use std::fs;
use std::process::Command;

use certwave::ports::{Certainty, Connection, RemoteError, RemoteErrorKind};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Sshd, comes, new_key, run};

/// What is thought of the server's key; and that ssh itself thinks the same.
async fn with_known_hosts(server: &Sshd, text: &str) -> Result<(), RemoteError> {
    let result = judged(server, text).await;
    let oracle = Command::new("ssh")
        .args(["-F", "none", "-n", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"])
        .args(["-o", "UpdateHostKeys=no", "-o", "GlobalKnownHostsFile=none", "-o", "IdentitiesOnly=yes"])
        .args(["-o", &format!("UserKnownHostsFile={}", server.path("known_hosts").display())])
        .args(["-i", server.path("user").to_str().unwrap(), "-p", &server.port.to_string()])
        .args(["127.0.0.1", "true"])
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&oracle.stderr);
    assert_eq!(
        oracle.status.success(),
        result.is_ok(),
        "{text}\nwe: {:?}\nssh: {words}",
        result.as_ref().err()
    );
    result
}

async fn judged(server: &Sshd, text: &str) -> Result<(), RemoteError> {
    fs::write(server.path("known_hosts"), text).unwrap();
    let logins = || server.log().matches("Accepted publickey").count();
    let before = logins();
    let result = server.try_connect().await;
    assert_eq!(fs::read_to_string(server.path("known_hosts")).unwrap(), text, "it is never written");
    match result {
        Ok(connection) => {
            connection.close().await;
            Ok(())
        }
        Err(error) => {
            assert_eq!(
                (error.kind, error.certainty),
                (RemoteErrorKind::HostKey, Certainty::NotSent),
                "{error:?}"
            );
            assert_eq!(logins(), before, "nobody logs in to a stranger");
            Err(error)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn host_keys_are_judged_by_known_hosts() {
    let server = Sshd::start("");
    let (port, key) = (server.port, server.host_key.clone());
    let other = new_key(&server.path("other"), "ed25519");
    let other_rsa = new_key(&server.path("other-rsa"), "rsa");
    let file = server.path("known_hosts");
    let print = run("ssh-keygen", &["-lf", server.path("host_key.pub").to_str().unwrap()]);
    let print = print.split(' ').nth(1).unwrap();

    // Unknown: with the line to add.
    for text in [
        "",
        "[127.0.0.1]:1 ssh-ed25519 AAAA\n",
        &format!("[127.0.0.1]:{port} {other_rsa}\n"),
        &format!("127.0.0.1 {other}\n"),
    ] {
        let reason = with_known_hosts(&server, text).await.unwrap_err().reason;
        let line = format!("add this line to {}: [127.0.0.1]:{port} {key}", file.display());
        assert!(reason.ends_with(&line), "{reason}");
        assert!(reason.contains(&format!("it gave ssh-ed25519 {print}; compare that")), "{reason}");
    }
    // Changed: with the place.
    let text = format!("# comment\n\n[127.0.0.1]:{port} {other}\n");
    let reason = with_known_hosts(&server, &text).await.unwrap_err().reason;
    assert!(reason.contains("HAS CHANGED"), "{reason}");
    assert!(reason.contains(&format!("{}:3 says ssh-ed25519 SHA256:", file.display())), "{reason}");
    // Revoked: whatever else is said.
    for host in [format!("[127.0.0.1]:{port}"), "*".to_owned(), "127.0.0.1".to_owned()] {
        let text = format!("[127.0.0.1]:{port} {key}\n@revoked {host} {key}\n");
        // A key revoked for the address is revoked on all its ports; ssh is laxer.
        let reason = judged(&server, &text).await.unwrap_err().reason;
        assert!(
            reason.contains(&format!("{}:2 revokes the key ssh-ed25519 {print}", file.display())),
            "{reason}"
        );
    }
    // A name that is negated is not listed. As OpenSSH, that goes for the name with its port alone.
    with_known_hosts(&server, &format!("*,!*127.0.0.1* {key}\n")).await.unwrap_err();
    with_known_hosts(&server, &format!("*,![127.0.0.1]:{port} {key}\n")).await.unwrap();
    // An authority's own key is no host key.
    with_known_hosts(&server, &format!("@cert-authority * {key}\n")).await.unwrap_err();

    let accepted = [
        format!("[127.0.0.1]:{port} {key}\n"),
        format!("[127.0.0.1]:{port}\t{} a comment # here\n", key.replace(' ', "\t")),
        format!("a,[127.0.0.*]:{port} {key}\n"),
        // As OpenSSH: the address without the port will do.
        format!("127.0.0.1 {key}\n"),
        // A rotation: two keys of one type.
        format!("[127.0.0.1]:{port} {other}\n[127.0.0.1]:{port} {key}\n"),
    ];
    for text in &accepted {
        with_known_hosts(&server, text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    // Hashed.
    fs::write(&file, &accepted[0]).unwrap();
    run("ssh-keygen", &["-H", "-f", file.to_str().unwrap()]);
    let hashed = fs::read_to_string(&file).unwrap();
    assert!(hashed.starts_with("|1|"));
    with_known_hosts(&server, &hashed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_type_that_is_known_is_asked_for() {
    let server = Sshd::start_with(|folder| {
        ["ecdsa", "rsa"]
            .map(|kind| {
                new_key(&folder.join(kind), kind);
                format!("HostKey {}", folder.join(kind).display())
            })
            .join("\n")
    });
    for kind in ["ecdsa", "rsa", "host_key"] {
        let key = fs::read_to_string(server.path(&format!("{kind}.pub"))).unwrap();
        let text = format!("[127.0.0.1]:{} {key}", server.port);
        with_known_hosts(&server, &text).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn host_certificates_are_judged_by_their_authority() {
    let server = Sshd::start_with(|folder| {
        new_key(&folder.join("ca"), "ed25519");
        format!("HostCertificate {}/host_key-cert.pub", folder.display())
    });
    let sign = async |arguments: &[&str]| {
        let (ca, key) = (server.path("ca"), server.path("host_key.pub"));
        let files = ["-q", "-s", ca.to_str().unwrap(), "-I", "web01"];
        run("ssh-keygen", &[&files, arguments, &[key.to_str().unwrap()]].concat());
        // A server that starts anew reads the certificate.
        let starts = || server.log().matches("Server listening").count();
        let before = starts();
        kill(Pid::from_raw(server.id().cast_signed()), Signal::SIGHUP).unwrap();
        comes("sshd started anew", || starts() > before).await;
    };
    sign(&["-h", "-n", "127.0.0.1"]).await;
    let ca = fs::read_to_string(server.path("ca.pub")).unwrap();
    let trusted = format!("@cert-authority *,[127.0.0.1]:* {ca}");
    with_known_hosts(&server, &trusted).await.unwrap();
    // The key itself is known: then the certificate of a stranger does no harm.
    let other = new_key(&server.path("other"), "ed25519");
    let port = server.port;
    let both = format!("@cert-authority * {other}\n[127.0.0.1]:{port} {}\n", server.host_key);
    with_known_hosts(&server, &both).await.unwrap();
    with_known_hosts(&server, &format!("@cert-authority * {other}\n")).await.unwrap_err();
    for revoked in [&ca, &(server.host_key.clone() + "\n")] {
        let reason =
            with_known_hosts(&server, &format!("{trusted}@revoked * {revoked}")).await.unwrap_err().reason;
        assert!(reason.contains(":2 revokes the key"), "{reason}");
    }
    for (arguments, reason) in [
        (&["-h", "-n", "web02"][..], "it is for [\"web02\"]"),
        (&["-h", "-n", "127.0.0.1", "-V", "20200101:20200102"], "it has expired"),
        (&["-h", "-n", "127.0.0.1", "-O", "critical:force-command=x"], "it has critical options"),
    ] {
        sign(arguments).await;
        let error = with_known_hosts(&server, &trusted).await.unwrap_err();
        assert!(error.reason.contains(reason), "{}", error.reason);
    }
}
