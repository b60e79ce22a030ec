//! Processes of a server that outlive its reload.

/// So many processes of a service still serve what they read before a reload, to connections that they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldProcesses {
    /// The service, by its place in the order of the host's.
    pub service: usize,
    /// How many.
    pub count: u32,
}

impl OldProcesses {
    /// `SERVICE COUNT`, services counted from 1.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (service, count) = value.split_once(' ')?;
        let service = service.parse::<usize>().ok()?.checked_sub(1)?;
        Some(Self { service, count: count.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_counts_the_old_processes_of_each_of_its_services() {
        assert_eq!(OldProcesses::parse("2 3"), Some(OldProcesses { service: 1, count: 3 }));
        for other in ["", "1", "0 1", "x 1", "1 x", "1 -1", "1 2 3"] {
            assert_eq!(OldProcesses::parse(other), None, "{other}");
        }
    }
}
