//! Certificates and keys. Having a [`Bundle`] is the proof that they can be served: the key fits the leaf, the
//! chain is in order and complete, the names are covered, and the dates are right.

mod bundle;
mod chains;
mod client;
mod formats;
mod inspect;
mod key_type;
mod leaf;
mod set;
mod staple;

pub use bundle::{Bundle, Defect, Requirements};
pub use chains::ChainSet;
pub use client::{ClientDefects, ClientIdentity};
pub use inspect::{Certificate, UnreadableCertificate, parse_pem};
pub use key_type::{KeyAlgorithm, KeyType};
pub use leaf::{Leaf, chain_expires};
pub use set::CertificateSet;
pub use staple::Staple;

#[cfg(test)]
pub(crate) mod testing;
