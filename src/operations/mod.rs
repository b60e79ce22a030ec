//! Everything that certwave can be asked to do, one file each. An operation takes a [`Context`] and a typed request, and
//! gives a typed result or an [`OperationError`]. It knows no terminal: no words for a person, no exit code, no prompt.

mod certificates;
mod choose;
pub mod client_certificates;
mod context;
mod drive;
mod ended;
mod error;
mod files;
pub mod history;
mod inventory_files;
pub mod issue;
pub mod ledger;
pub mod load;
mod payloads;
pub mod plan;
mod progress;
mod rehearse;
pub mod resume;
pub mod revoke;
pub mod rollback;
pub mod rollout;
mod rollout_journal;
pub mod saved_plan;
pub mod scan;
pub mod status;
pub mod steer;
pub mod stored;
#[cfg(test)]
mod testing;
pub mod verify;

pub use context::Context;
pub use ended::Ended;
pub use error::{Asked, Left, OperationError, Problem};
pub use files::read;
pub use inventory_files::inventory;
pub use progress::{Anew, BackTo, News, Progress};
