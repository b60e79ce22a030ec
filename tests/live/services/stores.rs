//! HAProxy 3.0: certificates that a `crt-store` loads, under names of its own.

use std::process::Command;

use crate::require;
use crate::services::haproxy::{ask, haproxy, reload};
use crate::support::Fleet;

/// Said aloud where this machine's HAProxy is too old for it: 2.6 has no stores.
fn has_stores() -> bool {
    let said = Command::new("haproxy").arg("-v").output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    let major =
        said.split_whitespace().nth(2).and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    let new = major.unwrap() >= 3;
    if !new {
        require::note(&format!("{} has no `crt-store`", said.lines().next().unwrap_or_default()));
    }
    new
}

/// Has HAProxy load its certificate by a store.
fn with_store(fleet: &Fleet, alias: &str, name: &str) {
    let root = &fleet.lab.fronts[0].root;
    let config = haproxy(fleet).config.clone();
    let text = std::fs::read_to_string(&config).unwrap();
    let named = format!("crt {}", root.join("etc/ssl/api.pem").display());
    assert!(text.contains(&named));
    let store = format!(
        "crt-store web\n  crt-base {}\n  load crt api.pem {alias}\ndefaults\n",
        root.join("etc/ssl").display()
    );
    let text = text.replace(&named, &format!("crt {name}")).replace("defaults\n", &store);
    std::fs::write(&config, text).unwrap();
    reload(haproxy(fleet));
    assert!(ask(&haproxy(fleet).socket, "show ssl cert").lines().any(|line| line == name));
}

#[test]
fn a_certificate_of_a_store_is_changed_in_memory_and_taken_back() {
    if !has_stores() {
        return;
    }
    for (alias, name) in [("alias site", "@web/site"), ("", "@web/api.pem")] {
        let fleet = Fleet::mixed(1, 1, 0);
        let process = || {
            ask(&haproxy(&fleet).socket, "show info")
                .lines()
                .find(|line| line.starts_with("Pid"))
                .map(str::to_owned)
        };
        // By its path, which leads there; and by the store's own name, with a link for the path.
        with_store(&fleet, alias, name);
        let binary = Command::new("sh").args(["-c", "command -v haproxy"]).output().unwrap().stdout;
        let binary = String::from_utf8(binary).unwrap();
        fleet.edit("    haproxy:\n", &format!("    haproxy:\n      binary: {}\n", binary.trim()));
        let (before, pid) = (fleet.front_served(0), process());
        let run = fleet.roll_out(&[]).expect(0);
        assert_eq!(fleet.front_served(0), run.leaf());
        fleet.run(&["status", "playbook.yaml"]).expect(0);
        fleet.run(&["rollback", "playbook.yaml", "--yes"]).expect(0);
        assert_eq!(fleet.front_served(0), before);
        fleet.edit("certificate: \"{{ root }}/etc/ssl/api.pem\"", &format!("certificate: \"{name}\""));
        fleet.edit(
            "\"{{ root }}/etc/ssl/api.key\": privkey.pem",
            "\"{{ root }}/etc/ssl/api.key\": privkey.pem\n    \"{{ root }}/etc/ssl/api.pem\": combined.pem",
        );
        let run = fleet.roll_out(&["--force"]).expect(0);
        assert_eq!(fleet.front_served(0), run.leaf());
        fleet.run(&["status", "playbook.yaml"]).expect(0);
        assert_eq!(process(), pid, "it was reloaded");
        reload(haproxy(&fleet));
        assert_eq!(fleet.front_served(0), run.leaf());
    }
}
