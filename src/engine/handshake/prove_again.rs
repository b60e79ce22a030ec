//! The proof of a rollout, run again when nothing is under way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::handshake::names::elsewhere;
use crate::engine::handshake::prove::{Aim, KnownBefore, Proof, prove_all};
use crate::model::Fingerprint;
use crate::plan::HostPlan;
use crate::ports::{Clock, Connector, Prober};
use crate::rollout::Baseline;
use crate::verify::{Endpoint, Expectation, Observation, Via, judge};

/// Nothing is being reloaded that could be waited for: what is wrong for so long is wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// Proves every endpoint of a host as its rollout did: enough answers in a row, each by a full handshake. Who
/// answers is not known without a login, so that a run must be long. Of the certificate's further names, those count that are
/// answered with one of its `own` leaves. Reads only; logs in only where an endpoint is dialled through the host.
pub async fn prove_again<C: Connector, P: Prober>(
    plan: &HostPlan,
    (connector, prober, clock): (&C, &P, &impl Clock),
    expected: impl Fn(&Endpoint) -> Expectation,
    own: &BTreeSet<Fingerprint>,
) -> Vec<Proof> {
    let through = |endpoint: &Endpoint| endpoint.via == Via::Ssh;
    let mut plan = plan.clone();
    let mut unreached = Vec::new();
    let mut connection = None;
    if plan.services.iter().flat_map(|service| &service.endpoints).any(through) {
        match connector.connect(&plan.login).await {
            Ok(made) => connection = Some(Arc::new(made)),
            Err(error) => {
                let silent = Observation::Unreachable(error.reason);
                for service in &mut plan.services {
                    for endpoint in service.endpoints.extract_if(.., |endpoint| through(endpoint)) {
                        let result = Err(judge(&expected(&endpoint), &silent, clock.now()));
                        let (service, is_one_of_several_names) = (service.name.clone(), false);
                        unreached.push(Proof { service, endpoint, is_one_of_several_names, result });
                    }
                }
            }
        }
    }
    let world = (prober, connection.as_ref(), clock);
    let baseline =
        Baseline { silent: Vec::new(), elsewhere: elsewhere(prober, connection.as_ref(), &plan, own).await };
    let patience = PATIENCE.min(plan.timeout);
    let before = KnownBefore { listeners: &[], baseline: &baseline, was_switched: false };
    let mut proofs =
        prove_all(world, &plan, before, expected, |_| Default::default(), (Aim::New, patience)).await;
    proofs.append(&mut unreached);
    proofs
}
