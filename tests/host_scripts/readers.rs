//! Who reads the servers' files, and whether they could read the new key.

use std::process::{Child, Command, Stdio};

use certwave::install::{FilePart, ScriptService};
use certwave::lab::wait_for;

use crate::require;
use crate::support::{Host, PATIENCE, SHELLS};

/// A server that says which process it is.
const SERVER: &str =
    "hook_facts() { printf '%s\\n' \"$process\"; }\nhook_test() { :; }\nhook_reload() { :; }";

/// A process, ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `COMMAND`, which ends with a `sleep` in its own process.
fn running(command: &[&str]) -> Running {
    let child = Command::new(command[0]).args(&command[1..]).stdout(Stdio::null()).spawn().unwrap();
    let comm = format!("/proc/{}/comm", child.id());
    assert!(wait_for(PATIENCE, || std::fs::read_to_string(&comm).is_ok_and(|name| name == "sleep\n")));
    Running(child)
}

fn serve(host: &mut Host, running: &Running) {
    host.services = vec![ScriptService {
        name: "server".parse().unwrap(),
        settings: vec![("process", running.0.id().to_string())],
        script: SERVER,
        ports: Vec::new(),
    }];
}

#[test]
fn a_server_that_could_not_read_the_new_key_is_told() {
    if !require::root("to be another user") {
        return;
    }
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let root = running(&["sleep", "600"]);
        serve(&mut host, &root);
        assert!(host.inspect().readers.is_empty(), "{shell:?}: root reads everything");
        let nobody = running(&["setpriv", "--reuid=65534", "--regid=65534", "--groups=33,4", "sleep", "600"]);
        serve(&mut host, &nobody);
        let problem = |host: &Host| host.problems().join("\n");
        let expected = "who could not read the new key (root:root 0600)";
        assert!(problem(&host).contains(expected), "{shell:?}: {}", problem(&host));
        host.spec.owner = Some("nobody".into());
        assert_eq!(problem(&host), "", "{shell:?}");
        (host.spec.owner, host.spec.group) = (Some("root".into()), Some("adm".into()));
        assert!(problem(&host).contains("(root:adm 0600)"), "{shell:?}: {}", problem(&host));
        host.spec.key_mode = Some(0o640);
        assert_eq!(problem(&host), "", "{shell:?}: by a group of its own");

        // What the file that is replaced says holds for the new one.
        (host.spec.owner, host.spec.group, host.spec.key_mode) = (None, None, None);
        let key = host.link("a.key", FilePart::Privkey);
        std::fs::write(&key, "key").unwrap();
        assert!(problem(&host).contains("could not read"), "{shell:?}");
        std::os::unix::fs::chown(&key, Some(65534), None).unwrap();
        assert_eq!(problem(&host), "", "{shell:?}");
    }
}

#[test]
fn root_without_its_rights_is_a_user_like_any_other() {
    if !require::root("to give up rights") {
        return;
    }
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let weak = running(&[
            "setpriv",
            "--inh-caps=-all",
            "--bounding-set=-dac_override,-dac_read_search",
            "sleep",
            "600",
        ]);
        serve(&mut host, &weak);
        assert!(host.problems().is_empty(), "{shell:?}: its own file");
        host.spec.owner = Some("nobody".into());
        assert!(host.problems()[0].contains("could not read"), "{shell:?}");
    }
}

#[test]
fn a_server_that_does_not_see_the_folder_is_told() {
    if !require::root("for a mount namespace") {
        return;
    }
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.install(&crate::support::version(1), None, "one");
        let hide = "mount -t tmpfs none \"${1%/*}\" && exec sleep 600";
        let folder = host.directory().display().to_string();
        let apart = running(&["unshare", "-m", "sh", "-c", hide, "sh", &folder]);
        serve(&mut host, &apart);
        let problems = host.problems().join("\n");
        let expected = format!("cannot enter `{folder}`");
        assert!(problems.contains(&expected), "{shell:?}: {problems}");
        let seeing = running(&["unshare", "-m", "sleep", "600"]);
        serve(&mut host, &seeing);
        assert!(host.problems().is_empty(), "{shell:?}: {:?}", host.problems());
    }
}

#[test]
fn who_may_not_look_into_a_server_does_not_judge_it() {
    if !require::root("to be another user") {
        return;
    }
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let root = running(&["sleep", "600"]);
        serve(&mut host, &root);
        host.uid = Some(65534);
        (host.spec.owner, host.spec.group) = (None, None);
        let folder = host.file("own");
        std::fs::create_dir(&folder).unwrap();
        std::os::unix::fs::chown(&folder, Some(65534), Some(65534)).unwrap();
        let directory = format!("{}/certwave", folder.display()).parse().unwrap();
        host.spec.layout = certwave::install::Layout::new(directory, "a.test".parse().unwrap());
        let problems = host.problems().join("\n");
        assert!(!problems.contains("cannot enter"), "{shell:?}: {problems}");
    }
}
