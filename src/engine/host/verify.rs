//! The fourth step: live handshakes.

use crate::engine::handshake::names::{ask_host, row};
use crate::engine::handshake::prove::{Aim, Shown};
use crate::engine::host::HostRun;
use crate::engine::host::own_words::explained;
use crate::ports::{Clock, Connector, Prober};
use crate::preview::{Risk, name_risks};
use crate::rollout::{Disproven, Proven, Remark, Verified};
use crate::verify::judge;

impl<C: Connector, P: Prober, K: Clock> HostRun<'_, C, P, K> {
    pub(super) async fn verify(&mut self) -> Verified {
        let mut proofs = self.prove_all(Aim::New).await;
        let limited = match &proofs {
            Err(disproof) if self.is_limited(disproof, Aim::New).await => Some(disproof.place.clone()),
            _ => None,
        };
        let mut risks = if proofs.is_ok() { self.names_left().await } else { Vec::new() };
        let measured = self.session.end_probes().await;
        if let Some(endpoint) = &limited {
            proofs = self.prove_slowly(Aim::New).await;
            if proofs.is_ok() {
                risks = self.names_left().await;
                risks.push(Risk::RateLimited { endpoint: endpoint.clone() }.remark());
            }
        }
        match proofs {
            Ok(()) => {
                // What the controller itself brought about, no client noticed.
                let allowed = self.plan.at_most_failed.map(u64::from).filter(|_| limited.is_none());
                let disrupted = allowed.and_then(|allowed| measured.disruption(allowed));
                Verified::Proven(Proven { measured, risks, disrupted })
            }
            Err(disproof) => {
                let mut reason = disproof.to_string();
                // It answers nobody: the server itself may know why.
                if disproof.judgement.leaf.is_none() {
                    reason = explained(self.session, self.plan, reason).await;
                }
                let (state, foreign) = (disproof.judgement.state, disproof.foreign);
                Verified::Disproven(Disproven { state, reason, measured, foreign })
            }
        }
    }

    /// What the host answers now for the names that it did not answer with what was switched.
    async fn names_left(&mut self) -> Vec<Remark> {
        let baseline = &self.known.baseline;
        if baseline.elsewhere.is_empty() {
            return Vec::new();
        }
        let rollout = self.rollout;
        let shown = ask_host(rollout.prober.as_ref(), Some(&self.session.connection), self.plan).await;
        let is_new = |(_, endpoint, observed): &Shown| {
            judge(&rollout.target.expected(endpoint, None), observed, rollout.clock.now()).is_good()
        };
        let rows: Vec<_> = shown
            .into_iter()
            .map(|one| {
                let elsewhere = baseline.is_elsewhere(&one.0, &one.1.address, &one.1) && !is_new(&one);
                row(one, elsewhere)
            })
            .collect();
        name_risks(&rows).iter().map(Risk::remark).collect()
    }
}
