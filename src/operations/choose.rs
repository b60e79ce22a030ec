//! The certificate to roll out: the newest in the store if it still does, else a new one.

use jiff::Timestamp;

use crate::certificate::{Bundle, CertificateSet, Requirements};
use crate::ledger::Versions;
use crate::model::{CertificateName, Secret, Version};
use crate::operations::OperationError;
use crate::operations::certificates::{self, words};
use crate::operations::files::read_bytes;
use crate::plan::{Plan, PlannedFiles, PlannedIssuer};
use crate::ports::Certificates;
use crate::renewal::{MIN_REMAINING, due_at};

/// What is going to happen, before anything does.
pub(super) enum Choice {
    /// Those from the store, and why they will do.
    Stored(Box<CertificateSet>, String),
    /// New ones, and why; the first is kept where only the second of two is missing.
    New(String, Option<Box<Bundle>>),
}

/// Looks into the store: the newest version if it still does, else a new one.
///
/// # Errors
/// When the store cannot be read, or the version that is asked for will not do.
pub(super) fn choose(
    plan: &Plan,
    store: &dyn Certificates,
    versions: &Versions,
    (force, version): (bool, Option<&Version>),
    now: Timestamp,
) -> Result<Choice, OperationError> {
    let wanted = &plan.certificate;
    let new = |why: String| Ok(Choice::New(format!("a new certificate is issued: {why}"), None));
    if force {
        return new("`--force` was given".to_owned());
    }
    if let Some(version) = version {
        let required = Requirements { names: &wanted.domains, now, at_least: MIN_REMAINING };
        let set = certificates::proven(store, &wanted.name, version, &required)?;
        certificates::not_revoked(versions, &wanted.name, version)?;
        return Ok(Choice::Stored(Box::new(set), format!("deploying {version}, as asked")));
    }
    // The files of a `files` issuer are the certificate: what was stored of them earlier is not.
    if let Some(PlannedIssuer::Files(_)) = plan.issuers.first() {
        return Ok(Choice::New("it is read from its files".to_owned(), None));
    }
    let Some(version) = store.versions(&wanted.name)?.pop() else {
        return new("there is none yet".to_owned());
    };
    if versions.revocation(&version).is_some() {
        return new(format!("{version} was revoked"));
    }
    let stored = store.get(&wanted.name, &version)?;
    let required = Requirements { names: &wanted.domains, now, at_least: MIN_REMAINING };
    let mut bundles = Vec::new();
    // Whatever the playbook wants now: a version is installed with all that it holds.
    let keys = wanted.keys.iter().map(Some).chain(std::iter::repeat(None));
    for (pair, key) in stored.pairs.iter().zip(keys) {
        let bundle = match Bundle::prove(&pair.fullchain, &pair.key, now, &required) {
            // The version keeps its name: what it was called when it was issued.
            Ok(bundle) => bundle.with_version(version.clone()),
            Err(defects) => return new(format!("{version} will not do: {}", words(&defects))),
        };
        if let Some(key) = key
            && bundle.key_type() != Some(*key)
        {
            return new(format!("{version} has another kind of key than `{key}`"));
        }
        let due = due_at(bundle.leaf(), wanted.renew);
        if due <= now {
            return new(format!("{version} has been due since {}", due.strftime("%Y-%m-%d")));
        }
        bundles.push((bundle, due));
    }
    let Some(due) = bundles.iter().map(|(_, due)| *due).min() else {
        return new(format!("{version} holds none"));
    };
    let mut bundles = bundles.into_iter().map(|(bundle, _)| bundle);
    let (Some(first), second) = (bundles.next(), bundles.next()) else {
        return new(format!("{version} holds none"));
    };
    if let (None, Some(key)) = (&second, wanted.keys.get(1)) {
        let why = format!("{version} lacks its second certificate, with a key of `{key}`: it is issued");
        return Ok(Choice::New(why, Some(Box::new(first))));
    }
    let why =
        format!("Renewal not due until {}; deploying the existing certificate.", due.strftime("%Y-%m-%d"));
    Ok(Choice::Stored(Box::new(CertificateSet::new(first, second)), why))
}

