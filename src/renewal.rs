//! What is due, and when.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::certificate::Certificate;
use crate::playbook::Renew;

/// When a certificate is due to be replaced: with a third of its lifetime left, or that long before it expires.
pub fn due_at(leaf: &Certificate, renew: Renew) -> Timestamp {
    let before = match renew {
        Renew::Auto => leaf.not_after.duration_since(leaf.not_before) / 3,
        Renew::Before(duration) => SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX),
    };
    leaf.not_after.checked_sub(before).unwrap_or(Timestamp::MIN)
}

/// A certificate that expires sooner than this is not rolled out: hosts would break while it is.
pub const MIN_REMAINING: Duration = Duration::from_secs(3_600);

/// What one more rollout draws on a CA's limits, where they are known: those for certificates of exactly the same names.
/// `recent` were issued in the last seven days; `more` would be.
pub fn rate_limit_note(directory: &str, recent: usize, more: usize) -> Option<String> {
    // https://letsencrypt.org/docs/rate-limits/ (new certificates per exact set of identifiers)
    let (ca, most) = match directory {
        "https://acme-v02.api.letsencrypt.org/directory" => ("Let's Encrypt", 5),
        "https://acme-staging-v02.api.letsencrypt.org/directory" => ("Let's Encrypt's staging", 30_000),
        _ => return None,
    };
    let then = recent + more;
    let over = if then > most { ": it will refuse" } else { "" };
    Some(format!(
        "{ca} issues {most} certificates of exactly these names in 7 days; with this one it is {then}{over}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{Authority, LeafSpec, now};

    #[test]
    fn a_certificate_is_due_with_a_third_of_its_lifetime_left() {
        let (leaf, _) =
            Authority::new("Root").issue(&LeafSpec { from_days: 0, to_days: 90, ..LeafSpec::default() });
        let days = |renew| due_at(&leaf, renew).duration_since(now()).as_hours() / 24;
        assert_eq!(days(Renew::Auto), 60);
        assert_eq!(days(Renew::Before(Duration::from_secs(7 * 86_400))), 83);
    }
}
