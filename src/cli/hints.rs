//! What a person at a terminal can do about a problem, and the exit code for it.

use crate::cli::exit::Exit;
use crate::model::{Version, format_duration};
use crate::operations::{Asked, Problem};
use crate::ports::{JournalError, StoreError};
use crate::rollout::RolloutRecord;

/// The problem, in the words of the command line.
pub(super) fn message(problem: &Problem) -> String {
    match problem {
        Problem::Limit { limit, is_empty: true } => format!("`--limit {limit}` matches no host"),
        Problem::Limit { limit, is_empty: false } => format!("`--limit {limit}` cannot be used"),
        Problem::AcceptedHost(host) => format!("`--accept {host}`: this host is not in the rollout"),
        Problem::NobodyToConfirm => "Cannot ask for confirmation (no terminal). Use `--yes`.".to_owned(),
        problem => problem.to_string(),
    }
}

/// The exit code.
pub(super) fn exit(problem: &Problem) -> Exit {
    match problem {
        Problem::File { .. }
        | Problem::Files { .. }
        | Problem::NoInventory
        | Problem::NoInventoryFile(_)
        | Problem::Limit { .. }
        | Problem::AcceptedHost(_)
        | Problem::NoVersion { .. }
        | Problem::NoCertificate(_)
        | Problem::NobodyToConfirm
        | Problem::NoRollout(_)
        | Problem::Ambiguous { .. }
        | Problem::SeveralUnfinished(_)
        | Problem::NothingAwaitsApproval { wave: Some(_), .. }
        | Problem::Facts { .. } => Exit::Usage,
        Problem::UnfitToResume { why, .. } => exit(why),
        Problem::Interrupted(_) => Exit::Interrupted,
        Problem::Journal { .. } => Exit::NeedsAttention,
        _ => Exit::Failed,
    }
}

/// The way out, where there is a usual one.
pub(super) fn hint(problem: &Problem) -> Option<String> {
    Some(match problem {
        Problem::Store(error) => return store(error),
        Problem::NoInventory => {
            "name one with `-i PATH`, or write a first one with `certwave init`".to_owned()
        }
        Problem::NoInventoryFile(_) => "an inventory is a file that ends in `.yaml` or `.yml`".to_owned(),
        Problem::AcceptedHost(_) => "`certwave plan` lists its hosts".to_owned(),
        Problem::BrokenPlan => "this is a fault of certwave's: please report it".to_owned(),
        Problem::NoVersion { newest, .. } if !newest.is_empty() => {
            let newest: Vec<String> = newest.iter().map(Version::to_string).collect();
            format!("the newest are {}", newest.join(", "))
        }
        Problem::NoCertificate(_) => "`certwave certificates` lists all".to_owned(),
        Problem::UnfitToResume { record, .. } => {
            format!("`certwave rollout {}` issues another", record.playbook)
        }
        Problem::Revoked { .. } => {
            "a revoked certificate is never put on a host again: choose another version".to_owned()
        }
        Problem::NotIssued { advice, .. } => return advice.map(str::to_owned),
        Problem::NotTrusted(_) => {
            "name the root of its CA in `verify: ca_file`, and roll out again".to_owned()
        }
        Problem::SavedPlanOutdated { unfinished: Some(id), .. } => {
            format!("`certwave resume {id}` finishes it; then make another plan")
        }
        Problem::SavedPlan(_) | Problem::SavedPlanOutdated { .. } => {
            "`certwave plan --out` makes another".to_owned()
        }
        Problem::Waits(record) => waits(record),
        Problem::NoCommonVersion(_) => {
            "name a version with `--to`, or hosts that belong together with `--limit`".to_owned()
        }
        Problem::AllRevoked { .. } => "`certwave rollout --force` replaces it by a new one".to_owned(),
        Problem::ExpiresTooSoon { version, renewal_takes, .. } => format!(
            "a renewal may take {}; `--accept {version}` goes back to it all the same",
            format_duration(*renewal_takes)
        ),
        Problem::Served { version, .. } => format!(
            "`certwave rollout --force` replaces it first; `--accept {version}` revokes it all the same"
        ),
        Problem::RevocationUnconfirmed { .. } => {
            "the same command asks again; `--note-only` where it was revoked elsewhere".to_owned()
        }
        Problem::NoRollout(_) => "`certwave history` lists them".to_owned(),
        Problem::Ambiguous { .. } => "type one letter more".to_owned(),
        Problem::SeveralUnfinished(_) => "name one: `certwave resume ROLLOUT`".to_owned(),
        Problem::Followed { newest, .. } => format!("`certwave show {newest}` tells how that one went"),
        Problem::Finished { record, asked: Asked::Resume, .. } => {
            format!("`certwave rollout {}` starts a new one", record.playbook)
        }
        Problem::Finished { record, asked: Asked::Abort, .. } => {
            format!("`certwave rollback {}` puts the fleet back", record.playbook)
        }
        Problem::NotRunning(id) => format!("`certwave show {id}` tells how it went"),
        Problem::NotHeard(id) => {
            format!(
                "it is left for rollout {id}, which hears it when it goes on; `certwave show {id}` tells how far it is"
            )
        }
        Problem::NothingAwaitsApproval { waiting, .. } if !waiting.is_empty() => {
            let waiting: Vec<&str> = waiting.iter().map(|wave| wave.as_str()).collect();
            format!("one does: {}", waiting.join(", "))
        }
        Problem::NoHostLeft { rollout, .. } => format!("`certwave show {rollout}` tells how it left each"),
        Problem::Journal { rollout, error: JournalError::Unwritable(_), .. } => {
            format!("make room where the state is kept, then `certwave resume {rollout}`")
        }
        Problem::Journal { rollout, error: JournalError::Deposed(_), .. } => {
            format!("`certwave show {rollout}` tells what the other one does")
        }
        _ => return None,
    })
}

fn store(error: &StoreError) -> Option<String> {
    if let StoreError::Exposed { path, .. } = error {
        let mode = if path.is_dir() { "700" } else { "600" };
        return Some(format!("`chmod {mode} {}`", path.display()));
    }
    match error {
        StoreError::Held { .. } => Some(
            "`certwave show last` tells how far it is; `certwave pause` and `certwave abort` steer it"
                .to_owned(),
        ),
        StoreError::Deposed { .. } => Some("`certwave history` tells what the other one does".to_owned()),
        error => error.hint().map(str::to_owned),
    }
}

fn waits(record: &RolloutRecord) -> String {
    let id = &record.id;
    format!(
        "`certwave resume {id}` finishes it, `certwave approve {id}` lets its next wave begin, \
         `certwave abort {id}` gives it up"
    )
}
