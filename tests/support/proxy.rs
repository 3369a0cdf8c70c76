//! A proxy for one connection: one that does its work, or one that plays whatever a proxy may do instead.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::HANG;

pub const USERNAME: &str = "proxy-user-Q4";
pub const PASSWORD: &str = "Pr0xy:Pass/%w@rd";
/// As they stand in the proxy's address.
pub const LOGIN: &str = "proxy-user-Q4:Pr0xy%3APass%2F%25w%40rd";

/// The proxy's address is a name: a reader that counts on four bytes would go on in the middle of it.
pub const SOCKS5_ANSWER: &[u8] = b"\x05\0\0\x03\x0bproxy.local\x1f\x90";
/// An answer to CONNECT has no body, whatever it says of one.
pub const HTTP_ANSWER: &[u8] = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\nContent-Length: 5\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Socks5,
    Http,
}

impl Protocol {
    pub const ALL: [Self; 2] = [Self::Socks5, Self::Http];

    pub fn scheme(self) -> &'static str {
        match self {
            Self::Socks5 => "socks5",
            Self::Http => "http",
        }
    }
}

/// What a client asked a good proxy for.
#[derive(Debug, Default)]
pub struct Asked {
    /// An IPv6 address stands in brackets.
    pub host: String,
    pub port: u16,
    pub login: Option<(String, String)>,
}

pub struct Proxy {
    pub port: u16,
    asked: Receiver<Asked>,
}

/// How a good proxy does its work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    pub wants_login: bool,
    /// One byte at a time.
    pub dribbles: bool,
    /// Its last answer goes out together with the first words of the server.
    pub waits_for_greeting: bool,
    /// It goes away after so many bytes of its own.
    pub cut: Option<usize>,
    /// Where it connects, whatever port it is asked for.
    pub port: Option<u16>,
}

impl Proxy {
    pub fn start(play: impl FnOnce(&mut Client) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, asked) = channel();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            drop(listener);
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(HANG)).unwrap();
            let mut client = Client { stream, manner: Manner::default(), sent: 0 };
            play(&mut client);
            tell.send(Asked::default()).ok();
        });
        Self { port, asked }
    }

    /// For any number of connections, side by side, each of which `play` gets.
    pub fn start_each(play: impl Fn(&mut Client) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (_, asked) = channel();
        let play = Arc::new(play);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(HANG)).unwrap();
                let play = Arc::clone(&play);
                thread::spawn(move || play(&mut Client { stream, manner: Manner::default(), sent: 0 }));
            }
        });
        Self { port, asked }
    }

    /// One that connects to the port that it is asked for, on this machine, whatever the host's name is.
    pub fn good(protocol: Protocol, manner: Manner) -> Self {
        let (tell, asked) = channel();
        let Self { port, .. } = Self::start(move |client| {
            client.manner = manner;
            let agreed = match protocol {
                Protocol::Socks5 => client.agree_by_socks5(),
                Protocol::Http => client.agree_by_http(),
            };
            let Some((asked, answer)) = agreed else { return };
            let port = manner.port.unwrap_or(asked.port);
            tell.send(asked).unwrap();
            client.tunnel(port, &answer);
        });
        Self { port, asked }
    }

    pub fn address(&self, protocol: Protocol) -> String {
        format!("{}://127.0.0.1:{}", protocol.scheme(), self.port)
    }

    pub fn address_with_login(&self, protocol: Protocol) -> String {
        format!("{}://{LOGIN}@127.0.0.1:{}", protocol.scheme(), self.port)
    }

    #[track_caller]
    pub fn asked(&self) -> Asked {
        self.asked.recv_timeout(HANG).expect("nobody asked the proxy for anything")
    }

    pub fn was_left_alone(&self) -> bool {
        self.asked.try_recv().is_err()
    }
}

pub struct Client {
    stream: TcpStream,
    manner: Manner,
    sent: usize,
}

