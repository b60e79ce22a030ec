//! Keys and certificates: where a key may be, what a certificate can be wrong in, what becomes of a revoked one.

pub(crate) mod findings;
mod leaks;
mod revoked;
