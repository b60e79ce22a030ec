//! OCSP answers beside a certificate: they stay, and are for the certificate before.

use std::path::Path;
use std::process::Command;

use certwave::lab::wait_for;

use crate::services::haproxy::{haproxy, reload};
use crate::support::{Fleet, Run, edit};

/// A CA's leaf, and its responder's answer about it, as somebody has them on a host: made by OpenSSL.
const MADE: &str = r#"
set -e
cd "$1"
openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -subj '/CN=Another CA' -days 30 -out ca.pem
openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out key.pem
openssl req -new -key key.pem -subj /CN=api.lab.test -out request.pem
printf 'subjectAltName=DNS:api.lab.test\nauthorityInfoAccess=OCSP;URI:http://127.0.0.1:9/\n' >extensions
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -set_serial 0x1001 -days 20 -extfile extensions -out leaf.pem
printf 'V\t391231000000Z\t\t1001\tunknown\t/CN=api.lab.test\n' >index.txt
openssl ocsp -issuer ca.pem -cert leaf.pem -index index.txt -rsigner ca.pem -rkey ca.key -CA ca.pem -noverify -ndays 7 -respout answer.der
cat leaf.pem ca.pem >chain.pem
cat chain.pem key.pem >combined.pem
"#;

fn make(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let ended = Command::new("sh").args(["-c", MADE, "sh"]).arg(folder).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

fn risks(run: &Run, host: usize) -> Vec<(String, String)> {
    let last = run.last();
    let host = if last["event"] == "plan.finished" { &run.lines()[host] } else { &last["hosts"][host] };
    let risks = host["risks"].as_array().cloned().unwrap_or_default();
    let word = |risk: &serde_json::Value, key: &str| risk[key].as_str().unwrap().to_owned();
    let all = risks.iter().map(|risk| (word(risk, "risk"), word(risk, "text")));
    all.filter(|(id, _)| id == "beside" || id.starts_with("staple")).collect()
}

fn told(all: &[(&str, String)]) -> Vec<(String, String)> {
    all.iter().map(|(id, words)| ((*id).to_owned(), words.clone())).collect()
}

#[test]
fn what_is_stapled_before_the_switch_and_not_or_wrong_after_it_is_told() {
    let fleet = Fleet::mixed(1, 1, 0);
    let made = fleet.lab.directory().join("made");
    make(&made);
    let (web, front) = (&fleet.lab.hosts[0], &fleet.lab.fronts[0]);
    let copy = |from: &str, to: &Path| {
        std::fs::copy(made.join(from), to).unwrap();
        std::fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    };
    // nginx staples whatever the file holds.
    let ssl = web.root.join("etc/ssl");
    copy("chain.pem", &ssl.join("api.crt"));
    copy("key.pem", &ssl.join("api.key"));
    copy("answer.der", &ssl.join("answer.der"));
    let stapling =
        format!("ssl_stapling on; ssl_stapling_file {}/answer.der;\n ssl_protocols", ssl.display());
    edit(&web.nginx.config, "ssl_protocols", &stapling);
    web.nginx.process.signal(nix::sys::signal::Signal::SIGHUP);
    let leaf = openssl::x509::X509::from_pem(&std::fs::read(made.join("leaf.pem")).unwrap()).unwrap();
    let leaf = hex::encode(openssl::sha::sha256(&leaf.to_der().unwrap()));
    assert!(wait_for(std::time::Duration::from_secs(60), || fleet.served(0) == leaf));
    // HAProxy staples what fits.
    let ssl = front.root.join("etc/ssl");
    copy("combined.pem", &ssl.join("api.pem"));
    copy("answer.der", &ssl.join("api.pem.ocsp"));
    reload(haproxy(&fleet));

    let in_file = |path: &Path, service: &str| {
        format!(
            "the OCSP answer in `{}` ({service}) is for the certificate before: replace it",
            path.display()
        )
    };
    let of_nginx = ("beside", in_file(&web.root.join("etc/ssl/answer.der"), "nginx"));
    let of_haproxy = ("beside", in_file(&ssl.join("api.pem.ocsp"), "haproxy"));
    let planned = fleet.run(&["plan", "playbook.yaml", "--output", "json"]).expect(0);
    assert_eq!(risks(&planned, 0), told(std::slice::from_ref(&of_nginx)));
    assert_eq!(risks(&planned, 1), told(std::slice::from_ref(&of_haproxy)));

    let run = fleet.roll_out(&[]).expect(0);
    let at = |service: &str, address: std::net::SocketAddr, words: &str| {
        format!("{service} at {address}: {words}")
    };
    let unfit =
        "the OCSP answer that is stapled is for another certificate: clients may refuse the certificate";
    let unfit = ("staple_unfit", at("nginx", web.nginx.https, unfit));
    let lost = "an OCSP answer was stapled before the switch, and none is since";
    let lost = ("staple_lost", at("haproxy", front.server.https(), lost));
    assert_eq!(risks(&run, 0), told(&[of_nginx, unfit.clone()]));
    assert_eq!(risks(&run, 1), told(&[of_haproxy, lost]));
    // What is wrong already is told beforehand.
    let planned = fleet.run(&["plan", "playbook.yaml", "--force", "--output", "json"]).expect(0);
    assert!(risks(&planned, 0).contains(&told(&[unfit])[0]), "{}", planned.stdout);
}
