//! A host, its variables, and how it is reached.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::inventory::{Login, Variables};
use crate::model::HostName;
use crate::yaml::{Problem, Problems, Span};

/// A host with everything that the inventory says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Its name.
    pub name: HostName,
    /// All its variables, merged by Ansible's precedence.
    pub vars: Variables,
    /// The groups that it is in, `all` left out, from the widest to the narrowest.
    pub groups: Vec<String>,
    /// Where it was first written.
    pub span: Option<Span>,
}

/// Variables that Ansible would act on and certwave does not: acting otherwise in silence would be wrong.
const REFUSED: [(&str, &str); 7] = [
    ("ansible_password", "log in with a key or an agent"),
    ("ansible_ssh_pass", "log in with a key or an agent"),
    ("ansible_ssh_password", "log in with a key or an agent"),
    ("ansible_become_password", "let `sudo -n` work without one"),
    ("ansible_become_pass", "let `sudo -n` work without one"),
    ("ansible_become_exe", "`sudo` must be in the login's path"),
    ("certwave_jump", "connections through another host come with a later version"),
];

impl Host {
    /// A variable, `inventory_hostname` and `inventory_hostname_short` included, as text. References to
    /// other variables in it are filled in.
    pub fn text(&self, name: &str) -> Option<String> {
        self.text_within(name, 8)
    }

    fn text_within(&self, name: &str, depth: u8) -> Option<String> {
        match name {
            "inventory_hostname" => return Some(self.name.to_string()),
            "inventory_hostname_short" => return Some(self.name.as_str().split('.').next()?.to_owned()),
            _ => {}
        }
        match self.vars.get(name)? {
            Value::String(text) => self.fill_in(text, depth),
            Value::Null => None,
            Value::Array(_) | Value::Object(_) => None,
            other => Some(other.to_string()),
        }
    }

    fn fill_in(&self, text: &str, depth: u8) -> Option<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}")?;
            filled.push_str(before);
            filled.push_str(&self.text_within(name.trim(), depth.checked_sub(1)?)?);
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }

    /// Where it is: `ansible_host`, else its name.
    pub fn address(&self) -> String {
        let named = self.text("ansible_host").or_else(|| self.text("ansible_ssh_host"));
        named.unwrap_or_else(|| self.name.to_string())
    }

    /// How to log in, by Ansible's connection variables. Notes what is wrong with them.
    pub fn login(&self, problems: &mut Problems) -> Option<Login> {
        let before = problems.len();
        let mut wrong = |message: String, hint: &str| {
            let problem = match self.span {
                Some(span) => Problem::at(span, message),
                None => Problem::general(message),
            };
            problems.push(if hint.is_empty() { problem } else { problem.hint(hint) });
        };
        for (name, hint) in REFUSED {
            if self.vars.contains_key(name) {
                wrong(format!("host `{}`: `{name}` is not supported", self.name), hint);
            }
        }
        let mut text = |name: &str| {
            let value = self.vars.get(name).filter(|value| !value.is_null())?;
            let text = self.text(name);
            if text.is_none() {
                wrong(
                    format!("host `{}`: `{name}` is {value}, which cannot be resolved", self.name),
                    "a value may refer to other variables of the host as `{{ name }}`, and nothing else of Jinja",
                );
            }
            text
        };
        let address = text("ansible_host").or_else(|| text("ansible_ssh_host"));
        let port = text("ansible_port").or_else(|| text("ansible_ssh_port"));
        let user = text("ansible_user").or_else(|| text("ansible_ssh_user"));
        let key_file = text("ansible_ssh_private_key_file").or_else(|| text("ansible_private_key_file"));
        let become_user = text("ansible_become_user");
        let (become_it, method, connection) =
            (text("ansible_become"), text("ansible_become_method"), text("ansible_connection"));
        let arguments = ["ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"]
            .map(|name| text(name).unwrap_or_default())
            .join(" ");
        let port = match port.as_deref().map(str::parse::<u16>) {
            None => 22,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => {
                wrong(
                    format!("host `{}`: `ansible_port` is {}, which is no port", self.name, json!(port)),
                    "1 to 65535",
                );
                22
            }
        };
        if let Some(method) = method.filter(|method| method != "sudo") {
            wrong(
                format!("host `{}`: `ansible_become_method` is `{method}`", self.name),
                "only `sudo` is supported",
            );
        }
        if let Some(connection) =
            connection.filter(|one| !matches!(one.as_str(), "ssh" | "smart" | "ansible.builtin.ssh"))
        {
            wrong(
                format!("host `{}`: `ansible_connection` is `{connection}`", self.name),
                "only `ssh` is supported",
            );
        }
        let becomes = match become_it.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "no" | "off" | "0") => false,
            Some("true" | "yes" | "on" | "1") => true,
            Some(other) => {
                wrong(format!("host `{}`: `ansible_become` is `{other}`", self.name), "`true` or `false`");
                false
            }
        };
        let known_hosts = match known_hosts(&arguments) {
            Ok(files) => files,
            Err(argument) => {
                wrong(
                    format!("host `{}`: the SSH argument `{argument}` is not supported", self.name),
                    "only `-o UserKnownHostsFile=PATH` is; leaving out another one in silence would be wrong",
                );
                Vec::new()
            }
        };
        (problems.len() == before).then(|| Login {
            host: self.name.clone(),
            address: address.unwrap_or_else(|| self.name.to_string()),
            port,
            user,
            key_file: key_file.map(PathBuf::from),
            become_user: becomes.then(|| become_user.unwrap_or_else(|| "root".to_owned())),
            known_hosts,
        })
    }
}

