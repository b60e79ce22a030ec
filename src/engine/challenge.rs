//! HTTP-01 tokens on the hosts' own web servers, pushed over SSH.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use crate::engine::host::session::command;
use crate::install::{Script, Word};
use crate::model::{Secret, visible};
use crate::plan::ChallengeHost;
use crate::ports::{ChallengeResponder, Connection, Connector};

/// Hosts at the same time.
const AT_ONCE: usize = 32;
/// For writing one small file.
const DEADLINE: Duration = Duration::from_secs(30);

/// Writes tokens below the web roots of hosts. The CA may ask any of them, so each must have it.
pub struct PushedChallenge<'a, C> {
    connector: &'a C,
    hosts: &'a [ChallengeHost],
}

impl<'a, C: Connector> PushedChallenge<'a, C> {
    /// For these hosts.
    pub fn new(connector: &'a C, hosts: &'a [ChallengeHost]) -> Self {
        Self { connector, hosts }
    }

    async fn on_host(&self, host: &ChallengeHost, script: &str, stdin: Option<Secret>) -> Result<(), String> {
        let named = |reason: String| format!("{}: {reason}", host.login.host);
        let connection = self.connector.connect(&host.login).await.map_err(|error| named(error.reason))?;
        let (become_user, script) = (host.login.become_user.as_deref(), Script::new().text(script));
        let command = command(become_user, &script, stdin, DEADLINE);
        let output = connection.exec(command).await.map_err(|error| named(error.reason))?;
        connection.close().await;
        if output.status == 0 {
            return Ok(());
        }
        Err(named(visible(&String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; "))))
    }

    async fn everywhere(
        &self,
        script: impl Fn(&ChallengeHost) -> String,
        stdin: Option<Secret>,
    ) -> Result<(), String> {
        let mut tasks = Vec::new();
        for host in self.hosts {
            let (script, stdin) = (script(host), stdin.clone());
            tasks.push(async move { self.on_host(host, &script, stdin).await });
        }
        let results: Vec<Result<(), String>> = stream::iter(tasks).buffered(AT_ONCE).collect().await;
        let failed: Vec<String> = results.into_iter().filter_map(Result::err).collect();
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }
}

/// Tokens are base64url (RFC 8555, section 8.3): one that is not could leave its folder.
fn is_token(token: &str) -> bool {
    !token.is_empty() && token.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn webroot(host: &ChallengeHost) -> Word {
    Word::new(host.webroot.as_str())
}

// The web root itself must be there already: made by us, a slip of the finger would only show when the CA
// looks. A token may begin with `-`: `./` keeps it from being an option.
fn publish_script(webroot: &Word, token: &str) -> String {
    format!(
        "set -eu; umask 022; cd {webroot}; mkdir -p .well-known/acme-challenge; cd .well-known/acme-challenge; \
         cat >./.{token}.new; mv -f ./.{token}.new ./{token}"
    )
}

fn withdraw_script(webroot: &Word, token: &str) -> String {
    format!("cd {webroot}/.well-known/acme-challenge && rm -f ./{token} ./.{token}.new")
}

impl<C: Connector> ChallengeResponder for PushedChallenge<'_, C> {
    async fn publish(&self, token: &str, key_authorization: &str) -> Result<(), String> {
        if !is_token(token) {
            return Err("the CA's token is not base64url".to_owned());
        }
        let script = |host: &ChallengeHost| publish_script(&webroot(host), token);
        self.everywhere(script, Some(Secret::new(key_authorization.as_bytes().to_vec()))).await
    }

    async fn withdraw(&self, token: &str) {
        if is_token(token) {
            let script = |host: &ChallengeHost| withdraw_script(&webroot(host), token);
            if let Err(reason) = self.everywhere(script, None).await {
                tracing::debug!("a challenge token was left behind, which is harmless: {reason}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{Transcript, World, ended, not_sent, ok};
    use crate::ports::RemoteErrorKind;

    fn hosts(names: &[&str]) -> Vec<ChallengeHost> {
        let host = |name: &&str| {
            let mut login = World::nginx().host().login.clone();
            login.host = name.parse().unwrap();
            ChallengeHost { login, webroot: "/var/www".parse().unwrap() }
        };
        names.iter().map(host).collect()
    }

    #[tokio::test]
    async fn a_token_is_on_every_host_or_those_that_lack_it_are_named() {
        let hosts = hosts(&["web01", "web02", "web03"]);
        let pushed = |transcript: Transcript, answer| {
            transcript.then("connect", ok("")).then("exec …/var/www…./.token.new ./token… < 9 B", answer)
        };
        let all = pushed(pushed(pushed(Transcript::new(), ok("")), ok("")), ok(""));
        assert_eq!(PushedChallenge::new(&all.host(), &hosts).publish("token", "token.key").await, Ok(()));
        let refused = ended(1, "", "sh: 1: cd: can't cd to /var/www\nso it ended\n");
        let some = pushed(pushed(Transcript::new(), ok("")), refused)
            .then("connect", not_sent(RemoteErrorKind::Unreachable, "no answer"));
        let reason =
            PushedChallenge::new(&some.host(), &hosts).publish("token", "token.key").await.unwrap_err();
        assert_eq!(reason, "web02: sh: 1: cd: can't cd to /var/www; so it ended; web03: no answer");
    }

    #[tokio::test]
    async fn a_token_that_could_leave_its_folder_is_told_to_nobody() {
        let (nobody, hosts) = (Transcript::new(), hosts(&["web01"]));
        let host = nobody.host();
        let responder = PushedChallenge::new(&host, &hosts);
        assert!(responder.publish("../x", "key").await.is_err());
        responder.withdraw("../x").await;
    }

    #[test]
    fn any_token_is_written_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let webroot = root.path().join("it's a root");
        let word = Word::new(&webroot.display().to_string());
        let run = |script: String| {
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &script]).stdin(std::process::Stdio::null()).status().unwrap().success()
        };
        assert!(!run(publish_script(&word, "token")), "a web root was made");
        std::fs::create_dir(&webroot).unwrap();
        for token in ["plain", "-7qdash", "_under"] {
            let file = webroot.join(".well-known/acme-challenge").join(token);
            assert!(run(publish_script(&word, token)));
            assert!(file.exists(), "{token}");
            assert!(run(withdraw_script(&word, token)));
            assert!(!file.exists(), "{token}");
        }
    }

    #[test]
    fn a_token_cannot_leave_its_folder() {
        assert!(is_token("LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"));
        for bad in ["", "../x", "a b", "a;b", "a'b"] {
            assert!(!is_token(bad), "{bad}");
        }
    }
}
