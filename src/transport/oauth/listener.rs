//! The end of a sign-in on a desktop (RFC 8252 section 7.3): a listener on loopback, at a port that the system chooses, which
//! takes one answer and is gone.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use url::Url;

use crate::secret::Secret;

use super::super::{Ending, Failure};
use super::{Callback, read_callback};

/// A browser that asks for the answer's page says it at once, and briefly.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_HEAD: usize = 32 * 1024;
const MOST_GUESTS: usize = 16;

pub struct Listener {
    socket: TcpListener,
    redirect: Url,
}

impl Listener {
    pub fn bind() -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let redirect = Url::parse(&format!("http://{address}/")).map_err(io::Error::other)?;
        Ok(Self { socket, redirect })
    }

    pub fn redirect(&self) -> &Url {
        &self.redirect
    }

    /// What the provider's page brings back, and the browser that brought it, which waits for a page. Whatever else comes is told
    /// that nothing is here, and keeps nobody waiting: browsers open connections on which they say nothing.
    pub async fn callback(&self, state: &Secret, issuer: Option<&str>) -> Result<(Callback, Guest), Failure> {
        let broken = |error: io::Error| Failure::new(Ending::Internal).detail(error.to_string());
        let socket = self.socket.try_clone().and_then(tokio::net::TcpListener::from_std).map_err(broken)?;
        let mut guests = FuturesUnordered::new();
        loop {
            tokio::select! {
                guest = socket.accept(), if guests.len() < MOST_GUESTS => match guest {
                    Ok((stream, _)) => guests.push(self.hear(stream, state, issuer)),
                    // The system has no more of something for a moment.
                    Err(_) => sleep(PAUSE).await,
                },
                Some(Some(callback)) = guests.next() => return Ok(callback),
            }
        }
    }

    /// `None`: it was somebody else.
    async fn hear(&self, mut stream: TcpStream, state: &Secret, issuer: Option<&str>) -> Option<(Callback, Guest)> {
        let asked = timeout(PATIENCE, target(&mut stream)).await.ok().flatten();
        let url = asked.and_then(|target| self.redirect.join(&target).ok()).filter(|url| url.path() == "/");
        match url.map_or(Callback::NotOurs, |url| read_callback(&url, state, issuer)) {
            Callback::NotOurs => {
                Guest(stream).answer("404 Not Found", "").await;
                None
            }
            callback => Some((callback, Guest(stream))),
        }
    }
}

/// A browser that waits for a page.
pub struct Guest(TcpStream);

impl Guest {
    pub async fn tell(self, page: &str) {
        self.answer("200 OK", page).await;
    }

    async fn answer(mut self, status: &str, page: &str) {
        // Whether it still listens changes nothing.
        let _ = timeout(PATIENCE, answer(&mut self.0, status, page)).await;
    }
}

/// Of a GET, read to the end of its head.
async fn target(stream: &mut TcpStream) -> Option<String> {
    const END: &[u8] = b"\r\n\r\n";
    let mut head = Vec::new();
    let mut looked_at = 0;
    // Only what is new: whoever sends it byte by byte would have all of it looked through for each.
    while !head.get(looked_at..).is_some_and(|new| new.windows(END.len()).any(|window| window == END)) {
        looked_at = head.len().saturating_sub(END.len() - 1);
        if head.len() > LONGEST_HEAD || stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let text = String::from_utf8(head).ok()?;
    let target = text.lines().next()?.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
    target.starts_with('/').then(|| target.to_owned())
}

/// The address of the page has the code in it: it is not to be kept, and nothing that the page asks for may learn it.
async fn answer(stream: &mut TcpStream, status: &str, page: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
         Connection: close\r\n\r\n",
        page.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(page.as_bytes()).await?;
    stream.shutdown().await
}
