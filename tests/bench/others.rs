//! The same work by other tools, where they are installed: two files put on each host, a switch, a test, a reload.
//! None of them locks a host, proves a handshake, journals, or arms a dead-man switch.

use std::path::Path;
use std::process::Command;

use certwave::lab::{Lab, LabHost};

/// Each tool that there is with its version, ready to be run.
pub(super) fn all(lab: &Lab, at_once: usize) -> Vec<(String, Command)> {
    let mut tools = Vec::new();
    let mut add = |name, version: Option<String>, command: fn(&Lab, usize) -> Command| match version {
        Some(version) => tools.push((format!("{name} {version}"), command(lab, at_once))),
        None => println!("{name}: not installed"),
    };
    add("`xargs ssh`, OpenSSH", version("ssh", "-V"), xargs);
    add("ansible-core", version("ansible-playbook", "--version"), ansible);
    add("pyinfra", version("pyinfra", "--version"), pyinfra);
    tools
}

/// What a program says of its version; none where it is not installed.
fn version(program: &str, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // `ansible-playbook [core 2.19]`, `pyinfra: v3.1`, `OpenSSH_9.2p1 Debian, OpenSSL …`
    let first = said.lines().next()?.split(',').next()?;
    let number = first.find(|letter: char| letter.is_ascii_digit())?;
    Some(first[number..].trim_end_matches(']').to_owned())
}

fn xargs(lab: &Lab, at_once: usize) -> Command {
    let folder = lab.directory();
    let hosts: String = lab.hosts.iter().map(|host| format!("{}\n", host.name)).collect();
    std::fs::write(folder.join("names"), hosts).unwrap();
    let mut config = format!(
        "IdentityFile {}\nUserKnownHostsFile {}\nBatchMode yes\nIdentitiesOnly yes\n",
        folder.join("id_ed25519").display(),
        folder.join("known_hosts").display()
    );
    for host in &lab.hosts {
        let address = super::ssh(host);
        config += &format!("Host {}\n HostName {}\n Port {}\n", host.name, address.ip(), address.port());
        std::fs::write(folder.join(format!("{}.tar", host.name)), super::payload(host)).unwrap();
        std::fs::write(folder.join(format!("{}.sh", host.name)), super::acting_line(host)).unwrap();
    }
    std::fs::write(folder.join("ssh_config"), config).unwrap();
    let mut command = Command::new("sh");
    let each = "ssh -F ssh_config $0 \"$(cat $0.sh)\" <$0.tar";
    command.arg("-c").arg(format!("xargs -P {at_once} -n 1 sh -c '{each}' <names"));
    command
}

fn ansible(lab: &Lab, at_once: usize) -> Command {
    let folder = lab.directory();
    let playbook = r#"- hosts: web
  gather_facts: false
  tasks:
    - file: {path: "{{ root }}/etc/ansible", state: directory, mode: "0700"}
    - copy: {src: "{{ root }}/etc/ssl/api.crt", dest: "{{ root }}/etc/ansible/api.crt", mode: "0644"}
    - copy: {src: "{{ root }}/etc/ssl/api.key", dest: "{{ root }}/etc/ansible/api.key", mode: "0600"}
    - file: {src: "{{ root }}/etc/ansible", dest: "{{ root }}/etc/ansible-live", state: link}
    - command: /usr/sbin/nginx -p {{ root }}/nginx -c {{ root }}/nginx/nginx.conf -t
    - command: /usr/sbin/nginx -p {{ root }}/nginx -c {{ root }}/nginx/nginx.conf -s reload
"#;
    std::fs::write(folder.join("ansible.yaml"), playbook).unwrap();
    let mut command = Command::new("ansible-playbook");
    command.args(["-i", "inventory.yaml", "-f", &at_once.to_string(), "ansible.yaml"]);
    // Its fastest way: fewer copies, and connections that are kept.
    command.env("ANSIBLE_PIPELINING", "1").env("ANSIBLE_LOCALHOST_WARNING", "0");
    command
}

fn pyinfra(lab: &Lab, at_once: usize) -> Command {
    let folder = lab.directory();
    let one = |host: &LabHost| {
        let address = super::ssh(host);
        format!(
            "    ('{}', {{'ssh_hostname': '{}', 'ssh_port': {}, 'root': '{}'}}),\n",
            host.name,
            address.ip(),
            address.port(),
            path(&host.root)
        )
    };
    let hosts: String = lab.hosts.iter().map(one).collect();
    let data = format!(
        "{{'ssh_user': 'root', 'ssh_key': '{}', 'ssh_known_hosts_file': '{}'}}",
        path(&folder.join("id_ed25519")),
        path(&folder.join("known_hosts"))
    );
    std::fs::write(folder.join("pyinfra_hosts.py"), format!("web = ([\n{hosts}], {data})\n")).unwrap();
    let deploy = r#"from pyinfra import host
from pyinfra.operations import files, server
root = host.data.root
files.directory(path=f"{root}/etc/pyinfra", mode="700")
files.put(src=f"{root}/etc/ssl/api.crt", dest=f"{root}/etc/pyinfra/api.crt", mode="644")
files.put(src=f"{root}/etc/ssl/api.key", dest=f"{root}/etc/pyinfra/api.key", mode="600")
files.link(path=f"{root}/etc/pyinfra-live", target=f"{root}/etc/pyinfra")
nginx = f"/usr/sbin/nginx -p {root}/nginx -c {root}/nginx/nginx.conf"
server.shell(commands=[f"{nginx} -t", f"{nginx} -s reload"])
"#;
    std::fs::write(folder.join("deploy.py"), deploy).unwrap();
    let mut command = Command::new("pyinfra");
    command.args(["-y", "--parallel", &at_once.to_string(), "pyinfra_hosts.py", "deploy.py"]);
    command
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
