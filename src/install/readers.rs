//! The processes that read a host's certificates and keys.

/// The process that reads a server's files, where that is not root in plain view of the whole file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// The service's place among the host's.
    pub(super) service: usize,
    pub(super) uid: u32,
    pub(super) user: String,
    /// Permissions do not hold for it (`CAP_DAC_OVERRIDE` in capabilities(7)).
    reads_all: bool,
    /// Whether it can enter the folder that everything is installed in; none where that could not be tried.
    pub(super) enters: Option<bool>,
    gids: Vec<u32>,
}

impl Reader {
    /// `SERVICE UID USER all|own yes|no|unknown GID...`
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let service = words.next()?.parse::<usize>().ok()?.checked_sub(1)?;
        let (uid, user) = (words.next()?.parse().ok()?, words.next()?.to_owned());
        let reads_all = match words.next()? {
            "all" => true,
            "own" => false,
            _ => return None,
        };
        let enters = match words.next()? {
            "yes" => Some(true),
            "no" => Some(false),
            "unknown" => None,
            _ => return None,
        };
        let gids = words.map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self { service, uid, user, reads_all, enters, gids })
    }

    /// By the permission bits of path_resolution(7).
    pub(super) fn may_read(&self, (owner, group): (u32, u32), mode: u16) -> bool {
        let bit = if self.uid == owner {
            0o400
        } else if self.gids.contains(&group) {
            0o040
        } else {
            0o004
        };
        self.reads_all || mode & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(text: &str) -> Reader {
        Reader::parse(text).unwrap()
    }

    #[test]
    fn who_may_read_a_file_is_told_by_its_owner_group_and_mode() {
        let haproxy = reader("1 109 haproxy own yes 112 4");
        for (owned, mode, may) in [
            ((109, 0), 0o600, true),
            ((0, 112), 0o640, true),
            ((0, 4), 0o640, true),
            ((0, 0), 0o640, false),
            ((0, 112), 0o600, false),
            ((0, 0), 0o644, true),
            // The owner's bits count for the owner, whatever others may do.
            ((109, 112), 0o040, false),
        ] {
            assert_eq!(haproxy.may_read(owned, mode), may, "{owned:?} {mode:o}");
        }
        assert!(reader("1 0 root all no 0").may_read((1, 1), 0o600));
        // Without its capabilities, root is a user like any other.
        assert!(!reader("1 0 root own yes 0").may_read((1, 1), 0o600));
    }

    #[test]
    fn what_a_host_says_of_a_reader_is_read_word_by_word() {
        assert_eq!(reader("2 0 root all unknown 0").enters, None);
        assert_eq!(reader("2 0 root all no 0").service, 1);
        for bad in [
            "",
            "0 0 root all yes 0",
            "1 x root all yes 0",
            "1 0 root some yes 0",
            "1 0 root all maybe 0",
            "1 0 root all yes x",
        ] {
            assert_eq!(Reader::parse(bad), None, "{bad}");
        }
    }
}
