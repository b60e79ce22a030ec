//! The same leaf with another chain: a version of its own, which is rolled out and taken back like any other.

use crate::secrets::findings::{Issued, certify, from_files, issue};
use crate::support::{Fleet, chain};

fn all_chains(fleet: &Fleet) -> Vec<Vec<String>> {
    let nginx = fleet.lab.hosts.iter().map(|host| host.nginx.https);
    let fronts = fleet.lab.fronts.iter().map(|front| front.server.https());
    nginx.chain(fronts).map(|address| chain(address, "api.lab.test")).collect()
}

#[test]
fn it_is_served_by_every_server_and_taken_back() {
    let fleet = Fleet::mixed(1, 1, 1);
    let root = issue("root", None, &[]);
    let upper = issue("upper", Some(&root), &[]);
    let middle = issue("middle", Some(&root), &[]);
    // The same name, key and issuer: the runtime API of HAProxy shows no difference.
    let twin = certify(middle.1.clone(), "middle", Some(&root), &[]);
    let cross = certify(middle.1.clone(), "middle", Some(&upper), &[]);
    let leaf = issue("leaf", Some(&middle), &["api.lab.test"]);
    let serves = |certificates: &[&Issued]| {
        let print = |one: &&Issued| hex::encode(openssl::sha::sha256(&one.0.to_der().unwrap()));
        let wanted: Vec<String> = certificates.iter().map(print).collect();
        assert!(all_chains(&fleet).iter().all(|served| *served == wanted), "{:?}", all_chains(&fleet));
    };
    for certificates in [&[&leaf, &middle][..], &[&leaf, &twin], &[&leaf, &cross, &upper]] {
        from_files(&fleet, certificates, &root);
        let run = fleet.roll_out(&[]).expect(0);
        assert!(run.hosts().iter().all(|host| host == "changed"), "{:?}", run.hosts());
        serves(certificates);
        fleet.run(&["status", "playbook.yaml"]).expect(0);
    }
    fleet.run(&["rollback", "playbook.yaml", "--yes"]).expect(0);
    serves(&[&leaf, &twin]);
    fleet.run(&["rollback", "playbook.yaml", "--yes"]).expect(0);
    serves(&[&leaf, &middle]);
}
