//! The proxy that stands between this machine and every server: SOCKS 5 (RFC 1928, 1929), or HTTP's CONNECT (RFC 9110
//! section 9.3.6). It looks up the server's name and gives a connection through which TLS then goes from end to end.
//!
//! Each answer of the proxy is read to its last byte and not one further: a mail server speaks first, and its greeting may
//! stand right behind the answer.

mod address;
mod exceptions;
mod http;
mod socks5;

use std::io;

use tokio::net::TcpStream;

use crate::secret::Secret;

use super::words::Redactor;
use super::{Ending, Failure, ServerWords};
pub use address::WhyBad;
use exceptions::Exceptions;

#[derive(Clone, Debug)]
pub struct Proxy {
    protocol: Protocol,
    /// An A-label or an IP address.
    host: String,
    port: u16,
    login: Option<Login>,
    exceptions: Exceptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Socks5,
    Http,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Login {
    username: Secret,
    password: Secret,
}

impl Proxy {
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as people write them. The login is not in it.
    pub fn name(&self) -> String {
        authority(&self.host, self.port)
    }

    /// Whether connections to this host go through it.
    pub fn is_for(&self, host: &str) -> bool {
        !self.exceptions.cover(host)
    }

    /// From here on the stream is the server's.
    pub async fn tunnel(&self, stream: &mut TcpStream, host: &str, port: u16) -> Result<(), Failure> {
        let login = self.login.as_ref();
        let asked = match self.protocol {
            Protocol::Socks5 => socks5::tunnel(stream, host, port, login).await,
            Protocol::Http => http::tunnel(stream, host, port, login).await,
        };
        asked.map_err(|no| self.failure(no))
    }

    fn failure(&self, no: No) -> Failure {
        match no {
            No::Gone(error) => Failure::new(Ending::Disconnected).detail(error.to_string()),
            No::Garbled(detail) => Failure::new(Ending::BadReply).detail(detail),
            No::Login(detail) => Failure::new(Ending::ProxyLoginRefused).detail(detail),
            No::Reply(detail) => Failure::new(Ending::ProxyFailed).detail(detail),
            No::Status(code, phrase) => {
                // 401 is tinyproxy's word for a login that is not right.
                let is_login = matches!(code, 401 | 407);
                let ending = if is_login { Ending::ProxyLoginRefused } else { Ending::ProxyFailed };
                let redactor = match &self.login {
                    Some(login) => Redactor::of_login(&login.username, &login.password),
                    None => Redactor::new("", None),
                };
                Failure::new(ending).words(ServerWords { code, enhanced: None, text: redactor.clean(&phrase) })
            }
        }
    }
}

/// Why there is no tunnel.
#[derive(Debug)]
enum No {
    Gone(io::Error),
    /// It is no proxy, or none of this protocol.
    Garbled(&'static str),
    Login(&'static str),
    /// What a SOCKS reply code means.
    Reply(String),
    /// An HTTP status other than 2xx, with its reason phrase as it came.
    Status(u16, Vec<u8>),
}

impl From<io::Error> for No {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// As in a URL: an IPv6 address stands in brackets.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
