//! What Envoy's admin interface says of a secret (Envoy's operations guide, "Administration interface").

use serde_json::Value;

use crate::certificate::{Certificate, parse_pem};

/// Counters of one secret: how often Envoy could not take what it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rejections {
    /// A pair that does not fit, or files that it cannot read.
    pub key_rotation_failed: u64,
    /// A secret that is not what was asked for.
    pub update_rejected: u64,
    /// An SDS file that it cannot read.
    pub update_failure: u64,
}

/// The path of a secret's counters.
pub fn counters_path(secret: &str) -> String {
    format!("/stats?filter={}", percent(&format!("^sds\\.{}\\.", escape(secret))))
}

/// Reads the counters; those that Envoy does not have yet are zero.
pub fn read_counters(secret: &str, text: &str) -> Rejections {
    let counter = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("sds.{secret}.{name}: ")));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    Rejections {
        key_rotation_failed: counter("key_rotation_failed"),
        update_rejected: counter("update_rejected"),
        update_failure: counter("update_failure"),
    }
}

impl Rejections {
    /// What went wrong since; None when nothing did.
    pub fn since(&self, before: &Rejections) -> Option<&'static str> {
        if self.key_rotation_failed > before.key_rotation_failed {
            Some(
                "it could not load certificate and key (`key_rotation_failed`): may Envoy's user read the key? `install: group` and `mode` say who may",
            )
        } else if self.update_rejected > before.update_rejected {
            Some("it refused the secret (`update_rejected`)")
        } else if self.update_failure > before.update_failure {
            Some("it could not read the SDS file (`update_failure`)")
        } else {
            None
        }
    }
}

/// The path of the secrets that are active.
pub const ACTIVE: &str = "/config_dump?resource=dynamic_active_secrets";

/// The leaf of an active secret. None where Envoy has no such secret, or does not show its certificate.
pub fn read_active(secret: &str, text: &str) -> Option<Certificate> {
    let dump: Value = serde_json::from_str(text).ok()?;
    let of_name = |one: &&Value| one["name"] == secret || one["secret"]["name"] == secret;
    let entry = dump["configs"].as_array()?.iter().find(of_name)?;
    let chain = &entry["secret"]["tls_certificate"]["certificate_chain"];
    let pem = match (chain["inline_bytes"].as_str(), chain["inline_string"].as_str()) {
        (Some(bytes), _) => openssl::base64::decode_block(bytes).ok()?,
        (None, Some(text)) => text.as_bytes().to_vec(),
        (None, None) => return None,
    };
    parse_pem(&pem).ok()?.into_iter().next()
}

/// Text that a regular expression takes as it stands.
fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_ascii_alphanumeric() || c == '_' { vec![c] } else { vec!['\\', c] })
        .collect()
}

/// Percent-encoding (RFC 3986, section 2.1) of all that is not unreserved.
fn percent(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{Authority, LeafSpec, pem};

    #[test]
    fn a_rejection_is_told_from_the_counters_of_this_secret() {
        assert_eq!(counters_path("api.cert"), "/stats?filter=%5Esds%5C.api%5C.cert%5C.");
        let before = read_counters("api", "sds.api.update_rejected: 1\nsds.other.key_rotation_failed: 7\n");
        assert_eq!(before, Rejections { update_rejected: 1, ..Rejections::default() });
        assert_eq!(before.since(&before), None);
        let rotation = Rejections { key_rotation_failed: 1, ..before };
        assert!(rotation.since(&before).unwrap().contains("may Envoy's user read the key?"));
        let rejected = Rejections { update_rejected: 2, ..before };
        assert_eq!(rejected.since(&before), Some("it refused the secret (`update_rejected`)"));
        let failure = Rejections { update_failure: 1, ..before };
        assert!(failure.since(&before).unwrap().contains("SDS file"));
        // An Envoy that was started anew counts from zero.
        let many = Rejections { key_rotation_failed: 3, update_rejected: 3, update_failure: 3 };
        assert_eq!(Rejections::default().since(&many), None);
    }

    #[test]
    fn counters_are_those_of_the_whole_name() {
        let said = "sds.api.cert.update_rejected: 7\nlistener.sds.api.update_rejected: 8\nsds.api.update_rejected_by: 9\n\
                    sds.api.update_failure: no number\n";
        assert_eq!(read_counters("api", said), Rejections::default());
        let said = "sds.api.key_rotation_failed: 1\nsds.api.update_rejected: 2\nsds.api.update_failure: 3\n";
        let all = Rejections { key_rotation_failed: 1, update_rejected: 2, update_failure: 3 };
        assert_eq!(read_counters("api", said), all);
    }

    /// A dump of secrets, each with its name and what stands for its chain.
    fn dump(secrets: &[(&str, &str, String)]) -> String {
        let secret = |(name, field, chain): &(&str, &str, String)| serde_json::json!({"name": name, "secret": {"name": name, "tls_certificate": {"certificate_chain": {(*field): chain}}}});
        serde_json::json!({"configs": secrets.iter().map(secret).collect::<Vec<_>>()}).to_string()
    }

    #[test]
    fn the_certificate_of_a_secret_is_the_first_of_its_chain_however_it_is_written() {
        let root = Authority::new("Root");
        let (leaf, other) = (root.issue(&LeafSpec::default()).0, root.issue(&LeafSpec::default()).0);
        let chain = |leaf| pem(&[leaf, &root.certificate]);
        let text = |leaf| String::from_utf8(chain(leaf)).unwrap();
        let bytes = |leaf| openssl::base64::encode_block(&chain(leaf));
        for (field, written) in [("inline_bytes", bytes(&leaf)), ("inline_string", text(&leaf))] {
            let secrets = [
                ("api2", "inline_bytes", bytes(&other)),
                ("api", field, written),
                ("web", "inline_bytes", bytes(&other)),
            ];
            assert_eq!(read_active("api", &dump(&secrets)).unwrap().fingerprint, leaf.fingerprint, "{field}");
            assert!(read_active("ap", &dump(&secrets)).is_none());
        }
        let nameless = dump(&[("api", "inline_bytes", bytes(&leaf))]).replacen("\"name\":\"api\",", "", 1);
        assert_eq!(read_active("api", &nameless).unwrap().fingerprint, leaf.fingerprint);
        for field in ["filename", "inline_bytes"] {
            let unread = dump(&[("api", field, "/etc/ssl/a.crt".to_owned())]);
            assert!(read_active("api", &unread).is_none(), "{field}");
        }
    }

    #[test]
    fn an_answer_that_tells_nothing_is_no_certificate() {
        for text in ["", "{}", r#"{"configs": [{"name": "api", "secret": {"tls_certificate": {}}}]}"#] {
            assert!(read_active("api", text).is_none(), "{text}");
        }
    }
}
