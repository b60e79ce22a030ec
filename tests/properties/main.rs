//! Properties that hold in every world, not only in the ones somebody thought of.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A test says what it expects by failing.

mod driver;
mod foreign;
mod preview;
mod rollout;
mod run;
mod world;
mod yaml;
