//! Results as values: people read the text of one, programs its objects, and both say the same.

mod audit;
mod certificates;
mod checked;
mod end;
mod event;
mod grouped;
mod history;
mod inventory;
mod lab;
mod leaf;
mod news;
mod plan;
mod rehearsal;
mod revoked;
mod scan;
mod show;
mod status;
mod summary;
mod table;
mod verified;
mod written;

use jiff::Timestamp;
use serde_json::Value;

pub use audit::{AuditEntry, AuditVerified};
pub use certificates::{StoredVersion, StoredVersionList};
pub use checked::CheckedPlaybook;
pub use end::{HostTable, RolloutEnd};
pub use event::RolloutEvent;
pub use history::History;
pub use inventory::{InventoryList, SelectedHosts};
pub use lab::{LabServer, LabServers, LabUp};
pub use news::TimedNews;
pub use plan::{Coming, PlanReport, PlannedCertificate};
pub use revoked::{ConnectionKeeper, RevokedVersion};
pub use scan::ServedReport;
pub use show::{ShowFoot, ShowHead};
pub use status::StatusReport;
pub use summary::{HostSummary, RolledOut, Summary};
pub use verified::VerifyReport;
pub use written::{WrittenFile, WrittenManual};

/// A result that can be shown.
pub trait View {
    /// For people; with `verbose`, each detail. Empty where there is nothing to show.
    fn text(&self, verbose: bool) -> String;

    /// For programs: one object a line. `time` is when it is shown.
    fn objects(&self, time: Timestamp) -> Vec<Value>;
}
