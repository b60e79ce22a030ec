//! Envoy's SDS files: written once, whole, and for Envoy's user to read.

use std::fs;
use std::path::Path;

use certwave::install::Activation;
use certwave::model::HostPath;
use certwave::service::{Envoy, EnvoySecret, ServiceSpec};

use crate::durable::{Noted, noted, watch};
use crate::support::{Host, SHELLS, Shell, mode, read, version};

fn path(path: &Path) -> HostPath {
    path.to_str().unwrap().parse().unwrap()
}

/// An Envoy with two secrets, whose files are in a folder of their own.
fn host(shell: Shell) -> (Host, Envoy) {
    let mut host = Host::new(shell);
    let secret = |name: &str| EnvoySecret {
        sds: path(&host.file("server").join(format!("{name}.yaml"))),
        name: name.to_owned(),
        chain: vec![path(&host.live("fullchain.pem"))],
        key: vec![path(&host.live("privkey.pem"))],
    };
    let secrets = vec![secret("one"), secret("two")];
    let envoy = Envoy { watched: path(host.live("").parent().unwrap()), secrets, admin: None };
    host.add_service("envoy", &ServiceSpec::Envoy(envoy.clone()), 30);
    (host, envoy)
}

#[test]
fn an_sds_file_comes_whole_from_a_draft_that_is_on_the_disk() {
    for shell in Shell::that_follow_path() {
        let (mut host, envoy) = host(shell);
        fs::create_dir(host.file("server")).unwrap();
        watch(&mut host);
        host.install(&version(1), None, "one");
        let calls = noted(&host);
        for secret in &envoy.secrets {
            let file = Path::new(secret.sds.as_str());
            let renamed =
                calls.iter().position(|call| matches!(call, Noted::Renamed { to, .. } if to == file));
            let renamed = renamed.unwrap_or_else(|| panic!("{shell:?}: {calls:?}"));
            let Noted::Renamed { from, .. } = &calls[renamed] else { panic!() };
            assert!(calls[..renamed].contains(&Noted::Flushed(vec![from.clone()])), "{shell:?}: {calls:?}");
        }
    }
}

#[test]
fn every_user_may_read_an_sds_file_and_one_that_is_there_stays() {
    for shell in SHELLS {
        let (mut host, envoy) = host(shell);
        host.login = "umask 077; ".to_owned();
        fs::create_dir(host.file("server")).unwrap();
        let [one, two] = ["one", "two"].map(|name| host.file("server").join(format!("{name}.yaml")));
        fs::write(&one, "somebody's\n").unwrap();
        host.install(&version(1), None, "one");
        assert_eq!(read(&one), "somebody's\n", "{shell:?}");
        assert_eq!((read(&two), mode(&two)), (envoy.sds_text(&envoy.secrets[1]), 0o644), "{shell:?}");
    }
}

#[test]
fn a_folder_of_an_sds_file_that_is_missing_is_told() {
    for shell in SHELLS {
        let (host, _) = host(shell);
        let told = format!("the folder {} does not exist", host.file("server").display());
        assert_eq!(host.inspect().services, [Err(told)], "{shell:?}");
        host.stage(&version(1), "one").unwrap();
        let failed = host.activate(&version(1), None).unwrap();
        assert!(matches!(failed, Activation::ReloadFailed { .. }), "{shell:?}: {failed:?}");
    }
}
