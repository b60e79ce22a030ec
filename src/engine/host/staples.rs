//! OCSP answers that were stapled before the switch: whether they still are, and are of use with the new certificate.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use crate::certificate::Staple;
use crate::engine::handshake::prove::observe;
use crate::engine::host::HostRun;
use crate::model::{ServiceName, later};
use crate::ports::{Clock, Connection, Connector, Prober};
use crate::preview::{Lasting, SeenHost};
use crate::verify::Endpoint;

/// A server that asks the CA for an answer staples none to the handshake for which it does.
const FETCHED: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// The endpoints that staple something.
pub(super) fn stapling(host: &SeenHost) -> Vec<(ServiceName, Endpoint)> {
    let stapling = host.served.iter().filter(|served| served.staple.is_some());
    stapling.map(|served| (served.service.clone(), served.endpoint.clone())).collect()
}

impl<C: Connector, P: Prober, K: Clock> HostRun<'_, C, P, K> {
    /// What became of what endpoints stapled. Of a host that another process switched nothing is known.
    pub(super) async fn staples_since(&mut self) -> Vec<Lasting> {
        let stapling = std::mem::take(&mut self.slot.stapling);
        let (prober, clock) = (self.rollout.prober.as_ref(), self.rollout.clock.as_ref());
        let connection = &self.session.connection;
        let looks = stapling.iter().map(|(service, endpoint)| async move {
            let named = format!("{service} at {endpoint}");
            match first_staple(prober, connection, clock, endpoint).await {
                None => Some(Lasting::StapleLost { endpoint: named }),
                Some(staple) => {
                    let reason = staple.problem(clock.now())?;
                    Some(Lasting::StapleUnfit { endpoint: named, reason })
                }
            }
        });
        join_all(looks).await.into_iter().flatten().collect()
    }
}

/// The first answer that an endpoint staples, where it does within [`FETCHED`].
async fn first_staple<C: Connection, P: Prober>(
    prober: &P,
    connection: &Arc<C>,
    clock: &impl Clock,
    endpoint: &Endpoint,
) -> Option<Staple> {
    let until = later(clock.now(), FETCHED);
    loop {
        if let Some(staple) = observe(prober, Some(connection), endpoint).await.staple() {
            return Some(staple);
        }
        if clock.now() >= until {
            return None;
        }
        clock.sleep(LOOK).await;
    }
}
