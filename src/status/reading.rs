//! What a reading of a host showed.

use crate::install::OnDisk;
use crate::service::Holds;
use crate::verify::{Endpoint, Observation};

/// What a reading of a host showed.
#[derive(Debug)]
pub struct HostReading {
    /// What only a login shows; else why there was none.
    pub inside: Result<Inside, String>,
    /// For each service, what each of its endpoints serves.
    pub observed: Vec<Vec<(Endpoint, Observation)>>,
}

/// What a login shows.
#[derive(Debug)]
pub struct Inside {
    /// What lies on the disk; else why it could not be read.
    pub disk: Result<OnDisk, String>,
    /// For each service, what it holds in memory, where it says that; else why it did not.
    pub memory: Vec<Result<Holds, String>>,
}
