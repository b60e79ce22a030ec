//! Whose the sockets are that a server is proven at.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use certwave::install::{ScriptService, has_one_master};

use crate::require;
use crate::support::{Host, SHELLS};

const SERVER: &str =
    "hook_facts() { printf '%s\\n' \"$process\"; }\nhook_test() { :; }\nhook_reload() { :; }";

/// Listens on a port (0: a free one) at 127.0.0.1, prints it, and stays until its input ends. `child`: a child of its own does,
/// and not itself. `fork`: a child of its own, which has a child, has the same socket.
const LISTEN: &str = "
import os, socket, sys
if sys.argv[2] == 'child' and os.fork() > 0:
    os.wait()
    sys.exit()
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(('127.0.0.1', int(sys.argv[1])))
s.listen()
if sys.argv[2] == 'fork':
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            sys.stdin.read()
            os._exit(0)
        os.write(w, b'x')
        sys.stdin.read()
        os.wait()
        os._exit(0)
    os.read(r, 1)
print(s.getsockname()[1], flush=True)
sys.stdin.read()
";

struct Listening {
    child: Child,
    port: u16,
}

impl Listening {
    fn at(port: u16, how: &str) -> Self {
        let mut child = Command::new("python3")
            .args(["-c", LISTEN, &port.to_string(), how])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap().by_ref()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap() }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Their input ends, which ends all of them.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn serve(host: &mut Host, process: u32, port: u16) {
    host.services = vec![ScriptService {
        name: "server".parse().unwrap(),
        settings: vec![("process", process.to_string())],
        script: SERVER,
        ports: vec![port],
    }];
}

#[test]
fn a_socket_of_the_master_or_its_children_is_its_own() {
    if !require::root("to see whose sockets are") {
        return;
    }
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let one = Listening::at(0, "alone");
        serve(&mut host, one.child.id(), one.port);
        let facts = host.inspect();
        let here = "127.0.0.1".parse().ok();
        assert!(has_one_master(&facts.listeners, 0, here, one.port), "{shell:?}: {:?}", facts.listeners);
        assert!(host.problems().is_empty(), "{shell:?}: {:?}", host.problems());
        let parent = Listening::at(0, "child");
        serve(&mut host, parent.child.id(), parent.port);
        assert!(has_one_master(&host.inspect().listeners, 0, here, parent.port), "{shell:?}");
        // Nobody listens, or somebody else does.
        serve(&mut host, one.child.id(), 1);
        assert!(host.inspect().listeners.is_empty(), "{shell:?}");
        let other = Listening::at(0, "alone");
        serve(&mut host, one.child.id(), other.port);
        let facts = host.inspect();
        assert!(!facts.listeners.is_empty() && !has_one_master(&facts.listeners, 0, here, other.port));
        assert!(host.problems().is_empty(), "{shell:?}: it does not listen there itself");
    }
}

#[test]
fn another_process_at_the_same_port_is_named() {
    if !require::root("to see whose sockets are") {
        return;
    }
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let one = Listening::at(0, "alone");
        let rogue = Listening::at(one.port, "alone");
        serve(&mut host, one.child.id(), one.port);
        let problems = host.problems();
        let named = format!("process {} (`python3", rogue.child.id());
        assert!(problems.len() == 1 && problems[0].starts_with(&named), "{shell:?}: {problems:?}");
        assert!(problems[0].contains(&format!("at port {} as well", one.port)), "{shell:?}: {problems:?}");
    }
}

/// The old master and the new one of a half-finished upgrade: whichever is taken for the server's.
#[test]
fn a_half_finished_upgrade_is_named() {
    if !require::root("to see whose sockets are") {
        return;
    }
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let old = Listening::at(0, "fork");
        let children = format!("/proc/{0}/task/{0}/children", old.child.id());
        let new = std::fs::read_to_string(children).unwrap().trim().to_owned();
        serve(&mut host, old.child.id(), old.port);
        let problems = host.problems();
        assert!(
            problems.len() == 1 && problems[0].starts_with(&format!("process {new} ")),
            "{shell:?}: {problems:?}"
        );
        serve(&mut host, new.parse().unwrap(), old.port);
        let problems = host.problems();
        let named = format!("process {} ", old.child.id());
        assert!(problems.len() == 1 && problems[0].starts_with(&named), "{shell:?}: {problems:?}");
    }
}
