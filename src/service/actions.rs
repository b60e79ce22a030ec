//! What is done to a service, in words that a person could type.

use crate::service::{HaproxyReload, ServiceSpec};

impl ServiceSpec {
    /// Whether it can be asked beforehand if it would take what is on the disk.
    pub fn has_test(&self) -> bool {
        match self {
            ServiceSpec::Nginx(_) | ServiceSpec::Haproxy(_) => true,
            ServiceSpec::Envoy(_) => false,
            ServiceSpec::Command { test, .. } => test.is_some(),
        }
    }

    /// The commands that are run on the host when it is switched, in their order, and what is told to a socket.
    pub fn actions(&self) -> Vec<String> {
        match self {
            ServiceSpec::Nginx(nginx) => {
                let mut call = nginx.binary.to_string();
                let options = [("-p", &nginx.prefix), ("-c", &nginx.config)];
                for (option, path) in
                    options.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?)))
                {
                    call.push_str(&format!(" {option} {path}"));
                }
                let own = |command: &Option<String>, built_in: String| command.clone().unwrap_or(built_in);
                vec![own(&nginx.test, format!("{call} -t")), own(&nginx.reload, format!("{call} -s reload"))]
            }
            ServiceSpec::Haproxy(haproxy) => {
                let test = format!("{} -c -f {}", haproxy.binary, haproxy.config);
                let mut actions = vec![haproxy.test.clone().unwrap_or(test)];
                for certificate in &haproxy.certificates {
                    let told = haproxy.sockets.iter();
                    actions
                        .extend(told.map(|socket| format!("set ssl cert {} @ {socket}", certificate.path)));
                }
                if haproxy.sockets.is_empty() {
                    actions.push(match &haproxy.reload {
                        HaproxyReload::Master(socket) => format!("reload @ {socket}"),
                        HaproxyReload::Command(command) => command.clone(),
                    });
                }
                actions
            }
            // It takes the certificate when the link is switched.
            ServiceSpec::Envoy(_) => Vec::new(),
            ServiceSpec::Command { test, reload } => test.iter().chain([reload]).cloned().collect(),
        }
    }
}
