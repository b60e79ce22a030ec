//! Binary junk, and text that is nearly a playbook, never panic.

use certwave::playbook;
use certwave::yaml::{Problems, Sources, parse};
use proptest::prelude::*;

fn read(text: String) {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let id = sources.add("playbook.yaml", text);
    if let Some(mut node) = parse(&sources, id, &mut problems) {
        node.substitute(&|_| Ok("value".to_owned()), &mut problems);
        playbook::parse(&node, &mut problems);
    }
    for problem in problems.sorted() {
        problem.render(&sources, false);
    }
}

const PLAYBOOK: &str = include_str!("../../playbooks/api.example.com.yaml");

proptest! {
    #[test]
    fn junk_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read(String::from_utf8_lossy(&bytes).into_owned());
    }

    #[test]
    fn text_like_yaml_never_panics(text in "[a-z&*<:{}\\[\\],'\"|>#%!\\- \n\t]{0,200}") {
        read(text);
    }

    #[test]
    fn a_damaged_playbook_never_panics(at in 0..PLAYBOOK.len(), junk in "\\PC{0,6}", cut in 0..40_usize) {
        let characters: Vec<char> = PLAYBOOK.chars().collect();
        let at = at.min(characters.len());
        let rest = (at + cut).min(characters.len());
        let text: String = characters[..at].iter().copied().chain(junk.chars()).chain(characters[rest..].iter().copied()).collect();
        read(text);
    }
}
