//! Certificates in the memory of HAProxy, by its runtime API.

use super::{ready, take, take_by, talk};
use crate::certificate::CertificateSet;
use crate::engine::host::session::Session;
use crate::engine::memory::HaproxyDialogue;
use crate::engine::testing::{Transcript, World, certificates, ended, not_sent, ok, previous};
use crate::ports::RemoteErrorKind;
use crate::service::{Dialogue, Haproxy, HaproxyReload, ServiceSpec, Way};

pub(super) use crate::engine::testing::haproxy as settings;

pub(super) const SOCKET: &str = "/run/haproxy/admin.sock";
const SECOND: &str = "/run/haproxy/second.sock";
pub(super) const NAME: &str = "/etc/haproxy/a.pem";

pub(super) fn world(haproxy: Haproxy) -> World {
    World::of(ServiceSpec::Haproxy(haproxy))
}

pub(super) fn one() -> World {
    world(settings(&[SOCKET]))
}

/// What is said to a socket, and what HAProxy answers to it.
pub(super) struct Said(pub(super) Transcript, pub(super) &'static str);

pub(super) fn to(socket: &'static str) -> Said {
    Said(Transcript::new(), socket)
}

impl Said {
    pub(super) fn asked(self, question: &str, answer: &str) -> Self {
        let Self(transcript, socket) = self;
        Self(transcript.socket(socket, question, answer), socket)
    }

    /// Only who may change certificates is told which crt-lists there are.
    pub(super) fn admin(self) -> Self {
        self.asked("show ssl crt-list\n", "/etc/haproxy/list\n\n")
    }

    pub(super) fn list(self, open: Option<&str>, names: &[&str]) -> Self {
        let open = open.map(|open| format!("# transaction\n*{open}\n")).unwrap_or_default();
        let names: String = names.iter().map(|name| format!("{name}\n")).collect();
        self.asked("show ssl cert\n", &format!("{open}# filename\n{names}\n"))
    }

    /// The host is asked where names lead that are not plainly ours: the nth to the mth of our files.
    pub(super) fn leads(self, led: &str) -> Self {
        let Self(transcript, socket) = self;
        Self(transcript.then("exec …files=…-ef… < … B", ok(&format!("{led}all\n"))), socket)
    }

    /// What is held is asked: it is that one.
    pub(super) fn holding(self, set: &CertificateSet) -> Self {
        self.asked(&format!("show ssl cert {NAME}\n"), &shown(set))
    }

    pub(super) fn set(self, answer: &str) -> Self {
        let question =
            format!("set ssl cert {NAME} <<\n-----BEGIN CERTIFICATE-----\n…\n-----END PRIVATE KEY-----\n\n");
        self.asked(&question, answer)
    }

    pub(super) fn created(self) -> Self {
        self.set(&format!("Transaction created for certificate {NAME}!\n\n"))
    }

    pub(super) fn committed(self) -> Self {
        self.asked(&format!("commit ssl cert {NAME}\n"), &format!("Committing {NAME}.\nSuccess!\n\n"))
    }

    pub(super) fn aborted(self, name: &str) -> Self {
        let answer = format!("Transaction aborted for certificate '{name}'!\n\n");
        self.asked(&format!("abort ssl cert {name}\n"), &answer)
    }
}

/// What `show ssl cert NAME` says of a certificate with one more behind it.
pub(super) fn shown(set: &CertificateSet) -> String {
    let leaf = set.leaf();
    format!(
        "Filename: {NAME}\nStatus: Used\nSerial: {}\nnotBefore: Nov 30 02:14:17 2026 GMT\n\
         notAfter: Feb 28 02:14:16 2027 GMT\nSubject Alternative Name: DNS:a.test\nAlgorithm: EC256\n\
         SHA1 FingerPrint: {}\nSubject: /CN=a.test\nIssuer: /CN=Middle\nChain Subject: /CN=Middle\n\
         Chain Issuer: /CN=Root\nOCSP Response Key: \n\n",
        leaf.serial.as_str().to_uppercase(),
        hex::encode_upper(openssl::sha::sha1(&leaf.der)),
    )
}

#[tokio::test]
async fn haproxy_that_has_the_certificate_is_ready() {
    assert_eq!(ready(&one(), to(SOCKET).admin().list(None, &[NAME, "other.pem"]).leads("").0).await, Ok(()));
}

#[tokio::test]
async fn a_certificate_that_is_not_in_memory_is_told_with_those_that_are() {
    for (names, known) in [(&["other.pem", "b.pem"][..], "`other.pem`, `b.pem`"), (&[], "none")] {
        let said = to(SOCKET).admin().list(None, names);
        let said = if names.is_empty() { said } else { said.leads("") };
        let reason = ready(&one(), said.0).await.unwrap_err();
        let expected =
            format!("service `haproxy` is not ready: it has no certificate `{NAME}`; it has {known}");
        assert_eq!(reason, expected);
    }
}

#[tokio::test]
async fn a_socket_that_may_not_change_certificates_is_told_before_anything_is_changed() {
    // An operator's, which it is unless haproxy.cfg says otherwise, lists certificates all the same.
    let transcript = Transcript::new().socket(SOCKET, "show ssl crt-list\n", "Permission denied\n\n");
    let reason = ready(&one(), transcript).await.unwrap_err();
    assert!(reason.ends_with("give it `level admin` in haproxy.cfg"), "{reason}");
}

#[tokio::test]
async fn a_socket_that_nobody_answers_is_told_with_both_ways_that_were_tried() {
    let refused = || {
        Transcript::new()
            .then(
                format!("socket {SOCKET}"),
                not_sent(RemoteErrorKind::Protocol, "the host could not connect to it"),
            )
            .then(
                format!("exec …{SOCKET}…socat… < … B"),
                ended(1, "", "2026/11/30 socat[1] E connect(): Connection refused\n"),
            )
    };
    let reason = ready(&one(), refused()).await.unwrap_err();
    assert_eq!(
        reason,
        "service `haproxy` is not ready: HAProxy does not answer at /run/haproxy/admin.sock: the host could not connect \
         to it; and through the host's own tools: 2026/11/30 socat[1] E connect(): Connection refused"
    );
    // It may be down where a person said so, and can be started.
    let haproxy = Haproxy { reload: HaproxyReload::Command("start".to_owned()), ..settings(&[SOCKET]) };
    let mut world = world(haproxy);
    assert!(ready(&world, refused()).await.is_err());
    world.host_mut().accepted = true;
    assert_eq!(ready(&world, refused()).await, Ok(()));
    let started = refused().then("exec …command='start'…", ok(""));
    assert_eq!(take_by(&world, started).await, Ok(Way::Reload));
    let broken = refused().then("exec …command='start'…", ended(1, "", "no such unit\n"));
    let reason = take(&world, broken).await.unwrap_err();
    assert_eq!(reason, "haproxy did not take the certificate: `start` ended with 1: no such unit");
}

#[tokio::test]
async fn a_transaction_of_ours_that_was_left_open_is_ended_and_one_of_somebody_else_is_in_the_way() {
    let ours = to(SOCKET).admin().list(Some(NAME), &[NAME]).aborted(NAME);
    assert_eq!(ready(&one(), ours.0).await, Ok(()));
    let reason = ready(&one(), to(SOCKET).admin().list(Some("other.pem"), &[NAME]).0).await.unwrap_err();
    assert!(reason.contains("somebody else has a transaction open for `other.pem`"), "{reason}");
}

#[tokio::test]
async fn who_only_looks_ends_no_transaction() {
    let world = one();
    let Some(Dialogue::Haproxy(haproxy)) = world.service().spec.dialogue() else { panic!() };
    let could_take = async |said: Said| {
        let transcript = Transcript::new().then("connect", ok("")).and(said.0);
        let session = Session::unlocked(&transcript.host(), world.host()).await.unwrap();
        HaproxyDialogue { session: &session, plan: world.host(), haproxy }.could_take(None).await
    };
    assert_eq!(could_take(to(SOCKET).admin().list(Some(NAME), &[NAME])).await, Ok(()));
    assert!(could_take(to(SOCKET).admin().list(Some("other.pem"), &[NAME])).await.is_err());
}

#[tokio::test]
async fn a_certificate_is_set_committed_and_read_back() {
    let all = certificates();
    let said = to(SOCKET).list(None, &[NAME]).holding(&all.old).created().committed().holding(&all.new);
    assert_eq!(take(&one(), said.0).await, Ok(()));
}

#[tokio::test]
async fn a_certificate_is_known_by_the_name_that_the_configuration_gives_it() {
    let all = certificates();
    let said = to(SOCKET)
        .list(None, &["haproxy/a.pem", "b.pem"])
        .leads("")
        .asked("show ssl cert haproxy/a.pem\n", &shown(&all.old))
        .asked("set ssl cert haproxy/a.pem <<\n…", "Transaction created for certificate haproxy/a.pem!\n\n")
        .asked("commit ssl cert haproxy/a.pem\n", "Committing haproxy/a.pem.\nSuccess!\n\n")
        .asked("show ssl cert haproxy/a.pem\n", &shown(&all.new));
    assert_eq!(take(&one(), said.0).await, Ok(()));
}

#[tokio::test]
async fn what_looks_right_is_set_all_the_same_since_two_chains_of_one_leaf_look_alike() {
    let new = &certificates().new;
    let said = to(SOCKET).list(None, &[NAME]).holding(new).created().committed().holding(new);
    assert_eq!(take(&one(), said.0).await, Ok(()));
    // Somebody else's transaction is then in nobody's way.
    let said = to(SOCKET).list(Some("other.pem"), &[NAME]).holding(new).holding(new);
    assert_eq!(take(&one(), said.0).await, Ok(()));
}

#[tokio::test]
async fn a_commit_that_did_not_happen_leaves_no_transaction_open() {
    let refused = format!(
        "inconsistencies between private key and certificate loaded '{NAME}'.\nCan't commit {NAME}!\n\n"
    );
    let said = to(SOCKET)
        .list(None, &[NAME])
        .holding(&certificates().old)
        .created()
        .asked(&format!("commit ssl cert {NAME}\n"), &refused)
        .list(Some(NAME), &[NAME])
        .aborted(NAME);
    let reason = take(&one(), said.0).await.unwrap_err();
    assert_eq!(
        reason,
        format!(
            "haproxy did not take the certificate: `commit ssl cert {NAME}` was refused: inconsistencies between private \
             key and certificate loaded '{NAME}'. | Can't commit {NAME}!"
        )
    );
}

#[tokio::test]
async fn a_certificate_that_went_into_somebody_elses_transaction_ends_that() {
    let said = to(SOCKET)
        .list(None, &[NAME])
        .holding(&certificates().old)
        .set("Transaction updated for certificate other.pem!\n\n")
        .list(Some("other.pem"), &[NAME, "other.pem"])
        .aborted("other.pem");
    let reason = take(&one(), said.0).await.unwrap_err();
    assert!(
        reason.contains("went into a transaction that somebody else holds open for `other.pem`"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_transaction_that_refused_ours_is_not_ended() {
    let busy = format!(
        "The ongoing transaction is about 'other.pem' but you are trying to set '{NAME}'\nCan't update {NAME}!\n\n"
    );
    let said = to(SOCKET).list(None, &[NAME]).holding(&certificates().old).set(&busy);
    let reason = take(&one(), said.0).await.unwrap_err();
    assert!(reason.contains("somebody else has a transaction open for `other.pem`"), "{reason}");
    // It was open before: nothing is set.
    let said = to(SOCKET).list(Some("other.pem"), &[NAME]).holding(&certificates().old);
    let reason = take(&one(), said.0).await.unwrap_err();
    assert!(reason.contains("somebody else has a transaction open for `other.pem`"), "{reason}");
}

#[tokio::test]
async fn a_success_that_left_another_certificate_there_is_none() {
    let all = certificates();
    let said = |last: &str| {
        let said = to(SOCKET).list(None, &[NAME]).holding(&all.old).created().committed();
        said.asked(&format!("show ssl cert {NAME}\n"), last).0
    };
    let reason = take(&one(), said(&shown(&all.older))).await.unwrap_err();
    assert!(reason.contains("after it said that it took serial"), "{reason}");
    let without_chain = shown(&all.new).replace("Chain Subject: /CN=Middle\nChain Issuer: /CN=Root\n", "");
    let reason = take(&one(), said(&without_chain)).await.unwrap_err();
    assert!(reason.contains("with a chain of 0 after it said that it took"), "{reason}");
}

/// As HAProxy 2.6 does of Ed25519, Ed448 and RSA-PSS keys.
fn cut_short(set: &CertificateSet) -> String {
    let all = shown(set);
    format!("{}Algorithm: OCSP Response Key: \n\n\n", &all[..all.find("Algorithm").unwrap()])
}

#[tokio::test]
async fn a_report_that_ends_before_the_chain_is_left_to_the_handshakes() {
    let all = certificates();
    let show = format!("show ssl cert {NAME}\n");
    let said = |last: &CertificateSet| {
        let said = to(SOCKET).list(None, &[NAME]).asked(&show, &cut_short(&all.old));
        said.created().committed().asked(&show, &cut_short(last)).0
    };
    assert_eq!(take(&one(), said(&all.new)).await, Ok(()));
    let reason = take(&one(), said(&all.older)).await.unwrap_err();
    assert!(reason.contains("after it said that it took serial"), "{reason}");
    // What is borne out in part alone does not do where it cannot be replaced.
    let busy = to(SOCKET).list(Some("other.pem"), &[NAME]).asked(&show, &cut_short(&all.new));
    let reason = take(&one(), busy.0).await.unwrap_err();
    assert!(reason.contains("somebody else has a transaction open"), "{reason}");
}

#[tokio::test]
async fn each_process_is_told_and_one_that_refuses_fails_the_host() {
    let all = certificates();
    let both = world(settings(&[SOCKET, SECOND]));
    let took =
        |socket| to(socket).list(None, &[NAME]).holding(&all.old).created().committed().holding(&all.new).0;
    assert_eq!(take(&both, took(SOCKET).and(took(SECOND))).await, Ok(()));
    let refused = to(SECOND)
        .list(None, &[NAME])
        .holding(&all.old)
        .set(&format!(
            "unable to load certificate from file '{NAME}'.\nCan't load the payload\nCan't update {NAME}!\n\n"
        ))
        .list(None, &[NAME]);
    let reason = take(&both, took(SOCKET).and(refused.0)).await.unwrap_err();
    assert!(reason.contains("Can't load the payload"), "{reason}");
    // Neither is ready where one of them is not.
    let said = to(SOCKET).admin().list(None, &[NAME]).0.and(to(SECOND).admin().list(None, &[]).0);
    assert!(ready(&both, said).await.is_err());
}

#[tokio::test]
async fn a_certificate_that_haproxy_does_not_have_yet_is_made_and_listed() {
    let all = certificates();
    let haproxy = Haproxy { crt_list: Some("/etc/haproxy/list".parse().unwrap()), ..settings(&[SOCKET]) };
    let world = world(haproxy);
    assert_eq!(ready(&world, to(SOCKET).admin().list(None, &["other.pem"]).leads("").0).await, Ok(()));
    let made = |last: &str| {
        to(SOCKET)
            .list(None, &["other.pem"])
            .leads("")
            .asked(&format!("new ssl cert {NAME}\n"), &format!("New empty certificate store '{NAME}'!\n\n"))
            .asked(
                &format!("show ssl cert {NAME}\n"),
                &format!("Filename: {NAME}\nStatus: Empty\nOCSP Response Key: \n\n"),
            )
            .created()
            .committed()
            .asked("show ssl crt-list /etc/haproxy/list\n", "# /etc/haproxy/list\nother.pem\n\n")
            .asked(&format!("add ssl crt-list /etc/haproxy/list {NAME}\n"), last)
    };
    let added = format!("Inserting certificate '{NAME}' in crt-list '/etc/haproxy/list'.\nSuccess!\n\n");
    assert_eq!(take(&world, made(&added).holding(&all.new).0).await, Ok(()));
    let refused = "Can't edit the crt-list: crt-list '/etc/haproxy/list' does not exist!\n\n";
    let reason = take(&world, made(refused).0).await.unwrap_err();
    assert!(reason.contains("does not exist"), "{reason}");
}

#[tokio::test]
async fn a_certificate_that_is_in_the_crt_list_is_not_put_there_again() {
    // HAProxy would take it once more, and not know any longer which of them to delete.
    let all = certificates();
    let haproxy = Haproxy { crt_list: Some("/etc/haproxy/list".parse().unwrap()), ..settings(&[SOCKET]) };
    for line in [NAME.to_owned(), format!("{NAME} [alpn h2] a.test")] {
        let listed = format!("# /etc/haproxy/list\nother.pem\n{line}\n\n");
        let said = to(SOCKET)
            .list(None, &[NAME])
            .holding(&all.old)
            .created()
            .committed()
            .asked("show ssl crt-list /etc/haproxy/list\n", &listed)
            .holding(&all.new);
        assert_eq!(take(&world(haproxy.clone()), said.0).await, Ok(()));
    }
}

pub(super) async fn put_back(world: &World, transcript: Transcript) -> Result<(), String> {
    let back = previous(&certificates().old);
    talk(world, transcript, async |memory| memory.put_back(&back).await).await
}

/// The file of the version that is gone back to is read.
pub(super) fn on_disk() -> Transcript {
    let all = certificates();
    let path = format!("/etc/certwave/archive/a.test/{}/combined.pem", all.old.version());
    let combined = all.old.bundles().next().unwrap().combined_pem();
    Transcript::new().then(format!("exec …{path}…cat…"), ok(std::str::from_utf8(combined.expose()).unwrap()))
}

#[tokio::test]
async fn memory_that_was_never_changed_goes_back_whatever_transaction_is_open() {
    let old = &certificates().old;
    let said = on_disk().and(to(SOCKET).list(Some("other.pem"), &[NAME]).holding(old).holding(old).0);
    assert_eq!(put_back(&one(), said).await, Ok(()));
    // From 3.0.11 on, HAProxy itself refuses.
    let busy = format!(
        "The ongoing transaction is about 'other.pem' but you are trying to set '{NAME}'\nCan't update {NAME}!\n\n"
    );
    let set = format!("set ssl cert {NAME} <<\n-----BEGIN CERTIFICATE-----\n…");
    let said = to(SOCKET).list(None, &[NAME]).holding(old).asked(&set, &busy).holding(old);
    assert_eq!(put_back(&one(), on_disk().and(said.0)).await, Ok(()));
}

#[tokio::test]
async fn memory_that_was_changed_is_given_what_is_on_the_disk_again() {
    let all = certificates();
    let said = to(SOCKET)
        .list(None, &[NAME])
        .holding(&all.new)
        .asked(
            &format!("set ssl cert {NAME} <<\n-----BEGIN CERTIFICATE-----\n…"),
            &format!("Transaction created for certificate {NAME}!\n\n"),
        )
        .committed();
    assert_eq!(put_back(&one(), on_disk().and(said.holding(&all.old).0)).await, Ok(()));
}

#[tokio::test]
async fn a_certificate_that_was_not_there_before_is_forgotten() {
    let haproxy = Haproxy { crt_list: Some("/etc/haproxy/list".parse().unwrap()), ..settings(&[SOCKET]) };
    let none = || Transcript::new().then("exec …cat…", ended(1, "", "cat: No such file or directory\n"));
    let said = to(SOCKET)
        .list(None, &[NAME])
        .asked(&format!("del ssl crt-list /etc/haproxy/list {NAME}\n"), "Entry deleted in crtlist!\n\n")
        .asked(&format!("del ssl cert {NAME}\n"), &format!("Certificate '{NAME}' deleted!\n\n"));
    assert_eq!(put_back(&world(haproxy.clone()), none().and(said.0)).await, Ok(()));
    // It never was told.
    let said = to(SOCKET).list(None, &["other.pem"]).leads("");
    assert_eq!(put_back(&world(haproxy), none().and(said.0)).await, Ok(()));
}

#[tokio::test]
async fn a_process_that_does_not_go_back_is_told() {
    let said = on_disk().and(to(SOCKET).list(Some("other.pem"), &[NAME]).holding(&certificates().new).0);
    let reason = put_back(&one(), said).await.unwrap_err();
    assert!(reason.starts_with("haproxy did not go back: somebody else has a transaction open"), "{reason}");
}

#[tokio::test]
async fn a_key_that_stands_in_a_file_of_its_own_is_put_back_with_its_certificate() {
    let all = certificates();
    let bundle = all.old.bundles().next().unwrap();
    let chain = String::from_utf8(bundle.fullchain_pem()).unwrap();
    let key = String::from_utf8(bundle.key().expose().to_vec()).unwrap();
    let without_key = || Transcript::new().then("exec …cat…", ok(&chain));
    let beside = || format!("exec …{NAME}.key…cat…");
    let said = to(SOCKET)
        .list(None, &[NAME])
        .holding(&all.new)
        .asked(
            &format!("set ssl cert {NAME} <<\n{chain}{key}\n"),
            &format!("Transaction created for certificate {NAME}!\n\n"),
        )
        .committed()
        .holding(&all.old);
    let asked = without_key().then(beside(), ok(&key)).and(said.0);
    assert_eq!(put_back(&one(), asked).await, Ok(()));
    // Where there is none, the memory cannot go back.
    let asked = without_key().then(beside(), ended(1, "", "cat: No such file or directory\n"));
    let reason = put_back(&one(), asked).await.unwrap_err();
    assert!(reason.contains("has no key, and neither has `/etc/haproxy/a.pem.key`"), "{reason}");
}
