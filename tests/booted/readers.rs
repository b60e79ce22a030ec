//! Servers that run as their own users, or that do not see the whole file system: what they could not read at their next start
//! is not installed.

use certwave::lab::wait_for;

use crate::dead_man::SUITES;
use crate::fleet::{Fleet, HAPROXY, Login, NGINX};
use crate::host::{Host, PATIENCE};

/// HAProxy runs as `haproxy` from its start, and its file belongs to that user alone.
fn own_user(host: &Host) {
    host.run(
        "mkdir -p /etc/systemd/system/haproxy.service.d
         printf '[Service]\\nUser=haproxy\\nGroup=haproxy\\nRuntimeDirectory=haproxy\\nEnvironment=PIDFILE=/run/haproxy/pid \"EXTRAOPTS=-S /run/haproxy/master.sock\"\\n' \\
           >/etc/systemd/system/haproxy.service.d/user.conf
         sed -i 's,/run/haproxy.sock,/run/haproxy/own.sock,' /etc/haproxy/haproxy.cfg
         chown haproxy:haproxy /etc/haproxy/api.pem
         chmod 600 /etc/haproxy/api.pem
         systemctl daemon-reload
         systemctl restart haproxy",
    );
}

#[test]
#[ignore = "boots hosts"]
fn a_server_with_a_user_of_its_own_survives_its_restart() {
    let mut fleet = Fleet::boot(&SUITES, Login::Sudo);
    fleet.hosts.iter().for_each(own_user);
    fleet.socket = "/run/haproxy/own.sock".to_owned();
    let served =
        |fleet: &Fleet| (0..fleet.hosts.len()).map(|host| fleet.served(host, HAPROXY)).collect::<Vec<_>>();
    assert!(wait_for(PATIENCE, || served(&fleet).iter().all(Option::is_some)));
    let before = served(&fleet);

    // nginx's key is root's, and HAProxy's is not: what holds for both cannot be guessed.
    let refused = fleet.roll_out().expect(1);
    let reason = refused.stdout;
    assert!(reason.contains("`/etc/haproxy/api.pem` is haproxy:haproxy 0600"), "{reason}");
    // What the playbook says would suit nginx alone.
    fleet.install = "  owner: root\n  group: root\n  mode: \"0600\"\n".to_owned();
    fleet.renew();
    let plan = fleet.run(&["plan", "playbook.yaml", "--output", "json"]);
    let risk = plan.stdout;
    assert!(
        risk.contains("runs as user `haproxy`, who could not read the new key (root:root 0600)"),
        "{risk}"
    );
    let reason = fleet.roll_out().expect(1).stdout;
    assert!(reason.contains("runs as user `haproxy`"), "{reason}");
    assert_eq!(served(&fleet), before);

    fleet.install = "  copies: {/etc/haproxy/api.pem: {from: combined.pem}}\n".to_owned();
    for _ in 0..2 {
        let leaf = fleet.roll_out().expect(0).leaf();
        assert!(fleet.all_serve(&leaf));
        for host in &mut fleet.hosts {
            assert_eq!(host.run("stat -c '%U:%G %a' /etc/haproxy/api.pem").trim(), "haproxy:haproxy 600");
            host.run("systemctl restart nginx haproxy apache2");
            host.reboot();
        }
        assert!(wait_for(PATIENCE, || fleet.all_serve(&leaf)), "restarted servers");
    }
    // All the way back, the file is what it was.
    for _ in 0..2 {
        fleet.run(&["rollback", "playbook.yaml", "--yes"]).expect(0);
    }
    for host in &fleet.hosts {
        host.run("systemctl restart haproxy nginx");
    }
    assert!(wait_for(PATIENCE, || served(&fleet) == before), "{:?} {before:?}", served(&fleet));
}

#[test]
#[ignore = "boots hosts"]
fn a_unit_that_hides_the_folder_is_told_before_anything_is_switched() {
    let fleet = Fleet::boot(&SUITES, Login::Root);
    for host in &fleet.hosts {
        host.run(
            "mkdir -p /etc/certwave /etc/systemd/system/nginx.service.d
             printf '[Service]\\nInaccessiblePaths=/etc/certwave\\n' >/etc/systemd/system/nginx.service.d/hide.conf
             systemctl daemon-reload
             systemctl restart nginx",
        );
    }
    let before = (0..fleet.hosts.len()).map(|host| fleet.served(host, NGINX)).collect::<Vec<_>>();
    fleet.renew();
    let plan = fleet.run(&["plan", "playbook.yaml", "--output", "json"]);
    let risk = plan.stdout;
    assert!(risk.contains("cannot enter `/etc/certwave`"), "{risk}");
    let reason = fleet.roll_out().expect(1).stdout;
    assert!(reason.contains("cannot enter `/etc/certwave`"), "{reason}");
    for (number, host) in fleet.hosts.iter().enumerate() {
        host.run("test ! -L /etc/ssl/api.key && systemctl restart nginx");
        assert!(wait_for(PATIENCE, || fleet.served(number, NGINX) == before[number]));
        host.run("rm /etc/systemd/system/nginx.service.d/hide.conf; systemctl daemon-reload; systemctl restart nginx");
    }
    let leaf = fleet.roll_out().expect(0).leaf();
    assert!(fleet.all_serve(&leaf));
}
