//! The fourth step: live handshakes.

use crate::engine::handshake::prove::Wanted;
use crate::engine::host::HostRun;
use crate::engine::host::session::Ended;
use crate::ports::{Clock, Connector, Prober};
use crate::rollout::StepResult;

impl<C: Connector, P: Prober, K: Clock> HostRun<'_, C, P, K> {
    pub(super) async fn verify(&mut self) -> Result<StepResult, Ended> {
        let proofs = self.prove_all(Wanted::New).await;
        let measured = self.session.end_probes().await;
        Ok(match proofs {
            Ok(()) => StepResult::Proven(measured),
            Err(disproof) => StepResult::Disproven {
                state: disproof.judgement.state,
                reason: disproof.to_string(),
                measured,
            },
        })
    }
}
