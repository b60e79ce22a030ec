//! Where the sealing key is, and what is said when it is not.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use super::{run, run_in};

const HISTORY: [&str; 3] = ["history", "--state", "sqlite:state"];

/// A state as an earlier certwave left it: an account in the clear, which the next command seals.
fn in_the_clear(folder: &Path, name: &str) {
    let accounts = folder.join("state/accounts");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&accounts).unwrap();
    std::fs::write(accounts.join(name), "in the clear").unwrap();
}

fn sealed(folder: &Path, name: &str) {
    let file = folder.join("state/accounts").join(name);
    assert!(!file.exists(), "{name} is in the clear");
    let text = std::fs::read_to_string(file.with_extension("json.cms")).unwrap();
    assert!(text.starts_with("-----BEGIN CMS-----"), "{text}");
}

#[test]
fn a_flag_wins_over_the_variable_and_the_variable_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::create_dir(here.join("settings")).unwrap();
    std::fs::write(here.join("settings/certwave.yaml"), "seal_key: file.pem\n").unwrap();
    let (config, variable) =
        (["--config", "settings/certwave.yaml"], [("CERTWAVE_SEAL_KEY", "variable.pem")]);
    let flag = ["--seal-key", "flag.pem"];
    let cases = [
        (vec![], &[][..], "state/seal.pem"),
        (config.to_vec(), &[], "settings/file.pem"),
        (config.to_vec(), &variable, "variable.pem"),
        ([config, flag].concat(), &variable, "flag.pem"),
    ];
    for (more, environment, key) in cases {
        in_the_clear(here, "a.json");
        let (code, _, stderr) = run_in(here, &[&HISTORY[..], &more].concat(), environment);
        assert_eq!(code, 0, "{stderr}");
        sealed(here, "a.json");
        let mode = std::fs::metadata(here.join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
        std::fs::remove_dir_all(here.join("state")).unwrap();
    }
}

#[test]
fn a_key_that_is_missing_wrong_or_exposed_is_told_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    in_the_clear(here, "a.json");
    let with = |key: &str| run(here, &[&HISTORY[..], &["--seal-key", key]].concat());
    let (code, _, stderr) = with("nowhere/seal.pem");
    assert_eq!(code, 1);
    insta::assert_snapshot!(stderr, @r"
error: failed to make the sealing key `nowhere/seal.pem`
  caused by: entity not found
hint: its folder must be there, and be yours to write to
");
    assert!(here.join("state/accounts/a.json").exists());
    assert_eq!(with("seal.pem").0, 0);

    // What needs no secret needs no key.
    assert_eq!(with("missing.pem").0, 0);
    in_the_clear(here, "b.json");
    let (code, _, stderr) = with("missing.pem");
    assert_eq!(code, 1);
    insta::assert_snapshot!(stderr, @r"
error: failed to open `state/accounts/a.json.cms`: there is no sealing key `missing.pem`
hint: name the key that this state was sealed with: `--seal-key FILE`. Where it is lost, so is what it sealed: with `accounts`, `certificates` and `orders` moved out of the state, the next rollout begins anew
");
    assert!(!here.join("missing.pem").exists());

    run(here, &["history", "--state", "sqlite:other"]);
    std::fs::create_dir(here.join("other/accounts")).unwrap();
    std::fs::write(here.join("other/accounts/a.json"), "in the clear").unwrap();
    run(here, &["history", "--state", "sqlite:other"]);
    let (code, _, stderr) = with("other/seal.pem");
    assert_eq!(code, 1);
    insta::assert_snapshot!(stderr, @r"
error: failed to open `state/accounts/a.json.cms`: it was sealed with another key than `other/seal.pem`
hint: name the key that this state was sealed with: `--seal-key FILE`. Where it is lost, so is what it sealed: with `accounts`, `certificates` and `orders` moved out of the state, the next rollout begins anew
");

    std::fs::set_permissions(here.join("seal.pem"), PermissionsExt::from_mode(0o644)).unwrap();
    let (code, _, stderr) = with("seal.pem");
    assert_eq!(code, 1);
    insta::assert_snapshot!(stderr, @r"
error: failed to use `seal.pem`: other users can read it (mode 0644), and it holds private keys
hint: `chmod 600 seal.pem`
");

    std::fs::set_permissions(here.join("seal.pem"), PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(with("seal.pem").0, 0);
    sealed(here, "b.json");
}
