//! What a text means as YAML, and what is refused.

use super::*;

fn read(text: &str) -> (Option<Node>, Vec<String>) {
    let mut sources = Sources::default();
    let id = sources.add("test.yaml", text);
    let mut problems = Problems::default();
    let node = parse(&sources, id, &mut problems);
    (node, problems.into_iter().map(|problem| problem.message).collect())
}

#[test]
fn scalars_keep_their_text_and_place() {
    let text = "a: 0600\nb: \"yes\"\n";
    let (node, problems) = read(text);
    assert!(problems.is_empty());
    let Value::Mapping(entries) = node.unwrap().value else { panic!("a mapping") };
    let Value::Scalar(scalar) = &entries[0].value.value else { panic!("a scalar") };
    assert_eq!((scalar.text.as_str(), scalar.plain), ("0600", true));
    let span = entries[1].value.span;
    assert_eq!(&text[span.start as usize..span.end as usize], "\"yes\"");
}

#[test]
fn every_duplicate_is_found() {
    let (_, problems) = read("a: 1\na: 2\nb: 1\nb: 2\n");
    assert_eq!(problems, ["the key `a` is given twice", "the key `b` is given twice"]);
}

#[test]
fn merge_keys_inherit_what_is_not_given() {
    let (node, _) = read("base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\n");
    let Value::Mapping(entries) = node.unwrap().value else { panic!("a mapping") };
    let Value::Mapping(own) = &entries[1].value.value else { panic!("a mapping") };
    let keys: Vec<_> = own.iter().map(|e| (e.key.as_str(), e.value.describe())).collect();
    assert_eq!(keys, [("y", "`3`".to_owned()), ("x", "`1`".to_owned())]);
}

#[test]
fn of_a_list_of_merged_mappings_the_first_wins_and_of_several_merges_the_last() {
    let text = "a: &a {x: a, y: a}\nb: &b {x: b, z: b}\none:\n  <<: [*a, *b]\ntwo:\n  <<: [*b, *a]\n  y: own\nthree:\n  <<: *a\n  <<: *b\n";
    let (node, problems) = read(text);
    assert_eq!(problems, [""; 0]);
    let Value::Mapping(entries) = node.unwrap().value else { panic!("a mapping") };
    let merged = |at: usize| {
        let Value::Mapping(own) = &entries[at].value.value else { panic!("a mapping") };
        let mut all: Vec<_> = own.iter().map(|one| format!("{}={}", one.key, one.value.describe())).collect();
        all.sort();
        all.join(" ")
    };
    assert_eq!(merged(2), "x=`a` y=`a` z=`b`");
    assert_eq!(merged(3), "x=`b` y=`own` z=`b`");
    assert_eq!(merged(4), "x=`b` y=`a` z=`b`");
    for wrong in ["a:\n  <<: 1\n", "a:\n  <<: [1]\n"] {
        assert_eq!(read(wrong).1, ["`<<` merges a mapping, or a list of mappings"]);
    }
}

#[test]
fn what_comes_from_outside_is_a_text_and_a_secret() {
    let (node, _) = read("a: {env: A}\nb: [{file: b}]\nc: {env: C, file: c}\nd: {env: [D]}\n");
    let (mut node, mut problems) = (node.unwrap(), Problems::default());
    let asked = std::cell::RefCell::new(Vec::new());
    let look_up = |reference: &Reference| {
        asked.borrow_mut().push(reference.clone());
        Ok("null".to_owned())
    };
    node.substitute(&look_up, &mut problems);
    // A mapping of two keys, or of something else than a text, is what it says.
    let expected = [Reference::Env("A".to_owned()), Reference::File("b".to_owned())];
    assert_eq!(asked.into_inner(), expected);
    let Value::Mapping(entries) = node.value else { panic!("a mapping") };
    assert_eq!(entries[0].value.describe(), "a value from outside the file");
    assert!(!entries[0].value.is_null() && entries[2].value.describe() == "a mapping");
}

#[test]
fn nothing_is_nothing_only_without_quotes() {
    for (text, nothing) in [
        ("a:", true),
        ("a: ~", true),
        ("a: null", true),
        ("a: Null", true),
        ("a: \"\"", false),
        ("a: 'null'", false),
        ("a: nil", false),
        ("a: []", false),
    ] {
        let Value::Mapping(entries) = read(text).0.unwrap().value else { panic!("a mapping") };
        assert_eq!(entries[0].value.is_null(), nothing, "{text}");
    }
    assert!(read("").0.unwrap().is_null() && read("# a comment\n").0.unwrap().is_null());
}

#[test]
fn laughs_tabs_documents_and_depth_are_refused() {
    let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..9 {
        let alias = format!("*a{}", level - 1);
        laughs.push_str(&format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 10].join(",")));
    }
    for (text, message) in [
        (laughs.as_str(), "the aliases up to here stand for too many values"),
        ("a:\n\tb: 1\n", "a tab is used for indentation"),
        ("a: 1\n---\nb: 2\n", "a second document starts here"),
        ("a: \0\n", "this is not a text file"),
        ("a: {{ b }}\n", "a key must be a text, not a list or a mapping"),
    ] {
        assert_eq!(read(text).1, [message], "{}", &text[..text.len().min(20)]);
    }
    let deep: String = (0..70).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert_eq!(read(&deep).1, ["nested deeper than 64 levels"]);
    assert_eq!(read(&"[".repeat(1_000)).1, ["not valid YAML: recursion limit exceeded"]);
}

/// Many hosts may merge the same variables.
#[test]
fn a_large_file_may_name_a_value_often() {
    let mut text = "d: &d {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7}\n".to_owned();
    (0..20_000).for_each(|n| text.push_str(&format!("h{n}: {{<<: *d}}\n")));
    let mut sources = Sources::default();
    let id = sources.add("file".to_owned(), text);
    let mut problems = Problems::default();
    let node = parse(&sources, id, &mut problems);
    assert!(node.is_some() && problems.sorted().is_empty(), "{:?}", problems.sorted());
}