impl Client {
    /// `None` when the client is gone, or we are.
    pub fn read(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Option<()> {
        let bytes = bytes.as_ref();
        let room = self.manner.cut.map_or(bytes.len(), |cut| cut - self.sent).min(bytes.len());
        self.sent += room;
        let size = if self.manner.dribbles { 1 } else { room.max(1) };
        bytes[..room].chunks(size).try_for_each(|piece| self.stream.write_all(piece)).ok()?;
        if self.manner.cut == Some(self.sent) {
            self.stream.shutdown(Shutdown::Both).ok();
            return None;
        }
        Some(())
    }

    /// To the empty line.
    pub fn head(&mut self) -> Option<Vec<String>> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.extend(self.read(1)?);
        }
        let text = String::from_utf8(bytes).unwrap();
        Some(text.trim_end().split("\r\n").map(str::to_owned).collect())
    }

    /// Says nothing more, until the client has gone.
    pub fn until_gone(&mut self) {
        while self.read(1).is_some() {}
    }

    /// The methods that the client offers, and the choice of one.
    pub fn choose(&mut self, method: u8) -> Option<Vec<u8>> {
        let head = self.read(2)?;
        assert_eq!(head[0], 5);
        let offered = self.read(head[1].into())?;
        self.send([5, method])?;
        Some(offered)
    }

    pub fn socks5_login(&mut self) -> Option<(String, String)> {
        assert_eq!(self.read(1)?, [1]);
        let mut text = || {
            let length = self.read(1)?[0];
            self.read(length.into()).map(|bytes| String::from_utf8(bytes).unwrap())
        };
        Some((text()?, text()?))
    }

    pub fn socks5_request(&mut self) -> Option<(String, u16)> {
        let head = self.read(4)?;
        assert_eq!(head[..3], [5, 1, 0]);
        let host = match head[3] {
            1 => std::net::Ipv4Addr::from(<[u8; 4]>::try_from(self.read(4)?).unwrap()).to_string(),
            3 => {
                let length = self.read(1)?[0];
                String::from_utf8(self.read(length.into())?).unwrap()
            }
            4 => format!("[{}]", std::net::Ipv6Addr::from(<[u8; 16]>::try_from(self.read(16)?).unwrap())),
            other => panic!("address type {other}"),
        };
        let port = self.read(2)?;
        Some((host, u16::from_be_bytes([port[0], port[1]])))
    }

    fn agree_by_socks5(&mut self) -> Option<(Asked, Vec<u8>)> {
        let offered = self.choose(if self.manner.wants_login { 2 } else { 0 })?;
        let mut login = None;
        if self.manner.wants_login {
            assert!(offered.contains(&2), "{offered:?}");
            login = Some(self.socks5_login()?);
            self.send([1, 0])?;
        }
        let (host, port) = self.socks5_request()?;
        Some((Asked { host, port, login }, SOCKS5_ANSWER.to_vec()))
    }

    fn agree_by_http(&mut self) -> Option<(Asked, Vec<u8>)> {
        use base64::Engine as _;
        let head = self.head()?;
        let target = head[0].strip_prefix("CONNECT ").unwrap().strip_suffix(" HTTP/1.1").unwrap();
        assert!(head.contains(&format!("Host: {target}")), "{head:?}");
        let (host, port) = target.rsplit_once(':').unwrap();
        let login = head.iter().find_map(|line| line.strip_prefix("Proxy-Authorization: Basic ")).map(|digits| {
            let pair = base64::engine::general_purpose::STANDARD.decode(digits).unwrap();
            let (username, password) = std::str::from_utf8(&pair).unwrap().split_once(':').unwrap();
            (username.to_owned(), password.to_owned())
        });
        assert!(login.is_some() || !self.manner.wants_login, "{head:?}");
        let asked = Asked { host: host.to_owned(), port: port.parse().unwrap(), login };
        Some((asked, HTTP_ANSWER.to_vec()))
    }

    pub fn tunnel(&mut self, port: u16, answer: &[u8]) {
        let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        server.set_nodelay(true).unwrap();
        let mut first = answer.to_vec();
        if self.manner.waits_for_greeting {
            while !first.ends_with(b"220 mail.test ESMTP\r\n") {
                let mut byte = [0];
                server.read_exact(&mut byte).unwrap();
                first.push(byte[0]);
            }
        }
        if self.send(&first).is_none() {
            return;
        }
        self.stream.set_read_timeout(None).unwrap();
        let (mut up, mut down) = (self.stream.try_clone().unwrap(), server.try_clone().unwrap());
        let upward = thread::spawn(move || {
            std::io::copy(&mut up, &mut down).ok();
            down.shutdown(Shutdown::Write).ok();
        });
        std::io::copy(&mut server, &mut self.stream).ok();
        self.stream.shutdown(Shutdown::Both).ok();
        upward.join().unwrap();
    }
}
