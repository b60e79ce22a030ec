//! A stapled OCSP answer (RFC 6066, section 8; RFC 6960): whose it is, and until when.

use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::ocsp::{OcspCertId, OcspResponse, OcspResponseStatus};
use openssl::x509::X509;
use serde::{Deserialize, Serialize};

/// What a stapled answer is to the chain that it came with. Its signature is not judged: clients do that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Staple {
    /// It is about the leaf.
    Fits {
        /// Until then it may be used; for ever, where it does not say.
        until: Option<Timestamp>,
    },
    /// It is about another certificate.
    Other,
    /// It cannot be read, or is an error of the responder.
    Unreadable,
}

impl Staple {
    /// Reads an answer that was stapled to a chain, each in DER, leaf first.
    pub fn read(answer: &[u8], chain: &[Vec<u8>]) -> Self {
        read(answer, chain).unwrap_or(Staple::Unreadable)
    }

    /// What is wrong with it, in words.
    pub fn problem(self, now: Timestamp) -> Option<String> {
        match self {
            Staple::Fits { until: Some(until) } if until <= now => {
                Some(format!("expired on {}", until.strftime("%Y-%m-%d %H:%M:%SZ")))
            }
            Staple::Fits { .. } => None,
            Staple::Other => Some("is for another certificate".to_owned()),
            Staple::Unreadable => Some("cannot be read".to_owned()),
        }
    }
}

fn read(answer: &[u8], chain: &[Vec<u8>]) -> Result<Staple, ErrorStack> {
    let answer = OcspResponse::from_der(answer)?;
    if answer.status() != OcspResponseStatus::SUCCESSFUL {
        return Ok(Staple::Unreadable);
    }
    let basic = answer.basic()?;
    // Of a leaf that comes alone, the issuer's key is not known, and so not whether an answer is its own.
    let [leaf, issuer, ..] = chain else { return Ok(Staple::Fits { until: None }) };
    let (leaf, issuer) = (X509::from_der(leaf)?, X509::from_der(issuer)?);
    // Responders name certificates by either.
    for digest in [MessageDigest::sha1(), MessageDigest::sha256()] {
        let id = OcspCertId::from_cert(digest, &leaf, &issuer)?;
        if let Some(status) = basic.find_status(&id) {
            let until = status.next_update().and_then(|until| time(&until.to_string()));
            return Ok(Staple::Fits { until });
        }
    }
    Ok(Staple::Other)
}

/// As OpenSSL prints it: `Dec  7 16:00:05 2026 GMT`.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim_end_matches(" GMT");
    let parsed = BrokenDownTime::parse("%b %e %H:%M:%S %Y", text).ok()?.to_datetime().ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(parsed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two leaves of one CA (`0`, `1`) with that CA (`2`), and what its responder said of the first one.
    fn kept(name: &str) -> Vec<u8> {
        let path = format!("{}/tests/fixtures/ocsp/{name}.der", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    }

    #[test]
    fn an_answer_fits_the_leaf_that_it_is_about_until_its_time_has_come() {
        let [first, second, ca] = ["first", "second", "ca"].map(kept);
        let fits = Staple::read(&kept("answer"), &[first.clone(), ca.clone()]);
        let Staple::Fits { until: Some(until) } = fits else { panic!("{fits:?}") };
        assert_eq!(until.to_string(), "2026-12-07T16:00:05Z");
        let second_later = until + jiff::SignedDuration::from_secs(1);
        let second_before = until - jiff::SignedDuration::from_secs(1);
        assert_eq!(fits.problem(second_before), None);
        assert_eq!(fits.problem(until).unwrap(), "expired on 2026-12-07 16:00:05Z");
        assert!(fits.problem(second_later).is_some());
        assert_eq!(Staple::Fits { until: None }.problem(second_later), None);
        // By its digest, an answer may name certificates otherwise.
        let other_digest = Staple::read(&kept("answer-sha256"), &[first.clone(), ca.clone()]);
        assert!(matches!(other_digest, Staple::Fits { until: Some(_) }), "{other_digest:?}");
        assert_eq!(Staple::read(&kept("answer"), std::slice::from_ref(&first)), Staple::Fits { until: None });
        for (answer, chain, expected) in [
            ("answer", vec![second, ca.clone()], Staple::Other),
            ("error", vec![first.clone(), ca.clone()], Staple::Unreadable),
            ("first", vec![first, ca], Staple::Unreadable),
        ] {
            let staple = Staple::read(&kept(answer), &chain);
            assert_eq!(staple, expected, "{answer}");
            assert!(staple.problem(second_before).is_some());
        }
        assert_eq!(Staple::read(b"", &[]), Staple::Unreadable);
    }
}