/// The certificates that were chosen, where they are known before a CA is asked: those of a `files` issuer that comes
/// first are read, and not kept.
///
/// # Errors
/// When the files cannot be read.
pub(super) fn known(
    plan: &Plan,
    choice: &Choice,
    store: &dyn Certificates,
    versions: &Versions,
    now: Timestamp,
) -> Result<Option<CertificateSet>, OperationError> {
    if let Choice::Stored(set, _) = choice {
        return Ok(Some((**set).clone()));
    }
    let Some(PlannedIssuer::Files(files)) = plan.issuers.first() else { return Ok(None) };
    let (chain, key) = read_files(files)?;
    let required = Requirements { names: &plan.certificate.domains, now, at_least: MIN_REMAINING };
    // What will not do is told when it is rolled out, or another issuer is asked.
    let Ok(bundle) = Bundle::prove(&chain, &key, now, &required) else { return Ok(None) };
    let bundle = of_files(store, &plan.certificate.name, bundle)?;
    Ok(versions.revocation(bundle.version()).is_none().then(|| CertificateSet::new(bundle, None)))
}

/// The chain and the key in the files of an issuer.
///
/// # Errors
/// When one cannot be read.
pub(super) fn read_files(files: &PlannedFiles) -> Result<(Vec<u8>, Secret), OperationError> {
    Ok((read_bytes(&files.certificate)?, Secret::new(read_bytes(&files.key)?)))
}

