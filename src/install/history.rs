//! Which versions were verified on a host, as the host itself wrote it down.

use crate::model::Version;

/// Lines from which on a history is written anew.
const LONG: usize = 40;
/// Versions that a history begins with then.
const KEPT: usize = 10;

/// The versions that a host was verified on and did not go back from, oldest first. A host that was never switched has
/// none, and neither has one that only an older release switched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    verified: Vec<Version>,
    lines: usize,
}

impl History {
    /// The next line: `+VERSION` was made final; the host went back to `=VERSION` from one that was not; it was sent back to
    /// `<VERSION` from one that was. Any other line says only that a history was begun.
    pub(super) fn take_in(&mut self, line: &str) {
        self.lines += 1;
        let Some((what, version)) = line.split_at_checked(1) else { return };
        let Ok(version) = version.parse::<Version>() else { return };
        if matches!(what, "=" | "<")
            && let Some(known) = self.verified.iter().rposition(|one| *one == version)
        {
            self.verified.truncate(known + 1);
            return;
        }
        // It was sent back, and so from the one before.
        if what == "<" {
            self.verified.pop();
        }
        if matches!(what, "+" | "=" | "<") && self.verified.last() != Some(&version) {
            self.verified.push(version);
        }
    }

    /// Whether nothing is known: only an older release switched this host, or none.
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// Whether this version is live and nobody ever confirmed it, as far as is known.
    pub fn lacks(&self, live: &Version) -> bool {
        !self.is_empty() && !self.verified.contains(live)
    }

    /// The versions that were verified before this one, newest first.
    pub fn before<'h>(&'h self, version: &'h Version) -> impl Iterator<Item = &'h Version> {
        self.verified.iter().rev().filter(move |one| *one != version)
    }

    /// The version that was verified last.
    pub fn last(&self) -> Option<&Version> {
        self.verified.last()
    }

    /// What a history that became too long is to begin with; empty while it is short.
    pub fn shortened(&self) -> &[Version] {
        if self.lines < LONG { &[] } else { &self.verified[self.verified.len().saturating_sub(KEPT)..] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u8) -> Version {
        format!("202610{number:02}T000000Z-0000000{number}").parse().unwrap()
    }

    /// `+1 +2 =1`
    fn history(story: &str) -> History {
        let mut history = History::default();
        for word in story.split_whitespace() {
            let number = word[1..].parse().map(version).map_or("nonsense".to_owned(), |one| one.to_string());
            history.take_in(&format!("{}{number}", &word[..1]));
        }
        history
    }

    #[test]
    fn a_version_that_the_host_went_back_from_does_not_count() {
        for (story, verified) in [
            ("", &[][..]),
            ("+1", &[1]),
            ("+1 +2", &[1, 2]),
            ("+1 +2 +2", &[1, 2]),
            ("+1 +2 =1", &[1]),
            ("+1 +2 +3 =1", &[1]),
            ("+1 +2 =1 +2", &[1, 2]),
            ("+1 +2 +1 =1", &[1, 2, 1]),
            // One that was never written down.
            ("+2 =1", &[2, 1]),
            ("+1 +2 <1", &[1]),
            ("+1 +2 +3 <1 +4", &[1, 4]),
            ("+2 <1", &[1]),
            ("+1 +2 <2", &[1, 2]),
            ("+1 =x +x -2 +2", &[1, 2]),
        ] {
            let verified: Vec<Version> = verified.iter().copied().map(version).collect();
            assert_eq!(history(story).verified, verified, "{story}");
        }
    }

    #[test]
    fn what_is_before_a_version_is_what_was_verified_last_but_for_itself() {
        for (story, of, before) in
            [("", 1, None), ("+1", 1, None), ("+1", 2, Some(1)), ("+1 +2", 2, Some(1)), ("+1 +2", 1, Some(2))]
        {
            assert_eq!(
                history(story).before(&version(of)).next().cloned(),
                before.map(version),
                "{story} {of}"
            );
        }
        assert!(history("+1").lacks(&version(2)) && !history("+1").lacks(&version(1)));
        assert!(!history("").lacks(&version(1)), "of a host of an older release nothing is known");
        assert!(history("-x").lacks(&version(1)), "there was nothing before, and nobody confirmed it");
    }

    #[test]
    fn only_a_long_history_is_shortened_to_its_end() {
        let mut long = history("+1 +2 ");
        assert!(long.shortened().is_empty());
        for _ in 0..19 {
            long.take_in(&format!("+{}", version(3)));
            long.take_in(&format!("+{}", version(4)));
        }
        assert_eq!(long.shortened().len(), KEPT);
        assert_eq!(long.shortened().last(), Some(&version(4)));
    }
}
