//! Results as values: people read the text of one, programs its objects, and both say the same.

mod certificates;
mod checked;
mod history;
mod leaf;
mod table;

use jiff::Timestamp;
use serde_json::Value;

pub use certificates::{StoredVersion, StoredVersionList};
pub use checked::CheckedPlaybook;
pub use history::History;
pub(super) use leaf::brief;
pub use table::table;

/// A result that can be shown.
pub trait View {
    /// For people; with `verbose`, each detail. Empty where there is nothing to show.
    fn text(&self, verbose: bool) -> String;

    /// For programs: one object a line. `time` is when it is shown.
    fn objects(&self, time: Timestamp) -> Vec<Value>;
}
