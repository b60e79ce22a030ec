//! `install: copies`: files of their own besides the links.

use std::path::PathBuf;

use crate::install::{FileName, FilePart};
use crate::model::HostPath;
use crate::playbook::file_mode::{key_mode, octal_mode};
use crate::playbook::template::Template;
use crate::yaml::{Fields, FromNode, Node, Problem, Problems, Reference, Span, Spanned, Value};

/// A file of its own, with the content of a version's file. What is not given is that of the file that it replaces.
#[derive(Debug, Clone, PartialEq)]
pub struct CopySettings {
    /// Where it stands.
    pub path: Template,
    /// Whose content it has.
    pub file: FileName,
    /// Its owner.
    pub owner: Option<Template>,
    /// Its group.
    pub group: Option<Template>,
    /// Its permissions.
    pub mode: Option<u32>,
    /// The file that has the keystore's password; of a keystore only.
    pub password: Option<Spanned<PathBuf>>,
}

/// The copies of an `install`, by their paths.
pub(super) fn copies(node: &Node, problems: &mut Problems) -> Vec<CopySettings> {
    let Value::Mapping(entries) = &node.value else {
        problems.push(
            Problem::at(node.span, format!("expected paths and their files, found {}", node.describe()))
                .hint("write one copy a line, as `/etc/app/server.key: {from: privkey.pem, owner: app}`"),
        );
        return Vec::new();
    };
    let mut copies: Vec<CopySettings> = Vec::new();
    for entry in entries {
        let path = Template::of_text(&entry.key, entry.key_span, problems);
        path.iter().for_each(|path| path.check::<HostPath>(problems));
        copies.extend(path.and_then(|path| copy(path, &entry.value, problems)));
    }
    one_password(&copies, problems);
    copies
}

fn copy(path: Template, node: &Node, problems: &mut Problems) -> Option<CopySettings> {
    let mut fields = Fields::of(node, "a copy", problems)?;
    let from = fields.node("from");
    if from.is_none() {
        problems.push(
            Problem::at(node.head(), "a copy needs `from`")
                .hint("a file of the version, as `privkey.pem`, or `pkcs12`"),
        );
    }
    let file = from.and_then(|from| file(from, problems));
    let owner = fields.optional("owner", problems);
    let group = fields.optional("group", problems);
    let mode = fields.node("mode").and_then(|node| mode(node, file, problems));
    let password = fields.node("password");
    let given = password.is_some();
    let password = password.and_then(|node| password_file(node, problems));
    fields.finish(problems);
    let (file, span) = (file?, from?.span);
    match (file.part, given) {
        (FilePart::Keystore, false) => problems.push(
            Problem::at(span, "a keystore needs a password")
                .hint("write `password: {file: PATH}`, a file on the controller that you alone can read"),
        ),
        (FilePart::Keystore, true) | (_, false) => {}
        (_, true) => {
            problems.push(Problem::at(span, format!("`{file}` is not encrypted: it has no password")))
        }
    }
    Some(CopySettings { path, file, owner, group, mode, password })
}

fn file(node: &Node, problems: &mut Problems) -> Option<FileName> {
    let text = String::from_node(node, problems)?;
    let file = if text == "pkcs12" { Some(FilePart::Keystore.into()) } else { text.parse().ok() };
    if file.is_none() {
        problems.push(Problem::at(node.span, format!("`{text}` is not a file of a version")).hint(
            "one of `cert.pem`, `chain.pem`, `fullchain.pem`, `privkey.pem`, `combined.pem`, `key-first.pem` and `pkcs12`",
        ));
    }
    file
}

/// Only a file with the private key must not be everybody's.
fn mode(node: &Node, file: Option<FileName>, problems: &mut Problems) -> Option<u32> {
    if file.is_none_or(FileName::is_secret) {
        return key_mode(node, problems);
    }
    octal_mode(node, problems)
}

/// The password is read when it is needed, also by `resume`: it is kept in no plan.
fn password_file(node: &Node, problems: &mut Problems) -> Option<Spanned<PathBuf>> {
    let problem = match &node.value {
        Value::Scalar(scalar) => match &scalar.from {
            Some(Reference::File(_)) if scalar.text.is_empty() => "the keystore's password is empty",
            Some(Reference::File(path)) => {
                return Some(Spanned { value: PathBuf::from(path), span: node.span });
            }
            _ => "the keystore's password is not read from a file",
        },
        _ => "the keystore's password is not read from a file",
    };
    let hint = "write `password: {file: PATH}`, a file on the controller that you alone can read";
    problems.push(Problem::at(node.span, problem).hint(hint));
    None
}

/// A version has one keystore.
fn one_password(copies: &[CopySettings], problems: &mut Problems) {
    let mut given = copies.iter().filter_map(|copy| copy.password.as_ref());
    let Some(first) = given.next() else { return };
    for other in given.filter(|other| other.value != first.value) {
        let span: Span = other.span;
        problems.push(
            Problem::at(span, "this keystore has another password than the one before")
                .hint("all keystores of a playbook have the same content: name the same file"),
        );
    }
}
