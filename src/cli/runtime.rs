//! The runtime that operations run on, and what they are given.

use std::sync::Arc;

use crate::cli::error::Failure;
use crate::cli::settings::Settings;
use crate::cli::signal::cancel_on_signal;
use crate::cli::terminal::Terminal;
use crate::clock::SteadyClock;
use crate::operations::Context;
use crate::ssh::{SshConnector, SshOptions};

/// How an operation is run.
#[derive(Default)]
pub(super) struct Run {
    /// Nobody is asked.
    pub(super) yes: bool,
    /// How hosts are reached.
    pub(super) ssh: SshOptions,
}

impl Run {
    /// Runs an operation to its end.
    pub(super) fn operation<T>(
        self,
        settings: &Settings,
        operation: impl AsyncFnOnce(&Context<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let runtime = runtime()?;
        runtime.block_on(async {
            let cancel = cancel_on_signal()?;
            let store = settings.store()?;
            let terminal = Terminal { printer: settings.printer(), yes: self.yes, cancel: cancel.clone() };
            let journal = store.journal()?;
            let (leases, certificates) = (store.leases(&journal), store.certificates());
            let (accounts, orders) = (store.accounts(), store.orders());
            let context = Context {
                journal: Arc::new(journal),
                leases: &leases,
                certificates: &certificates,
                accounts: &accounts,
                orders: &orders,
                clock: SteadyClock::start(),
                connector: Arc::new(SshConnector::new(self.ssh)),
                progress: &terminal,
                confirm: &terminal,
                cancel,
                by: person(),
                process: format!("process {} on {}", std::process::id(), machine()),
            };
            operation(&context).await
        })
    }
}

/// The runtime that commands which talk to the world run on.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    raise_open_files();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::to("start", &error))
}

/// A connection is a file: as many as the system lets us have. A lower limit is met as hosts that cannot be
/// reached, which says so.
fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Who asks, for the record.
fn person() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
    let name = user.map_or_else(|| nix::unistd::getuid().to_string(), |user| user.name);
    format!("{name}@{}", machine())
}

fn machine() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}
