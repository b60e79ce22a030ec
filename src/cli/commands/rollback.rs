//! `certwave rollback`

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::args::Rollback;
use super::super::carry_out::{self, cancel_on_signal, who};
use super::super::error::Failure;
use super::super::exit::Exit;
use super::super::load::{self, Loaded};
use super::super::settings::Settings;
use super::super::stored;
use super::rollout::{ask, new_id};
use crate::certificate::{CertificateSet, Requirements};
use crate::model::{Version, format_duration};
use crate::plan::Plan;
use crate::renewal::AT_LEAST;
use crate::store::{Journal, Store};

pub(super) fn run(args: &Rollback, settings: &Settings) -> Result<Exit, Failure> {
    let loaded = load::load(settings, &args.playbook, args.limit.as_deref())?;
    super::runtime()?.block_on(go_back(loaded, args, settings))
}

async fn go_back(loaded: Loaded, args: &Rollback, settings: &Settings) -> Result<Exit, Failure> {
    let cancel = cancel_on_signal()?;
    let store = settings.store()?;
    let journal = store.journal()?;
    let id = new_id()?;
    let who = who(&id);
    let name = loaded.plan.certificate.clone();
    let lease = store.lease(&journal, &name, &who)?;
    let version = match &args.to {
        Some(version) => version.clone(),
        None => before(&loaded, &store, &journal)?,
    };
    let now = Timestamp::now();
    let required =
        Requirements { names: &loaded.playbook.certificate.domains, now, at_least: Duration::ZERO };
    let set = stored::proven(&store.certificates(), &name, &version, &required)?;
    if args.accept.as_ref() != Some(&version) {
        outlives_a_renewal(&set, now, &loaded.plan)?;
    }
    let plan = loaded.plan.back();
    let hosts = plan.schedule.hosts.len();
    let until = set.not_after().strftime("%Y-%m-%d");
    if !settings.json() {
        super::remark(
            settings,
            &format!("{name}: back to {version}, valid until {until}; newest wave first"),
        );
    }
    ask(&format!("put {hosts} hosts back?"), args.yes, settings)?;
    let playbook = args.playbook.display().to_string();
    let rollout =
        carry_out::Rollout { id, playbook, plan, set, store: &store, journal: &journal, lease: &lease, who };
    rollout.carry_out(cancel, settings).await
}

/// The version before the one that was rolled out last.
fn before(loaded: &Loaded, store: &Store, journal: &Journal) -> Result<Version, Failure> {
    let name = &loaded.plan.certificate;
    let last = journal.rollouts()?.into_iter().find(|rollout| rollout.certificate == *name);
    let Some(last) = last else {
        return Err(Failure::new(format!("nothing of `{name}` was rolled out yet")));
    };
    let versions = store.certificates().versions(name)?;
    versions.into_iter().rev().find(|version| *version < last.version).ok_or_else(|| {
        Failure::new(format!("there is no version before {} of `{name}` in the store", last.version))
            .hint("`--to VERSION` goes back to another one that is in the store")
    })
}

/// What a fleet goes back to has to last until the next certificate is on it.
fn outlives_a_renewal(set: &CertificateSet, now: Timestamp, plan: &Plan) -> Result<(), Failure> {
    let takes = AT_LEAST.max(renewal_takes(plan));
    let end = SignedDuration::try_from(takes).ok().and_then(|takes| now.checked_add(takes).ok());
    if end.is_some_and(|end| end < set.not_after()) {
        return Ok(());
    }
    let (version, until) = (set.version(), set.not_after().strftime("%Y-%m-%d %H:%M:%SZ"));
    let mut failure =
        Failure::new(format!("{version} expires on {until}, before a renewal could be sure to finish"));
    failure.state = Some("no host was touched".to_owned());
    Err(failure.hint(format!(
        "a renewal may take {}; `--accept {version}` goes back to it all the same",
        format_duration(takes)
    )))
}

/// At most: every host in its turn with all the time that it has, and every soak.
fn renewal_takes(plan: &Plan) -> Duration {
    let schedule = &plan.schedule;
    let waves = schedule.waves.iter().map(|wave| {
        let slowest = plan.hosts[wave.hosts()]
            .iter()
            .map(|host| host.timeout * 3 * u32::try_from(host.services.len()).unwrap_or(1));
        let slowest = slowest.max().unwrap_or_default();
        let turns: usize = wave.batches.iter().map(|batch| batch.len().div_ceil(wave.parallel)).sum();
        wave.soak + slowest * u32::try_from(turns).unwrap_or(u32::MAX)
    });
    waves.sum()
}