/// The files in `-o UserKnownHostsFile=…`; else the first argument that is something else.
fn known_hosts(arguments: &str) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let mut words = arguments.split_whitespace();
    while let Some(word) = words.next() {
        let option = match word.strip_prefix("-o") {
            Some("") => words.next().unwrap_or_default(),
            Some(option) => option,
            None => return Err(word.to_owned()),
        };
        match option.split_once('=') {
            Some((name, path)) if name.eq_ignore_ascii_case("UserKnownHostsFile") => {
                files.push(PathBuf::from(path.trim_matches(['"', '\''])));
            }
            _ => return Err(format!("-o {option}")),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(vars: Value) -> Host {
        let Value::Object(vars) = vars else { panic!("an object") };
        Host { name: "web01.x".parse().unwrap(), vars, groups: Vec::new(), span: None }
    }

    fn problem(vars: Value) -> String {
        let mut problems = Problems::default();
        assert!(host(vars).login(&mut problems).is_none());
        problems.sorted()[0].message.clone()
    }

    #[test]
    fn connection_variables_make_a_login() {
        let login = host(json!({
            "ansible_host": "{{ ip }}", "ip": "192.0.2.7", "ansible_port": 2222, "ansible_user": "ops",
            "ansible_become": true, "ansible_ssh_common_args": "-o UserKnownHostsFile=/k",
        }))
        .login(&mut Problems::default())
        .unwrap();
        assert_eq!(
            (login.address.as_str(), login.port, login.user.as_deref()),
            ("192.0.2.7", 2222, Some("ops"))
        );
        assert_eq!(
            (login.become_user.as_deref(), login.known_hosts),
            (Some("root"), vec![PathBuf::from("/k")])
        );
        let plain = host(json!({})).login(&mut Problems::default()).unwrap();
        assert_eq!((plain.address.as_str(), plain.port, plain.become_user), ("web01.x", 22, None));
    }

    #[test]
    fn each_variable_has_the_meaning_that_ansible_gives_it() {
        let login = |vars: Value| {
            let mut problems = Problems::default();
            let login = host(vars.clone()).login(&mut problems);
            login.unwrap_or_else(|| panic!("{vars}: {:?}", problems.sorted()))
        };
        let address = |vars| login(vars).address;
        assert_eq!(address(json!({"ansible_ssh_host": "old.x"})), "old.x");
        assert_eq!(address(json!({"ansible_ssh_host": "old.x", "ansible_host": "new.x"})), "new.x");
        assert_eq!(address(json!({"ansible_host": null})), "web01.x");
        assert_eq!(address(json!({"ansible_host": "{{ inventory_hostname_short }}.y"})), "web01.y");
        assert_eq!(address(json!({"ansible_host": "2001:db8::7"})), "2001:db8::7");
        let port = |vars| login(vars).port;
        assert_eq!(port(json!({"ansible_ssh_port": 2222})), 2222);
        assert_eq!(port(json!({"ansible_ssh_port": 2222, "ansible_port": "2223"})), 2223);
        assert_eq!((port(json!({"ansible_port": 1})), port(json!({"ansible_port": 65_535}))), (1, 65_535));
        let user = |vars| login(vars).user;
        assert_eq!(user(json!({"ansible_ssh_user": "old"})).as_deref(), Some("old"));
        assert_eq!(user(json!({"ansible_ssh_user": "old", "ansible_user": "new"})).as_deref(), Some("new"));
        assert_eq!(user(json!({})), None);
        let key = |vars| login(vars).key_file;
        assert_eq!(key(json!({"ansible_private_key_file": "/old"})), Some("/old".into()));
        let both = json!({"ansible_private_key_file": "/old", "ansible_ssh_private_key_file": "/new"});
        assert_eq!(key(both), Some("/new".into()));
        let files = |arguments: &str| login(json!({"ansible_ssh_common_args": arguments})).known_hosts;
        let two = "-o UserKnownHostsFile=/a -ouserknownhostsfile='/b'";
        assert_eq!(files(two), [PathBuf::from("/a"), PathBuf::from("/b")]);
    }

    #[test]
    fn commands_run_as_another_user_only_where_that_is_said() {
        for (vars, user) in [
            (json!({}), None),
            (json!({"ansible_become_user": "app"}), None),
            (json!({"ansible_become": false, "ansible_become_user": "app"}), None),
            (json!({"ansible_become": "No"}), None),
            (json!({"ansible_become": 0}), None),
            (json!({"ansible_become": true, "ansible_user": "ops"}), Some("root")),
            (json!({"ansible_become": "Yes"}), Some("root")),
            (json!({"ansible_become": "1", "ansible_become_user": "app"}), Some("app")),
            (json!({"ansible_become": true, "ansible_become_method": "sudo"}), Some("root")),
        ] {
            let login = host(vars.clone()).login(&mut Problems::default()).unwrap();
            assert_eq!(login.become_user.as_deref(), user, "{vars}");
        }
    }

    #[test]
    fn what_would_be_left_out_in_silence_is_refused() {
        for (name, _) in REFUSED {
            assert!(problem(json!({name: "x"})).contains(&format!("`{name}` is not supported")), "{name}");
        }
        for (vars, words) in [
            (json!({"ansible_ssh_common_args": "-J bastion"}), "`-J`"),
            (json!({"ansible_ssh_extra_args": "-o ProxyJump=bastion"}), "`-o ProxyJump=bastion`"),
            (json!({"ansible_ssh_args": "-o UserKnownHostsFile=/k -C"}), "`-C`"),
            (json!({"ansible_ssh_common_args": "-o"}), "`-o `"),
            (json!({"ansible_connection": "local"}), "`local`"),
            (json!({"ansible_port": 0}), "no port"),
            (json!({"ansible_port": 65_536}), "no port"),
            (json!({"ansible_port": "ssh"}), "no port"),
            (json!({"ansible_port": [22]}), "cannot be resolved"),
            (json!({"ansible_host": "{{ none }}"}), "cannot be resolved"),
            (json!({"ansible_host": "{{ ansible_host }}"}), "cannot be resolved"),
            (json!({"ansible_host": "{{ name"}), "cannot be resolved"),
            (json!({"ansible_become": "maybe"}), "`maybe`"),
            (json!({"ansible_become": true, "ansible_become_method": "su"}), "`su`"),
        ] {
            let said = problem(vars);
            assert!(said.contains(words), "{words} is not in {said}");
        }
        for connection in ["ssh", "smart", "ansible.builtin.ssh"] {
            let vars = json!({"ansible_connection": connection});
            assert!(host(vars).login(&mut Problems::default()).is_some());
        }
    }
}
