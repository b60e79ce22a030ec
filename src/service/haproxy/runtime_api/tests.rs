//! What HAProxy's answers are taken for. They are those of HAProxy 2.6.12, and what later versions say otherwise.

use super::*;
use crate::certificate::testing::{Authority, LeafSpec};
use crate::service::Haproxy;

/// A name that ends as a success does.
const NAME: &str = "/certs/Success";

fn text(command: Secret) -> String {
    String::from_utf8(command.expose().to_vec()).unwrap()
}

fn refusal(command: &str, answer: &str) -> RuntimeError {
    RuntimeError::Refused { command: command.to_owned(), answer: answer.to_owned() }
}

#[test]
fn a_certificate_is_sent_up_to_the_byte_that_the_buffer_and_its_reserve_leave() {
    for bufsize in [2_048, Haproxy::DEFAULT_BUFSIZE] {
        for name in ["/a.pem", "/a/much/longer/name.pem"] {
            let command = |size| set(name, &Secret::new(vec![b'x'; size]), bufsize);
            // The first line, what is sent, and the empty line that ends it.
            let most = bufsize as usize - RESERVE - format!("set ssl cert {name} <<\n").len() - "\n\n".len();
            assert_eq!(command(most).unwrap().size(), bufsize as usize - RESERVE);
            assert!(command(most + 1).is_none());
        }
    }
}

#[test]
fn no_line_of_a_certificate_ends_what_is_sent_of_it() {
    let pem = Secret::new(b"\ncert\n\n \t\r\nkey  \r\n\r\n".to_vec());
    let sent = set("/a.pem", &pem, Haproxy::DEFAULT_BUFSIZE).unwrap();
    assert_eq!(text(sent), "set ssl cert /a.pem <<\ncert\nkey\n\n");
}

#[test]
fn each_command_is_one_line() {
    let all = [
        (crt_lists(), "show ssl crt-list\n"),
        (list(), "show ssl cert\n"),
        (show(NAME), "show ssl cert /certs/Success\n"),
        (commit(NAME), "commit ssl cert /certs/Success\n"),
        (abort(NAME), "abort ssl cert /certs/Success\n"),
        (new(NAME), "new ssl cert /certs/Success\n"),
        (forget(NAME), "del ssl cert /certs/Success\n"),
        (crt_list("/list"), "show ssl crt-list /list\n"),
        (add_to_list("/list", NAME), "add ssl crt-list /list /certs/Success\n"),
        (remove_from_list("/list", NAME), "del ssl crt-list /list /certs/Success\n"),
    ];
    for (command, expected) in all {
        assert_eq!(text(command), expected);
    }
}

#[test]
fn a_transaction_is_ours_only_where_it_was_created_for_this_name() {
    let command = format!("set ssl cert {NAME}");
    let silent = RuntimeError::Silent { command: command.clone() };
    let crossed = |other: &str| RuntimeError::Crossed { other: other.to_owned() };
    for (answer, read) in [
        ("Transaction created for certificate /certs/Success!\n\n", Ok(())),
        // Whoever opened it put something else into it.
        ("Transaction updated for certificate /certs/Success!\n\n", Err(crossed(NAME))),
        ("Transaction updated for certificate /certs/other!\n\n", Err(crossed("/certs/other"))),
        (
            "Transaction created for certificate /certs/Success.pem!\n\n",
            Err(refusal(&command, "Transaction created for certificate /certs/Success.pem!")),
        ),
        (
            "The ongoing transaction is about '/certs/other' but you are trying to set '/certs/Success'\nCan't update \
             /certs/Success!\n\n",
            Err(RuntimeError::Busy { other: "/certs/other".to_owned() }),
        ),
        (
            "unable to load certificate from file '/certs/Success'.\nCan't load the payload\nCan't update /certs/Success!\n\n",
            Err(refusal(
                &command,
                "unable to load certificate from file '/certs/Success'. | Can't load the payload | Can't update /certs/Success!",
            )),
        ),
        ("Permission denied\n\n", Err(RuntimeError::NotAdmin)),
        // Of a payload that is longer than its buffer HAProxy 2.6 says nothing.
        ("", Err(silent.clone())),
        ("\n", Err(silent)),
    ] {
        assert_eq!(read_set(NAME, answer), read, "{answer}");
    }
}

