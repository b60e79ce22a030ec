//! The dialogues, against a server that plays its part.

use tokio::time::timeout;

use super::*;
use crate::tls::testing::PATIENCE;

/// Plays a server: each part is what it waits for, and what it says then.
async fn against(protocol: StartTls, script: &[(&[u8], &[u8])]) -> Result<(), String> {
    let (here, mut there) = tokio::io::duplex(4096);
    let mut here: BoxedStream = Box::new(here);
    let script: Vec<(Vec<u8>, Vec<u8>)> = script.iter().map(|(a, b)| (a.to_vec(), b.to_vec())).collect();
    let server = tokio::spawn(async move {
        for (waits, says) in script {
            let mut seen = vec![0; waits.len()];
            there.read_exact(&mut seen).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&seen), String::from_utf8_lossy(&waits));
            there.write_all(&says).await.unwrap();
        }
        // The first byte of TLS must still be there.
        there.write_all(b"\x16").await.unwrap();
        there
    });
    let played = async {
        let ended = upgrade(&mut here, protocol, &"a.test".parse().unwrap()).await;
        let there = server.await.unwrap();
        if ended.is_ok() {
            assert_eq!(here.read_u8().await.unwrap(), 0x16, "a byte of TLS was taken");
        }
        drop(there);
        ended
    };
    timeout(PATIENCE, played).await.expect("each waits for the other")
}