/// Read again tomorrow, the same files are the same version. What an older release stored keeps the name that it had.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn of_files(
    store: &dyn Certificates,
    name: &CertificateName,
    bundle: Bundle,
) -> Result<Bundle, OperationError> {
    let issued = bundle.leaf().not_before;
    let old = Version::found(issued, &bundle.leaf().fingerprint);
    if store.versions(name)?.contains(&old) && store.chains(name, &old)? == [bundle.fullchain_pem()] {
        return Ok(bundle.with_version(old));
    }
    Ok(bundle.issued_at(issued))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use super::*;
    use crate::certificate::KeyType;
    use crate::certificate::testing::now;
    use crate::operations::testing::{World, name, version};
    use crate::operations::{Left, Problem, ledger};
    use crate::playbook::Renew;

    /// Why this version, or why another one is issued.
    fn why(world: &World, plan: &Plan, asked: (bool, Option<&Version>)) -> Result<String, OperationError> {
        let versions = ledger::versions(&world.journal, &name())?;
        choose(plan, &world.certificates, &versions, asked, now()).map(|choice| match choice {
            Choice::Stored(_, why) => format!("stored: {why}"),
            Choice::New(why, _) => why,
        })
    }

    /// A plan whose certificates come from a CA.
    fn plan(world: &World) -> Plan {
        Plan { issuers: Vec::new(), ..world.plan() }
    }

    #[test]
    fn the_newest_version_is_taken_for_as_long_as_it_does() {
        let world = World::new();
        let plan = plan(&world);
        let of = |plan: &Plan| why(&world, plan, (false, None)).unwrap();
        let new = |why: String| format!("a new certificate is issued: {why}");
        assert_eq!(of(&plan), new("there is none yet".to_owned()));
        // A third of 30 days is 10: not due for 10 more.
        world.keep(&version(1), 20);
        let stored = "stored: Renewal not due until 2027-01-25; deploying the existing certificate.";
        assert_eq!(of(&plan), stored);
        assert_eq!(why(&world, &plan, (true, None)).unwrap(), new("`--force` was given".to_owned()));
        let before = |days: u64| Renew::Before(Duration::from_secs(days * 86_400));
        let with = |change: fn(&mut Plan)| {
            let mut changed = plan.clone();
            change(&mut changed);
            of(&changed)
        };
        let mut early = plan.clone();
        early.certificate.renew = before(21);
        assert_eq!(of(&early), new(format!("{} has been due since 2027-01-14", version(1))));
        let other = with(|plan| plan.certificate.keys = vec![KeyType::Rsa2048]);
        assert_eq!(other, new(format!("{} has another kind of key than `rsa-2048`", version(1))));
        let more = with(|plan| plan.certificate.domains.push("b.test".parse().unwrap()));
        assert!(more.contains("will not do") && more.contains("b.test"), "{more}");
        let second = with(|plan| plan.certificate.keys.push(KeyType::Rsa2048));
        assert!(second.contains("lacks its second certificate, with a key of `rsa-2048`"), "{second}");

        // The newest counts, whatever an older one is like.
        world.keep(&version(2), 4);
        assert_eq!(of(&plan), new(format!("{} has been due since 2027-01-14", version(2))));
        world.keep(&version(3), 20);
        assert_eq!(of(&plan), stored);
        world.revoke(&version(3));
        assert_eq!(of(&plan), new(format!("{} was revoked", version(3))));
    }

    #[test]
    fn a_version_that_is_asked_for_has_to_be_there_and_fit() {
        let world = World::new();
        let plan = plan(&world);
        let of = |number: u8| why(&world, &plan, (false, Some(&version(number))));
        assert!(matches!(of(1).unwrap_err().problem, Problem::NoVersion { .. }));
        world.keep(&version(1), 20);
        world.keep(&version(2), -1);
        assert_eq!(of(1).unwrap(), format!("stored: deploying {}, as asked", version(1)));
        let expired = of(2).unwrap_err();
        assert!(matches!(expired.problem, Problem::Unfit { .. }), "{expired:?}");
        assert_eq!(expired.left, Some(Left::Untouched));
        world.revoke(&version(1));
        let revoked = of(1).unwrap_err();
        assert!(matches!(revoked.problem, Problem::Revoked { .. }), "{revoked:?}");
        assert_eq!(revoked.left, Some(Left::Untouched));
    }

    /// Valid from ten days ago for twenty more: due with ten days left, or as the playbook says.
    #[test]
    fn a_certificate_is_due_in_the_moment_that_its_time_has_come() {
        let world = World::new();
        world.keep(&version(1), 20);
        let mut plan = plan(&world);
        let of = |plan: &Plan, seconds: i64| {
            let versions = ledger::versions(&world.journal, &name()).unwrap();
            let at = now() + SignedDuration::from_secs(seconds);
            choose(plan, &world.certificates, &versions, (false, None), at).unwrap()
        };
        let day = 86_400;
        assert!(matches!(of(&plan, 10 * day - 1), Choice::Stored(..)));
        assert!(matches!(of(&plan, 10 * day), Choice::New(..)));
        plan.certificate.renew = Renew::Before(Duration::from_secs(5 * 86_400));
        assert!(matches!(of(&plan, 15 * day - 1), Choice::Stored(..)));
        assert!(matches!(of(&plan, 15 * day), Choice::New(..)));
        // However late somebody wants it, what lapses within the hour is not rolled out.
        plan.certificate.renew = Renew::Before(Duration::ZERO);
        assert!(matches!(of(&plan, 20 * day - 3_601), Choice::Stored(..)));
        assert!(matches!(of(&plan, 20 * day - 3_599), Choice::New(..)));
    }

    #[test]
    fn a_version_that_is_asked_for_lasts_an_hour_at_least() {
        let world = World::new();
        world.keep(&version(1), 20);
        let versions = ledger::versions(&world.journal, &name()).unwrap();
        let (plan, asked) = (plan(&world), version(1));
        for (left, fits) in [(3_601, true), (3_599, false)] {
            let at = now() + SignedDuration::from_secs(20 * 86_400 - left);
            let chosen = choose(&plan, &world.certificates, &versions, (false, Some(&asked)), at);
            assert_eq!(chosen.is_ok(), fits, "{left} s are left");
        }
    }

    #[test]
    fn files_are_the_certificate_whatever_is_in_the_store() {
        let world = World::new();
        world.keep(&version(1), 20);
        let plan = world.plan();
        assert_eq!(why(&world, &plan, (false, None)).unwrap(), "it is read from its files");
        let choice = Choice::New(String::new(), None);
        let versions = ledger::versions(&world.journal, &name()).unwrap();
        let unread = known(&plan, &choice, &world.certificates, &versions, now()).unwrap_err();
        assert!(matches!(unread.problem, Problem::File { .. }));
    }
}
