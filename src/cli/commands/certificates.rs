//! `certwave certificates`

use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::json;

use crate::certificate::{Certificate, parse_pem};
use crate::cli::args::Certificates;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::served;
use crate::cli::settings::Settings;
use crate::model::{CertificateName, Revocation, Version};

/// One version, as it is listed.
struct Line {
    name: CertificateName,
    version: Version,
    /// The leaf; two of dual certificates.
    leaves: Vec<Certificate>,
    revocation: Option<Revocation>,
    hosts: usize,
}

pub(super) fn run(args: &Certificates, settings: &Settings) -> Result<Exit, Failure> {
    let lines = read(args, settings)?;
    if settings.json() {
        lines.iter().for_each(|line| crate::cli::commands::print(&line.json().to_string()));
        return Ok(Exit::Done);
    }
    if lines.is_empty() {
        crate::cli::commands::remark(settings, "no certificate was issued yet");
        return Ok(Exit::Done);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["CERTIFICATE", "VERSION", "KEY", "EXPIRES", "DAYS LEFT", "HOSTS", "REMARK"]);
    let now = Timestamp::now();
    for line in &lines {
        let until = line.not_after();
        table.add_row([
            line.name.to_string(),
            line.version.to_string(),
            line.keys().join(", "),
            until.map_or("-".to_owned(), |until| until.strftime("%Y-%m-%d").to_string()),
            until.map_or("-".to_owned(), |until| (until.duration_since(now).as_hours() / 24).to_string()),
            line.hosts.to_string(),
            line.remark(now),
        ]);
    }
    table.lines().for_each(|line| crate::cli::commands::print(line.trim_end()));
    Ok(Exit::Done)
}

/// Every version in the store, a name after the other, newest first.
fn read(args: &Certificates, settings: &Settings) -> Result<Vec<Line>, Failure> {
    let store = settings.store()?;
    let (certificates, journal) = (store.certificates(), store.journal()?);
    let names = certificates.names()?;
    if let Some(wanted) = args.name.as_ref().filter(|wanted| !names.contains(wanted)) {
        return Err(Failure::usage(format!("there is no certificate `{wanted}` in the store"))
            .hint("`certwave certificates` lists all"));
    }
    let mut lines = Vec::new();
    for name in names.into_iter().filter(|name| args.name.as_ref().is_none_or(|wanted| wanted == name)) {
        let served = served::by_journal(&journal, &name)?;
        for version in certificates.versions(&name)?.into_iter().rev() {
            let chains = certificates.chains(&name, &version)?;
            lines.push(Line {
                leaves: chains.iter().filter_map(|pem| parse_pem(pem).ok()?.into_iter().next()).collect(),
                revocation: certificates.revocation(&name, &version)?,
                hosts: served.values().filter(|one| **one == version).count(),
                name: name.clone(),
                version,
            });
        }
    }
    Ok(lines)
}

impl Line {
    /// The first to expire.
    fn not_after(&self) -> Option<Timestamp> {
        self.leaves.iter().map(|leaf| leaf.not_after).min()
    }

    fn keys(&self) -> Vec<String> {
        self.leaves.iter().filter_map(|leaf| Some(leaf.key_type()?.to_string())).collect()
    }

    fn remark(&self, now: Timestamp) -> String {
        match &self.revocation {
            Some(Revocation { at, reason, confirmed_by: Some(_) }) => {
                format!("revoked on {} ({reason})", at.strftime("%Y-%m-%d"))
            }
            Some(Revocation { reason, confirmed_by: None, .. }) => {
                format!("noted as revoked ({reason}); no CA has confirmed it")
            }
            None if self.not_after().is_some_and(|until| until <= now) => "expired".to_owned(),
            None => String::new(),
        }
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "time": Timestamp::now(), "event": "certificate", "name": self.name, "version": self.version,
            "names": self.leaves.first().map(|leaf| &leaf.names), "key_types": self.keys(),
            "issuer": self.leaves.first().map(|leaf| &leaf.issuer),
            "fingerprints_sha256": self.leaves.iter().map(|leaf| leaf.fingerprint).collect::<Vec<_>>(),
            "not_after": self.not_after(), "hosts": self.hosts, "revocation": self.revocation,
        })
    }
}
