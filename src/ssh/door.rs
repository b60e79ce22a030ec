//! Who may connect, and when.

use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

/// Logins at a time. With 100 ms to the hosts that is as many each second as the controller has the CPU for; more of them
/// would only be late together, and run out of their time.
const LOGINS: usize = 256;

/// Where those who want to connect stand in line. Connections that are there are brought forward before others are begun:
/// each takes memory, and a host's own time begins with its turn.
pub(super) struct Door {
    places: Semaphore,
    line: Mutex<()>,
}

impl Default for Door {
    fn default() -> Self {
        Self { places: Semaphore::new(LOGINS), line: Mutex::default() }
    }
}

impl Door {
    /// Waits for a place, and then until all who have something to do right now have done it. The place is free again
    /// when this is dropped.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        let place = self.places.acquire().await.ok();
        let _first = self.line.lock().await;
        tokio::task::yield_now().await;
        place
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn each_gets_in_and_never_more_than_there_are_places() {
        let (door, inside) = (Arc::new(Door::default()), Arc::new(AtomicUsize::new(0)));
        let (leave, _) = tokio::sync::watch::channel(false);
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..LOGINS * 2 {
            let (door, inside, mut leaving) = (door.clone(), inside.clone(), leave.subscribe());
            all.spawn(async move {
                let _place = door.enter().await;
                inside.fetch_add(1, Ordering::Relaxed);
                leaving.wait_for(|leave| *leave).await.unwrap();
                inside.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while inside.load(Ordering::Relaxed) < LOGINS {
            tokio::task::yield_now().await;
        }
        // However often the others get their chance, none of them is let in before one has left.
        for _ in 0..LOGINS * 8 {
            tokio::task::yield_now().await;
        }
        assert_eq!(inside.load(Ordering::Relaxed), LOGINS);
        leave.send_replace(true);
        while let Some(ended) = all.join_next().await {
            ended.unwrap();
        }
    }
}
