//! What every server answers.

use crate::certificate::CertificateSet;
use crate::service::Way;

/// A server on a host: what its script is told, what is done to it, and what its reload proves.
pub trait Service {
    /// The word for it in playbooks, in saved plans and on screen.
    fn kind(&self) -> &'static str;

    /// Shell text that defines `hook_facts`, `hook_test` and `hook_reload`, as [`crate::service`] describes them.
    fn script(&self) -> &'static str;

    /// The shell variables that [`Service::script`] reads, without `patience`.
    fn variables(&self) -> Vec<(&'static str, String)>;

    /// All shell variables that [`Service::script`] reads. `patience_seconds` bounds a test, and a reload with its
    /// proof; 30 suits all but the largest configurations.
    fn settings(&self, patience_seconds: u32) -> Vec<(&'static str, String)> {
        let mut settings = self.variables();
        settings.push(("patience", patience_seconds.to_string()));
        settings
    }

    /// Whether it can be asked beforehand if it would take what is on the disk.
    fn has_test(&self) -> bool;

    /// Whether it tells without a test which certificates its configuration on the disk names.
    fn names_files(&self) -> bool {
        false
    }

    /// Whether old processes of it outlive a reload for as long as they have connections, and it counts them.
    fn leaves_processes(&self) -> bool {
        self.script().contains("\nhook_old() {")
    }

    /// What is done to it when its host is switched, in order: commands that a person could type, and what is told
    /// to a socket.
    fn actions(&self) -> Vec<String>;

    /// How it takes a certificate; one that is not issued yet is taken to be of usual length.
    fn way(&self, _: Option<&CertificateSet>) -> Way {
        Way::Reload
    }

    /// How it takes one that its host goes back to by itself: no controller speaks to its memory.
    fn way_alone(&self) -> Way {
        if self.follows_the_link() { Way::Sds } else { Way::Reload }
    }

    /// Whether the switch of the `live` link alone makes it serve the new certificate.
    fn follows_the_link(&self) -> bool {
        false
    }

    /// Whether its listener outlives what makes it take a new certificate: from then on it is never without an answer.
    fn keeps_listening(&self) -> bool {
        true
    }

    /// Whether old processes of it may still answer when its reload has come to its end: nobody asked.
    fn may_linger(&self) -> bool {
        false
    }
}
