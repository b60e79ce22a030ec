//! The answers to the challenges of a CA.

use std::future::Future;

/// Answers HTTP-01 challenges (RFC 8555, section 8.3).
pub trait ChallengeResponder: Send + Sync {
    /// Serves `key_authorization` at `/.well-known/acme-challenge/TOKEN` until it is withdrawn.
    ///
    /// # Errors
    /// In words, when it cannot be served everywhere where the CA may ask.
    fn publish(
        &self,
        token: &str,
        key_authorization: &str,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// No longer serves it. What cannot be withdrawn is harmless: a token is good for one order.
    fn withdraw(&self, token: &str) -> impl Future<Output = ()> + Send;
}
