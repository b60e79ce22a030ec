//! `certwave revoke`: replace everywhere, prove, and only then revoke.

use jiff::Timestamp;
use serde_json::json;

use crate::acme::{self, IssueError};
use crate::certificate::parse_pem;
use crate::cli::args::Revoke;
use crate::cli::carry_out::{cancel_on_signal, who};
use crate::cli::commands::rollout::new_id;
use crate::cli::confirm::ask;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::load;
use crate::cli::served;
use crate::cli::settings::Settings;
use crate::cli::stored;
use crate::model::{CertificateName, Revocation, Version};
use crate::playbook::{AcmeIssuer, Issuer, Playbook};
use crate::ports::SecretFiles;
use crate::store::{CertificateStore, Journal};

/// So many hosts are named.
const TOLD: usize = 5;

pub(super) fn run(args: &Revoke, settings: &Settings) -> Result<Exit, Failure> {
    let playbook = load::load(settings, &args.playbook, None)?.playbook;
    let store = settings.store()?;
    let journal = store.journal()?;
    let (name, version) = (playbook.certificate.name.clone(), &args.certificate);
    // Nobody may put it on a host in the meantime.
    let _lease = store.lease(&journal, &name, &who(&new_id()?))?;
    let certificates = store.certificates();
    stored::in_store(&certificates, &name, version)?;
    let earlier = certificates.revocation(&name, version)?;
    if let Some(Revocation { at, confirmed_by: Some(ca), .. }) = &earlier {
        let text = format!("{name} {version} was revoked on {} by {ca}", at.strftime("%Y-%m-%d"));
        say(&text, &name, version, Some(ca), settings);
        return Ok(Exit::Done);
    }
    if args.accept.as_ref() != Some(version) {
        served_by_nobody(&journal, &name, version)?;
    }
    let runtime = crate::cli::commands::runtime()?;
    let mut cancel = runtime.block_on(async { cancel_on_signal() })?;
    runtime.block_on(ask(&format!("revoke {name} {version}?"), args.yes, &cancel, settings))?;
    // Noted first: whatever becomes of us or the CA, no rollout puts it on a host again.
    let (at, reason) = (earlier.map_or_else(Timestamp::now, |earlier| earlier.at), args.reason);
    certificates.revoke(&name, version, &Revocation { at, reason, confirmed_by: None })?;
    if args.note_only {
        let text = format!("noted: {name} {version} is revoked ({reason}); no CA was asked");
        say(&text, &name, version, None, settings);
        return Ok(Exit::Done);
    }
    let (accounts, leaves) = (store.accounts(), leaves(&certificates, &name, version)?);
    let asked = ask_issuers(&playbook, &accounts, &leaves, args);
    let asked = async {
        tokio::select! {
            answer = asked => answer,
            _ = cancel.wait_for(|cancelled| *cancelled) => Err(vec!["interrupted".to_owned()]),
        }
    };
    let ca = runtime.block_on(asked).map_err(|refused| {
        let mut failure = Failure::new(format!("no CA has confirmed that {name} {version} is revoked"));
        failure.causes = refused;
        failure.state = Some("it is noted, and no rollout will put it on a host again".to_owned());
        failure.hint("the same command asks again; `--note-only` where it was revoked elsewhere")
    })?;
    certificates.revoke(&name, version, &Revocation { at, reason, confirmed_by: Some(ca.clone()) })?;
    say(&format!("{name} {version} is revoked by {ca} ({reason})"), &name, version, Some(&ca), settings);
    Ok(Exit::Done)
}

/// Says that a version is revoked, and by whom if by a CA.
fn say(text: &str, name: &CertificateName, version: &Version, ca: Option<&str>, settings: &Settings) {
    if settings.json() {
        let line = json!({"time": Timestamp::now(), "event": "certificate.revoked", "name": name,
            "version": version, "confirmed_by": ca, "text": text});
        crate::cli::commands::print(&line.to_string());
    } else {
        crate::cli::commands::print(text);
    }
}

/// A host that serves a revoked certificate is down for whoever checks.
fn served_by_nobody(journal: &Journal, name: &CertificateName, version: &Version) -> Result<(), Failure> {
    let served = served::by_journal(journal, name)?;
    let hosts: Vec<&str> =
        served.iter().filter(|(_, one)| *one == version).map(|(host, _)| host.as_str()).collect();
    if hosts.is_empty() {
        return Ok(());
    }
    let more = hosts.len().saturating_sub(TOLD);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named = hosts.iter().take(TOLD).copied().collect::<Vec<_>>().join(", ");
    let serve = if hosts.len() == 1 { "serves" } else { "serve" };
    let mut failure =
        Failure::new(format!("{version} is what {named}{more} {serve}, by the journal's account"));
    failure.state = Some("nothing was revoked".to_owned());
    Err(failure.hint(format!(
        "`certwave rollout --force` replaces it first; `--accept {version}` revokes it all the same"
    )))
}

/// The leaves of a version, DER.
fn leaves(
    store: &CertificateStore,
    name: &CertificateName,
    version: &Version,
) -> Result<Vec<Vec<u8>>, Failure> {
    let mut leaves = Vec::new();
    for pem in store.chains(name, version)? {
        let chain =
            parse_pem(&pem).map_err(|error| Failure::to(&format!("read {version} in the store"), &error))?;
        leaves.extend(chain.into_iter().next().map(|leaf| leaf.der));
    }
    Ok(leaves)
}

/// The first issuer that confirms it for all leaves; else why none did.
async fn ask_issuers(
    playbook: &Playbook,
    accounts: &dyn SecretFiles,
    leaves: &[Vec<u8>],
    args: &Revoke,
) -> Result<String, Vec<String>> {
    let acme: Vec<&AcmeIssuer> = playbook
        .issuers
        .iter()
        .filter_map(|issuer| match issuer {
            Issuer::Acme(acme) => Some(acme),
            Issuer::Files(_) => None,
        })
        .collect();
    let mut refused = Vec::new();
    for issuer in &acme {
        let mut confirmed = true;
        for leaf in leaves {
            if let Err(error) = acme::revoke(accounts, issuer, leaf, args.reason).await {
                refused.push(format!("{}: {}", issuer.name, told(&error)));
                confirmed = false;
                break;
            }
        }
        if confirmed {
            return Ok(issuer.name.clone());
        }
    }
    if acme.is_empty() {
        refused.push("the playbook names no ACME issuer".to_owned());
    }
    Err(refused)
}

fn told(error: &IssueError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("failed to {error}{cause}")
}
