//! A rollout from its plan to its proof, as people start it, steer it, look at it and take it back.

mod chain;
mod demo;
mod interrupted;
mod ledger;
mod matrix;
mod plan;
mod refused;
mod resume;
mod rollback;
mod rollout;
mod scopes;
mod served;
mod status;
mod steer;
mod terminal;
mod verify;
