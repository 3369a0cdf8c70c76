//! The end of a sign-in on a desktop (RFC 8252 section 7.3): a listener on loopback, at a port that the system chooses, which
//! takes one answer and is gone.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use crate::secret::Secret;

use super::super::{Ending, Failure};
use super::{Callback, read_callback};

/// A browser that asks for the answer's page says it at once, and briefly.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_HEAD: usize = 32 * 1024;
const MOST_GUESTS: usize = 16;

/// What the browser shows at the end. Whole pages; nothing of them comes from the network.
#[derive(Clone, Debug)]
pub struct Pages {
    pub done: String,
    pub refused: String,
}

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

    /// The code that the provider's page brings back. Whatever else comes is told that nothing is here, and keeps nobody
    /// waiting: browsers open connections on which they say nothing.
    pub async fn code(&self, state: &Secret, issuer: Option<&str>, pages: &Pages) -> Result<Secret, Failure> {
        let broken = |error: io::Error| Failure::new(Ending::Internal).detail(error.to_string());
        let socket = self.socket.try_clone().and_then(tokio::net::TcpListener::from_std).map_err(broken)?;
        let mut guests = FuturesUnordered::new();
        loop {
            tokio::select! {
                guest = socket.accept(), if guests.len() < MOST_GUESTS => {
                    let (stream, _) = guest.map_err(broken)?;
                    guests.push(self.serve(stream, state, issuer, pages));
                }
                Some(ended) = guests.next() => {
                    if let Some(ended) = ended {
                        return ended;
                    }
                }
            }
        }
    }

    /// `None`: it was somebody else.
    async fn serve(
        &self,
        mut stream: TcpStream,
        state: &Secret,
        issuer: Option<&str>,
        pages: &Pages,
    ) -> Option<Result<Secret, Failure>> {
        let asked = timeout(PATIENCE, target(&mut stream)).await.ok().flatten();
        let url = asked.and_then(|target| self.redirect.join(&target).ok()).filter(|url| url.path() == "/");
        let callback = url.map_or(Callback::NotOurs, |url| read_callback(&url, state, issuer));
        let (status, page, ended) = match callback {
            Callback::NotOurs => ("404 Not Found", "", None),
            Callback::Code(code) => ("200 OK", pages.done.as_str(), Some(Ok(code))),
            Callback::Refused(failure) => ("200 OK", pages.refused.as_str(), Some(Err(failure))),
        };
        timeout(PATIENCE, answer(&mut stream, status, page)).await.ok();
        ended
    }
}

/// Of a GET, read to the end of its head.
async fn target(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
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
