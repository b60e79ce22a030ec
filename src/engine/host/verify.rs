//! The fourth step: live handshakes.

use crate::engine::handshake::prove::Aim;
use crate::engine::host::HostRun;
use crate::ports::{Clock, Connector, Prober};
use crate::rollout::{Disproven, Verified};

impl<C: Connector, P: Prober, K: Clock> HostRun<'_, C, P, K> {
    pub(super) async fn verify(&mut self) -> Verified {
        let proofs = self.prove_all(Aim::New).await;
        let measured = self.session.end_probes().await;
        match proofs {
            Ok(()) => Verified::Proven(measured),
            Err(disproof) => Verified::Disproven(Disproven {
                state: disproof.judgement.state,
                reason: disproof.to_string(),
                measured,
                foreign: disproof.foreign,
            }),
        }
    }
}