#[test]
fn a_success_is_the_last_line_and_all_of_it() {
    for (answer, good) in [
        ("Committing /certs/Success.\nSuccess!\n\n", true),
        // A dot for every ten of its instances.
        ("Committing /certs/Success.....\r\nSuccess!\r\n\r\n", true),
        (
            "inconsistencies between private key and certificate loaded '/certs/Success'.\nCan't commit /certs/Success!\n\n",
            false,
        ),
        ("No ongoing transaction! !\nCan't commit /certs/Success!\n\n", false),
        ("Success!\nCan't commit /certs/Success!\n\n", false),
        ("Committing /certs/Success.\n", false),
        ("", false),
    ] {
        assert_eq!(read_commit(NAME, answer).is_ok(), good, "{answer}");
    }
    let silent = read_commit(NAME, "\n\n").unwrap_err();
    assert_eq!(silent.to_string(), "`commit ssl cert /certs/Success` got no answer");
}

#[test]
fn a_certificate_that_is_there_already_counts_as_made_and_as_listed() {
    for (answer, good) in [
        ("New empty certificate store '/certs/Success'!\n\n", true),
        ("Certificate '/certs/Success' already exists!\n\n", true),
        ("'new ssl cert' expects a filename\n\n", false),
        ("", false),
    ] {
        assert_eq!(read_new(NAME, answer).is_ok(), good, "{answer}");
    }
    for (answer, good) in [
        ("Inserting certificate '/certs/Success' in crt-list '/list'.\nSuccess!\n\n", true),
        ("Can't edit the crt-list: file already exists in this directory!\n\n", true),
        ("Can't edit the crt-list: certificate '/certs/Success' is empty!\n\n", false),
        ("Can't edit the crt-list: crt-list '/list' does not exist!\n\n", false),
        ("", false),
    ] {
        assert_eq!(read_add("/list", NAME, answer).is_ok(), good, "{answer}");
    }
}

#[test]
fn a_name_is_in_a_crt_list_where_a_line_begins_with_all_of_it() {
    let of = |line: &str| is_listed(NAME, &format!("# /list\n/certs/other.pem\n{line}\n\n"));
    for line in [NAME, "/certs/Success [alpn h2] a.test", " /certs/Success"] {
        assert!(of(line), "{line}");
    }
    for line in ["/certs/Success.pem", "/certs/Succes", "/certs/third.pem /certs/Success", ""] {
        assert!(!of(line), "{line}");
    }
}

#[test]
fn the_list_of_certificates_begins_with_a_heading() {
    let list = |open: Option<&str>, names: &[&str]| CertificateList {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        open: open.map(str::to_owned),
    };
    for (answer, read) in [
        ("# filename\n/a.pem\n/b.pem\n\n", list(None, &["/a.pem", "/b.pem"])),
        ("# transaction\n*/a.pem\n# filename\n/a.pem\n\n", list(Some("/a.pem"), &["/a.pem"])),
        ("# filename\n\n", list(None, &[])),
    ] {
        assert_eq!(read_list(answer), Ok(read), "{answer}");
    }
    let words = "Unknown command: 'show ssl cert', but maybe one of the following ones is a better match:";
    let unknown = format!("{words}\n# filename\n/a.pem\n\n");
    assert!(matches!(read_list(&unknown), Err(RuntimeError::Refused { .. })));
    let silent = RuntimeError::Silent { command: "show ssl cert".to_owned() };
    for nothing in ["", "\n\n"] {
        assert_eq!(read_list(nothing), Err(silent.clone()));
    }
}

#[test]
fn only_a_socket_that_denies_permission_has_too_low_a_level() {
    assert_eq!(read_level("Permission denied\n\n"), Err(RuntimeError::NotAdmin));
    // HAProxy 2.1 has no crt-lists to show.
    for answer in ["/list\n\n", "", "Unknown command: 'show ssl crt-list'\n\n", "/Permission denied\n\n"] {
        assert_eq!(read_level(answer), Ok(()), "{answer}");
    }
}

#[test]
fn what_was_taken_is_the_leaf_with_as_many_certificates_behind_it() {
    let (leaf, _) = Authority::new("Root").issue(&LeafSpec::default());
    let answer = |serial: &str, chain: usize| {
        let links = "Chain Subject: /CN=Middle\nChain Issuer: /CN=Root\n".repeat(chain);
        format!("Filename: {NAME}\nStatus: Used\nSerial: {serial}\nIssuer: /CN=Root\n{links}\n")
    };
    let serial = leaf.serial.as_str().to_owned();
    let read = |serial: &str, chain| read_show(NAME, &leaf, 1, &answer(serial, chain));
    for same in [serial.clone(), serial.to_uppercase(), format!("00{serial}")] {
        assert_eq!(read(&same, 1), Ok(Told::Whole), "{same}");
    }
    for (serial, chain) in [(serial.clone(), 0), (serial.clone(), 2), (format!("{serial}0"), 1)] {
        let words = read(&serial, chain).unwrap_err().to_string();
        let found = format!("it holds serial {serial} with a chain of {chain} after it said");
        assert!(words.starts_with(&found), "{words}");
    }
    let empty = read_show(NAME, &leaf, 0, "Filename: /certs/Success\nStatus: Empty\n\n");
    assert!(matches!(empty, Err(RuntimeError::Refused { .. })), "{empty:?}");
}

