//! `certwave revoke`

use jiff::Timestamp;
use serde_json::json;

use crate::cli::args::Revoke;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::runtime::Run;
use crate::cli::settings::Settings;
use crate::operations::load::load;
use crate::operations::revoke::{RevokeRequest, Revoked, revoke};

pub(super) fn run(args: &Revoke, settings: &Settings) -> Result<Exit, Failure> {
    let plan = load(&settings.inventory, &args.playbook, None)?.plan;
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
    let (text, ca) = match revoked {
        Revoked::Before(earlier) => {
            let ca = earlier.confirmed_by.unwrap_or_default();
            (format!("{name} {version} was revoked on {} by {ca}", earlier.at.strftime("%Y-%m-%d")), Some(ca))
        }
        Revoked::Noted => (format!("noted: {name} {version} is revoked ({reason}); no CA was asked"), None),
        Revoked::By(ca) => (format!("{name} {version} is revoked by {ca} ({reason})"), Some(ca)),
    };
    let object = json!({"time": Timestamp::now(), "event": "certificate.revoked", "name": name,
        "version": version, "confirmed_by": ca, "text": text});
    settings.printer().result(|| text, || vec![object]);
    Ok(Exit::Done)
}
