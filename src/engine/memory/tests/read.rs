//! What is held, for who only looks.

use std::sync::Arc;

use super::haproxy::{NAME, SOCKET, one, settings, to, world};
use crate::engine::host::session::Session;
use crate::engine::memory::held;
use crate::engine::testing::{Transcript, World, certificates};
use crate::service::Held;

async fn read(world: &World, said: Transcript) -> Result<Vec<Held>, String> {
    held(&Session::over(Arc::new(said.host())), world.host(), world.service())
        .await
        .map(|holds| holds.certificates)
}

#[tokio::test]
async fn each_process_tells_what_it_holds() {
    const SECOND: &str = "/run/haproxy/second.sock";
    let all = certificates();
    let said = to(SOCKET).list(None, &[NAME]).holding(&all.new).0;
    let said = said.and(to(SECOND).list(None, &["other.pem", NAME]).leads("").holding(&all.old).0);
    let held = read(&world(settings(&[SOCKET, SECOND])), said).await.unwrap();
    assert!(held[0].is(all.new.leaf()) && held[1].is(all.old.leaf()));
    assert_eq!(held.len(), 2);
}

#[tokio::test]
async fn a_certificate_that_is_gone_from_memory_is_told() {
    let reason = read(&one(), to(SOCKET).list(None, &["other.pem"]).leads("").0).await.unwrap_err();
    assert_eq!(reason, format!("HAProxy holds no certificate `{NAME}`"));
    let empty = format!("Filename: {NAME}\nStatus: Empty\n\n");
    let said = to(SOCKET).list(None, &[NAME]).asked(&format!("show ssl cert {NAME}\n"), &empty);
    let reason = read(&one(), said.0).await.unwrap_err();
    assert!(reason.contains("Status: Empty"), "{reason}");
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_holds_nothing_known() {
    assert_eq!(read(&World::nginx(), Transcript::new()).await, Ok(Vec::new()));
    assert_eq!(read(&world(settings(&[])), Transcript::new()).await, Ok(Vec::new()));
}
