use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{Login, No, authority};

/// Status line and header fields together; proxies send some hundred bytes.
const LONGEST_HEAD: usize = 16 * 1024;

const NOT_HTTP: No = No::Garbled("what answered is no HTTP proxy");

pub async fn tunnel(stream: &mut TcpStream, host: &str, port: u16, login: Option<&Login>) -> Result<(), No> {
    stream.write_all(request(&authority(host, port), login).as_bytes()).await?;
    let mut head = Head { stream, room: LONGEST_HEAD };
    loop {
        let (code, phrase) = status(&head.line().await?)?;
        while !head.line().await?.is_empty() {}
        match code {
            // The answer is still to come.
            100..=199 => {}
            // Whatever Content-Length says, there is no body: from here on it is the server who speaks.
            200..=299 => return Ok(()),
            _ => return Err(No::Status(code, phrase)),
        }
    }
}

fn request(authority: &str, login: Option<&Login>) -> Zeroizing<String> {
    // Room for all of it: a text that grows leaves copies behind.
    let mut request = Zeroizing::new(String::with_capacity(2048));
    for part in ["CONNECT ", authority, " HTTP/1.1\r\nHost: ", authority, "\r\n"] {
        request.push_str(part);
    }
    if let Some(Login { username, password }) = login {
        let pair = Zeroizing::new(format!("{}:{}", username.expose(), password.expose()));
        request.push_str("Proxy-Authorization: Basic ");
        STANDARD.encode_string(pair.as_bytes(), &mut request);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

/// `HTTP/1.1 200 Connection established`: the code and the reason phrase (RFC 9112 section 4).
fn status(line: &[u8]) -> Result<(u16, Vec<u8>), No> {
    let rest = line.strip_prefix(b"HTTP/1.").ok_or(NOT_HTTP)?;
    let [b'0'..=b'9', b' ', code @ ..] = rest else { return Err(NOT_HTTP) };
    let (digits, phrase) = code.split_at_checked(3).ok_or(NOT_HTTP)?;
    let code = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(NOT_HTTP)?;
    if !(100..=599).contains(&code) || !matches!(phrase.first(), None | Some(b' ')) {
        return Err(NOT_HTTP);
    }
    Ok((code, phrase.to_vec()))
}

struct Head<'s> {
    stream: &'s mut TcpStream,
    /// How many bytes may still come, all lines together.
    room: usize,
}

impl Head<'_> {
    /// Without its end. Byte by byte, as nothing behind the last line is ours to read.
    async fn line(&mut self) -> Result<Vec<u8>, No> {
        let mut line = Vec::new();
        loop {
            self.room = self.room.checked_sub(1).ok_or(No::Garbled("the proxy's answer does not end"))?;
            match self.stream.read_u8().await? {
                b'\n' => break,
                byte => line.push(byte),
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_is_read_strictly() {
        for (line, code) in [
            ("HTTP/1.1 200 Connection established", 200),
            ("HTTP/1.0 200", 200),
            ("HTTP/1.1 407 ", 407),
            ("HTTP/1.1 599 x", 599),
        ] {
            assert_eq!(status(line.as_bytes()).unwrap().0, code, "{line}");
        }
        for line in [
            "",
            "220 mail",
            "HTTP/2 200 OK",
            "HTTP/1.1 20",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 +20 OK",
            "HTTP/1.1 600 X",
            "HTTP/1.1  200",
        ] {
            assert!(status(line.as_bytes()).is_err(), "{line}");
        }
    }
}
