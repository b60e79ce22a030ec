//! How a certificate is installed on a host: paths, settings, POSIX `sh` scripts as data, and parsers of what
//! they print. Nothing here runs anything.
//!
//! A host that is changed is attended by one shell ([`RemoteShells`]), which holds its lock and is asked for one [`Task`]
//! after the other; whatever else is run there meanwhile is a [`Script`] that it is asked for, too. Scripts come on standard
//! input, and hold no secret. Every task and script is correct when killed after any line, from any starting state. The fixed text is in
//! `scripts/*.sh`; all that varies is quoted assignments.
//!
//! Order on a host: lock (held throughout), inspect, stage, activate, then commit or rollback.

mod answer;
mod archive;
mod attend;
mod copies;
mod dead_man;
mod directory;
mod disk;
mod error;
mod facts;
mod file_name;
mod history;
mod layout;
mod listeners;
mod old_processes;
mod outcome;
mod output;
mod own_words;
mod ownership;
mod payload;
mod readers;
mod reads;
mod rehearsal;
mod script;
mod shell;
mod sudo_log;
mod texts;
mod unreadable;

pub use archive::StagePayload;
pub use attend::{Attending, RemoteShells};
pub use copies::FileCopy;
pub use dead_man::{Armed, Boots, DeadMan, Fired, Guard, Keeper};
pub use directory::InstallDirectory;
pub use disk::{OnDisk, shown_leaves};
pub use error::InstallError;
pub use facts::{Facts, LinkState, Live};
pub use file_name::{FileName, FilePart};
pub use history::History;
pub use layout::{InstallSpec, Layout};
pub use listeners::{Listener, Rival, has_one_master};
pub use old_processes::OldProcesses;
pub use outcome::{Activation, LockAnswer, Pruned, Rollback, Staged, ends_at_reboot};
pub use output::Output;
pub use own_words::OwnWords;
pub use ownership::{KeyFile, Ownership};
pub use payload::{Formats, Payloads, files};
pub use readers::Reader;
pub use reads::{Beside, BesideKind, NamedFile, Reads};
pub use rehearsal::{Rehearsed, Tested, rehearsed};
pub use script::{AlreadyKnown, ScriptService, Task};
pub use shell::{Input, Script, Word, login_line};
pub use sudo_log::{SudoLog, SudoLogs};
