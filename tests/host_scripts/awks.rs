//! What a host's file says reaches the controller without keys, whichever awk the host has.

use std::fs;

use certwave::install::InstallSpec;

use crate::support::{AWKS, Host, Shell};

/// Base64 of 900 bytes with slashes and signs in it, as a key has; a piece of it may begin with a slash.
fn key() -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(digits[(state >> 26) as usize])
    };
    (0..1200).map(|at| if at % 76 == 0 && at > 0 { '/' } else { next() }).collect()
}

/// In lines of `width`, each with something before and after it.
fn wrapped(key: &str, width: usize, before: &str, after: &str) -> String {
    let pieces = key.as_bytes().chunks(width).map(|piece| String::from_utf8_lossy(piece).into_owned());
    pieces.map(|piece| format!("{before}{piece}{after}")).collect()
}

fn shown(awk: &str, text: &str) -> String {
    let host = Host::new(Shell::Dash).with_awk(awk);
    let path = host.file("sds.yaml");
    fs::write(&path, text).unwrap();
    let ended = host.run(&InstallSpec::show_without_keys(path.to_str().unwrap()));
    assert_eq!(ended.status, 0, "{awk}: {}", ended.text());
    ended.text()
}

#[test]
fn no_key_passes_any_awk() {
    let key = key();
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----\n", wrapped(&key, 64, "", "\n"));
    let indented: String = pem.lines().map(|line| format!("      {line}\n")).collect();
    let files = [
        ("in one line", format!("a: {{private_key: {{inline_bytes: {key}}}, next: kept}}\n")),
        ("under another name", format!("a: {key}\nnext: kept\n")),
        (
            "PEM in JSON",
            format!("{{\"inline_string\": \"{}\", \"next\": \"kept\"}}\n", pem.replace('\n', "\\n")),
        ),
        ("JSON's name", format!("{{\"inlineBytes\": \"{key}\", \"next\": \"kept\"}}\n")),
        ("PEM as a block", format!("a:\n  key:\n    inline_string: |\n{indented}  next: kept\n")),
        ("PEM under another name", format!("a: &key |\n{indented}\nnext: kept\n")),
        (
            "short lines",
            format!("a:\n    inline_bytes: |\n{}\n    next: kept\n", wrapped(&key, 20, "      ", "\n")),
        ),
        (
            "folded",
            format!("a:\n  inline_bytes: !!binary >-\n{}  next: kept\n", wrapped(&key, 76, "    ", "\n")),
        ),
        (
            "a plain value below",
            format!("- inline_bytes:\n{}  next: kept\n", wrapped(&key, 30, "    ", "\n")),
        ),
        (
            "in double quotes",
            format!("a:\n  inline_bytes: \"{}\"\n  next: kept\n", wrapped(&key, 30, "", "\\\n")),
        ),
        (
            "in single quotes",
            format!("a:\n  inline_bytes: '{}'\n  next: kept\n", wrapped(&key, 30, "", "\n    ")),
        ),
        (
            "an anchor's",
            format!("a: &key |\n{}b: {{inline_bytes: *key}}\nnext: kept\n", wrapped(&key, 76, "  ", "\n")),
        ),
    ];
    for awk in AWKS {
        for (what, text) in &files {
            let shown = shown(awk, text);
            assert!(shown.contains("kept"), "{awk}: {what}: too much is left out:\n{shown}");
            let leaked = (0..key.len() - 12).find(|&at| shown.contains(&key[at..at + 12]));
            assert_eq!(leaked, None, "{awk}: {what}:\n{shown}");
        }
    }
}

/// An Ed25519 key (RFC 8410) has 48 bytes. What is shorter is a name.
#[test]
fn the_shortest_key_passes_no_awk() {
    let ed25519 = format!("MC4CAQAwBQYDK2VwBCIEI{}", &key()[..43]);
    for awk in AWKS {
        assert_eq!(shown(awk, &format!("a: {{b: {ed25519}}}\n")), "a: {b: left-out}\n", "{awk}");
        let name = format!("a: {{b: {}}}\n", &ed25519[1..]);
        assert_eq!(shown(awk, &name), name, "{awk}");
    }
}

/// A passphrase is short: only what stands before it tells what it is.
#[test]
fn no_short_value_passes_any_awk() {
    for awk in AWKS {
        for text in [
            "password:\n  inline_string: hun,secret}ter2\nnext: kept\n",
            "{password: {inline_string: secret}, next: kept}\n",
            "{\"password\": {\"inline_string\":\n\"secret\"}, \"next\": \"kept\"}\n",
            "{\"inlineString\"\n:\n  \"secret\", \"next\": \"kept\"}\n",
            "a:\n  inline_string:\n  # as agreed\n    secret\n  next: kept\n",
            "a:\n  inline_string: # as agreed\n\n  'secret'\n  next: kept\n",
            "a:\r\n  inline_string: |\r\n\r\n    secret\r\n  next: kept\r\n",
            "? inline_bytes\n: secret\nnext: kept\n",
            "? inline_bytes # as agreed\n:\n  secret\nnext: kept\n",
        ] {
            let shown = shown(awk, text);
            assert!(!shown.contains("secret") && shown.contains("kept"), "{awk}: {text}\n{shown}");
        }
    }
}

/// A key whose end is missing: then the rest is left out, whatever it is.
#[test]
fn a_key_that_does_not_end_is_left_out_in_every_awk() {
    for awk in AWKS {
        for text in [
            "a: |\n  -----BEGIN PRIVATE KEY-----\n  short\n",
            "a: {inline_bytes: \"short\nshort\n",
            "inline_string: 'short\n",
        ] {
            assert!(!shown(awk, text).contains("short"), "{awk}: {text}");
        }
    }
}

#[test]
fn paths_and_names_pass_every_awk() {
    let long =
        "/srv/a-rather-long-folder/of-some-hosting-platform/and/of/its/customers/etc/certwave/live/a.test";
    let text = format!(
        "# certificates\nresources:\n- \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret\n  \
         name: the-certificate-of-api-example-com-in-eu-central-1\n  tls_certificate:\n    \
         certificate_chain: {{filename: \"{long}/fullchain.pem\"}}\n    private_key: {{filename: {long}/privkey.pem}}\n    \
         watched_directory: {{path: {long}}}\n"
    );
    for awk in AWKS {
        assert_eq!(shown(awk, &text), text, "{awk}");
    }
}
