//! The time.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

/// The time, and waiting for it.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits for that long.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}
