//! The texts that scripts are made of.

pub(super) const INSPECT: &str = include_str!("scripts/inspect.sh");
pub(super) const STAGE: &str = include_str!("scripts/stage.sh");
pub(super) const COMMON: &str = include_str!("scripts/common.sh");
/// What is active: certificates only, never a key.
pub(super) const ACTIVE: &str = include_str!("scripts/active.sh");
/// What servers read: certificates only, never a key.
pub(super) const READS: &str = include_str!("scripts/reads.sh");
/// Where the boot unit finds switches.
pub(super) const BOOT_FILE: &str = include_str!("scripts/boot_file.sh");
/// Who puts back what nobody confirmed.
pub(super) const GUARD: &str = include_str!("scripts/dead_man_guard.sh");
/// Who else can change what a path leads to.
pub(super) const WAYS: &str = include_str!("scripts/ways.sh");
/// What is done in folders that others can change.
pub(super) const FOLDERS: &str = include_str!("scripts/folders.sh");
/// Processes that outlive a reload.
pub(super) const OLD_PROCESSES: &str = include_str!("scripts/old_processes.sh");
/// What stands at the paths of links and copies.
pub(super) const PLACES: &str = include_str!("scripts/places.sh");
/// Whose sockets servers are proven at.
pub(super) const LISTENERS: &str = include_str!("scripts/listeners.sh");
/// Who reads the servers' files.
pub(super) const READERS: &str = include_str!("scripts/readers.sh");
/// Whether sudo keeps what it is sent.
pub(super) const SUDO_LOGS: &str = include_str!("scripts/sudo_logs.sh");
pub(super) const CHANGE: &str = include_str!("scripts/change.sh");
