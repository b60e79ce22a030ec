//! `certwave revoke`

use crate::cli::args::RevokeArgs;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::Run;
use crate::cli::settings::Settings;
use crate::operations::load::load;
use crate::operations::revoke::{RevokeRequest, Revoked, revoke};
use crate::plan::{HostPlan, Plan};
use crate::report::view::{ConnectionKeeper, RevokedVersion};
use crate::service::Way;

pub(super) fn run(args: &RevokeArgs, settings: &Settings) -> Result<Exit, Failure> {
    let plan = load(&settings.inventory, &args.playbook, None)?.plan;
    let keepers = keepers(&plan);
    let (name, version, reason) = (plan.certificate.name, args.certificate.clone(), args.reason);
    let request = RevokeRequest {
        name: name.clone(),
        version: version.clone(),
        issuers: plan.issuers,
        reason,
        even_if_served: args.accept.as_ref() == Some(&version),
        note_only: args.note_only,
    };
    let run = Run { yes: args.yes, ..Run::default() };
    let revoked = run.operation(settings, async |context| Ok(revoke(context, request).await?))?;
    let (before, confirmed_by) = match revoked {
        Revoked::Before(earlier) => (Some(earlier.at), Some(earlier.confirmed_by.unwrap_or_default())),
        Revoked::Noted => (None, None),
        Revoked::By(ca) => (None, Some(ca)),
    };
    settings.printer().show(&RevokedVersion { name, version, reason, before, confirmed_by, keepers });
    Ok(Exit::Done)
}

/// The servers of which a switch touches no connection.
fn keepers(plan: &Plan) -> Vec<ConnectionKeeper> {
    let of_host = |host: &HostPlan| {
        let host_name = host.login.host.clone();
        let kept = host.services.iter().map(|service| (service.name.clone(), service.spec.way(None)));
        let kept = kept.filter(|(_, way)| *way != Way::Reload);
        kept.map(|(service, way)| ConnectionKeeper { host: host_name.clone(), service, way })
            .collect::<Vec<_>>()
    };
    plan.hosts.iter().flat_map(of_host).collect()
}
