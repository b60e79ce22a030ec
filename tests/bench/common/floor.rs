//! The floor: what cannot be avoided. A connection and one command a host, by the same SSH library, with nothing
//! looked at, journaled or proven.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use russh::ChannelMsg;
use russh::client::{Config, Handler, connect_stream};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use tokio::net::TcpStream;

use super::{Cost, measure};

/// Who it is does not matter here.
struct Anybody;

impl Handler for Anybody {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

/// One command on each host.
pub(crate) struct Floor {
    key: Arc<PrivateKey>,
    config: Arc<Config>,
    user: String,
}

impl Floor {
    /// Logs in as the user that this process runs as.
    pub(crate) fn new(key_file: &Path) -> Self {
        let key = Arc::new(load_secret_key(key_file, None).unwrap());
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
        Self { key, config: Arc::new(Config { nodelay: true, ..Config::default() }), user }
    }

    /// A connection to each, `at_once` at a time, and one command there with this on its standard input.
    pub(crate) async fn run(&self, hosts: Vec<(SocketAddr, String, Vec<u8>)>, at_once: usize) -> Cost {
        let all = stream::iter(hosts).for_each_concurrent(at_once, |(address, line, input)| async move {
            let status = self.one(address, &line, input).await.unwrap();
            assert_eq!(status, 0, "{address}: {line}");
        });
        measure(all).await.1
    }

    async fn one(&self, address: SocketAddr, line: &str, input: Vec<u8>) -> Result<u32, russh::Error> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut session = connect_stream(self.config.clone(), socket, Anybody).await?;
        let key = PrivateKeyWithHashAlg::new(self.key.clone(), None);
        assert!(session.authenticate_publickey(&self.user, key).await?.success());
        let (mut read, write) = session.channel_open_session().await?.split();
        write.exec(true, line).await?;
        if !input.is_empty() {
            write.data_bytes(input).await?;
        }
        write.eof().await?;
        let mut status = 255;
        while let Some(message) = read.wait().await {
            match message {
                ChannelMsg::ExitStatus { exit_status } => status = exit_status,
                ChannelMsg::Close => break,
                _ => {}
            }
        }
        Ok(status)
    }
}