#[tokio::test]
async fn each_protocol_stops_at_the_first_byte_of_tls() {
    let smtp: [(&[u8], &[u8]); 3] = [
        (b"", b"220-mail\r\n220 ready\r\n"),
        (b"EHLO certwave.invalid\r\n", b"250-mail\r\n250-SIZE 1\r\n250 starttls\r\n"),
        (b"STARTTLS\r\n", b"220 go\r\n"),
    ];
    assert_eq!(against(StartTls::Smtp, &smtp).await, Ok(()));
    let ftp: [(&[u8], &[u8]); 2] = [(b"", b"220 ftp\r\n"), (b"AUTH TLS\r\n", b"234 go\r\n")];
    assert_eq!(against(StartTls::Ftp, &ftp).await, Ok(()));
    let postgres: [(&[u8], &[u8]); 1] = [(b"\0\0\0\x08\x04\xd2\x16\x2f", b"S")];
    assert_eq!(against(StartTls::Postgres, &postgres).await, Ok(()));
    let ldap: [(&[u8], &[u8]); 1] = [(
        b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037",
        b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0",
    )];
    assert_eq!(against(StartTls::Ldap, &ldap).await, Ok(()));
    let features = b"<?xml version='1.0'?><stream:stream><stream:features>\
        <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";
    let proceed = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    let xmpp: [(&[u8], &[u8]); 2] = [
        (
            b"<?xml version='1.0'?><stream:stream to='a.test' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
            features,
        ),
        (b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", proceed),
    ];
    assert_eq!(against(StartTls::Xmpp, &xmpp).await, Ok(()));
    let mut greeting = b"\x0a5.5\0\x01\0\0\0saltsalt\0\x00\x08".to_vec();
    greeting.extend([0; 20]);
    let mut packet = vec![u8::try_from(greeting.len()).unwrap(), 0, 0, 0];
    packet.extend(greeting);
    let mysql: [(&[u8], &[u8]); 2] = [(b"", &packet), (b"\x20\0\0\x01\0\x8a\0\0", b"")];
    assert_eq!(against(StartTls::Mysql, &mysql).await.map_err(|_| "refused"), Ok(()));
}

#[tokio::test]
async fn a_refusal_says_what_the_server_said() {
    let smtp: [(&[u8], &[u8]); 2] =
        [(b"", b"220 mail\r\n"), (b"EHLO certwave.invalid\r\n", b"250-mail\r\n250 SIZE 1\r\n")];
    let refused = against(StartTls::Smtp, &smtp).await.unwrap_err();
    assert_eq!(refused, "it does not offer STARTTLS: `250-mail 250 SIZE 1`");
    let busy: [(&[u8], &[u8]); 1] = [(b"", b"421 try later\x1b[31m\r\n")];
    let refused = against(StartTls::Ftp, &busy).await.unwrap_err();
    assert_eq!(refused, "it does not change to TLS: `421 try later\\u{1b}[31m`");
    let postgres: [(&[u8], &[u8]); 1] = [(b"\0\0\0\x08\x04\xd2\x16\x2f", b"N")];
    assert_eq!(against(StartTls::Postgres, &postgres).await.unwrap_err(), "it does not offer TLS");
    let ldap: [(&[u8], &[u8]); 1] = [(b"\x30\x1d", b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\0\x04\0")];
    let refused = against(StartTls::Ldap, &ldap).await.unwrap_err();
    assert_eq!(refused, "it refused StartTLS: LDAP result code 2");
}

type Script<'s> = &'s [(&'s [u8], &'s [u8])];

#[tokio::test]
async fn mail_boxes_change_to_tls_where_they_say_so() {
    let scripts: [(StartTls, Script<'_>); 3] = [
        (StartTls::Pop3, &[(b"", b"+OK ready\r\n"), (b"STLS\r\n", b"+OK go\r\n")]),
        (StartTls::Imap, &[(b"", b"* OK ready\r\n"), (b"c1 STARTTLS\r\n", b"c1 OK go\r\n")]),
        (
            StartTls::Imap,
            &[(b"", b"* OK [CAPABILITY X] ready\r\n"), (b"c1 STARTTLS\r\n", b"* BAD news\r\nC1 ok go\r\n")],
        ),
    ];
    for (protocol, script) in scripts {
        assert_eq!(against(protocol, script).await, Ok(()), "{protocol}");
    }
}

#[tokio::test]
async fn an_ldap_answer_in_the_long_form_is_understood() {
    let script: Script<'_> =
        &[(b"\x30\x1d", b"\x30\x84\0\0\0\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0")];
    let (here, mut there) = tokio::io::duplex(4096);
    let mut here: BoxedStream = Box::new(here);
    there.write_all(script[0].1).await.unwrap();
    there.write_all(b"\x16").await.unwrap();
    there.shutdown().await.unwrap();
    upgrade(&mut here, StartTls::Ldap, &"a.test".parse().unwrap()).await.unwrap();
    assert_eq!(here.read_u8().await.unwrap(), 0x16);
}

/// The greeting of a MySQL server with these capabilities.
fn mysql(protocol: u8, capabilities: [u8; 2]) -> Vec<u8> {
    let mut greeting = vec![protocol];
    greeting.extend(b"8.0.1\0\x01\0\0\0saltsalt\0");
    greeting.extend(capabilities);
    [&[u8::try_from(greeting.len()).unwrap(), 0, 0, 0][..], &greeting].concat()
}

#[tokio::test]
async fn who_does_not_offer_tls_or_refuses_it_is_told_by_its_words() {
    let features = b"<stream:stream><stream:features><mechanisms/></stream:features>";
    let offered = b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";
    let (hello, plain, old) = (b"EHLO certwave.invalid\r\n", mysql(10, [0xff, 0xf7]), mysql(9, [0xff, 0xff]));
    let not = "it does not change to TLS";
    let scripts: [(StartTls, Script<'_>, String); 16] = [
        (StartTls::Smtp, &[(b"", b"554 no\r\n")], format!("{not}: `554 no`")),
        (StartTls::Smtp, &[(b"", b"220-no\r\n554 no\r\n")], format!("{not}: `220-no 554 no`")),
        (
            StartTls::Smtp,
            &[(b"", b"220 x\r\n"), (hello, b"250-x\r\n250 STARTTLSX\r\n")],
            "it does not offer STARTTLS: `250-x 250 STARTTLSX`".to_owned(),
        ),
        (
            StartTls::Smtp,
            &[(b"", b"220 x\r\n"), (hello, b"250 STARTTLS\r\n"), (b"STARTTLS\r\n", b"454 later\r\n")],
            format!("{not}: `454 later`"),
        ),
        (StartTls::Ftp, &[(b"", b"220 x\r\n"), (b"AUTH TLS\r\n", b"534 no\r\n")], format!("{not}: `534 no`")),
        (StartTls::Pop3, &[(b"", b"-ERR no\r\n")], format!("{not}: `-ERR no`")),
        (StartTls::Pop3, &[(b"", b"+OK\r\n"), (b"STLS\r\n", b"-ERR no\r\n")], format!("{not}: `-ERR no`")),
        (StartTls::Imap, &[(b"", b"* BYE no\r\n")], format!("{not}: `* BYE no`")),
        (
            StartTls::Imap,
            &[(b"", b"* OK\r\n"), (b"c1 STARTTLS\r\n", b"* X\r\nc1 NO later\r\n")],
            format!("{not}: `c1 NO later`"),
        ),
        (
            StartTls::Postgres,
            &[(b"\0\0\0\x08\x04\xd2\x16\x2f", b"E")],
            "it does not speak the PostgreSQL protocol".to_owned(),
        ),
        (StartTls::Ldap, &[(b"\x30", b"HTTP")], "it does not speak LDAP".to_owned()),
        (
            StartTls::Ldap,
            // An answer to something else.
            &[(b"\x30", b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\0\x04\0\x04\0")],
            "it refused StartTLS: LDAP result code 0".to_owned(),
        ),
        (
            StartTls::Xmpp,
            &[(b"<?xml", features)],
            format!("it does not offer starttls: `{}`", String::from_utf8_lossy(features)),
        ),
        (StartTls::Xmpp, &[(b"<?xml", offered), (b"", b"<failure/>")], format!("{not}: `<failure/>`")),
        (StartTls::Mysql, &[(b"", &plain)], "it does not offer TLS".to_owned()),
        (
            StartTls::Mysql,
            &[(b"", &old)],
            "it does not speak the MySQL protocol, or refuses this address".to_owned(),
        ),
    ];
    for (protocol, script, said) in scripts {
        assert_eq!(against(protocol, script).await, Err(said), "{protocol}");
    }
}

#[tokio::test]
async fn an_answer_without_an_end_and_one_that_is_cut_are_told() {
    let long = [b'2'; MOST + 1];
    for protocol in [StartTls::Smtp, StartTls::Imap, StartTls::Pop3, StartTls::Ftp] {
        let (here, mut there) = tokio::io::duplex(2 * MOST);
        let mut here: BoxedStream = Box::new(here);
        there.write_all(&long).await.unwrap();
        there.shutdown().await.unwrap();
        let said = upgrade(&mut here, protocol, &"a.test".parse().unwrap()).await;
        assert_eq!(said, Err("its answer has no end".to_owned()));
    }
    for protocol in StartTls::ALL {
        let (here, mut there) = tokio::io::duplex(4096);
        let mut here: BoxedStream = Box::new(here);
        there.shutdown().await.unwrap();
        let said = upgrade(&mut here, protocol, &"a.test".parse().unwrap()).await;
        assert_eq!(said, Err("it closed the connection before TLS".to_owned()), "{protocol}");
    }
}
