//! What endpoints show, one handshake after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::certificate::Certificate;
use crate::engine::testing::VirtualClock;
use crate::ports::{BoxedStream, BurstEnd, Clock, Conversation, Dial, HeldRequest, IdleConnection, Prober};
use crate::verify::{Endpoint, HeldOutcome, Observation, Served, Via};

/// Handshakes by endpoint, such as `192.0.2.1:443`, or `192.0.2.1:443 www.a.test` for one name alone: each shows the next, and the last ever after. Its clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Handshakes(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    shown: BTreeMap<String, Vec<Observation>>,
    made: BTreeMap<String, usize>,
    names: BTreeMap<String, Vec<IpAddr>>,
    held: Option<HeldOutcome>,
    closes: bool,
    takes: Option<(VirtualClock, Duration)>,
    limited: BTreeMap<String, BurstEnd>,
    waiting: BTreeSet<String>,
}

impl Handshakes {
    /// An endpoint shows these from now on.
    pub(crate) fn shows(&self, endpoint: &str, shown: &[Observation]) {
        let mut inner = self.0.lock().unwrap();
        inner.shown.insert(endpoint.to_owned(), shown.to_vec());
        inner.made.insert(endpoint.to_owned(), 0);
    }

    /// An endpoint of which nothing else was said shows this from now on.
    pub(crate) fn shows_still(&self, endpoint: &Endpoint, shown: &Observation) {
        let mut inner = self.0.lock().unwrap();
        inner.shown.entry(endpoint.to_string()).or_insert_with(|| vec![shown.clone()]);
        inner.made.entry(endpoint.to_string()).or_insert(0);
    }

    /// A name leads to these addresses.
    pub(crate) fn leads(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.0.lock().unwrap().names.insert(name.to_owned(), addresses);
    }

    /// Every endpoint speaks HTTP: so ends the request that is in flight.
    pub(crate) fn hold(&self, outcome: HeldOutcome) {
        self.0.lock().unwrap().held = Some(outcome);
    }

    /// Connections that are kept are closed.
    pub(crate) fn close_idle(&self) {
        self.0.lock().unwrap().closes = true;
    }

    /// Every handshake takes so long from now on.
    pub(crate) fn take(&self, clock: &VirtualClock, long: Duration) {
        self.0.lock().unwrap().takes = Some((clock.clone(), long));
    }

    /// A listener takes so many handshakes at once, and hangs up then.
    pub(crate) fn limit(&self, endpoint: &str, made: usize) {
        let ended = BurstEnd { made, failed: not_tls() };
        self.0.lock().unwrap().limited.insert(endpoint.to_owned(), ended);
    }

    /// Somebody takes the connection and says nothing.
    pub(crate) fn wait(&self, endpoint: &str) {
        self.0.lock().unwrap().waiting.insert(endpoint.to_owned());
    }

    /// So many were made with it since it was told what to show.
    pub(crate) fn made(&self, endpoint: &str) -> usize {
        self.0.lock().unwrap().made[endpoint]
    }

    fn next(&self, endpoint: &Endpoint) -> Observation {
        let mut inner = self.0.lock().unwrap();
        let Inner { shown, made, .. } = &mut *inner;
        let named = format!("{endpoint} {}", endpoint.server_name);
        // Who comes in another way is shown something else, where that was told.
        let header = endpoint.proxy_protocol().map(|version| format!(" proxy {version}"));
        let alpn = endpoint.alpn().iter().map(|protocol| format!(" alpn {protocol}"));
        let way: String = header.into_iter().chain(alpn).collect();
        let inside = format!("{endpoint} inside");
        let endpoint = if endpoint.via == Via::Ssh && shown.contains_key(&inside) {
            inside
        } else if shown.contains_key(&named) {
            named
        } else {
            format!("{endpoint}{way}")
        };
        if !way.is_empty() && !shown.contains_key(&endpoint) {
            return not_tls();
        }
        let (Some(shown), Some(made)) = (shown.get(&endpoint), made.get_mut(&endpoint)) else {
            panic!("a handshake with {endpoint}, which shows nothing");
        };
        *made += 1;
        shown[(*made - 1).min(shown.len() - 1)].clone()
    }
}

/// A handshake that shows a chain, leaf first.
pub(crate) fn served(chain: &[&Certificate]) -> Observation {
    Observation::Served(Served {
        chain: chain.iter().map(|one| one.der.clone()).collect(),
        trust: Ok(()),
        protocol: "TLSv1.3".to_owned(),
        staple: None,
        took: Duration::ZERO,
    })
}

/// Nobody takes the connection.
pub(crate) fn silent() -> Observation {
    Observation::Unreachable("connection refused".to_owned())
}

/// Somebody takes the connection, and does not speak TLS.
pub(crate) fn not_tls() -> Observation {
    Observation::NotTls("the connection was closed".to_owned())
}

/// A request in flight.
pub(crate) struct Held(HeldOutcome);

impl HeldRequest for Held {
    async fn finish(self, _: Duration) -> HeldOutcome {
        self.0
    }
}

/// A connection that is kept.
pub(crate) struct Idle {
    is_closed: bool,
}

impl IdleConnection for Idle {
    async fn was_closed(self) -> bool {
        self.is_closed
    }
}

impl Prober for Handshakes {
    type Held = Held;
    type Idle = Idle;

    /// Handshakes need no connection here: who dials wants to know whether somebody listens.
    async fn dial(&self, address: &str, port: u16, _: Duration) -> Result<BoxedStream, String> {
        let listens = self.0.lock().unwrap().waiting.contains(&format!("{address}:{port}"));
        match listens {
            true => Ok(Box::new(tokio::io::duplex(1).0)),
            false => Err("connection refused".to_owned()),
        }
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let inner = self.0.lock().unwrap();
        let known = inner.names.get(name).cloned().or_else(|| Some(vec![name.parse().ok()?]));
        known.ok_or_else(|| "no such name".to_owned())
    }

    async fn handshake(&self, _: impl Dial, endpoint: &Endpoint, _: Duration) -> Observation {
        let takes = self.0.lock().unwrap().takes.clone();
        if let Some((clock, long)) = takes {
            clock.sleep(long).await;
        }
        self.next(endpoint)
    }

    async fn burst(&self, _: impl Dial, endpoint: &Endpoint, _: Duration) -> Option<BurstEnd> {
        self.0.lock().unwrap().limited.get(&endpoint.to_string()).cloned()
    }

    async fn converse(
        &self,
        _: impl Dial,
        endpoint: &Endpoint,
        _: Duration,
    ) -> (Observation, Conversation<Held>) {
        let observed = self.next(endpoint);
        let held = self.0.lock().unwrap().held.clone();
        (observed, held.map_or(Conversation::None, |outcome| Conversation::Held(Held(outcome))))
    }

    async fn keep(&self, _: impl Dial, _: &Endpoint, _: Duration) -> Option<Idle> {
        let inner = self.0.lock().unwrap();
        inner.held.as_ref().map(|_| Idle { is_closed: inner.closes })
    }

    async fn hold(&self, _: impl Dial, _: &Endpoint, _: Duration) -> Option<Held> {
        self.0.lock().unwrap().held.clone().map(Held)
    }
}
