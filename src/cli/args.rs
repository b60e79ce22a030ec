//! The words that certwave understands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::model::{CertificateName, DnsName, HostName, RevocationReason, Version, WaveName, parse_duration};
use crate::verify::{ClientSettings, HandshakeRate, ProxyProtocol};

/// Rolls a TLS certificate out to a fleet, wave by wave, and proves it by live handshakes.
#[derive(Debug, Parser)]
#[command(name = "certwave", version, propagate_version = true, subcommand_required = true)]
#[command(after_help = "Start with `certwave demo`, then `certwave init`.")]
pub struct Args {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command. A flag wins over its variable, the variable over `certwave.yaml`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Inventory file or folder; may be repeated
    #[arg(
        short,
        long,
        global = true,
        value_name = "PATH",
        env = "CERTWAVE_INVENTORY",
        value_delimiter = ','
    )]
    pub inventory: Vec<PathBuf>,
    /// Where journal, certificates and accounts are kept, as `sqlite:FOLDER` [default: ~/.local/state/certwave]
    #[arg(long, global = true, value_name = "URL", env = "CERTWAVE_STATE")]
    pub state: Option<String>,
    /// The key that private keys and accounts are sealed with; made when it is missing and nothing is sealed yet
    /// [default: seal.pem in the state]
    #[arg(long, global = true, value_name = "FILE", env = "CERTWAVE_SEAL_KEY")]
    pub seal_key: Option<PathBuf>,
    /// What results look like [default: human]
    #[arg(long, global = true, value_enum, env = "CERTWAVE_OUTPUT")]
    pub output: Option<OutputFormat>,
    /// When to use colours; honours NO_COLOR [default: auto]
    #[arg(long, global = true, value_enum, value_name = "WHEN", env = "CERTWAVE_COLOR")]
    pub color: Option<Color>,
    /// Say more; twice for the library's own words
    #[arg(short, long, global = true, action = clap::ArgAction::Count, env = "CERTWAVE_VERBOSE")]
    pub verbose: u8,
    /// Say only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", env = "CERTWAVE_QUIET")]
    pub quiet: bool,
    /// What log lines look like [default: text]
    #[arg(long, global = true, value_enum, value_name = "FORMAT", env = "CERTWAVE_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Settings file [default: certwave.yaml, if there is one]
    #[arg(long, global = true, value_name = "FILE", env = "CERTWAVE_CONFIG")]
    pub config: Option<PathBuf>,
}

/// What results look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What log lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a disposable fleet of real servers and roll a certificate through it
    Demo(DemoArgs),
    /// Keep a fleet of real servers for practice
    #[command(subcommand)]
    Lab(LabAct),
    /// Write a commented certwave.yaml, inventory and playbook to start from
    Init(InitArgs),
    /// Validate playbooks and inventory, offline: every problem at once
    Check(CheckArgs),
    /// Show what a rollout would do, host by host, and why; changes nothing
    Plan(PlanArgs),
    /// Issue the certificate if it is due, then roll it out
    Rollout(RolloutArgs),
    /// Go on with a rollout that was interrupted, paused or left incomplete
    Resume(ResumeArgs),
    /// Stop a running rollout for now: hosts in flight are finished, `resume` goes on
    Pause(SteerArgs),
    /// Stop a rollout and roll back as its `on_failure` says
    Abort(SteerArgs),
    /// Let a wave begin that asks for an approval
    Approve(ApproveArgs),
    /// Put every host back on an earlier certificate, newest wave first
    Rollback(RollbackArgs),
    /// Compare what every host serves and has on disk with what it should
    Status(StatusArgs),
    /// Prove again what the last rollout proved
    Verify(VerifyArgs),
    /// List the certificates in the store: versions, dates, and where they are
    Certificates(CertificatesArgs),
    /// Have a CA revoke a certificate that no host serves any more
    Revoke(RevokeArgs),
    /// Show the inventory as resolved
    #[command(subcommand)]
    Inventory(InventoryAct),
    /// List the rollouts so far
    History,
    /// Show what one rollout did
    Show(ShowArgs),
    /// List everything that was done, or verify that none of it was changed
    Audit(AuditArgs),
    /// Write a completion script for a shell
    Completions(CompletionsArgs),
    /// Write man pages into a folder
    Man(ManArgs),
}

impl Command {
    /// Whether its exit code says what became of hosts.
    pub(super) fn changes_hosts(&self) -> bool {
        matches!(self, Self::Rollout(_) | Self::Resume(_) | Self::Rollback(_))
    }
}

/// `certwave demo`
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Break the canary host, and watch it go back by itself
    #[arg(long = "break", value_enum, value_name = "WHAT")]
    pub break_: Option<BreakWord>,
    /// How many nginx hosts; one with HAProxy and one with Envoy come on top
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=98))]
    pub hosts: u16,
    /// Leave the fleet running afterwards
    #[arg(long)]
    pub keep: bool,
}

