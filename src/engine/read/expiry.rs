//! When a host breaks that was left behind: asked of the host itself, without SSH.

use futures_util::future::join_all;
use jiff::Timestamp;

use crate::certificate::Leaf;
use crate::engine::fleet::Fleet;
use crate::engine::handshake::prove::{observe, places};
use crate::plan::HostIndex;
use crate::ports::{Clock, Connector, Prober};
use crate::verify::{Observation, Via};

impl<C: Connector, P: Prober, K: Clock> Fleet<C, P, K> {
    /// When the first of what a host serves expires; none where it does not answer, or is only dialled through SSH.
    pub async fn expires(&self, host: HostIndex) -> Option<Timestamp> {
        let endpoints = self.rollout.plan.hosts[host].services.iter().flat_map(|service| &service.endpoints);
        let direct: Vec<_> = endpoints.filter(|endpoint| endpoint.via == Via::Direct).cloned().collect();
        let places = places(self.rollout.prober.as_ref(), &direct).await;
        let looks =
            places.iter().map(|place| observe::<C::Connection, P>(self.rollout.prober.as_ref(), None, place));
        let seen = join_all(looks).await.into_iter().filter_map(|seen| match seen {
            Observation::Served(served) => Some(Leaf::of_served(&served.chain)?.expires()),
            _ => None,
        });
        seen.min()
    }
}
