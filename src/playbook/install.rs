//! `install:` where and how the files lie on a host.

use std::time::Duration;

use crate::install::{FileName, FilePart, InstallDirectory};
use crate::model::HostPath;
use crate::playbook::copies::{CopySettings, copies};
use crate::playbook::file_mode::key_mode;
use crate::playbook::template::Template;
use crate::yaml::{Fields, FromNode, Node, Problem, Problems, Spanned, Value};

/// How the files lie on a host. What is not given has the default of the reference.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InstallSettings {
    /// The folder that holds `archive/` and `live/`; else `/etc/certwave`.
    pub directory: Option<Template>,
    /// How many versions are kept; else 3.
    pub keep: Option<u32>,
    /// Owner of all files; else `root`.
    pub owner: Option<Template>,
    /// Group of all files; else `root`.
    pub group: Option<Template>,
    /// Permissions of the files that hold the key; else 0600.
    pub mode: Option<u32>,
    /// How long a host waits for its new certificate to be confirmed before it undoes it by itself; `None` inside
    /// for never; else derived from the proof's time.
    pub dead_man: Option<Spanned<Option<Duration>>>,
    /// Whether hosts may get a boot unit, so that the dead-man switch outlives a reboot; else they may.
    pub boot_unit: Option<bool>,
    /// Paths that servers' configurations name, and the file that each leads to.
    pub links: Vec<(Template, FileName)>,
    /// Files of their own besides.
    pub copies: Vec<CopySettings>,
}

impl FromNode for InstallSettings {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::of(node, "`install`", problems)?;
        let directory: Option<Template> = fields.optional("directory", problems);
        directory.iter().for_each(|path| path.check::<InstallDirectory>(problems));
        let keep: Option<Spanned<u32>> = fields.optional("keep", problems);
        if let Some(keep) = keep.as_ref().filter(|keep| keep.value < 2) {
            problems.push(
                Problem::at(keep.span, format!("`keep` is {}, and at least 2 are needed", keep.value))
                    .hint("the version before is what a host goes back to"),
            );
        }
        let owner = fields.optional("owner", problems);
        let group = fields.optional("group", problems);
        let mode = fields.node("mode").and_then(|node| key_mode(node, problems));
        let dead_man = fields.node("dead_man").and_then(|node| dead_man(node, problems));
        let boot_unit = fields.node("boot_unit").and_then(|node| on_or_off(node, "boot_unit", problems));
        let links = fields.node("links").map(|node| links(node, problems)).unwrap_or_default();
        let copies = fields.node("copies").map(|node| copies(node, problems)).unwrap_or_default();
        fields.finish(problems);
        Some(Self {
            directory,
            keep: keep.map(|keep| keep.value),
            owner,
            group,
            mode,
            dead_man,
            boot_unit,
            links,
            copies,
        })
    }
}

fn dead_man(node: &Node, problems: &mut Problems) -> Option<Spanned<Option<Duration>>> {
    let off = matches!(&node.value, Value::Scalar(scalar) if scalar.text == "off");
    let value = if off { None } else { Some(Duration::from_node(node, problems)?) };
    Some(Spanned { value, span: node.span })
}

fn on_or_off(node: &Node, key: &str, problems: &mut Problems) -> Option<bool> {
    let text = String::from_node(node, problems)?;
    let value = match text.as_str() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    };
    if value.is_none() {
        problems.push(Problem::at(node.span, format!("`{key}` is `on` or `off`, not `{text}`")));
    }
    value
}

fn links(node: &Node, problems: &mut Problems) -> Vec<(Template, FileName)> {
    let Value::Mapping(entries) = &node.value else {
        problems.push(
            Problem::at(node.span, format!("expected paths and files, found {}", node.describe()))
                .hint("write one link a line, as `/etc/ssl/certs/api.example.com.crt: fullchain.pem`"),
        );
        return Vec::new();
    };
    let mut links = Vec::new();
    for entry in entries {
        let path = Template::of_text(&entry.key, entry.key_span, problems);
        path.iter().for_each(|path| path.check::<HostPath>(problems));
        let file = String::from_node(&entry.value, problems).and_then(|text| {
            let file = text.parse::<FileName>().ok().filter(|file| file.part != FilePart::Keystore);
            if file.is_none() {
                problems.push(
                    Problem::at(entry.value.span, format!("`{text}` is not a file of a version")).hint(
                        "one of `cert.pem`, `chain.pem`, `fullchain.pem`, `privkey.pem`, `combined.pem` and `key-first.pem`",
                    ),
                );
            }
            file
        });
        links.extend(path.zip(file));
    }
    links
}