/// What `demo --break` breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BreakWord {
    /// Its nginx configuration has an error
    Config,
    /// Its nginx is configured with a key that does not fit
    Key,
    /// Its nginx serves the certificate without its chain
    Chain,
    /// It cannot be reached
    Unreachable,
    /// The HAProxy host's configuration has an error
    Haproxy,
    /// The Envoy host's secret does not watch the certificate's folder
    Envoy,
    /// Its nginx serves another site's certificate
    Mismatch,
}

/// `certwave lab`
#[derive(Debug, Subcommand)]
pub enum LabAct {
    /// Start a fleet, and print the inventory and playbook to use with it
    Up {
        /// How many nginx hosts
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
        hosts: u16,
        /// How many more with HAProxy
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=40))]
        haproxy: u16,
        /// How many more with Envoy
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=40))]
        envoy: u16,
        /// Its folder
        #[arg(long, default_value = "certwave-lab")]
        directory: PathBuf,
    },
    /// End every process of a fleet, and remove its folder
    Down {
        /// Its folder
        #[arg(long, default_value = "certwave-lab")]
        directory: PathBuf,
    },
    /// Say which servers of a fleet run
    Status {
        /// Its folder
        #[arg(long, default_value = "certwave-lab")]
        directory: PathBuf,
    },
}

/// `certwave init`
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// Where to write
    #[arg(default_value = ".")]
    pub directory: PathBuf,
}

/// `certwave check`
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Playbooks
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub playbooks: Vec<PathBuf>,
}

/// `certwave plan`
#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// What would be rolled out
    pub playbook: PathBuf,
    /// Plan with a new certificate even if none is due
    #[arg(long)]
    pub force: bool,
    /// Plan with this version, which is in the store
    #[arg(long, value_name = "VERSION", conflicts_with = "force")]
    pub certificate: Option<Version>,
    /// Only hosts that match this pattern
    #[arg(long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// Plan to go ahead on this host although its server is down, or serves something else; may be repeated
    #[arg(long, value_name = "HOST")]
    pub accept: Vec<HostName>,
    /// Save the plan for `certwave rollout --plan`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How long a saved plan may be carried out
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    pub valid_for: Duration,
    /// Exit with 2 where a rollout would change something, with 0 where it would not
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// How many hosts are looked at at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: u16,
    /// Try what can be tried on the hosts of the first wave: a throw-away certificate is uploaded aside, servers test it
    /// where that touches nothing live, and all is removed again
    #[arg(long, conflicts_with = "facts")]
    pub rehearse: bool,
    /// Write down what was seen on the hosts, a line for each
    #[arg(long, value_name = "FILE", conflicts_with = "facts")]
    pub record: Option<PathBuf>,
    /// Look at no host: plan with what an earlier `--record` wrote down
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    pub facts: Option<PathBuf>,
}

/// `certwave rollout`
#[derive(Debug, clap::Args)]
pub struct RolloutArgs {
    /// What to roll out
    #[arg(required_unless_present = "plan")]
    pub playbook: Option<PathBuf>,
    /// Carry out a plan that `certwave plan --out` saved: that and nothing else, or nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["playbook", "force", "certificate", "limit", "accept"])]
    pub plan: Option<PathBuf>,
    /// Issue a new certificate even if none is due
    #[arg(long)]
    pub force: bool,
    /// Roll out this version, which is in the store
    #[arg(long, value_name = "VERSION", conflicts_with = "force")]
    pub certificate: Option<Version>,
    /// Only hosts that match this pattern
    #[arg(long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// Go ahead on this host although its server is down, or serves something else; may be repeated
    #[arg(long, value_name = "HOST")]
    pub accept: Vec<HostName>,
    /// Do not ask before the first change
    #[arg(short, long)]
    pub yes: bool,
}

/// `certwave pause`, `certwave abort`
#[derive(Debug, clap::Args)]
pub struct SteerArgs {
    /// Which rollout; the start of its name is enough, `last` is the newest
    #[arg(default_value = "last")]
    pub rollout: String,
}

/// `certwave approve`
#[derive(Debug, clap::Args)]
pub struct ApproveArgs {
    /// Which rollout; the start of its name is enough, `last` is the newest
    #[arg(default_value = "last")]
    pub rollout: String,
    /// Which wave [default: the next that asks for an approval]
    #[arg(long)]
    pub wave: Option<WaveName>,
}

/// `certwave rollback`
#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    /// What was rolled out
    pub playbook: PathBuf,
    /// To this version, which is in the store [default: the newest that each of these hosts was verified on before;
    /// where there is none, each host goes back to what it had]
    #[arg(long, value_name = "VERSION")]
    pub to: Option<Version>,
    /// Go back to this version although it expires before a renewal could finish; may be repeated
    #[arg(long, value_name = "VERSION")]
    pub accept: Vec<Version>,
    /// Only hosts that match this pattern
    #[arg(long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// Do not ask before the first change
    #[arg(short, long)]
    pub yes: bool,
}

