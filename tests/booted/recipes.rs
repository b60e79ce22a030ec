//! The guide's recipes for servers that a command reloads, as they stand there: against the servers as Debian has them.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use certwave::lab::wait_for;

use crate::dead_man::SUITES;
use crate::fleet::{Fleet, Login, NAME};
use crate::host::{Host, PATIENCE};
use crate::running::Running;

const GUIDE: &str = include_str!("../../docs/guide/other-servers.md");

/// A row of the guide's table.
struct Recipe {
    command: &'static str,
    verify: Option<&'static str>,
}

fn recipe(server: &str) -> Recipe {
    let begins = format!("| {server} | ");
    let row = GUIDE.lines().find_map(|line| line.strip_prefix(&begins));
    let row = row.unwrap_or_else(|| panic!("the guide has no row `{server}`"));
    let mut cells = row.trim_end_matches('|').split(" | ").map(code);
    let command = cells.next().flatten();
    Recipe {
        command: command.unwrap_or_else(|| panic!("the row `{server}` has no command")),
        verify: cells.next().flatten(),
    }
}

/// What stands between the first two backticks.
fn code(text: &'static str) -> Option<&'static str> {
    text.split('`').nth(1)
}

/// The first piece of code after these words.
fn code_after(words: &str) -> &'static str {
    let (_, rest) = GUIDE.split_once(words).unwrap_or_else(|| panic!("the guide does not say `{words}`"));
    code(rest).unwrap()
}

impl Recipe {
    fn service(&self) -> String {
        let verify = self.verify.map(|verify| format!("    verify: {verify}\n")).unwrap_or_default();
        format!("  - hosts: all\n    command: {}\n{verify}", self.command)
    }

    /// The same without what makes the server read its files again.
    fn idle(&self) -> String {
        let idle = Recipe { command: "{reload: \"true\"}", verify: self.verify };
        idle.service()
    }

    /// A setting of `verify`.
    fn setting(&self, key: &str) -> Option<&'static str> {
        let settings = self.verify?.trim_matches(['{', '}']).split(", ");
        settings.filter_map(|one| one.split_once(": ")).find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The SHA-256 of the leaf that another client sees there, if anybody answers.
    fn served(&self, host: &Host) -> Option<String> {
        let at = SocketAddr::new(host.address, self.setting("port").unwrap_or("443").parse().unwrap());
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &at.to_string(), "-servername", NAME]);
        if let Some(protocol) = self.setting("starttls") {
            command.args(["-starttls", protocol]);
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        let leaf = openssl::x509::X509::from_pem(&output.stdout).ok()?;
        Some(hex::encode(openssl::sha::sha256(&leaf.to_der().unwrap())))
    }
}

/// Rolls out by a recipe twice. A server that keeps what it read is first left without its reload: that is not called done.
fn proven(fleet: &Fleet, server: &str, install: &str, keeps_what_it_read: bool) {
    let recipe = recipe(server);
    let served = || fleet.hosts.iter().map(|host| recipe.served(host)).collect::<Vec<_>>();
    assert!(wait_for(PATIENCE, || served().iter().all(Option::is_some)), "{server} does not answer");
    let install =
        format!("  links: {{/etc/ssl/api.crt: fullchain.pem, /etc/ssl/api.key: privkey.pem}}\n{install}");
    let roll_out = |service: &str| {
        fleet.renew_for(service, &install);
        Running::rollout(fleet).end()
    };
    if keeps_what_it_read {
        let before = served();
        let run = roll_out(&recipe.idle().replace("verify: {", "verify: {timeout: 3s, "));
        assert_ne!(run.code, 0, "{server}: {}", run.stdout);
        assert!(run.stdout.contains("still the previous certificate is served"), "{server}: {}", run.stdout);
        assert_eq!(served(), before);
    }
    for _ in 0..2 {
        let run = roll_out(&recipe.service()).expect(0);
        let leaf = Some(run.leaf());
        assert!(served().iter().all(|one| *one == leaf), "{server}: {:?}, not {leaf:?}", served());
        assert_eq!(run.last()["hosts"][0]["failed_handshakes"], 0, "{server}");
    }
}

#[test]
#[ignore = "boots hosts"]
fn the_recipe_for_apache_is_true() {
    let fleet = Fleet::boot(&SUITES, Login::Root);
    for host in &fleet.hosts {
        let address = host.address;
        host.run(&format!(
            "echo 'Listen {address}:443' >>/etc/apache2/ports.conf; systemctl restart apache2"
        ));
    }
    proven(&fleet, "Apache", "", false);
}

#[test]
#[ignore = "boots hosts"]
fn the_recipe_for_postfix_is_true() {
    let fleet = Fleet::boot(&SUITES, Login::Root);
    for host in &fleet.hosts {
        host.write(
            "/etc/postfix/main.cf",
            &format!(
                "compatibility_level = 3.6\nmyhostname = {NAME}\nmydestination =\ninet_protocols = ipv4\n\
                 alias_maps =\nsmtpd_tls_security_level = may\nsmtpd_tls_chain_files = /etc/postfix/tls.pem\n"
            ),
        );
        // Of the machine's loopback, Postfix takes one address alone for an interface.
        host.run(&format!(
            "cat /etc/ssl/api.key /etc/ssl/api.crt >/etc/postfix/tls.pem; chmod 600 /etc/postfix/tls.pem
             sed -i 's/^smtp  *inet/{}:smtp inet/' /etc/postfix/master.cf
             systemctl restart postfix",
            host.address
        ));
    }
    let copy =
        code_after("give each its own file by [`install: copies`](../reference/playbook.md#install): ");
    proven(&fleet, "Postfix", &format!("  copies: {{/etc/postfix/tls.pem: {copy}}}\n"), false);
}

#[test]
#[ignore = "boots hosts"]
fn the_recipe_for_postgresql_is_true() {
    let fleet = Fleet::boot(&SUITES, Login::Root);
    for host in &fleet.hosts {
        let settings = format!(
            "listen_addresses = '{}'\nport = 5432\nssl = on\nssl_cert_file = '/etc/ssl/api.crt'\n\
             ssl_key_file = '/etc/ssl/api.key'\n",
            host.address
        );
        host.write("/etc/postgresql/listen.conf", &settings);
        host.run(
            "set -e; chgrp postgres /etc/ssl/api.key; chmod 640 /etc/ssl/api.key
             pg_lsclusters -h | grep -q . || pg_createcluster $(ls /usr/lib/postgresql) main >/dev/null
             for config in /etc/postgresql/*/main; do
               mkdir -p \"$config/conf.d\"
               install -o postgres -g postgres -m 644 /etc/postgresql/listen.conf \"$config/conf.d/lane.conf\"
             done
             systemctl daemon-reload
             systemctl restart postgresql",
        );
    }
    let install = code_after("PostgreSQL takes one of root's with ").strip_prefix("install: ").unwrap();
    let lines = install.trim_matches(['{', '}']).split(", ").map(|one| format!("  {one}\n"));
    proven(&fleet, "PostgreSQL", &lines.collect::<String>(), true);
}

/// No server needed: a row that was renamed or rewritten is noticed.
#[test]
fn the_guide_has_a_recipe_for_each_of_these() {
    for (server, port, starttls) in [
        ("Apache", None, None),
        ("Postfix", Some("25"), Some("smtp")),
        ("PostgreSQL", Some("5432"), Some("postgres")),
    ] {
        let recipe = recipe(server);
        assert!(recipe.command.contains("reload: "), "{server}: {}", recipe.command);
        assert_eq!((recipe.setting("port"), recipe.setting("starttls")), (port, starttls), "{server}");
    }
}
