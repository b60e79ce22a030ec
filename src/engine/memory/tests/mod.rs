//! The dialogues with servers, by transcripts. The answers are those of HAProxy 2.6.12 and Envoy 1.40, and what
//! later versions of HAProxy say otherwise.

mod command;
mod envoy;
mod haproxy;
mod left_open;
mod master;
mod read;
mod relay;
mod spellings;

use crate::engine::host::session::Session;
use crate::engine::memory::Memory;
use crate::engine::testing::{Host, Transcript, VirtualClock, World, certificates, ok};
use crate::service::Way;

/// Talks to the servers of a host, of which `new` is wanted.
async fn talk<T>(
    world: &World,
    transcript: Transcript,
    talk: impl AsyncFnOnce(Memory<'_, Host, VirtualClock>) -> T,
) -> T {
    let transcript = Transcript::new().then("connect", ok("")).and(transcript);
    let session = Session::unlocked(&transcript.host(), world.host()).await.unwrap();
    let (plan, set, clock) = (world.host(), &certificates().new, &world.clock);
    talk(Memory { plan, session: &session, set, clock }).await
}

async fn ready(world: &World, transcript: Transcript) -> Result<(), String> {
    talk(world, transcript, async |memory| memory.ready().await).await
}

/// What counts is asked first.
async fn take(world: &World, transcript: Transcript) -> Result<(), String> {
    take_by(world, transcript).await.map(drop)
}

/// In which way the host's one service took it.
async fn take_by(world: &World, transcript: Transcript) -> Result<Way, String> {
    talk(world, transcript, async |memory| {
        let before = memory.before().await;
        let ways = memory.take(&before).await?;
        assert_eq!(ways.len(), 1);
        Ok(ways[0].way)
    })
    .await
}
