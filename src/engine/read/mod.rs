//! Reading without changing: for a plan, for `status`, for an inventory alone, and for a rehearsal.

mod expiry;
mod rehearse;
mod scan;
mod status;
mod survey;
#[cfg(test)]
mod tests;

pub use rehearse::rehearse;
pub use scan::scan;
pub use status::read_status;
pub use survey::Surveyor;
