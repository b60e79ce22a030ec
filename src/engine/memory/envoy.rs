//! What Envoy's admin interface says: whether it took what it read from the disk.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::engine::host::session::Session;
use crate::install::InstallSpec;
use crate::model::Fingerprint;
use crate::plan::HostPlan;
use crate::ports::{BoxedStream, Clock, Connection};
use crate::service::admin::{ACTIVE, Rejections, counters_path, read_active, read_counters};
use crate::service::{AdminAddress, Envoy};

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at an Envoy that is reading.
const LOOK: Duration = Duration::from_millis(50);
/// A dump of secrets is far below.
const MOST: usize = 4 << 20;
const SCRIPT: Duration = Duration::from_secs(60);

/// One Envoy of a host that is being changed.
pub(crate) struct EnvoyDialogue<'a, C: Connection> {
    pub(crate) session: &'a Session<C>,
    pub(crate) plan: &'a HostPlan,
    pub(crate) envoy: &'a Envoy,
}

/// Each secret's counters before the switch.
pub(crate) type Before = Vec<Rejections>;

impl<C: Connection> EnvoyDialogue<'_, C> {
    /// Whether it will notice a switch: the SDS file is as it must be, and Envoy has the secrets. A file that is
    /// missing is written when the host is switched.
    pub(crate) async fn ready(&self) -> Result<(), String> {
        let mut all_there = true;
        for secret in &self.envoy.secrets {
            // Keys written into the file itself stay on the host.
            let script = InstallSpec::show_without_keys(secret.sds.as_str());
            let output = self.session.run(self.plan, &script, None, SCRIPT).await;
            let output = output.map_err(|_| format!("`{}` could not be read", secret.sds))?;
            if output.status != 0 {
                all_there = false;
                continue;
            }
            let wrong = self.envoy.check(secret, &String::from_utf8_lossy(&output.stdout));
            if !wrong.is_empty() {
                return Err(wrong.join("; "));
            }
        }
        // Without its file, Envoy has no secret yet.
        if !all_there {
            return Ok(());
        }
        if let Some(admin) = &self.envoy.admin {
            let active = self.get(admin, ACTIVE).await?;
            for secret in &self.envoy.secrets {
                if !active.contains(&format!("\"{}\"", secret.name)) {
                    return Err(format!(
                        "Envoy at {admin} has no active secret `{}`: does its listener name it, with `{}` as its `sds_config`?",
                        secret.name, secret.sds
                    ));
                }
            }
        }
        Ok(())
    }

    /// The counters before the switch; none without an admin interface.
    pub(crate) async fn before(&self) -> Before {
        let mut before = Vec::new();
        for secret in &self.envoy.secrets {
            let counters = match &self.envoy.admin {
                Some(admin) => self.counters(admin, &secret.name).await.unwrap_or_default(),
                None => Rejections::default(),
            };
            before.push(counters);
        }
        before
    }

    /// Waits until it holds these leaves, or says that it refused. Without an admin interface, handshakes tell.
    pub(crate) async fn took(
        &self,
        leaves: &[Fingerprint],
        before: &Before,
        clock: &impl Clock,
    ) -> Result<(), String> {
        let Some(admin) = &self.envoy.admin else { return Ok(()) };
        let until = crate::model::later(clock.now(), self.plan.timeout);
        loop {
            // The dump shows what was read last, even where that was refused.
            for (secret, before) in self.envoy.secrets.iter().zip(before) {
                if let Some(reason) = self.counters(admin, &secret.name).await?.since(before) {
                    return Err(format!("secret `{}`: {reason}", secret.name));
                }
            }
            let dump = self.get(admin, ACTIVE).await?;
            let holds =
                |name: &str| read_active(name, &dump).is_some_and(|leaf| leaves.contains(&leaf.fingerprint));
            let waiting = self.envoy.secrets.iter().zip(before).find(|(secret, _)| !holds(&secret.name));
            let Some((secret, _)) = waiting else { return Ok(()) };
            if clock.now() >= until {
                return Err(format!(
                    "secret `{}` did not change within {} s: `{admin}` shows another certificate",
                    secret.name,
                    self.plan.timeout.as_secs()
                ));
            }
            clock.sleep(LOOK).await;
        }
    }

    async fn counters(&self, admin: &AdminAddress, secret: &str) -> Result<Rejections, String> {
        Ok(read_counters(secret, &self.get(admin, &counters_path(secret)).await?))
    }

    async fn get(&self, admin: &AdminAddress, path: &str) -> Result<String, String> {
        ask_admin(self.session.connection.as_ref(), admin, path).await
    }
}

/// What the admin interface answers, seen from its host.
pub(crate) async fn ask_admin<C: Connection>(
    connection: &C,
    admin: &AdminAddress,
    path: &str,
) -> Result<String, String> {
    let stream = match admin {
        AdminAddress::Tcp(address, port) => connection.tunnel(address, *port).await,
        AdminAddress::Socket(path) => connection.socket(path).await,
    };
    let stream = stream.map_err(|error| format!("Envoy's admin interface: {}", error.reason))?;
    match timeout(PATIENCE, get(stream, path)).await {
        Ok(answer) => answer.map_err(|reason| format!("Envoy's admin interface at {admin}: {reason}")),
        Err(_) => Err(format!("Envoy's admin interface at {admin} gave no answer")),
    }
}

async fn get(stream: BoxedStream, path: &str) -> Result<String, String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let request = hyper::Request::get(path).header("host", "localhost").header("connection", "close");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let asked = async move {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(format!("`{path}` was answered with {}", answer.status()));
        }
        let body =
            Limited::new(answer.into_body(), MOST).collect().await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    };
    // The connection carries the request; what goes wrong with it is told by the answer.
    let (answer, _) = tokio::join!(asked, connection);
    answer
}
