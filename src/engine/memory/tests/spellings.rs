//! One file under several names in HAProxy's memory.

use std::sync::Arc;

use super::haproxy::{NAME, SOCKET, Said, on_disk, put_back, shown, to, world};
use super::{ready, take};
use crate::certificate::CertificateSet;
use crate::engine::host::session::Session;
use crate::engine::memory::held;
use crate::engine::testing::{World, certificates, ended, haproxy, ok};
use crate::install::FilePart;
use crate::service::RuntimeError;

/// The same file by another way.
const OTHER: &str = "/etc/haproxy/../haproxy/a.pem";

fn one() -> World {
    world(haproxy(&[SOCKET]))
}

impl Said {
    /// What is under a name is one certificate, and becomes another.
    fn renewed(self, name: &str, old: &CertificateSet, new: &CertificateSet) -> Self {
        self.asked(&format!("show ssl cert {name}\n"), &shown(old))
            .asked(
                &format!("set ssl cert {name} <<\n…"),
                &format!("Transaction created for certificate {name}!\n\n"),
            )
            .asked(&format!("commit ssl cert {name}\n"), &format!("Committing {name}.\nSuccess!\n\n"))
            .asked(&format!("show ssl cert {name}\n"), &shown(new))
    }
}

#[tokio::test]
async fn each_entry_that_leads_to_our_file_is_told_and_read_back() {
    let all = certificates();
    let listed = || to(SOCKET).list(None, &[NAME, "b.pem", OTHER]).leads("2 1\n");
    let said = listed().renewed(NAME, &all.old, &all.new).renewed(OTHER, &all.old, &all.new);
    assert_eq!(take(&one(), said.0).await, Ok(()));
    let said = listed().renewed(NAME, &all.new, &all.old).renewed(OTHER, &all.new, &all.old);
    assert_eq!(put_back(&one(), on_disk().and(said.0)).await, Ok(()));
    // One that stays as it was fails the host.
    let said = listed().renewed(NAME, &all.old, &all.new).renewed(OTHER, &all.old, &all.older);
    let reason = take(&one(), said.0).await.unwrap_err();
    assert!(reason.contains("after it said that it took serial"), "{reason}");
}

#[tokio::test]
async fn what_the_second_name_holds_is_read_as_well() {
    let all = certificates();
    let show = |name: &str| format!("show ssl cert {name}\n");
    let said = to(SOCKET)
        .list(None, &[OTHER, NAME])
        .leads("1 1\n")
        .asked(&show(NAME), &shown(&all.new))
        .asked(&show(OTHER), &shown(&all.old));
    let world = one();
    let held = held(&Session::over(Arc::new(said.0.host())), world.host(), world.service()).await.unwrap();
    assert!(held.certificates[0].is(all.new.leaf()) && held.certificates[1].is(all.old.leaf()));
    assert_eq!(held.names, [OTHER, NAME]);
}

#[tokio::test]
async fn a_certificate_whose_path_is_spelled_otherwise_alone_is_found() {
    let all = certificates();
    let listed = || to(SOCKET).list(None, &[OTHER]).leads("1 1\n");
    assert_eq!(take(&one(), listed().renewed(OTHER, &all.old, &all.new).0).await, Ok(()));
    let said = to(SOCKET).admin().list(None, &[OTHER]).leads("1 1\n");
    assert_eq!(ready(&one(), said.0).await, Ok(()));
}

#[tokio::test]
async fn an_open_transaction_of_either_name_is_ours() {
    for open in [NAME, OTHER] {
        let said = to(SOCKET).admin().list(Some(open), &[NAME, OTHER]).leads("1 1\n").aborted(open);
        assert_eq!(ready(&one(), said.0).await, Ok(()));
    }
}

