//! Why something could not be kept, or not be had again.

use std::error::Error;
use std::path::PathBuf;

/// What a database says of itself, whichever it is.
pub type DatabaseError = Box<dyn Error + Send + Sync>;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder.
    #[error("access `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The journal's database.
    #[error("use the journal `{}`", path.display())]
    Journal {
        /// Which.
        path: PathBuf,
        /// Why: the database's own words.
        source: DatabaseError,
    },
    /// The journal's database is damaged, or is none.
    #[error("use the journal `{}`: it is damaged", path.display())]
    DamagedJournal {
        /// Which.
        path: PathBuf,
        /// The database's own words.
        source: DatabaseError,
    },
    /// The journal can be read, and not be written.
    #[error("use the journal `{}`: it cannot be opened for writing", path.display())]
    ReadOnlyJournal {
        /// Which.
        path: PathBuf,
        /// The database's own words.
        source: DatabaseError,
    },
    /// Another process writes to the journal, and does not come to an end.
    #[error("use the journal `{}`: {holder}", path.display())]
    Busy {
        /// Which.
        path: PathBuf,
        /// Who, and how it is.
        holder: String,
    },
    /// The disk has no room for the journal.
    #[error("use the journal `{}`: {free_kib} KiB are free on its disk", path.display())]
    NoRoom {
        /// Which.
        path: PathBuf,
        /// Room that is left, in KiB.
        free_kib: u64,
        /// The database's own words.
        source: DatabaseError,
    },
    /// A fact in the journal that this version cannot read.
    #[error("read fact {seq} of operation `{operation}` in the journal")]
    Fact {
        /// Its operation.
        operation: String,
        /// Its number.
        seq: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// A file of ours that is not what it should be.
    #[error("read `{}`", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The journal was written by a newer certwave.
    #[error("use the journal `{}`: it has format {found}, and this certwave knows formats up to {known}", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Another process works on the same certificate.
    #[error("start: a rollout of `{certificate}` is already running: {holder}")]
    Held {
        /// Which certificate.
        certificate: String,
        /// Who runs it.
        holder: String,
    },
    /// The lease ran out, and another process took it: nothing more may be done here.
    #[error("go on with the rollout of `{certificate}`: it was taken over by {holder}")]
    Deposed {
        /// Which certificate.
        certificate: String,
        /// Who has it now.
        holder: String,
    },
    /// The folder, or the sealing key, can be read by others.
    #[error("use `{}`: other users can read it (mode {mode:04o}), and it holds private keys", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// There is no sealing key yet, and none can be made.
    #[error("make the sealing key `{}`", path.display())]
    MakeKey {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The sealing key is not one.
    #[error("use the sealing key `{}`: it must hold a private key and its certificate, in PEM, not encrypted", path.display())]
    NotAKey {
        /// Which.
        path: PathBuf,
    },
    /// Something is sealed, and the key is not where it should be.
    #[error("open `{}`: there is no sealing key `{}`", path.display(), key.display())]
    NoKey {
        /// What is sealed.
        path: PathBuf,
        /// Where the key was looked for.
        key: PathBuf,
    },
    /// Something was sealed with another key.
    #[error("open `{}`: it was sealed with another key than `{}`", path.display(), key.display())]
    OtherKey {
        /// What was sealed.
        path: PathBuf,
        /// The key that does not open it.
        key: PathBuf,
    },
    /// Something that was sealed is not as it was written.
    #[error("open `{}`: it is damaged", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        source: openssl::error::ErrorStack,
    },
    /// OpenSSL could not seal, which without random numbers it cannot.
    #[error("seal a secret")]
    Sealing(#[source] openssl::error::ErrorStack),
}

impl StoreError {
    /// The way out, where there is a usual one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            StoreError::NoKey { .. } | StoreError::OtherKey { .. } => Some(
                "name the key that this state was sealed with: `--seal-key FILE`. Where it is lost, so is what it sealed: \
                 with `accounts`, `certificates` and `orders` moved out of the state, the next rollout begins anew",
            ),
            StoreError::Busy { .. } => Some(
                "let it go on (`kill -CONT`), or end it: what it had begun to write is undone, and a rollout resumes. A stopped \
                 controller is ended by itself, once its lease has run out (a minute)",
            ),
            StoreError::NoRoom { .. } => Some("make room there, then run the command again"),
            StoreError::DamagedJournal { .. } => Some(
                "restore the state from a backup. Without one, move `journal.db*` away: certwave begins a new journal, and hosts \
                 keep what they serve",
            ),
            StoreError::ReadOnlyJournal { .. } => Some(
                "every command opens the journal for writing: let your user write to it and to its folder",
            ),
            StoreError::MakeKey { .. } => Some("its folder must be there, and be yours to write to"),
            StoreError::NotAKey { .. } => Some(
                "restore it from a copy, or name another place where certwave makes a new one: `--seal-key FILE`",
            ),
            StoreError::Damaged { .. } => Some("restore it from a copy of the state, or move it away"),
            _ => None,
        }
    }
}
