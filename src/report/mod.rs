//! What people and programs see of a rollout, all of it drawn from the same events.

mod facts;
mod out;
mod progress;
mod screen;
mod tally;
pub mod view;
mod words;

pub use out::{LogWriter, Out};
pub use progress::{JsonReporter, PlainReporter, ProgressReporter, Quiet};
pub use screen::screen;
pub use tally::Tally;
pub use words::{count, failure};
