//! What the engine and the operations ask of the world: one file per port. Each port is small, so that an adapter fills
//! it with the real thing, and a test with a world that can crash at a chosen event.

mod certificates;
mod challenge;
mod clock;
mod confirm;
mod effects;
mod handshake;
mod journal;
mod leases;
mod observer;
mod remote;
mod secret_files;
mod store_error;

pub use certificates::{Certificates, StoredCertificate, StoredPair};
pub use challenge::ChallengeResponder;
pub use clock::Clock;
pub use confirm::{Confirm, Question, Unanswered};
pub use effects::{Effects, SoakWatch};
pub use handshake::{BurstEnd, Conversation, Dial, HeldRequest, IdleConnection, Prober};
pub use journal::{Command, Entries, Entry, Events, Journal, JournalError, RolloutJournal};
pub use leases::{HeldLease, Lease, LeaseToken, Leases};
pub use observer::Observer;
pub use remote::{
    BoxedStream, Certainty, Connection, Connector, HeldCommand, RemoteCommand, RemoteError, RemoteErrorKind,
    RemoteOutput, Stream,
};
pub use secret_files::{KeepError, SecretFiles};
pub use store_error::{DatabaseError, StoreError};
