//! Permission bits of files, as a playbook writes them.

use crate::yaml::{FromNode, Node, Problem, Problems};

/// A file's permission bits.
pub(super) fn octal_mode(node: &Node, problems: &mut Problems) -> Option<u32> {
    let text = String::from_node(node, problems)?;
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777 && text.len() >= 3);
    if mode.is_none() {
        problems.push(
            Problem::at(node.span, format!("`{text}` is not a file mode"))
                .hint("write it in octal and in quotes, as `\"0600\"` or `\"0640\"`"),
        );
    }
    mode
}

/// Those of a file that holds the private key.
pub(super) fn key_mode(node: &Node, problems: &mut Problems) -> Option<u32> {
    let mode = octal_mode(node, problems)?;
    let text = String::from_node(node, problems)?;
    match mode {
        mode if mode & 0o007 != 0 => problems.push(
            Problem::at(
                node.span,
                format!("with mode `{text}` every user of the host could read the private key"),
            )
            .hint("end it in 0, as `\"0640\"`, and set `group` to the servers' group"),
        ),
        mode if mode & 0o400 == 0 => {
            problems
                .push(Problem::at(node.span, format!("with mode `{text}` its owner could not read the key")));
        }
        _ => {}
    }
    Some(mode)
}
