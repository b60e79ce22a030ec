//! How a host is reached: what its connection variables say.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::HostName;

/// How to log in to a host, from Ansible's connection variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The inventory's name of the host.
    pub host: HostName,
    /// `ansible_host`, else the host's name: a DNS name or an IP address.
    pub address: String,
    /// `ansible_port`, else 22.
    pub port: u16,
    /// `ansible_user`; none means the user who runs certwave.
    pub user: Option<String>,
    /// `ansible_ssh_private_key_file`; none means the agent and the user's default keys.
    pub key_file: Option<PathBuf>,
    /// The user that commands run as through `sudo -n`, where `ansible_become` says so:
    /// `ansible_become_user`, else `root`.
    pub become_user: Option<String>,
    /// `-o UserKnownHostsFile=` in `ansible_ssh_common_args`; empty means `~/.ssh/known_hosts` and
    /// `/etc/ssh/ssh_known_hosts`.
    pub known_hosts: Vec<PathBuf>,
}