/// HAProxy 2.6.12 of Ed25519, Ed448 and RSA-PSS keys alike.
fn cut_short(serial: &str) -> String {
    format!(
        "Filename: {NAME}\nStatus: Used\nSerial: {serial}\nnotBefore: Nov 30 13:01:57 2026 GMT\n\
         notAfter: Jan 29 13:01:57 2027 GMT\nSubject Alternative Name: \nAlgorithm: OCSP Response Key: \n\n\n"
    )
}

#[test]
fn what_a_report_does_not_say_is_neither_right_nor_wrong() {
    let (leaf, _) = Authority::new("Root").issue(&LeafSpec::default());
    let read = |answer: &str| read_show(NAME, &leaf, 1, answer);
    let serial = leaf.serial.as_str();
    assert_eq!(read(&cut_short(serial)), Ok(Told::InPart));
    // Other versions may end elsewhere.
    assert_eq!(read(&format!("Filename: {NAME}\nStatus: Used\nSerial: \n\n")), Ok(Told::InPart));
    assert_eq!(read(&format!("Filename: {NAME}\nStatus: Used\n\n")), Ok(Told::InPart));
    // What it says counts all the same.
    let words = read(&cut_short("0A")).unwrap_err().to_string();
    assert!(words.starts_with("it holds serial 0A after it said that it took serial"), "{words}");
    let without_serial = format!("Filename: {NAME}\nStatus: Used\nIssuer: /CN=Root\n\n");
    assert!(matches!(read(&without_serial), Err(RuntimeError::NotTaken { .. })));
    for none in ["Filename: /certs/Success\n\n", "Can't display the certificate: Not found\n\n"] {
        assert!(matches!(read(none), Err(RuntimeError::Refused { .. })), "{none}");
    }

    let held = read_held(NAME, &cut_short("0C3FE")).unwrap().unwrap();
    assert_eq!((held.serial.as_str(), held.sha1, held.algorithm), ("c3fe", None, None));
    assert_eq!(held.not_after.unwrap().to_string(), "2027-01-29T13:01:57Z");
    assert_eq!(read_held(NAME, &format!("Filename: {NAME}\nStatus: Used\n\n")), Ok(None));
}

#[test]
fn what_is_held_is_told_by_all_that_haproxy_says_of_it() {
    let answer = "Filename: /a.pem\nStatus: Used\nSerial: 0C3FE\nnotBefore: Nov 24 15:03:01 2026 GMT\n\
                  notAfter: Feb  2 15:03:00 2027 GMT\nSubject Alternative Name: DNS:a.test\n\
                  Algorithm: EC256\nSHA1 FingerPrint: 0102030405060708090A0B0C0D0E0F1011121314\n\
                  Subject: /CN=a.test\nIssuer: /CN=Root\n\n";
    let held = read_held("/a.pem", answer).unwrap().unwrap();
    assert_eq!((held.serial.as_str(), held.algorithm), ("c3fe", Some(KeyAlgorithm::Ecdsa)));
    let sha1 = held.sha1.unwrap();
    assert_eq!((sha1[0], sha1[19]), (1, 20));
    assert_eq!(held.not_after.unwrap().to_string(), "2027-02-02T15:03:00Z");
    let with = |from: &str, to: &str| read_held("/a.pem", &answer.replace(from, to));
    assert_eq!(with("EC256", "RSA2048").unwrap().unwrap().algorithm, Some(KeyAlgorithm::Rsa));
    assert_eq!(with("0C3FE", "C3FE").unwrap().unwrap().serial.as_str(), "c3fe");
    assert_eq!(with("2027 GMT", "2027").unwrap().unwrap().not_after, None);
    for (from, to) in [("11121314", "111213"), ("0C3FE", "x"), ("Status: Used", "Status: Empty")] {
        assert!(matches!(with(from, to), Err(RuntimeError::Refused { .. })), "{to}");
    }
    assert!(matches!(read_held("/a.pem", "Can't display it\n\n"), Err(RuntimeError::Refused { .. })));
}
