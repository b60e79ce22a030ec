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
