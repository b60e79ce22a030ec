//! Bytes that must never be shown.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A private key or a token. Clones share the bytes, which are wiped when the last one is dropped. It prints as
/// `Secret`, and cannot be serialised; the few places that take the bytes out are listed in `tests/architecture.rs`.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// Takes the bytes in; the caller keeps no copy.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// How many bytes they are.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// This one, and another one after it.
    pub fn followed_by(&self, other: &Secret) -> Secret {
        // All at once: a growing vector would leave copies of it behind in freed memory.
        let mut whole = Vec::with_capacity(self.size() + other.size());
        whole.extend_from_slice(&self.0);
        whole.extend_from_slice(&other.0);
        Secret::new(whole)
    }

    /// The bytes themselves. Each use of this is a place where a secret could leak.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Some(Secret::new(b"hunter2".to_vec()))), "Some(Secret)");
    }
}
