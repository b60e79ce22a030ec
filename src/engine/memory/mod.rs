//! What a server holds in its memory, where a script cannot reach it: asked before, told after, read back.

mod entries;
mod envoy;
mod haproxy;
mod read;
mod socket;
#[cfg(test)]
mod tests;

use crate::certificate::CertificateSet;
use crate::engine::host::session::Session;
use crate::engine::memory::envoy::Before;
use crate::plan::{HostPlan, PlannedService};
use crate::ports::{Clock, Connection};
use crate::rollout::Previous;
use crate::service::{Dialogue, ServiceWay};

pub(crate) use envoy::EnvoyDialogue;
pub(crate) use haproxy::HaproxyDialogue;
pub(crate) use read::held;

/// The servers of one host.
pub(crate) struct Memory<'a, C: Connection, K> {
    pub(crate) plan: &'a HostPlan,
    pub(crate) session: &'a Session<C>,
    pub(crate) set: &'a CertificateSet,
    pub(crate) clock: &'a K,
}

impl<C: Connection, K: Clock> Memory<'_, C, K> {
    fn haproxy<'h>(&'h self, service: &'h PlannedService) -> Option<HaproxyDialogue<'h, C>> {
        let Some(Dialogue::Haproxy(haproxy)) = service.spec.dialogue() else { return None };
        Some(HaproxyDialogue { session: self.session, plan: self.plan, haproxy })
    }

    fn envoy<'h>(&'h self, service: &'h PlannedService) -> Option<EnvoyDialogue<'h, C>> {
        let Some(Dialogue::Envoy(envoy)) = service.spec.dialogue() else { return None };
        Some(EnvoyDialogue { session: self.session, plan: self.plan, envoy })
    }

    /// Whether each can be told what will be asked of it; nothing is changed.
    ///
    /// # Errors
    /// With all that stands in the way.
    pub(crate) async fn ready(&self) -> Result<(), String> {
        let mut wrong = Vec::new();
        for service in &self.plan.services {
            let mut ready = Ok(());
            if let Some(haproxy) = self.haproxy(service) {
                ready = haproxy.ready(self.set).await;
            } else if let Some(envoy) = self.envoy(service) {
                ready = envoy.ready().await;
            }
            wrong.extend(
                ready.err().map(|reason| format!("service `{}` is not ready: {reason}", service.name)),
            );
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    /// What counts from here on.
    pub(crate) async fn before(&self) -> Vec<Before> {
        let mut before = Vec::new();
        for service in &self.plan.services {
            before.push(match self.envoy(service) {
                Some(envoy) => envoy.before().await,
                None => Before::new(),
            });
        }
        before
    }

    /// The disk was switched: each takes what is there now, in the way that is said.
    ///
    /// # Errors
    /// With the first that does not; the host has to go back.
    pub(crate) async fn take(&self, before: &[Before]) -> Result<Vec<ServiceWay>, String> {
        let mut ways = Vec::new();
        for (service, before) in self.plan.services.iter().zip(before) {
            let way = service.spec.way(None);
            let mut took = Ok(way);
            if let Some(haproxy) = self.haproxy(service) {
                took = haproxy.take(self.set, self.clock).await;
            } else if let Some(envoy) = self.envoy(service) {
                took = envoy.took(&self.set.leaves(), before, self.clock).await.map(|()| way);
            }
            let failed = |reason| format!("{} did not take the certificate: {reason}", service.name);
            ways.push(ServiceWay { service: service.name.clone(), way: took.map_err(failed)? });
        }
        Ok(ways)
    }

    /// The disk was switched back: each takes that. All are tried. An Envoy that refused the other certificate never let
    /// go of this one, and its admin interface goes on to show the refused one: of it only handshakes tell.
    ///
    /// # Errors
    /// With all that do not.
    pub(crate) async fn put_back(&self, previous: &Previous) -> Result<(), String> {
        let mut wrong = Vec::new();
        for service in &self.plan.services {
            let Some(haproxy) = self.haproxy(service) else { continue };
            let back = haproxy.put_back(&previous.version, self.set, self.clock).await;
            wrong.extend(back.err().map(|reason| format!("{} did not go back: {reason}", service.name)));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }
}
