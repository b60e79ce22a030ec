//! Who may connect, and when.

use std::time::Duration;

use tokio::select;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// Logins at a time, for each core, that this machine works on: it would bring more of them forward no faster, and each
/// takes memory and time of its own.
const WORKED_ON: usize = 12;
/// Logins at a time, for each core, with those that the far end is waited for. With 100 ms to the hosts that is as many
/// each second as the core is good for; more would only be late together, and run out of their time.
const UNDER_WAY: usize = 128;
/// How many tell at a time whether this machine has time left.
const ASKING: usize = 8;
/// How long such a one sleeps.
const NAP: Duration = Duration::from_millis(10);
/// By how much it is woken too late on a machine that has none.
const LATE: Duration = Duration::from_millis(3);

/// Where those who want to connect stand in line. As long as logins keep this machine busy, a few at a time are let in;
/// where it is the hosts that are waited for, since they are far away or slow, many.
pub(super) struct LoginLimiter {
    under_way: Semaphore,
    worked_on: Semaphore,
    asking: Semaphore,
    late: Duration,
}

impl Default for LoginLimiter {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::new(WORKED_ON * cores, UNDER_WAY * cores, LATE)
    }
}

impl LoginLimiter {
    fn new(worked_on: usize, under_way: usize, late: Duration) -> Self {
        let [worked_on, under_way, asking] = [worked_on, under_way, ASKING].map(Semaphore::new);
        Self { under_way, worked_on, asking, late }
    }

    /// Waits for a turn, then begins a login and brings it to its end. It takes no room before.
    pub(super) async fn pass<L: Future>(&self, login: impl FnOnce() -> L) -> L::Output {
        let _under_way = self.under_way.acquire().await;
        let worked_on = self.worked_on.acquire().await;
        let mut login = Box::pin(login());
        select! {
            biased;
            done = &mut login => return done,
            () = self.time_left() => drop(worked_on),
        }
        login.await
    }

    /// Until this machine has time left: a timer that is in time tells that nothing else was waiting to be done.
    async fn time_left(&self) {
        let _asking = self.asking.acquire().await;
        loop {
            let asleep = Instant::now();
            sleep(NAP).await;
            if asleep.elapsed() < NAP + self.late {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::{JoinSet, yield_now};

    use super::*;

    /// Logins that want in, and come to an end when they are told to.
    struct Crowd {
        inside: Arc<AtomicUsize>,
        leave: tokio::sync::watch::Sender<bool>,
        all: JoinSet<()>,
    }

    impl Crowd {
        fn at(limiter: LoginLimiter, size: usize) -> Self {
            let (limiter, inside) = (Arc::new(limiter), Arc::new(AtomicUsize::new(0)));
            let (leave, _) = tokio::sync::watch::channel(false);
            let mut all = JoinSet::new();
            for _ in 0..size {
                let (limiter, inside, mut leaving) = (limiter.clone(), inside.clone(), leave.subscribe());
                let login = async move {
                    inside.fetch_add(1, Ordering::Relaxed);
                    leaving.wait_for(|leave| *leave).await.unwrap();
                    inside.fetch_sub(1, Ordering::Relaxed);
                };
                all.spawn(async move { limiter.pass(|| login).await });
            }
            Self { inside, leave, all }
        }

        fn inside(&self) -> usize {
            self.inside.load(Ordering::Relaxed)
        }

        async fn until(&self, inside: usize) {
            while self.inside() < inside {
                sleep(Duration::from_millis(1)).await;
            }
        }

        /// However often the others get their chance, none of them is let in before one has left.
        async fn stays_at(&self, inside: usize) {
            for _ in 0..100 {
                yield_now().await;
            }
            sleep(NAP * 3).await;
            assert_eq!(self.inside(), inside);
        }

        async fn leaves(mut self) {
            self.leave.send_replace(true);
            while let Some(ended) = self.all.join_next().await {
                ended.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn on_a_busy_machine_a_few_are_let_in() {
        // No timer is in time for it.
        let crowd = Crowd::at(LoginLimiter::new(4, 20, Duration::ZERO), 50);
        crowd.until(4).await;
        crowd.stays_at(4).await;
        crowd.leaves().await;
    }

    #[tokio::test]
    async fn while_hosts_are_waited_for_many_are() {
        // Every timer is.
        let crowd = Crowd::at(LoginLimiter::new(4, 20, Duration::MAX / 2), 50);
        crowd.until(20).await;
        crowd.stays_at(20).await;
        crowd.leaves().await;
    }
}
