//! Each rule, with what breaks it beside what just keeps it.

use jiff::{SignedDuration, ToSpan};
use openssl::nid::Nid;
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Rsa;

use super::*;
use crate::certificate::testing::{
    Authority, LeafSpec, curve, key_pem, new_key, now, pem, rsa_key, self_signed,
};

const DAY: Duration = Duration::from_secs(86_400);

fn prove_for(
    names: &[&str],
    now: Timestamp,
    (chain, key): (&[&Certificate], &Secret),
) -> Result<Bundle, Vec<String>> {
    let names: Vec<DnsName> = names.iter().map(|name| name.parse().unwrap()).collect();
    let required = Requirements { names: &names, now, at_least: DAY };
    Bundle::prove(&pem(chain), key, now, &required)
        .map_err(|defects| defects.iter().map(ToString::to_string).collect())
}

fn prove(chain: &[&Certificate], key: &Secret) -> Result<Bundle, Vec<String>> {
    prove_for(&["a.test"], now(), (chain, key))
}

/// The defects one a line; none of what can be served.
fn defects(proven: Result<Bundle, Vec<String>>) -> String {
    proven.err().unwrap_or_default().join("\n")
}

#[test]
fn a_good_bundle_is_proven() {
    let root = Authority::new("Root");
    let middle = root.intermediate("Middle");
    let (leaf, key) = middle.issue(&LeafSpec::default());
    let bundle = prove(&[&leaf, &middle.certificate], &key).unwrap();
    assert_eq!(bundle.version().short(), leaf.fingerprint.short());
    assert_eq!(bundle.fingerprints(), [leaf.fingerprint, middle.certificate.fingerprint]);
    assert_eq!(bundle.cert_pem(), pem(&[&leaf]));
    assert_eq!(bundle.chain_pem(), pem(&[&middle.certificate]));
    assert_eq!(bundle.fullchain_pem(), pem(&[&leaf, &middle.certificate]));
    let combined = [bundle.fullchain_pem(), bundle.key().expose().to_vec()].concat();
    assert_eq!(bundle.combined_pem().expose(), combined);
}

#[test]
fn a_version_is_named_after_its_leaf_and_when_it_was_issued() {
    let middle = Authority::new("Root").intermediate("Middle");
    let (leaf, key) = middle.issue(&LeafSpec::default());
    let issued = now() - SignedDuration::from_hours(5);
    let required = Requirements { names: &[], now: now(), at_least: DAY };
    let bundle = Bundle::prove(&pem(&[&leaf, &middle.certificate]), &key, issued, &required).unwrap();
    assert_eq!(*bundle.version(), Version::new(issued, &leaf.fingerprint, &bundle.content()));
    let other: Version = "20261123T200100Z-3f9a1c2e".parse().unwrap();
    assert_eq!(*bundle.with_version(other.clone()).version(), other);
}

