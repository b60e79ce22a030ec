//! What a careful person should know before a rollout.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::install::InstallError;
use crate::model::{DnsName, Version, WaveName};
use crate::preview::lasting::Lasting;
use crate::rollout::Remark;
use crate::verify::ClientDemand;

/// Something that may go wrong, or would.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "risk", rename_all = "snake_case")]
pub enum Risk {
    /// The host does not answer.
    Away {
        /// Why, in words.
        reason: String,
    },
    /// The host would fail before anything live is changed.
    Fails {
        /// Why, in words.
        reason: String,
    },
    /// sudo keeps what it is sent: the private key would be in its log.
    InputLogged,
    /// The host does not tell whether sudo does.
    InputLogUnknown,
    /// A server does not run.
    NotRunning {
        /// Which.
        service: String,
        /// How that is known, in words.
        reason: String,
    },
    /// A server does not take its configuration as it is.
    Broken {
        /// Which.
        service: String,
        /// Its own words.
        reason: String,
    },
    /// A server reads another file for a name of this certificate: it would go on to do so.
    StillReads {
        /// Which server.
        service: String,
        /// The file.
        path: String,
        /// The name.
        name: String,
    },
    /// A server names no file that the rollout switches.
    NotNamed {
        /// Which server.
        service: String,
    },
    /// A link is kept that no server's configuration names.
    LinkNotNamed {
        /// Its path.
        path: String,
    },
    /// A key that is replaced can be read by everybody: the new one will not be.
    KeyOpen {
        /// Its path.
        path: String,
    },
    /// The host's clock is off: what it writes down is dated wrong, and its dead-man switch may judge wrong what has
    /// expired.
    Clock {
        /// So many seconds ahead; negative: behind.
        ahead: i64,
    },
    /// There is nothing to go back to.
    NoWayBack,
    /// What it would go back to has expired, or was revoked: it would not be put back.
    WayBackUnfit {
        /// Its version.
        version: Version,
        /// Why, in words.
        reason: String,
    },
    /// What it would go back to expires soon.
    WayBackShort {
        /// Its version.
        version: Version,
        /// When.
        not_after: Timestamp,
    },
    /// The dead-man switch would live in the login's session.
    SwitchInSession,
    /// The dead-man switch would not outlive a reboot.
    SwitchEndsAtReboot {
        /// Why, in words.
        reason: String,
    },
    /// The live version was never confirmed.
    Unconfirmed,
    /// Nor will anybody put the one before back: the dead-man switch's process is gone.
    Unguarded {
        /// But for the host's next boot.
        until_boot: bool,
    },
    /// The dead-man switch put something back since the last rollout.
    Undone {
        /// The version that nobody confirmed.
        target: Version,
    },
    /// An endpoint has no handshake to offer now: what it had before cannot be compared.
    NoHandshake {
        /// Where.
        endpoint: String,
        /// Why, in words.
        reason: String,
    },
    /// An endpoint wants something of its clients that no handshake of ours brings: it cannot be verified.
    ClientRefused {
        /// Where.
        endpoint: String,
        /// What it wants.
        demand: ClientDemand,
        /// How it refused, in words.
        reason: String,
    },
    /// A listener took no more handshakes of the controller after the switch, and served the new certificate all the same.
    RateLimited {
        /// Where.
        endpoint: String,
    },
    /// An endpoint serves a certificate that the rollout does not replace: something else answers there.
    Foreign {
        /// Where.
        endpoint: String,
        /// What it is for.
        names: Vec<String>,
        /// Who signed it.
        issuer: String,
    },
    /// An endpoint answers some of the certificate's names with another certificate, which the rollout leaves as it is.
    NameElsewhere {
        /// Where.
        endpoint: String,
        /// Which names.
        names: Vec<DnsName>,
        /// What the other certificate is for.
        served: Vec<String>,
        /// Who signed it.
        issuer: String,
    },
    /// An endpoint answers others of the certificate's names, and not these.
    NameUnanswered {
        /// Where.
        endpoint: String,
        /// Which names.
        names: Vec<DnsName>,
        /// Why, in words.
        reason: String,
    },
    /// The new certificate does not lead to a root that handshakes are judged by.
    NotTrusted {
        /// OpenSSL's reason.
        reason: String,
    },
    /// Another CA, or another intermediate, than what is served now: clients may not know it.
    OtherIssuer {
        /// Now.
        now: String,
        /// Then.
        then: String,
    },
    /// A wave would stop.
    WaveStops {
        /// Which.
        wave: WaveName,
        /// Why, in words.
        reason: String,
    },
    /// A deadline may be missed where everything takes all its time.
    MayMissDeadline {
        /// Of which wave.
        wave: WaveName,
    },
    /// What is served now may expire before the rollout is over.
    TooLate {
        /// When the first of it expires.
        expires: Timestamp,
        /// When the rollout may be over.
        over: Timestamp,
    },
    /// Something of the certificate before, or of clients' connections, outlives the switch.
    #[serde(untagged)]
    Lasting(Lasting),
}

