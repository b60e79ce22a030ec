//! What every operation works with.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::clock::SteadyClock;
use crate::model::{CertificateName, OperationId};
use crate::operations::client_certificates::identities;
use crate::operations::{OperationError, Problem, Progress};
use crate::plan::Plan;
use crate::ports::{Certificates, Clock, Confirm, Journal, Lease, Leases, SecretFiles};
use crate::ssh::SshConnector;
use crate::tls::TlsProber;

/// What every operation works with. Whoever calls an operation makes one: a command, a scheduler, a page.
pub struct Context<'a> {
    /// Where every fact is kept.
    pub journal: Arc<dyn Journal>,
    /// The rights to work on certificates.
    pub leases: &'a dyn Leases,
    /// Certificates that were issued, with their keys.
    pub certificates: &'a dyn Certificates,
    /// Accounts at ACME servers.
    pub accounts: &'a dyn SecretFiles,
    /// ACME orders that are not settled yet, each with its key.
    pub orders: &'a dyn SecretFiles,
    /// The time.
    pub clock: SteadyClock,
    /// The way to hosts.
    pub connector: Arc<SshConnector>,
    /// Hears what the operation says.
    pub progress: &'a dyn Progress,
    /// Says whether a change may begin.
    pub confirm: &'a dyn Confirm,
    /// Turns true when the operation is to stop.
    pub cancel: watch::Receiver<bool>,
    /// Who asks: `user@host`.
    pub by: String,
    /// The process that the operation runs in, for a second one to read: `process 4711 on HOST`.
    pub process: String,
}

impl Context<'_> {
    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether the operation is to stop.
    pub fn is_cancelled(&self) -> bool {
        *self.cancel.borrow()
    }

    /// A name for a new rollout, or another operation.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new_id(&self) -> Result<OperationId, OperationError> {
        let mut entropy = [0; 10];
        getrandom::fill(&mut entropy).map_err(|error| {
            let problem = Problem::Act("get random numbers".to_owned());
            OperationError::from(problem).because(error.to_string())
        })?;
        let millis = self.now().as_millisecond();
        Ok(OperationId::new(u64::try_from(millis).unwrap_or_default(), entropy))
    }

    /// Takes the right to work on a certificate, for an operation.
    ///
    /// # Errors
    /// When another operation has it.
    pub fn lease(&self, name: &CertificateName, id: &OperationId) -> Result<Lease, OperationError> {
        Ok(self.leases.take(name, &self.holder(id))?)
    }

    /// What others are told who want the same certificate or host.
    pub fn holder(&self, id: &OperationId) -> String {
        format!("rollout {id} by {}", self.process)
    }

    /// What a plan's endpoints are proven by. The system's roots take a while to read: it is made once.
    ///
    /// # Errors
    /// When a file of roots cannot be read, or a client certificate.
    pub fn prober(&self, plan: &Plan) -> Result<TlsProber, OperationError> {
        TlsProber::with_identities(&plan.ca_files, identities(plan)?)
            .map_err(|error| OperationError::to("prepare the proof by handshakes", &error))
    }
}
