//! Whatever is served somewhere, appraised for itself: nothing is known of what should be.

use jiff::Timestamp;
use serde::Serialize;

use crate::certificate::{Certificate, Leaf};
use crate::model::{DnsName, HostName};
use crate::status::compare::days_left;
use crate::verify::Observation;

/// How a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Valid now, and its chain leads to a trusted root.
    Valid,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is not for the name that was asked for.
    WrongName,
    /// Its chain does not lead to a trusted root.
    Untrusted,
    /// The endpoint answers, but not with TLS.
    None,
    /// It does not answer.
    Unreachable,
}

impl Condition {
    /// The word for it, for people.
    pub fn name(self) -> &'static str {
        match self {
            Condition::Valid => "valid",
            Condition::Expired => "expired",
            Condition::NotYetValid => "not yet valid",
            Condition::WrongName => "wrong name",
            Condition::Untrusted => "not trusted",
            Condition::None => "no TLS",
            Condition::Unreachable => "unreachable",
        }
    }
}

/// What one endpoint serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedEndpoint {
    /// Which host.
    pub host: HostName,
    /// The address that was dialled.
    pub address: String,
    /// And the port.
    pub port: u16,
    /// The name that was asked for, if any.
    pub server_name: Option<DnsName>,
    /// How its certificate is.
    pub condition: Condition,
    /// The certificate, if there is one.
    pub leaf: Option<Leaf>,
    /// Whole days until it or another one of its chain expires; below zero where one has.
    pub days_left: Option<i64>,
    /// Why it is not valid, in words.
    pub error: Option<String>,
}

/// Appraises what an endpoint showed. `asked` is the name that was sent; it only has to fit where `must_fit`.
pub fn appraise(
    (host, address, port): (&HostName, &str, u16),
    (asked, must_fit): (Option<&DnsName>, bool),
    observed: &Observation,
    now: Timestamp,
) -> ScannedEndpoint {
    let mut entry = ScannedEndpoint {
        host: host.clone(),
        address: address.to_owned(),
        port,
        server_name: asked.cloned(),
        condition: Condition::Unreachable,
        leaf: None,
        days_left: None,
        error: None,
    };
    let served = match observed {
        Observation::Served(served) => served,
        Observation::NotTls(_) | Observation::Refused { .. } | Observation::Unreachable(_) => {
            entry.error = observed.failure();
            if !matches!(observed, Observation::Unreachable(_)) {
                entry.condition = Condition::None;
            }
            return entry;
        }
    };
    let leaf = match served.chain.first().map(|der| Certificate::from_der(der)) {
        Some(Ok(leaf)) => leaf,
        unreadable => {
            let reason = unreadable.and_then(Result::err).map(|error| error.to_string());
            entry.condition = Condition::None;
            entry.error = Some(reason.unwrap_or_else(|| "no certificate was sent".to_owned()));
            return entry;
        }
    };
    // What matters most to a client comes first.
    let wrong_name = asked.filter(|name| must_fit && !leaf.covers(name));
    (entry.condition, entry.error) = if leaf.not_after <= now {
        (Condition::Expired, Some(format!("it expired on {}", leaf.not_after)))
    } else if leaf.not_before > now {
        (Condition::NotYetValid, Some(format!("it is not valid before {}", leaf.not_before)))
    } else if let Some(name) = wrong_name {
        (Condition::WrongName, Some(format!("it is not for `{name}`")))
    } else if let Err(reason) = &served.trust {
        (Condition::Untrusted, Some(reason.clone()))
    } else {
        (Condition::Valid, None)
    };
    entry.leaf = Leaf::of_served(&served.chain);
    entry.days_left = entry.leaf.as_ref().map(|leaf| days_left(leaf.expires(), now));
    entry
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::certificate::testing::{Authority, LeafSpec, now};
    use crate::verify::Served;

    fn condition(leaf: &LeafSpec<'_>, trust: Result<(), &str>, must_fit: bool) -> Condition {
        let (leaf, _) = Authority::new("Root").issue(leaf);
        let observed = Observation::Served(Served {
            chain: vec![leaf.der],
            trust: trust.map_err(str::to_owned),
            protocol: "TLSv1.3".to_owned(),
            staple: None,
            took: Duration::ZERO,
        });
        appraised(&observed, must_fit).condition
    }

    fn appraised(observed: &Observation, must_fit: bool) -> ScannedEndpoint {
        let (host, asked) = ("web01".parse().unwrap(), "a.test".parse().unwrap());
        appraise((&host, "192.0.2.1", 443), (Some(&asked), must_fit), observed, now())
    }

    #[test]
    fn what_matters_most_to_a_client_is_told() {
        let good = LeafSpec::default;
        let named = || LeafSpec { names: &["b.test"], ..good() };
        for (leaf, trust, must_fit, expected) in [
            (good(), Ok(()), true, Condition::Valid),
            (good(), Err("no root"), true, Condition::Untrusted),
            (named(), Ok(()), true, Condition::WrongName),
            (named(), Err("no root"), true, Condition::WrongName),
            // What is only sent need not fit.
            (named(), Ok(()), false, Condition::Valid),
            (LeafSpec { to_days: 0, ..named() }, Err("no root"), true, Condition::Expired),
            (LeafSpec { from_days: 1, ..named() }, Err("no root"), true, Condition::NotYetValid),
            (LeafSpec { from_days: 0, ..good() }, Ok(()), true, Condition::Valid),
        ] {
            assert_eq!(condition(&leaf, trust, must_fit), expected, "{:?} {trust:?}", leaf.names);
        }
    }

    #[test]
    fn without_a_certificate_there_is_a_reason() {
        let served = |chain| {
            let (protocol, took) = (String::new(), Duration::ZERO);
            Observation::Served(Served { chain, trust: Ok(()), staple: None, protocol, took })
        };
        for (observed, condition, reason) in [
            (Observation::NotTls("because".to_owned()), Condition::None, "because"),
            (Observation::Unreachable("because".to_owned()), Condition::Unreachable, "because"),
            (served(Vec::new()), Condition::None, "no certificate was sent"),
        ] {
            let entry = appraised(&observed, true);
            assert_eq!((entry.condition, entry.error.as_deref()), (condition, Some(reason)));
            assert_eq!((entry.leaf, entry.days_left), (None, None));
        }
        let odd = appraised(&served(vec![b"odd".to_vec()]), true);
        assert!(odd.condition == Condition::None && odd.error.unwrap().starts_with("not a certificate"));
    }
}