/// `certwave resume`
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {
    /// Which rollout; the start of its name is enough [default: the one that is unfinished]
    pub rollout: Option<String>,
}

/// `certwave status`
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// What should be served; without one, whatever the hosts of the inventory serve is listed
    pub playbook: Option<PathBuf>,
    /// Only hosts that match this pattern
    #[arg(long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// Without a playbook: the ports to dial; may be repeated [default: 443]
    #[arg(long = "port", value_name = "N", conflicts_with = "playbook", value_parser = clap::value_parser!(u16).range(1..))]
    pub ports: Vec<u16>,
    /// Without a playbook: the name to ask for, which the certificate must be for [default: each host's own name]
    #[arg(long, value_name = "NAME", conflicts_with = "playbook")]
    pub server_name: Option<DnsName>,
    /// Without a playbook: roots to trust besides the system's; may be repeated
    #[arg(long = "ca-file", value_name = "FILE", conflicts_with = "playbook")]
    pub ca_files: Vec<PathBuf>,
    /// Without a playbook: what is shown to servers that ask for a client certificate, in PEM
    #[arg(long, value_name = "FILE", conflicts_with = "playbook", requires = "client_key")]
    pub client_certificate: Option<PathBuf>,
    /// Without a playbook: the private key of the client certificate, in PEM and not encrypted
    #[arg(long, value_name = "FILE", conflicts_with = "playbook", requires = "client_certificate")]
    pub client_key: Option<PathBuf>,
    /// Without a playbook: the protocols to offer by ALPN, with commas between them
    #[arg(long, value_name = "PROTOCOLS", conflicts_with = "playbook", value_delimiter = ',', value_parser = protocol)]
    pub alpn: Vec<String>,
    /// Without a playbook: the version of the PROXY protocol whose header comes first, `v1` or `v2`
    #[arg(long, value_name = "VERSION", conflicts_with = "playbook")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Without a playbook: so many handshakes are made with one address and port, as `5/s`
    #[arg(long, value_name = "RATE", conflicts_with = "playbook")]
    pub rate: Option<HandshakeRate>,
    /// Look again and again, after so many seconds (5), until Ctrl-C
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "5",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub watch: Option<u32>,
    /// So many hosts are looked at at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: u16,
}

fn protocol(text: &str) -> Result<String, String> {
    match ClientSettings::is_protocol(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not a protocol of ALPN")),
    }
}

/// `certwave verify`
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The playbook that was rolled out; or a rollout: the start of its name is enough, `last` is the newest
    #[arg(value_name = "PLAYBOOK|ROLLOUT")]
    pub what: String,
    /// Only hosts that match this pattern
    #[arg(long, value_name = "PATTERN")]
    pub limit: Option<String>,
    /// So many hosts are proven at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallel: u16,
}

/// `certwave certificates`
#[derive(Debug, clap::Args)]
pub struct CertificatesArgs {
    /// Only this certificate
    pub name: Option<CertificateName>,
}

/// `certwave revoke`
#[derive(Debug, clap::Args)]
pub struct RevokeArgs {
    /// Whose issuers are asked
    pub playbook: PathBuf,
    /// Which version, as `certwave certificates` lists them
    #[arg(value_name = "VERSION")]
    pub certificate: Version,
    /// Why: unspecified, key-compromise, affiliation-changed, superseded or cessation-of-operation
    #[arg(long)]
    pub reason: RevocationReason,
    /// Revoke this version although hosts still serve it
    #[arg(long, value_name = "VERSION")]
    pub accept: Option<Version>,
    /// Only note it: it was revoked elsewhere, or its CA knows no ACME
    #[arg(long)]
    pub note_only: bool,
    /// Do not ask before it is done
    #[arg(short, long)]
    pub yes: bool,
}

/// `certwave inventory`
#[derive(Debug, Subcommand)]
pub enum InventoryAct {
    /// All hosts, groups and variables; `--output json` has the shape of `ansible-inventory --list`
    List,
    /// The hosts that match a pattern, in the order they would go
    Hosts {
        /// An Ansible host pattern
        pattern: String,
    },
}

/// `certwave show`
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Which rollout; the start of its name is enough, `last` is the newest
    #[arg(default_value = "last")]
    pub rollout: String,
}

/// `certwave audit`
#[derive(Debug, clap::Args)]
pub struct AuditArgs {
    /// What to do instead of listing
    #[command(subcommand)]
    pub act: Option<AuditAct>,
}

/// `certwave audit verify`
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum AuditAct {
    /// Check that every event is as it was written; exit code 1 where one is not
    Verify,
}

/// `certwave completions`
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// For which shell
    pub shell: clap_complete::Shell,
}

/// `certwave man`
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Where to write
    #[arg(default_value = "man")]
    pub directory: PathBuf,
}
