//! The server as a whole: how it treats connections, and what it has counted.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::server::TlsStream;

use crate::check::Checker;
use crate::session::{Ended, Session};
use crate::wire::{Turns, Wire};

pub const USER: &str = "bench@example.com";
pub const PASSWORD: &str = "secret of the benchmark";

#[derive(Clone, Copy)]
pub enum Door {
    /// TLS from the first byte.
    Tls,
    /// In clear, with STARTTLS.
    Clear,
}

#[derive(Clone, Copy, Default)]
pub struct Settings {
    pub rtt: Duration,
    pub has_chunking: bool,
    pub has_pipelining: bool,
}

impl Settings {
    pub fn read(value: &Value) -> Option<Self> {
        Some(Self {
            rtt: Duration::from_millis(value.get("rtt_ms")?.as_u64()?),
            has_chunking: value.get("chunking")?.as_bool()?,
            has_pipelining: value.get("pipelining")?.as_bool()?,
        })
    }
}

/// Since the last reset.
#[derive(Clone, Default)]
pub struct Counts {
    pub emails: u64,
    pub recipients: u64,
    /// Round trips up to the last verdict of each connection.
    pub trips: u64,
    /// Bytes received, those of TLS included.
    pub wire_bytes: u64,
    pub connections: u64,
    pub open: u64,
    pub most_open: u64,
    pub full_handshakes: u64,
    pub resumed_handshakes: u64,
    /// Why connections ended, other than by QUIT or by the client's closing between two emails.
    pub problems: BTreeMap<String, u64>,
}

pub struct Server {
    acceptor: TlsAcceptor,
    settings: Cell<Settings>,
    counts: RefCell<Counts>,
    pub checker: Checker,
    closed: Notify,
}

impl Server {
    pub fn new(acceptor: TlsAcceptor) -> Self {
        let settings = Settings { has_pipelining: true, ..Settings::default() };
        Self {
            acceptor,
            settings: Cell::new(settings),
            counts: RefCell::default(),
            checker: Checker::start(),
            closed: Notify::new(),
        }
    }

    pub fn set(&self, settings: Settings) {
        self.settings.set(settings);
    }

    pub fn reset(&self) {
        let open = self.counts.borrow().open;
        *self.counts.borrow_mut() = Counts { open, most_open: open, ..Counts::default() };
        self.checker.reset();
    }

    /// Until no connection is open, so that the next client's counts are its own.
    pub async fn settle(&self) {
        while self.counts.borrow().open > 0 {
            self.closed.notified().await;
        }
    }

    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.borrow_mut());
    }

    pub async fn report(&self) -> Value {
        let checked = self.checker.report().await;
        let counts = self.counts.borrow().clone();
        json!({
            "emails": counts.emails, "recipients": counts.recipients, "trips": counts.trips,
            "wire_bytes": counts.wire_bytes, "connections": counts.connections, "most_open": counts.most_open,
            "full_handshakes": counts.full_handshakes, "resumed_handshakes": counts.resumed_handshakes,
            "documents": checked.documents, "bad_contents": checked.bad_contents, "problems": counts.problems,
        })
    }

    pub async fn accept(self: Rc<Self>, listener: TcpListener, door: Door) {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => {
                    tokio::task::spawn_local(Rc::clone(&self).attend(socket, door));
                }
                // Out of files or the like: others will close.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn attend(self: Rc<Self>, socket: TcpStream, door: Door) {
        self.count(|counts| {
            counts.connections += 1;
            counts.open += 1;
            counts.most_open = counts.most_open.max(counts.open);
        });
        if let Err(error) = self.converse(socket, door).await {
            self.count(|counts| *counts.problems.entry(error.to_string()).or_default() += 1);
        }
        self.count(|counts| counts.open -= 1);
        self.closed.notify_one();
    }

    async fn converse(self: &Rc<Self>, socket: TcpStream, door: Door) -> io::Result<()> {
        socket.set_nodelay(true)?;
        let settings = self.settings.get();
        let turns = Rc::new(Turns::new(Rc::clone(self)));
        let mut wire = Wire::new(socket, settings.rtt, Rc::clone(&turns))?;
        let wire = match door {
            Door::Tls => wire,
            Door::Clear => {
                wire.greeting_is_due().await?;
                turns.greets_unasked();
                match Session::new(wire, self, &turns, settings).greeted().in_clear().run().await? {
                    Ended::Over => return Ok(()),
                    Ended::StartTls(wire) => wire,
                }
            }
        };
        let stream = self.shake_hands(wire).await?;
        let session = Session::new(stream, self, &turns, settings);
        let session = if matches!(door, Door::Tls) { session.greeted() } else { session };
        session.run().await.map(|_| ())
    }

    async fn shake_hands(&self, wire: Wire) -> io::Result<TlsStream<Wire>> {
        let stream = self.acceptor.accept(wire).await?;
        let is_resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        self.count(|counts| {
            counts.resumed_handshakes += u64::from(is_resumed);
            counts.full_handshakes += u64::from(!is_resumed);
        });
        Ok(stream)
    }
}
