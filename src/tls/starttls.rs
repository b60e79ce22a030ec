//! The words in the clear before TLS. What is read is read byte by byte, so that nothing that belongs to TLS is
//! taken, and nothing that came before it is believed to be inside (CVE-2011-0411).

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::model::{DnsName, visible};
use crate::ports::BoxedStream;
use crate::verify::StartTls;

/// More is no answer of a server that was asked for TLS.
const MOST: usize = 64 * 1024;

/// Asks a server to change to TLS; the next byte is TLS then.
///
/// # Errors
/// In words, with what the server said.
pub async fn upgrade(stream: &mut BoxedStream, protocol: StartTls, name: &DnsName) -> Result<(), String> {
    let mut talk = Talk { stream };
    match protocol {
        StartTls::Smtp => {
            talk.reply("220").await?;
            talk.say("EHLO certwave.invalid\r\n").await?;
            let offers = talk.reply("250").await?;
            if !offers
                .lines()
                .any(|line| line.get(4..).is_some_and(|offer| offer.trim().eq_ignore_ascii_case("STARTTLS")))
            {
                return Err(format!("it does not offer STARTTLS: {}", shown(&offers)));
            }
            talk.say("STARTTLS\r\n").await?;
            talk.reply("220").await?;
        }
        StartTls::Ftp => {
            talk.reply("220").await?;
            talk.say("AUTH TLS\r\n").await?;
            talk.reply("234").await?;
        }
        StartTls::Pop3 => {
            talk.begins_with("+OK").await?;
            talk.say("STLS\r\n").await?;
            talk.begins_with("+OK").await?;
        }
        StartTls::Imap => {
            talk.begins_with("* OK").await?;
            talk.say("c1 STARTTLS\r\n").await?;
            loop {
                let line = talk.line().await?;
                match line.to_ascii_uppercase() {
                    untagged if untagged.starts_with("* ") => {}
                    tagged if tagged.starts_with("C1 OK") => break,
                    _ => return Err(refused(&line)),
                }
            }
        }
        StartTls::Postgres => {
            // Length 8, then the code 1234.5679.
            talk.send(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
            match talk.byte().await? {
                b'S' => {}
                b'N' => return Err("it does not offer TLS".to_owned()),
                _ => return Err("it does not speak the PostgreSQL protocol".to_owned()),
            }
        }
        StartTls::Ldap => ldap(&mut talk).await?,
        StartTls::Xmpp => xmpp(&mut talk, name).await?,
        StartTls::Mysql => mysql(&mut talk).await?,
    }
    Ok(())
}

/// An extended request with the name of StartTLS, and the result code of its answer (X.690 for the encoding).
async fn ldap(talk: &mut Talk<'_>) -> Result<(), String> {
    const OID: &[u8] = b"1.3.6.1.4.1.1466.20037";
    let name_length = u8::try_from(OID.len()).unwrap_or(0);
    let mut request = vec![0x30, name_length + 7, 0x02, 0x01, 0x01, 0x77, name_length + 2, 0x80, name_length];
    request.extend_from_slice(OID);
    talk.send(&request).await?;
    let wrong = || "it does not speak LDAP".to_owned();
    if talk.byte().await? != 0x30 {
        return Err(wrong());
    }
    let mut length = usize::from(talk.byte().await?);
    if length > 0x80 {
        let digits = length - 0x80;
        length = 0;
        for _ in 0..digits.min(4) {
            length = length << 8 | usize::from(talk.byte().await?);
        }
    }
    if length > MOST {
        return Err(wrong());
    }
    let message = talk.exactly(length).await?;
    // Message id, then [APPLICATION 24] with an ENUMERATED first.
    let code = message.windows(3).find(|part| part[0] == 0x0a && part[1] == 1).map(|part| part[2]);
    match code {
        Some(0) if message.contains(&0x78) => Ok(()),
        Some(code) => Err(format!("it refused StartTLS: LDAP result code {code}")),
        None => Err(wrong()),
    }
}

async fn xmpp(talk: &mut Talk<'_>, name: &DnsName) -> Result<(), String> {
    talk.say(&format!(
        "<?xml version='1.0'?><stream:stream to='{name}' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    ))
    .await?;
    let features = talk.until(&["</stream:features>", "<stream:features/>", "</stream:stream>"]).await?;
    if !features.contains("urn:ietf:params:xml:ns:xmpp-tls") {
        return Err(format!("it does not offer starttls: {}", shown(&features)));
    }
    talk.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").await?;
    let answer = talk.until(&[">"]).await?;
    if answer.contains("<proceed") { Ok(()) } else { Err(refused(&answer)) }
}

async fn mysql(talk: &mut Talk<'_>) -> Result<(), String> {
    const CLIENT_SSL: u32 = 0x800;
    let head = talk.exactly(4).await?;
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    let greeting = talk.exactly(length.min(MOST)).await?;
    if greeting.first() != Some(&10) {
        return Err("it does not speak the MySQL protocol, or refuses this address".to_owned());
    }
    // Protocol version, server version up to NUL, thread id (4), salt (8), filler (1), capabilities (2).
    let end = greeting.iter().position(|byte| *byte == 0).ok_or("its greeting is cut short")?;
    let low = greeting.get(end + 14..end + 16).ok_or("its greeting is cut short")?;
    if (u32::from(low[0]) | u32::from(low[1]) << 8) & CLIENT_SSL == 0 {
        return Err("it does not offer TLS".to_owned());
    }
    // CLIENT_PROTOCOL_41, CLIENT_SSL and CLIENT_SECURE_CONNECTION; the largest packet; utf8; filler.
    let mut request = vec![32, 0, 0, 1];
    request.extend_from_slice(&(0x8200 | CLIENT_SSL).to_le_bytes());
    request.extend_from_slice(&(1_u32 << 24).to_le_bytes());
    request.push(33);
    request.extend_from_slice(&[0; 23]);
    talk.send(&request).await
}

struct Talk<'s> {
    stream: &'s mut BoxedStream,
}

impl Talk<'_> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).await.map_err(words)?;
        self.stream.flush().await.map_err(words)
    }

    async fn say(&mut self, text: &str) -> Result<(), String> {
        self.send(text.as_bytes()).await
    }

    async fn byte(&mut self) -> Result<u8, String> {
        self.stream.read_u8().await.map_err(words)
    }

    async fn exactly(&mut self, length: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await.map_err(words)?;
        Ok(bytes)
    }

    /// Text up to and with the first of these ends.
    async fn until(&mut self, ends: &[&str]) -> Result<String, String> {
        let mut bytes = Vec::new();
        while !ends.iter().any(|end| bytes.ends_with(end.as_bytes())) {
            if bytes.len() >= MOST {
                return Err("its answer has no end".to_owned());
            }
            bytes.push(self.byte().await?);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn line(&mut self) -> Result<String, String> {
        Ok(visible(self.until(&["\n"]).await?.trim_end()))
    }

    /// A reply of one or several lines (RFC 5321, section 4.2.1) with this code.
    async fn reply(&mut self, code: &str) -> Result<String, String> {
        let mut lines = Vec::new();
        let mut size = 0;
        loop {
            let line = self.line().await?;
            size += line.len();
            let last = line.as_bytes().get(3) != Some(&b'-');
            let right = line.starts_with(code);
            lines.push(line);
            if size > MOST {
                return Err("its answer has no end".to_owned());
            }
            match (last, right) {
                (true, true) => return Ok(lines.join("\n")),
                (true, false) => return Err(refused(&lines.join("\n"))),
                (false, _) => {}
            }
        }
    }

    async fn begins_with(&mut self, start: &str) -> Result<(), String> {
        let line = self.line().await?;
        if line.starts_with(start) { Ok(()) } else { Err(refused(&line)) }
    }
}

fn refused(said: &str) -> String {
    format!("it does not change to TLS: {}", shown(said))
}

/// What a server said, for a message of one line.
fn shown(said: &str) -> String {
    let plain: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    format!("`{}`", plain.trim())
}

fn words(error: std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it closed the connection before TLS".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
