//! What servers serve once they were restarted.

use certwave::lab::wait_for;

use crate::dead_man::SUITES;
use crate::fleet::{Fleet, Login};
use crate::host::PATIENCE;

#[test]
#[ignore = "boots hosts"]
fn every_server_serves_the_new_certificate_after_its_restart_and_after_the_hosts() {
    for login in [Login::Root, Login::Sudo] {
        let mut fleet = Fleet::boot(&SUITES, login);
        for _ in 0..2 {
            let leaf = fleet.roll_out().expect(0).leaf();
            assert!(fleet.all_serve(&leaf));
            for host in &fleet.hosts {
                host.run("systemctl restart nginx haproxy apache2");
            }
            assert!(wait_for(PATIENCE, || fleet.all_serve(&leaf)), "{login:?}: restarted servers");
            for host in &mut fleet.hosts {
                let took = host.reboot();
                println!("{}: reboots in {took:.1?}", host.name);
            }
            assert!(wait_for(PATIENCE, || fleet.all_serve(&leaf)), "{login:?}: rebooted hosts");
        }
    }
}
