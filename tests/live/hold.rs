//! Holds hosts in the middle of their activation: switched on the disk, and nothing reloaded yet.

use std::path::PathBuf;
use std::time::Duration;

use certwave::lab::wait_for;

use crate::support::Fleet;

/// Until a fact, on a slow machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A service whose test waits, beside nginx.
const SERVICE: &str = "  - hosts: web
    command:
      test: ': >{{ root }}/held; while [ -e {{ root }}/hold ]; do sleep 0.05; done'
      reload: \"true\"

install:";

/// Lets all hosts go when dropped.
pub(crate) struct Hold {
    roots: Vec<PathBuf>,
}

impl Hold {
    /// Adds the service that waits; nothing waits yet.
    pub(crate) fn on(fleet: &Fleet) -> Self {
        fleet.edit("\ninstall:", SERVICE);
        Self { roots: fleet.lab.hosts.iter().map(|host| host.root.clone()).collect() }
    }

    /// The next activation of each host waits for its release.
    pub(crate) fn arm(&self) {
        for root in &self.roots {
            std::fs::write(root.join("hold"), "").unwrap();
            let _ = std::fs::remove_file(root.join("held"));
        }
    }

    /// Waits until a host waits.
    pub(crate) fn reached(&self, host: usize) {
        let held = self.roots[host].join("held");
        assert!(wait_for(PATIENCE, || held.exists()), "it never came to {}", held.display());
    }

    pub(crate) fn release(&self) {
        for root in &self.roots {
            // One that was let go before has none.
            let _ = std::fs::remove_file(root.join("hold"));
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release();
    }
}