#[test]
fn a_weak_key_is_refused() {
    let middle = Authority::new("Root").intermediate("Middle");
    let rsa = |bits| PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
    let pss = |bits| {
        let mut context = PkeyCtx::new_id(Id::RSA_PSS).unwrap();
        context.keygen_init().unwrap();
        context.set_rsa_keygen_bits(bits).unwrap();
        context.keygen().unwrap()
    };
    let weak =
        |bits: u32, least: u32| format!("the private key has {bits} bits, and at least {least} are needed");
    for (key, refused) in [
        (rsa(1024), weak(1024, 2048)),
        (rsa(2047), weak(2047, 2048)),
        (rsa_key().clone(), String::new()),
        (pss(1024), weak(1024, 2048)),
        (curve(Nid::X9_62_PRIME192V1), weak(192, 253)),
        (curve(Nid::SECP224R1), weak(224, 253)),
        (curve(Nid::X9_62_PRIME256V1), String::new()),
        (curve(Nid::SECP384R1), String::new()),
        (curve(Nid::SECP521R1), String::new()),
        (PKey::generate_ed25519().unwrap(), String::new()),
    ] {
        let leaf = middle.certify(&key, &LeafSpec::default());
        let said = defects(prove(&[&leaf, &middle.certificate], &key_pem(&key)));
        assert_eq!(said, refused, "{:?}, {} bits", key.id(), key.bits());
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let middle = Authority::new("Root").intermediate("Middle");
    let (leaf, key) = middle.issue(&LeafSpec::default());
    let chain = [&leaf, &middle.certificate];
    assert_eq!(defects(prove(&chain, &key)), "");
    for other in [new_key(), rsa_key().clone(), curve(Nid::SECP224R1)] {
        assert_eq!(
            defects(prove(&chain, &key_pem(&other))),
            "the private key does not fit the certificate of `CN=a.test`"
        );
    }
}

#[test]
fn a_key_is_plain_pem_of_whatever_form_and_kept_as_pkcs8() {
    let middle = Authority::new("Root").intermediate("Middle");
    let key = new_key();
    let leaf = middle.certify(&key, &LeafSpec::default());
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let unreadable = "the private key cannot be read: it must be PEM, and not encrypted";
    for (form, refused) in [
        (key.private_key_to_pem_pkcs8().unwrap(), ""),
        (key.ec_key().unwrap().private_key_to_pem().unwrap(), ""),
        // Without a question on the terminal.
        (key.private_key_to_pem_pkcs8_passphrase(cipher, b"x").unwrap(), unreadable),
        (key.private_key_to_der().unwrap(), unreadable),
        (key.public_key_to_pem().unwrap(), unreadable),
        (b"junk".to_vec(), unreadable),
        (Vec::new(), unreadable),
    ] {
        let proven = prove(&[&leaf, &middle.certificate], &Secret::new(form));
        if let Ok(bundle) = &proven {
            assert_eq!(bundle.key().expose(), key.private_key_to_pem_pkcs8().unwrap());
        }
        assert_eq!(defects(proven), refused);
    }
}

#[test]
fn a_chain_is_complete_and_in_order_from_the_leaf_on() {
    let (root, other) = (Authority::new("Root"), Authority::new("Other"));
    let middle = root.intermediate("Middle");
    let (leaf, key) = middle.issue(&LeafSpec::default());
    let namesake = root.intermediate("Middle").certificate;
    let (root, middle, other) = (root.certificate, middle.certificate, other.certificate);
    let ended = |issuer: &str, subject: &str| {
        format!(
            "the chain is out of order: `CN={issuer}` did not sign `CN={subject}`, which stands before it"
        )
    };
    let incomplete = "the chain is incomplete: `CN=Middle`, which signed the certificate, is missing";
    for (chain, refused) in [
        (vec![&leaf, &middle], String::new()),
        (vec![&leaf, &middle, &root], String::new()),
        (vec![&leaf], incomplete.to_owned()),
        (vec![&leaf, &root], ended("Root", "a.test")),
        (vec![&leaf, &root, &middle], ended("Root", "a.test") + "\n" + &ended("Middle", "Root")),
        (vec![&leaf, &namesake], ended("Middle", "a.test")),
        // One too many, and two.
        (vec![&leaf, &middle, &other], ended("Other", "Middle")),
        (vec![&leaf, &middle, &middle], ended("Middle", "Middle")),
        (vec![&leaf, &middle, &root, &other], ended("Other", "Root")),
        (
            vec![&leaf, &middle, &other, &namesake],
            ended("Other", "Middle") + "\n" + &ended("Middle", "Other"),
        ),
    ] {
        assert_eq!(defects(prove(&chain, &key)), refused, "{} certificates", chain.len());
    }
}

#[test]
fn a_certificate_of_a_ca_stands_first_only_where_it_stands_alone() {
    let root = Authority::new("Root");
    let middle = root.intermediate("Middle");
    let first = "the first certificate, `CN=a.test`, is a CA's: the server's own must come first";
    for ca in [false, true] {
        let spec = LeafSpec { ca, ..LeafSpec::default() };
        let (alone, key) = self_signed(&spec);
        assert_eq!(defects(prove(&[&alone], &key)), "");
        let (leaf, key) = middle.issue(&spec);
        for chain in [vec![&leaf, &middle.certificate], vec![&leaf, &middle.certificate, &root.certificate]] {
            assert_eq!(defects(prove(&chain, &key)), if ca { first } else { "" });
        }
    }
}

/// The dates of the leaf and of its intermediate, each in turn the first to end.
#[test]
fn each_certificate_of_a_chain_is_valid_now_and_for_as_long_as_is_asked() {
    let root = Authority::new("Root");
    for (leaf_days, middle_days, first) in [(10, 90, "a.test"), (90, 10, "Middle")] {
        let middle = root.under("Middle", new_key(), &LeafSpec { to_days: middle_days, ..LeafSpec::ca() });
        let (leaf, key) = middle.issue(&LeafSpec { to_days: leaf_days, ..LeafSpec::default() });
        let at = |when: Timestamp| {
            let said = defects(prove_for(&[], when, (&[&leaf, &middle.certificate], &key)));
            said.replace(&format!("`CN={first}`"), "it")
        };
        let (from, to) = (leaf.not_before, leaf.not_after.min(middle.certificate.not_after));
        let soon = format!("it expires on {to}, and at least 1d are needed");
        assert_eq!(at(from), "");
        assert_eq!(at(to - DAY), "");
        assert_eq!(at(to - DAY + 1.second()), soon);
        assert_eq!(at(to - 1.second()), soon);
        assert_eq!(at(to), format!("it expired on {to}"));
        let early = at(from - 1.second());
        let words = format!("it is not valid before {from}: is this machine's clock right?");
        assert_eq!((early.lines().count(), early.contains(&words)), (2, true), "{early}");
    }
}

#[test]
fn every_name_must_be_covered() {
    let middle = Authority::new("Root").intermediate("Middle");
    let not =
        |name: &str, covered: &str| format!("the certificate does not cover `{name}`: it is for {covered}");
    for (of_leaf, wanted, refused) in [
        (&["a.test"][..], &["a.test"][..], String::new()),
        (&["a.test", "b.test"], &["b.test"], String::new()),
        (&["*.test"], &["a.test", "b.test"], String::new()),
        (&["a.test"], &["a.test", "b.test"], not("b.test", "`a.test`")),
        (&["a.test", "c.test"], &["b.test"], not("b.test", "`a.test`, `c.test`")),
        (&["*.test"], &["x.a.test"], not("x.a.test", "`*.test`")),
        (&[], &["a.test"], not("a.test", "no name at all")),
        (&[], &[], String::new()),
    ] {
        let (leaf, key) = middle.issue(&LeafSpec { names: of_leaf, ..LeafSpec::default() });
        let chain = [&leaf, &middle.certificate];
        assert_eq!(defects(prove_for(wanted, now(), (&chain, &key))), refused, "{of_leaf:?}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let middle = Authority::new("Root").intermediate("Middle");
    let spec = LeafSpec { names: &["b.test"], from_days: -9, to_days: 0, ..LeafSpec::default() };
    let (leaf, _) = middle.issue(&spec);
    let said = defects(prove(&[&leaf], &key_pem(&new_key())));
    insta::assert_snapshot!(said, @"
    the private key does not fit the certificate of `CN=b.test`
    the chain is incomplete: `CN=Middle`, which signed the certificate, is missing
    the certificate does not cover `a.test`: it is for `b.test`
    `CN=b.test` expired on 2027-01-15T08:00:00Z
    ");
    let required = Requirements { names: &[], now: now(), at_least: DAY };
    let junk = Bundle::prove(b"junk", &Secret::new(Vec::new()), now(), &required).unwrap_err();
    assert_eq!(junk.len(), 2, "{junk:?}");
}