/// nginx has a link of its own, which HAProxy reads with its key in a file beside it.
#[tokio::test]
async fn another_link_that_haproxy_reads_is_told_too() {
    let all = certificates();
    let mut world = one();
    let links = [("/etc/ssl/a.crt", FilePart::Fullchain), ("/etc/ssl/a.crt.key", FilePart::Privkey)];
    world.host_mut().install.links = links.map(|(path, part)| (path.parse().unwrap(), part.into())).to_vec();
    let listed = |led: &str| to(SOCKET).list(None, &[NAME, "/etc/ssl/a.crt"]).leads(led);
    let said =
        listed("1 2\n").renewed(NAME, &all.old, &all.new).renewed("/etc/ssl/a.crt", &all.old, &all.new);
    assert_eq!(take(&world, said.0).await, Ok(()));
    // One that it does not read is none of its business.
    assert_eq!(take(&world, listed("").renewed(NAME, &all.old, &all.new).0).await, Ok(()));
}

/// What the host says is counted, not believed: a name comes from HAProxy's own list, and a file from the plan.
#[tokio::test]
async fn an_answer_that_makes_no_sense_names_nothing() {
    let all = certificates();
    for led in ["9 1\n", "1 9\n", "0 1\n", "1 0\n", "x y\n", "1\n", "/etc/passwd 1\n"] {
        let said = to(SOCKET).list(None, &[NAME, OTHER]).leads(led);
        assert_eq!(take(&one(), said.renewed(NAME, &all.old, &all.new).0).await, Ok(()), "{led}");
    }
    let Said(transcript, _) = to(SOCKET).list(None, &[NAME, OTHER]);
    let silent = transcript.then("exec …files=…-ef… < … B", ended(137, "1 1\n", ""));
    let reason = take(&one(), silent).await.unwrap_err();
    assert!(reason.contains("the host does not say where HAProxy's certificates lead"), "{reason}");
}

/// HAProxy 3.0.11: the host says by its configuration where they lead.
#[tokio::test]
async fn what_a_certificate_store_names_is_changed_where_it_leads_to_our_file() {
    let all = certificates();
    let listed = |led: &str| {
        let Said(transcript, socket) = to(SOCKET).list(None, &[NAME, "@web/a", "@web/b"]);
        let led = ok(&format!("{led}all\n"));
        Said(transcript.then("exec …config='/etc/haproxy/haproxy.cfg'…hook_aliases…-ef… < … B", led), socket)
    };
    let said = listed("1 1\n").renewed(NAME, &all.old, &all.new).renewed("@web/a", &all.old, &all.new);
    assert_eq!(take(&one(), said.0).await, Ok(()));
    assert_eq!(take(&one(), listed("").renewed(NAME, &all.old, &all.new).0).await, Ok(()));
}

#[tokio::test]
async fn a_certificate_may_be_called_by_its_name_in_a_store() {
    let all = certificates();
    let mut settings = haproxy(&[SOCKET]);
    settings.certificates[0].alias = Some("@web/a".to_owned());
    let named = world(settings.clone());
    let listed = || to(SOCKET).list(None, &["@web/a"]);
    assert_eq!(take(&named, listed().renewed("@web/a", &all.old, &all.new).0).await, Ok(()));
    assert_eq!(ready(&named, to(SOCKET).admin().list(None, &["@web/a"]).0).await, Ok(()));
    // Nobody but its configuration can load it, also where others could join a crt-list.
    settings.crt_list = Some("/etc/haproxy/list".parse().unwrap());
    for settings in [named, world(settings)] {
        let reason = ready(&settings, to(SOCKET).admin().list(None, &[]).0).await.unwrap_err();
        assert!(reason.ends_with("it has no certificate `@web/a`; it has none"), "{reason}");
        let reason = take(&settings, to(SOCKET).list(None, &[]).0).await.unwrap_err();
        assert!(reason.ends_with("it has no certificate `@web/a`; it has none"), "{reason}");
    }
}

#[tokio::test]
async fn of_many_certificates_that_are_others_some_are_told() {
    let names: Vec<String> = (0..1000).map(|n| format!("/{n}.pem")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reason = ready(&one(), to(SOCKET).admin().list(None, &names).leads("").0).await.unwrap_err();
    let known = reason.split_once("it has `").unwrap().1;
    assert!(known.ends_with("`/19.pem`, and 980 others"), "{known}");
    let named = RuntimeError::NoCertificate { path: NAME.to_owned(), known: String::new() };
    assert!(reason.contains(&named.to_string()));
}
