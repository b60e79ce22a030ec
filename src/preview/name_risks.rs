//! Names of the certificate that a host leaves to others, as risks.

use std::collections::BTreeMap;

use crate::certificate::Leaf;
use crate::model::DnsName;
use crate::preview::risk::Risk;
use crate::preview::seen::SeenServed;

/// What one place shows instead: the same for several names is one risk.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Instead<'a> {
    Another { names: &'a [String], issuer: &'a str },
    Nothing { reason: &'a str },
}

/// The names that a host answers with something else than what a rollout switches, where it answers others with that. Names
/// that only certwave asks for, below a wildcard, are nobody's.
pub(crate) fn name_risks(served: &[SeenServed]) -> Vec<Risk> {
    let mut found: BTreeMap<(String, Instead<'_>), Vec<DnsName>> = BTreeMap::new();
    for one in served.iter().filter(|one| one.elsewhere && !one.endpoint.server_name.is_probe()) {
        let place = |other: &&SeenServed| {
            (&other.service, &other.endpoint.address, other.endpoint.port)
                == (&one.service, &one.endpoint.address, one.endpoint.port)
        };
        let mut here = served.iter().filter(place);
        let instead = match (&one.leaf, &one.reason) {
            (Some(Leaf { names, issuer, .. }), _) => Instead::Another { names, issuer },
            (None, Some(reason)) if here.any(|other| other.leaf.is_some()) => Instead::Nothing { reason },
            _ => continue,
        };
        let endpoint = format!("{} at {}", one.service, one.endpoint);
        let names = found.entry((endpoint, instead)).or_default();
        if !names.contains(&one.endpoint.server_name) {
            names.push(one.endpoint.server_name.clone());
        }
    }
    let risk = |((endpoint, instead), names): ((String, Instead<'_>), Vec<DnsName>)| match instead {
        Instead::Another { names: served, issuer } => {
            Risk::NameElsewhere { endpoint, names, served: served.to_vec(), issuer: issuer.to_owned() }
        }
        Instead::Nothing { reason } => Risk::NameUnanswered { endpoint, names, reason: reason.to_owned() },
    };
    found.into_iter().map(risk).collect()
}
