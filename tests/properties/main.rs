//! Properties that hold in every world, not only in the ones somebody thought of.

mod rollout;
mod world;
