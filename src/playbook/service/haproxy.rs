//! `haproxy:` how an HAProxy takes a certificate.

use crate::model::HostPath;
use crate::playbook::{PerKey, ServiceKind, Template};
use crate::yaml::{Fields, Node, OneOrMany, Problem, Problems, Spanned};

/// An HAProxy. What is not given has the default of the reference.
#[derive(Debug, Clone, PartialEq)]
pub struct HaproxySettings {
    /// `stats socket` of each process; without one, every change is a reload.
    pub socket: Option<OneOrMany<Template>>,
    /// What `crt` names: a file, or for dual certificates the bundle's name or two files; else `combined.pem` of
    /// the live version.
    pub certificate: Option<PerKey<Template>>,
    /// The crt-list, or folder, that a certificate is added to which HAProxy does not have yet.
    pub crt_list: Option<Template>,
    /// How it is reloaded where its memory cannot be changed.
    pub reload: Option<ReloadBy>,
    /// Socket of the master process.
    pub master_socket: Option<Template>,
    /// The program.
    pub binary: Option<Template>,
    /// `-f`
    pub config: Option<Template>,
    /// Instead of `haproxy -c`.
    pub test: Option<Template>,
    /// `tune.bufsize`, bytes.
    pub bufsize: Option<u32>,
}

/// How an HAProxy is reloaded.
#[derive(Debug, Clone, PartialEq)]
pub enum ReloadBy {
    /// `reload` on its master's socket.
    Master,
    /// `systemctl reload haproxy`
    Systemd,
    /// A command.
    Command(Template),
}

/// Less than this is no buffer that HAProxy would start with.
const LEAST_BUFSIZE: u32 = 1_024;

pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<ServiceKind> {
    let mut fields = Fields::of(node, "`haproxy`", problems)?;
    let settings = HaproxySettings {
        socket: fields.optional("socket", problems),
        certificate: fields.optional("certificate", problems),
        crt_list: fields.optional("crt_list", problems),
        reload: fields.optional::<Spanned<String>>("reload", problems).and_then(|reload| {
            match reload.value.as_str() {
                "master" => Some(ReloadBy::Master),
                "systemd" => Some(ReloadBy::Systemd),
                command => Template::of_text(command, reload.span, problems).map(ReloadBy::Command),
            }
        }),
        master_socket: fields.optional("master_socket", problems),
        binary: fields.optional("binary", problems),
        config: fields.optional("config", problems),
        test: fields.optional("test", problems),
        bufsize: fields.optional::<Spanned<u32>>("bufsize", problems).map(|size| {
            if size.value < LEAST_BUFSIZE {
                problems.push(
                    Problem::at(size.span, format!("a buffer of {} bytes is too small", size.value))
                        .hint("say what `tune.bufsize` is in haproxy.cfg; leave it out where that has none"),
                );
            }
            size.value
        }),
    };
    fields.finish(problems);
    let one = [&settings.crt_list, &settings.master_socket, &settings.binary, &settings.config];
    let paths = one.into_iter().flatten().chain(settings.socket.iter().flat_map(|all| &all.0));
    paths.for_each(|path| path.check::<HostPath>(problems));
    if settings.socket.is_none() && settings.reload.is_none() {
        problems.push(
            Problem::at(node.head(), "`haproxy` needs to know how HAProxy takes the certificate")
                .hint("give the `socket` of its runtime API, or `reload: master`, `systemd` or a command"),
        );
    }
    if settings.socket.is_none() && settings.crt_list.is_some() {
        problems.push(
            Problem::at(node.head(), "`crt_list` needs the `socket` that it is changed through")
                .hint("without a runtime API, name the certificate in haproxy.cfg or its crt-list yourself"),
        );
    }
    Some(ServiceKind::Haproxy(Box::new(settings)))
}
