//! nginx: its settings, and its script.

use serde::{Deserialize, Serialize};

use crate::model::HostPath;
use crate::service::Service;

/// An nginx. Every command is called by its full path: a login without a terminal has no `/usr/sbin` in `PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nginx {
    /// The program.
    pub binary: HostPath,
    /// `-p`, where it is not the one compiled in.
    pub prefix: Option<HostPath>,
    /// `-c`, where it is not the one compiled in.
    pub config: Option<HostPath>,
    /// A command instead of `nginx -t`.
    pub test: Option<String>,
    /// A command instead of `nginx -s reload`. The proof stays the same.
    pub reload: Option<String>,
}

impl Nginx {
    /// Where Debian, Red Hat and nginx.org put it.
    pub const DEFAULT_BINARY: &'static str = "/usr/sbin/nginx";

    /// The program with the options that choose its configuration.
    fn call(&self) -> String {
        let mut call = self.binary.to_string();
        for (option, path) in [("-p", &self.prefix), ("-c", &self.config)] {
            if let Some(path) = path {
                call.push_str(&format!(" {option} {path}"));
            }
        }
        call
    }
}

impl Service for Nginx {
    fn kind(&self) -> &'static str {
        "nginx"
    }

    fn script(&self) -> &'static str {
        concat!(include_str!("../scripts/bounded.sh"), include_str!("nginx.sh"), include_str!("traceless.sh"))
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Option<HostPath>| path.as_ref().map(HostPath::to_string).unwrap_or_default();
        vec![
            ("binary", self.binary.to_string()),
            ("prefix", path(&self.prefix)),
            ("config", path(&self.config)),
            ("test_command", self.test.clone().unwrap_or_default()),
            ("reload_command", self.reload.clone().unwrap_or_default()),
        ]
    }

    fn has_test(&self) -> bool {
        true
    }

    /// A command may be a restart.
    fn keeps_listening(&self) -> bool {
        self.reload.is_none()
    }

    fn actions(&self) -> Vec<String> {
        let call = self.call();
        let own = |command: &Option<String>, built_in: &str| {
            command.clone().unwrap_or_else(|| format!("{call} {built_in}"))
        };
        vec![own(&self.test, "-t"), own(&self.reload, "-s reload")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_what_a_person_would_type_and_a_command_of_ones_own_stands_for_it() {
        let path = |text: &str| text.parse::<HostPath>().unwrap();
        let own = |command: &str| Some(command.to_owned());
        let plain =
            Nginx { binary: path("/usr/sbin/nginx"), prefix: None, config: None, test: None, reload: None };
        let placed = Nginx {
            prefix: Some(path("/srv/web")),
            config: Some(path("/srv/web/nginx.conf")),
            ..plain.clone()
        };
        for (nginx, test, reload) in [
            (plain.clone(), "/usr/sbin/nginx -t", "/usr/sbin/nginx -s reload"),
            (
                placed.clone(),
                "/usr/sbin/nginx -p /srv/web -c /srv/web/nginx.conf -t",
                "/usr/sbin/nginx -p /srv/web -c /srv/web/nginx.conf -s reload",
            ),
            (Nginx { test: own("check"), ..plain.clone() }, "check", "/usr/sbin/nginx -s reload"),
            (Nginx { reload: own("kick"), ..plain.clone() }, "/usr/sbin/nginx -t", "kick"),
        ] {
            assert_eq!(nginx.actions(), [test, reload]);
        }
        let all = Nginx { test: own("check"), reload: own("kick"), ..placed };
        let variable = |name, value: &str| (name, value.to_owned());
        assert_eq!(
            all.variables(),
            [
                variable("binary", "/usr/sbin/nginx"),
                variable("prefix", "/srv/web"),
                variable("config", "/srv/web/nginx.conf"),
                variable("test_command", "check"),
                variable("reload_command", "kick"),
            ]
        );
        assert!(plain.variables()[1..].iter().all(|(_, value)| value.is_empty()));
        assert!(plain.has_test() && !plain.follows_the_link() && !plain.may_linger());
    }
}
