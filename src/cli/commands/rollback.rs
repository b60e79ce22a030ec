//! `certwave rollback`

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::certificate::{CertificateSet, Requirements};
use crate::cli::args::Rollback;
use crate::cli::carry_out::{self, cancel_on_signal, who};
use crate::cli::commands::rollout::{last, new_id, none_waits};
use crate::cli::confirm::ask;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::load::{self, Loaded};
use crate::cli::settings::Settings;
use crate::cli::stored;
use crate::model::{CertificateName, Version, format_duration};
use crate::plan::{Plan, Undo};
use crate::renewal::AT_LEAST;
use crate::report::count;
use crate::store::{Journal, RolloutRecord, Store};

pub(super) fn run(args: &Rollback, settings: &Settings) -> Result<Exit, Failure> {
    let loaded = load::load(settings, &args.playbook, args.limit.as_deref())?;
    crate::cli::commands::runtime()?.block_on(go_back(loaded, args, settings))
}

async fn go_back(loaded: Loaded, args: &Rollback, settings: &Settings) -> Result<Exit, Failure> {
    let cancel = cancel_on_signal()?;
    let store = settings.store()?;
    let journal = store.journal()?;
    let id = new_id()?;
    let who = who(&id);
    let name = loaded.plan.certificate.clone();
    let lease = store.lease(&journal, &name, &who)?;
    none_waits(last(&journal, &name)?.as_ref(), &store, settings)?;
    let now = Timestamp::now();
    let (set, plan, text) = match target(args, &name, &store, &journal)? {
        Back::To(version) => {
            let required =
                Requirements { names: &loaded.playbook.certificate.domains, now, at_least: Duration::ZERO };
            let set = stored::proven(&store.certificates(), &name, &version, &required)?;
            stored::not_revoked(&store.certificates(), &name, &version)?;
            if !args.accept.contains(&version) {
                outlives_a_renewal(&set, now, &loaded.plan)?;
            }
            let until = set.not_after().strftime("%Y-%m-%d");
            let text = format!("{name}: back to {version}, valid until {until}; newest wave first");
            (set, loaded.plan.back(), text)
        }
        Back::Before(last) => {
            // What is taken back need not be good any more.
            let required = Requirements { names: &[], now: last.started, at_least: Duration::ZERO };
            let set = stored::proven(&store.certificates(), &name, &last.version, &required)?;
            let lasts_until = renewed_by(now, &loaded.plan).unwrap_or(Timestamp::MAX);
            let undo = Undo { lasts_until, accepted: args.accept.clone() };
            let text =
                format!("{name}: each host back to what it had before {}; newest wave first", last.version);
            (set, loaded.plan.undo(undo), text)
        }
    };
    if !settings.json() {
        crate::cli::commands::remark(settings, &text);
    }
    let hosts = plan.schedule.hosts.len();
    ask(&format!("put {} back?", count(hosts, "host")), args.yes, &cancel, settings).await?;
    let playbook = args.playbook.display().to_string();
    let prober = carry_out::prober(&plan)?;
    let rollout = carry_out::Rollout {
        id,
        playbook,
        plan,
        prober,
        set,
        store: &store,
        journal: &journal,
        lease: &lease,
        who,
    };
    rollout.carry_out(cancel, settings).await
}

/// Where to.
enum Back {
    /// To a version that is in the store.
    To(Version),
    /// Each host to what it had before the certificate that this rollout put there: nothing older is in the store.
    Before(RolloutRecord),
}

fn target(
    args: &Rollback,
    name: &CertificateName,
    store: &Store,
    journal: &Journal,
) -> Result<Back, Failure> {
    if let Some(version) = &args.to {
        return Ok(Back::To(version.clone()));
    }
    let Some(last) = last(journal, name)? else {
        return Err(Failure::new(format!("nothing of `{name}` was rolled out yet")));
    };
    let (versions, revoked) = (store.certificates().versions(name)?, store.certificates().revoked(name)?);
    let before: Vec<Version> = versions.into_iter().filter(|version| *version < last.version).collect();
    if before.is_empty() {
        return Ok(Back::Before(last));
    }
    before.into_iter().rev().find(|version| !revoked.contains(version)).map(Back::To).ok_or_else(|| {
        Failure::new(format!("every version before {} of `{name}` in the store was revoked", last.version))
            .hint("`certwave rollout --force` replaces it by a new one")
    })
}

/// What a fleet goes back to has to last until the next certificate is on it.
fn outlives_a_renewal(set: &CertificateSet, now: Timestamp, plan: &Plan) -> Result<(), Failure> {
    if renewed_by(now, plan).is_some_and(|end| end < set.not_after()) {
        return Ok(());
    }
    let takes = renewal_takes(plan);
    let (version, until) = (set.version(), set.not_after().strftime("%Y-%m-%d %H:%M:%SZ"));
    let mut failure =
        Failure::new(format!("{version} expires on {until}, before a renewal could be sure to finish"));
    failure.state = Some("no host was touched".to_owned());
    Err(failure.hint(format!(
        "a renewal may take {}; `--accept {version}` goes back to it all the same",
        format_duration(takes)
    )))
}

/// When a renewal that begins now is sure to be over, as far as time can be counted.
fn renewed_by(now: Timestamp, plan: &Plan) -> Option<Timestamp> {
    let takes = SignedDuration::try_from(renewal_takes(plan)).ok()?;
    now.checked_add(takes).ok()
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
    AT_LEAST.max(waves.sum())
}
