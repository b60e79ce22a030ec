//! Reading without changing: for a plan, for `status`, for an inventory alone, and for a rehearsal.

mod expiry;
mod rehearse;
mod scan;
mod status;
mod survey;

pub use rehearse::rehearse;
pub use scan::glance;
pub use status::view;
pub use survey::Surveyor;
