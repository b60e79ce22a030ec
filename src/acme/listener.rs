//! certwave's own web server for challenges: it knows tokens, and nothing else.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::acme::error::IssueError;
use crate::ports::ChallengeResponder;

/// Longer requests are not a CA's.
const LONGEST: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

type Tokens = Arc<Mutex<HashMap<String, String>>>;

/// Listens until dropped.
#[derive(Debug)]
pub struct Listener {
    tokens: Tokens,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listener {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the address is taken or not allowed.
    pub async fn start(address: SocketAddr) -> Result<Self, IssueError> {
        let failed = |source| IssueError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let tokens = Tokens::default();
        let known = tokens.clone();
        let task = tokio::spawn(async move {
            loop {
                // One that is gone before it was taken up is no reason to stop.
                let Ok((stream, _)) = listener.accept().await else { continue };
                let known = known.clone();
                tokio::spawn(async move {
                    // Whoever is too slow, or gone, gets no answer.
                    let _ = timeout(PATIENCE, answer(stream, &known)).await;
                });
            }
        });
        Ok(Self { tokens, address, task })
    }

    /// Stops; the port is free when this returns, for whoever listens next.
    pub async fn close(mut self) {
        self.task.abort();
        // What it returns is that it was aborted.
        let _ = (&mut self.task).await;
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, tokens: &Tokens) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 1024];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        let read = stream.read(&mut part).await?;
        if read == 0 || request.len() > LONGEST {
            return Ok(());
        }
        request.extend_from_slice(&part[..read]);
    }
    let request = String::from_utf8_lossy(&request);
    let token = request
        .strip_prefix("GET /.well-known/acme-challenge/")
        .and_then(|rest| rest.split([' ', '?']).next())
        .unwrap_or_default();
    let body = tokens.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
    let (status, body) = match body {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", String::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

impl ChallengeResponder for Listener {
    async fn publish(&self, token: &str, key_authorization: &str) -> Result<(), String> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(token.to_owned(), key_authorization.to_owned());
        Ok(())
    }

    async fn withdraw(&self, token: &str) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        format!("{}: {body}", head.lines().next().unwrap())
    }

    #[tokio::test]
    async fn a_token_is_answered_for_from_when_it_is_published_to_when_it_is_withdrawn() {
        let listener = Listener::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.address();
        let path = "/.well-known/acme-challenge/token";
        let unknown = "HTTP/1.1 404 Not Found: ";
        assert_eq!(asked(address, path).await, unknown);
        listener.publish("token", "token.proof").await.unwrap();
        listener.publish("other", "other.proof").await.unwrap();
        let proof = "HTTP/1.1 200 OK: token.proof";
        assert_eq!(asked(address, path).await, proof);
        assert_eq!(asked(address, &format!("{path}?x=1")).await, proof);
        for wrong in ["/", "/token", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/tok"] {
            assert_eq!(asked(address, wrong).await, unknown, "{wrong}");
        }
        listener.withdraw("token").await;
        assert_eq!(asked(address, path).await, unknown);
        listener.close().await;
        assert!(TcpStream::connect(address).await.is_err());
    }
}
