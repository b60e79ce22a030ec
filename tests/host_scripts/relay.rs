//! The relay to a socket, by each tool that a host may have, against a real HAProxy.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use certwave::install::{Input, Script, login_line};
use certwave::lab::{Authority, HaproxyOptions, HaproxyServer};
use certwave::service::{RELAY, runtime_api};
use openssl::x509::X509;

use crate::support::{Ended, Host, Shell, finish, words};

/// A host whose `PATH` is these tools and the shell.
fn host(shell: Shell, tools: &[&str]) -> Host {
    let host = Host::named(shell, "etc");
    let bin = host.file("bin");
    for tool in tools {
        // Wrappers need more than themselves.
        let real = match *tool {
            "python3" => words("python3", &["-c", "import sys; print(sys.executable)"]),
            tool => words("sh", &["-c", &format!("command -v {tool}")]),
        };
        symlink(Path::new(&real).canonicalize().unwrap(), bin.join(tool)).unwrap();
    }
    host
}

fn ask(host: &Host, socket: &Path, question: &[u8]) -> Ended {
    let script =
        Script::new().assign("socket", socket.to_str().unwrap()).assign("patience", "30").text(RELAY);
    let bin = host.file("bin");
    let mut command = std::process::Command::new(bin.join("sh"));
    command.args(["-c", &login_line(None)]).env_clear().env("PATH", &bin).current_dir("/");
    let piped = std::process::Stdio::piped;
    command.process_group(0);
    let program = script.program(Input::Follows).into_bytes();
    let input = [&program, question].concat();
    finish(command.stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap(), &input)
}

struct Served {
    haproxy: HaproxyServer,
    pem: PathBuf,
    authority: Authority,
    folder: tempfile::TempDir,
}

fn served(folder: &str) -> Served {
    let authority = Authority::new("root").unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join(folder);
    std::fs::create_dir(&folder).unwrap();
    let pem = folder.join("a.pem");
    let (certificate, key) = authority.issue(&["a.test"], 0, 9).unwrap();
    std::fs::write(&pem, [certificate, key].concat()).unwrap();
    let options = HaproxyOptions {
        certificates: format!("crt {}", pem.display()),
        address: "127.0.0.1".parse().unwrap(),
        global: String::new(),
    };
    let haproxy = HaproxyServer::start(&folder, &options).unwrap();
    Served { haproxy, pem, authority, folder: temporary }
}

#[test]
fn each_tool_carries_a_whole_change_of_a_certificate() {
    let served = served("haproxy");
    let name = served.pem.to_str().unwrap();
    let shells: Vec<Shell> = Shell::that_follow_path().collect();
    for tool in ["socat", "python3", "perl", "nc"] {
        for &shell in &shells {
            let host = host(shell, &[tool]);
            let said = |question: certwave::model::Secret| {
                let ended = ask(&host, &served.haproxy.socket, question.expose());
                assert_eq!(ended.status, 0, "{tool}, {shell:?}: {}", ended.text());
                String::from_utf8(ended.stdout).unwrap()
            };
            let list = runtime_api::read_list(&said(runtime_api::list())).unwrap();
            assert_eq!(list.names, [name], "{tool}, {shell:?}");
            let (certificate, key) = served.authority.issue(&["a.test"], 0, 9).unwrap();
            let serial = X509::from_pem(&certificate).unwrap().serial_number().to_bn().unwrap();
            let pem = certwave::model::Secret::new([certificate, key].concat());
            let set = runtime_api::set(name, &pem, 16_384).unwrap();
            assert_eq!(runtime_api::read_set(name, &said(set)), Ok(()), "{tool}, {shell:?}");
            assert_eq!(runtime_api::read_commit(name, &said(runtime_api::commit(name))), Ok(()), "{tool}");
            let shown = said(runtime_api::show(name));
            assert!(shown.contains(&serial.to_hex_str().unwrap().to_string()), "{tool}, {shell:?}: {shown}");
        }
    }
}

#[test]
fn a_path_that_socat_would_read_otherwise_goes_to_another_tool() {
    let served = served("haproxy");
    // HAProxy itself takes no such path, but a link may be one.
    symlink("haproxy", served.folder.path().join("a,b:c")).unwrap();
    let socket = served.folder.path().join("a,b:c/admin.sock");
    let host = host(Shell::Dash, &["socat", "perl"]);
    let ended = ask(&host, &socket, runtime_api::list().expose());
    let list = runtime_api::read_list(&String::from_utf8_lossy(&ended.stdout));
    assert_eq!(list.unwrap().names.len(), 1, "{}", ended.text());
}

#[test]
fn without_a_tool_or_without_a_socket_it_fails_in_words() {
    for shell in Shell::that_follow_path() {
        let ended = ask(&host(shell, &[]), Path::new("/nowhere/admin.sock"), b"show ssl cert\n");
        assert_eq!(ended.status, 69, "{shell:?}: {}", ended.text());
        assert!(ended.text().contains("no socat, python, perl or nc"), "{}", ended.text());
        for tool in ["socat", "python3", "perl", "nc"] {
            let ended = ask(&host(shell, &[tool]), Path::new("/nowhere/admin.sock"), b"show ssl cert\n");
            assert!(ended.status != 0 && ended.stdout.is_empty(), "{tool}: {}", ended.text());
            assert!(ended.text().contains("No such file or directory"), "{tool}: {}", ended.text());
        }
    }
}
