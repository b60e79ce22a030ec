//! An order that was placed and is not settled yet: its URL and its key are on the disk, so that whoever comes after
//! a crash takes it up again, and nothing that counts against the CA's limits is lost.

use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;

use crate::acme::error::IssueError;
use crate::acme::request::Request;
use crate::model::Secret;
use crate::ports::{KeepError, SecretFiles};

/// An order on the disk. It stays there until [`PlacedOrder::settle`].
#[derive(Debug)]
pub struct PlacedOrder {
    /// The file that holds the URL; written last.
    url: String,
    /// The file that holds the key.
    key: String,
}

impl PlacedOrder {
    /// What the order that a request makes is called: one for each server, contact, profile, set of names and key.
    fn of(request: &Request<'_>) -> Self {
        let issuer = request.issuer;
        let names: Vec<&str> = request.domains.iter().map(|name| name.as_str()).collect();
        let profile = issuer.profile.as_deref().unwrap_or_default();
        let key = request.key.to_string();
        let what = [&issuer.directory, &issuer.contact.join(","), profile, &names.join(","), &key].join("\n");
        let first = names.first().copied().unwrap_or_default().replace('*', "_");
        let stem = format!("{first}-{}", hex::encode(&sha256(what.as_bytes())[..8]));
        Self { url: format!("{stem}.url"), key: format!("{stem}.pem") }
    }

    /// The one that an earlier try left, with its URL and key.
    pub(super) fn find(request: &Request<'_>) -> Result<Option<(Self, String, PKey<Private>)>, IssueError> {
        let this = Self::of(request);
        let (Some(url), Some(pem)) = (request.orders.read(&this.url)?, request.orders.read(&this.key)?)
        else {
            return Ok(None);
        };
        let url = String::from_utf8_lossy(url.expose()).trim().to_owned();
        Ok(PKey::private_key_from_pem(pem.expose()).ok().map(|key| (this, url, key)))
    }

    /// Keeps a new one: the key first.
    pub(super) fn keep(request: &Request<'_>, url: &str, key: &PKey<Private>) -> Result<Self, IssueError> {
        let this = Self::of(request);
        request.orders.write(&this.key, &Secret::new(key.private_key_to_pem_pkcs8()?))?;
        request.orders.write(&this.url, &Secret::new(url.as_bytes().to_vec()))?;
        Ok(this)
    }

    /// Nothing is left to be done with it: its certificate is in the store, or it will never have one.
    ///
    /// # Errors
    /// When its files cannot be removed.
    pub fn settle(self, orders: &dyn SecretFiles) -> Result<(), KeepError> {
        orders.remove(&self.url)?;
        orders.remove(&self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::testing::{Files, issuer, names, request};
    use crate::certificate::KeyType;
    use crate::certificate::testing::new_key;
    use crate::plan::PlannedAcme;

    const URL: &str = "https://ca.test:14000/order/7";

    #[test]
    fn an_order_is_taken_up_again_by_the_same_request_alone() {
        let (files, key) = (Files::default(), new_key());
        let (ours, of_a) = (issuer(), names(&["a.test", "b.test"]));
        let kept = request((&ours, &of_a, KeyType::EcdsaP256), &files);
        PlacedOrder::keep(&kept, URL, &key).unwrap();
        let (_, url, found) = PlacedOrder::find(&kept).unwrap().unwrap();
        assert_eq!((url.as_str(), found.public_eq(&key)), (URL, true));
        let other = |change: fn(&mut PlannedAcme)| {
            let mut other = issuer();
            change(&mut other);
            other
        };
        let directory = other(|one| one.directory = "https://ca.test:14000/other".to_owned());
        let contact = other(|one| one.contact = vec!["mailto:dev@example.com".to_owned()]);
        let profile = other(|one| one.profile = Some("shortlived".to_owned()));
        let (one_name, third) = (names(&["a.test"]), names(&["a.test", "c.test"]));
        for asked in [
            (&directory, &of_a, KeyType::EcdsaP256),
            (&contact, &of_a, KeyType::EcdsaP256),
            (&profile, &of_a, KeyType::EcdsaP256),
            (&ours, &of_a, KeyType::EcdsaP384),
            (&ours, &one_name, KeyType::EcdsaP256),
            (&ours, &third, KeyType::EcdsaP256),
        ] {
            let (issuer, domains, kind) = asked;
            let asked = request((issuer, domains, kind), &files);
            assert!(PlacedOrder::find(&asked).unwrap().is_none(), "{issuer:?} {domains:?} {kind}");
        }
    }

    /// A process that dies between the two leaves a key without an order, and never an order without its key.
    #[test]
    fn the_key_of_an_order_is_kept_before_its_url_and_both_go_when_it_is_done() {
        let (files, ours, domains) = (Files::default(), issuer(), names(&["*.a.test"]));
        let request = request((&ours, &domains, KeyType::EcdsaP256), &files);
        let placed = PlacedOrder::keep(&request, URL, &new_key()).unwrap();
        let written = files.written.lock().unwrap().clone();
        let (first, then) = (&written[0], &written[1]);
        assert!(first.starts_with("_.a.test-") && first.ends_with(".pem"), "{written:?}");
        assert_eq!(*then, first.replace(".pem", ".url"));
        for gone in [first, then] {
            let kept = files.content.lock().unwrap().remove(gone).unwrap();
            assert!(PlacedOrder::find(&request).unwrap().is_none(), "without {gone}");
            files.content.lock().unwrap().insert(gone.clone(), kept);
        }
        placed.settle(&files).unwrap();
        assert_eq!(files.names(), [""; 0]);
    }
}
