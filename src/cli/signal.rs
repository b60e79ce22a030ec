//! Ctrl-C and its like.

use tokio::sync::watch;

use crate::cli::error::Failure;

/// Turns true at the first Ctrl-C, SIGTERM, or hang-up of the terminal. Further ones change nothing: hosts in flight are
/// brought to their end in any case. From here on none of them ends the process by itself.
pub(super) fn cancel_on_signal() -> Result<watch::Receiver<bool>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| Failure::to("listen for Ctrl-C", &error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut hangup = listen(SignalKind::hangup())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {}, _ = hangup.recv() => {} }
            // Nobody listens any more when the operation has ended.
            if sender.send(true).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
