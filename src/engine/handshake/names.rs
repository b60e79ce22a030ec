//! Every name that a place may serve.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, stream};

use crate::certificate::Leaf;
use crate::engine::handshake::prove::{Shown, observe, places};
use crate::model::Fingerprint;
use crate::plan::{HostPlan, PlannedService};
use crate::ports::{Connection, Prober};
use crate::preview::{SeenServed, mark_elsewhere, names_elsewhere};
use crate::rollout::Elsewhere;
use crate::verify::{Endpoint, Observation, Switched};

/// Names that one place is asked for at the same time.
pub(crate) const AT_ONCE: usize = 8;
/// So often a name is asked for again that brings no handshake about.
const AGAIN: usize = 2;

/// One handshake for each name that may count at a place. Where nobody takes connections, one name is as good as all.
pub(crate) async fn ask<C: Connection, P: Prober>(
    prober: &P,
    connection: Option<&Arc<C>>,
    service: &PlannedService,
    place: &Endpoint,
) -> Vec<Shown> {
    let first = observe(prober, connection, place).await;
    let others = others(prober, connection, service, place, &first).await;
    let mut shown = vec![(service.name.clone(), place.clone(), first)];
    shown.extend(others);
    settle(prober, connection, &mut shown).await;
    shown
}

/// Where a place answers some of its names, each other one is asked for again: one handshake alone may be lost, and what is not
/// answered counts as another host's.
pub(crate) async fn settle<C: Connection, P: Prober>(
    prober: &P,
    connection: Option<&Arc<C>>,
    shown: &mut [Shown],
) {
    let is_served = |observed: &Observation| matches!(observed, Observation::Served(_));
    if !shown.iter().any(|(_, _, observed)| is_served(observed)) {
        return;
    }
    for (_, endpoint, observed) in shown {
        for _ in 0..AGAIN {
            if matches!(observed, Observation::Served(_) | Observation::Refused { .. }) {
                break;
            }
            *observed = observe(prober, connection, endpoint).await;
        }
    }
}

/// One handshake for each name but the first, which showed this.
pub(crate) async fn others<C: Connection, P: Prober>(
    prober: &P,
    connection: Option<&Arc<C>>,
    service: &PlannedService,
    place: &Endpoint,
    first: &Observation,
) -> Vec<Shown> {
    if matches!(first, Observation::Unreachable(_)) {
        return Vec::new();
    }
    let asked = service.for_every_name(place).skip(1).map(|endpoint| async move {
        let observed = observe(prober, connection, &endpoint).await;
        (service.name.clone(), endpoint, observed)
    });
    stream::iter(asked).buffered(AT_ONCE).collect().await
}

/// One handshake with every endpoint of a host, for every name.
pub(crate) async fn ask_host<C: Connection, P: Prober>(
    prober: &P,
    connection: Option<&Arc<C>>,
    plan: &HostPlan,
) -> Vec<Shown> {
    let mut shown = Vec::new();
    for service in &plan.services {
        for place in places(prober, &service.endpoints).await {
            shown.extend(ask(prober, connection, service, &place).await);
        }
    }
    shown
}

/// The names that a host does not answer with one of these leaves, where it answers others with them.
pub(crate) async fn elsewhere<C: Connection, P: Prober>(
    prober: &P,
    connection: Option<&Arc<C>>,
    plan: &HostPlan,
    switched: &BTreeSet<Fingerprint>,
) -> Vec<Elsewhere> {
    if plan.services.iter().all(|service| service.other_names.is_empty()) {
        return Vec::new();
    }
    let shown = ask_host(prober, connection, plan).await;
    let mut served: Vec<_> = shown.into_iter().map(|one| row(one, false)).collect();
    mark_elsewhere(plan, &mut served, |_| Switched::Leaves(switched));
    names_elsewhere(plan, &served)
}

/// What an endpoint showed, as a survey keeps it.
pub(crate) fn row((service, endpoint, observed): Shown, elsewhere: bool) -> SeenServed {
    let staple = observed.staple();
    let (leaf, reason, demand) = match observed {
        Observation::Served(served) => (Leaf::of_served(&served.chain), None, None),
        Observation::NotTls(reason) | Observation::Unreachable(reason) => (None, Some(reason), None),
        Observation::Refused { demand, reason } => (None, Some(reason), Some(demand)),
    };
    SeenServed { service, endpoint, leaf, ours: true, reason, elsewhere, demand, staple }
}