/// Whether a rollout goes ahead in spite of a risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bar {
    /// It does, and says so at its end.
    Never,
    /// Not to this host, unless a person named it.
    UnlessAccepted,
    /// Not at all.
    Always,
}

impl Risk {
    /// As a rollout keeps it.
    pub fn remark(&self) -> Remark {
        let value = serde_json::to_value(self).unwrap_or_default();
        let risk = value["risk"].as_str().unwrap_or_default().to_owned();
        Remark { risk, text: self.to_string() }
    }

    /// Whether it keeps a rollout from a host.
    pub fn bar(&self) -> Bar {
        match self {
            // A server that is to be repaired may look like one that limits its clients.
            Risk::ClientRefused { demand: ClientDemand::Rate, .. } => Bar::UnlessAccepted,
            Risk::Away { .. }
            | Risk::ClientRefused { .. }
            | Risk::Fails { .. }
            | Risk::InputLogged
            | Risk::NotTrusted { .. } => Bar::Always,
            Risk::NotNamed { .. }
            | Risk::NotRunning { .. }
            | Risk::Broken { .. }
            | Risk::NoHandshake { .. }
            | Risk::Foreign { .. } => Bar::UnlessAccepted,
            Risk::InputLogUnknown
            | Risk::StillReads { .. }
            | Risk::NameElsewhere { .. }
            | Risk::NameUnanswered { .. }
            | Risk::LinkNotNamed { .. }
            | Risk::KeyOpen { .. }
            | Risk::RateLimited { .. }
            | Risk::Clock { .. }
            | Risk::NoWayBack
            | Risk::WayBackUnfit { .. }
            | Risk::WayBackShort { .. }
            | Risk::SwitchInSession
            | Risk::SwitchEndsAtReboot { .. }
            | Risk::Unconfirmed
            | Risk::Unguarded { .. }
            | Risk::Undone { .. }
            | Risk::OtherIssuer { .. }
            | Risk::Lasting(_)
            | Risk::WaveStops { .. }
            | Risk::MayMissDeadline { .. }
            | Risk::TooLate { .. } => Bar::Never,
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = |time: &Timestamp| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        match self {
            Risk::Away { reason } => write!(f, "does not answer: {reason}"),
            Risk::Fails { reason } => write!(f, "would fail before anything live is changed: {reason}"),
            Risk::InputLogged => f.write_str(InstallError::INPUT_LOGGED),
            Risk::InputLogUnknown => f.write_str(
                "does not tell whether sudo logs standard input (`log_input`, `log_stdin`), by which the private key comes",
            ),
            Risk::NotRunning { service, reason } => write!(f, "{service} does not run: {reason}"),
            Risk::Broken { service, reason } => {
                write!(f, "{service} does not take its configuration as it is: {reason}")
            }
            Risk::StillReads { service, path, name } => write!(
                f,
                "{service} reads `{path}` for {name}, which the rollout does not switch: add it to `install: links`"
            ),
            Risk::NotNamed { service } => write!(
                f,
                "{service} names no file that the rollout switches: it would go on to serve what it serves, or would after a restart"
            ),
            Risk::LinkNotNamed { path } => {
                write!(f, "no server's configuration names `{path}`: is the link needed?")
            }
            Risk::KeyOpen { path } => {
                write!(
                    f,
                    "everybody can read the key in `{path}`: only its owner and its group will read the new one"
                )
            }
            Risk::Clock { ahead } => {
                let (seconds, where_) = (ahead.unsigned_abs(), if *ahead > 0 { "ahead" } else { "behind" });
                write!(f, "its clock is {seconds} s {where_}")
            }
            Risk::NoWayBack => f.write_str("has no certificate to go back to"),
            Risk::WayBackUnfit { version, reason } => {
                write!(f, "would not go back to {version}: it {reason}")
            }
            Risk::WayBackShort { version, not_after } => {
                write!(f, "would go back to {version}, which expires on {}", date(not_after))
            }
            Risk::SwitchInSession => f.write_str(
                "its dead-man switch would live in the login's session, and systemd may end it with the login \
                 (`KillUserProcesses=yes`) or at a reboot: nobody would put the previous certificate back; use \
                 `ansible_become`, or type `loginctl enable-linger USER` on the host",
            ),
            Risk::SwitchEndsAtReboot { reason } => write!(
                f,
                "its dead-man switch would end at a reboot, and nobody would put the previous certificate back: {reason}"
            ),
            Risk::Unconfirmed => f.write_str("has a live version that was never confirmed"),
            Risk::Unguarded { until_boot } => write!(
                f,
                "nobody puts the previous certificate back{}: the process of its dead-man switch is gone; `certwave resume` \
                 confirms the live version or goes back",
                if *until_boot { " before its next boot" } else { "" }
            ),
            Risk::Undone { target } => {
                write!(f, "went back by itself from {target}, which nobody had confirmed; what clients noticed then is unobserved")
            }
            Risk::NoHandshake { endpoint, reason } => {
                write!(f, "{endpoint}: TLS handshake fails now: {reason}")
            }
            Risk::ClientRefused { endpoint, demand, reason } => {
                write!(f, "{endpoint} cannot be verified: {reason}; {demand}")
            }
            Risk::RateLimited { endpoint } => write!(
                f,
                "{endpoint} refused the controller for a while after the switch, as a server does that limits how often one address \
                 may connect; it was verified with fewer handshakes: set `verify: rate: HANDSHAKES/s` below that limit"
            ),
            Risk::Foreign { endpoint, names, issuer } => write!(
                f,
                "{endpoint}: another certificate is served, for {} by `{issuer}`, which this rollout does not replace; check the \
                 server's configuration, `verify`, or for a proxy in front",
                names.join(", ")
            ),
            Risk::NameElsewhere { endpoint, names, served, issuer } => write!(
                f,
                "{endpoint} answers {} with another certificate, for {} by `{issuer}`: the rollout leaves that as it is",
                listed(names),
                served.join(", ")
            ),
            Risk::NameUnanswered { endpoint, names, reason } => {
                write!(f, "{endpoint} does not answer for {}: {reason}", listed(names))
            }
            Risk::NotTrusted { reason } => write!(
                f,
                "the new certificate is not trusted: {reason}; name its CA's root in `verify: ca_file`"
            ),
            Risk::OtherIssuer { now, then } => {
                write!(f, "serves a certificate of `{now}` now, and would one of `{then}`: soak longer")
            }
            Risk::Lasting(lasting) => lasting.fmt(f),
            Risk::WaveStops { wave, reason } => write!(f, "wave `{wave}` would stop: {reason}"),
            Risk::MayMissDeadline { wave } => {
                write!(f, "wave `{wave}` may miss its deadline where everything takes all its time")
            }
            Risk::TooLate { expires, over } => write!(
                f,
                "what is served now begins to expire on {}, and the rollout may take until {}",
                date(expires),
                date(over)
            ),
        }
    }
}

fn listed(names: &[DnsName]) -> String {
    names.iter().map(DnsName::as_str).collect::<Vec<_>>().join(", ")
}
