//! Clients that notice a switch: a restart, and handshakes that fail though the new certificate is good.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use certwave::lab::wait_for;

use crate::support::Fleet;

const PATIENCE: Duration = Duration::from_secs(60);

/// An nginx that is a daemon, ended when dropped.
struct Daemon(PathBuf);

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(process) = std::fs::read_to_string(&self.0) {
            let _ = Command::new("kill").args(["-TERM", process.trim()]).status();
        }
    }
}

/// As Debian's unit stops nginx: it lets the old processes finish what they have in hand, and waits for them.
fn restarted_by_script(fleet: &mut Fleet) -> (Daemon, PathBuf) {
    let root = fleet.lab.hosts[0].root.clone();
    let (script, waited) = (root.join("restart.sh"), root.join("waited"));
    let nginx = &mut fleet.lab.hosts[0].nginx;
    nginx.process.stop();
    let logs = nginx.prefix.join("logs");
    let start = format!(
        "{} -p {} -c {} -e {}",
        certwave::service::Nginx::DEFAULT_BINARY,
        nginx.prefix.display(),
        nginx.config.display(),
        logs.join("error.log").display()
    );
    let pid = logs.join("nginx.pid");
    let text = format!(
        "pid=$(cat {0})\nkill -QUIT \"$pid\"\ntimes=0\nwhile kill -0 \"$pid\" 2>/dev/null; do\n  sleep 0.05\n  \
         times=$((times + 1))\n  [ $times -lt 400 ] || kill -TERM \"$pid\"\ndone\necho \"$times\" >>{1}\n{start}\n",
        pid.display(),
        waited.display()
    );
    std::fs::write(&script, text).unwrap();
    assert!(Command::new("sh").args(["-c", &start]).status().unwrap().success());
    let daemon = Daemon(pid.clone());
    assert!(wait_for(PATIENCE, || TcpStream::connect(nginx.https).is_ok()));
    fleet.edit("    nginx: {", &format!("    nginx: {{reload: \"sh {}\", ", script.display()));
    (daemon, waited)
}

fn waits(waited: &Path) -> Vec<u32> {
    std::fs::read_to_string(waited).unwrap().lines().map(|times| times.parse().unwrap()).collect()
}

#[test]
fn a_server_that_is_restarted_does_not_wait_for_the_request_that_is_held() {
    let mut fleet = Fleet::start(1);
    let (_daemon, waited) = restarted_by_script(&mut fleet);
    let run = fleet.roll_out(&[]).expect(0);
    assert_eq!(fleet.served(0), run.leaf());
    let host = &run.last()["hosts"][0];
    assert_eq!((&host["outcome"], &host["error"]), (&"changed".into(), &serde_json::Value::Null));
    // A fifth of the time after which the script loses its patience.
    assert!(waits(&waited).iter().all(|times| *times < 80), "{:?}", waits(&waited));
    assert_eq!(waits(&waited).len(), 1);
}

/// Takes connections to a server, and ends them at once while a file is there.
struct Flaky(SocketAddr);

impl Flaky {
    fn before(to: SocketAddr, while_there: PathBuf) -> Self {
        let listener = TcpListener::bind((to.ip(), 0)).unwrap();
        let at = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(to) else { continue };
                if while_there.exists() {
                    continue;
                }
                for (from, to) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server.try_clone().unwrap(), client.try_clone().unwrap()),
                ] {
                    std::thread::spawn(move || copy(from, to));
                }
            }
        });
        Self(at)
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16_384];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn a_host_whose_clients_noticed_the_switch_keeps_its_certificate_and_stops_its_wave() {
    let fleet = Fleet::start(2);
    let root = &fleet.lab.hosts[0].root;
    let marker = root.join("flaky");
    let flaky = Flaky::before(fleet.lab.hosts[0].nginx.https, marker.clone());
    let test = format!("touch {0} && sleep 1 && rm {0}", marker.display());
    let script = root.join("test.sh");
    std::fs::write(&script, format!("[ ! -e {} ] || exit 1\n{test}\n", marker.display())).unwrap();
    fleet.edit("    nginx: {", &format!("    nginx: {{test: \"sh {}\", ", script.display()));
    let port = fleet.lab.hosts[0].nginx.https.port().to_string();
    fleet.edit_inventory(&format!("https_port: {port}"), &format!("https_port: {}", flaky.0.port()));
    let run = fleet.roll_out(&["--limit", "web01"]).expect(4);
    let host = run.last()["hosts"][0].clone();
    assert_eq!(host["outcome"], "changed", "{host}");
    let reason = run.error(0);
    assert!(reason.contains("clients noticed the switch") && reason.contains("at_most_failed"), "{reason}");
    assert!(host["failed_handshakes"].as_u64().unwrap() > 0, "{host}");
    assert_eq!(fleet.served(0), run.leaf());
    let failed = run.lines().into_iter().find(|line| line["event"] == "wave.failed").unwrap();
    assert_eq!(failed["because"], "budget", "{failed}");

    // As many as may fail.
    fleet.edit("verify:\n", "verify:\n  at_most_failed: 1000\n");
    let run = fleet.roll_out(&["--limit", "web01", "--force"]).expect(0);
    assert!(run.last()["hosts"][0]["failed_handshakes"].as_u64().unwrap() > 0, "{}", run.last());
}
