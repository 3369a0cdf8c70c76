//! A connection with a simulated round-trip time, whose turns are counted.
//!
//! **The delay.** All of it lies on the way in: what the client sends is seen one round-trip time after it came, and what
//! comes while that is being waited for, or together with it, is seen at its own time. Connections do not wait for each
//! other, and nobody burns time: the wait is a timer's. The kernel accepts a connection at once, so that the first bytes
//! are held back for another round-trip time, which stands for the connecting.
//!
//! **A round trip** is counted when the server writes, if the newest of what it has read so far came after its last write:
//! then the client had seen that, or could have, and now waits again. All that a client sends without waiting for an answer
//! is thus one round trip, in however many pieces it comes, as long as it comes within the simulated round-trip time.
//! Connecting counts as one, a greeting that nobody asked for as one, and the turns of the TLS handshake like all others.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::server::Server;
use crate::timer::Timer;

const CHUNK: usize = 64 * 1024;
/// What may be on its way at a time; a real network has its limit too.
const MOST_UNDER_WAY: usize = 64 * 1024 * 1024;

pub struct Turns {
    server: Rc<Server>,
    newest_input: Cell<Instant>,
    last_output: Cell<Instant>,
    trips: Cell<u64>,
}

impl Turns {
    pub fn new(server: Rc<Server>) -> Self {
        let now = Instant::now();
        Self { server, newest_input: Cell::new(now), last_output: Cell::new(now), trips: Cell::new(1) }
    }

    pub fn greets_unasked(&self) {
        self.trips.set(self.trips.get() + 1);
    }

    /// The client has its verdict: what it waited for until now was for this email.
    pub fn verdict(&self) {
        let trips = self.trips.take();
        self.server.count(|counts| counts.trips += trips);
    }

    fn input(&self, came: Instant) {
        self.newest_input.set(came);
    }

    fn output(&self) {
        if self.newest_input.get() > self.last_output.get() {
            self.trips.set(self.trips.get() + 1);
        }
        self.last_output.set(Instant::now());
    }

    fn received(&self, bytes: usize) {
        self.server.count(|counts| counts.wire_bytes += bytes as u64);
    }
}

pub struct Wire {
    socket: TcpStream,
    turns: Rc<Turns>,
    delay: Option<Delay>,
}

struct Delay {
    rtt: Duration,
    connected: Instant,
    under_way: VecDeque<Piece>,
    bytes: usize,
    has_ended: bool,
    timer: Timer,
}

struct Piece {
    came: Instant,
    bytes: Vec<u8>,
    read: usize,
}

impl Wire {
    pub fn new(socket: TcpStream, rtt: Duration, turns: Rc<Turns>) -> io::Result<Self> {
        let delay = if rtt.is_zero() { None } else { Some(Delay::new(rtt)?) };
        Ok(Self { socket, turns, delay })
    }

    /// A server that speaks first is heard one round trip after the client has connected.
    pub async fn greeting_is_due(&mut self) -> io::Result<()> {
        match &mut self.delay {
            Some(Delay { rtt, connected, timer, .. }) => {
                poll_fn(|context| timer.poll_until(*connected + *rtt, context)).await
            }
            None => Ok(()),
        }
    }
}

impl Delay {
    fn new(rtt: Duration) -> io::Result<Self> {
        Ok(Self {
            rtt,
            connected: Instant::now() + rtt,
            under_way: VecDeque::new(),
            bytes: 0,
            has_ended: false,
            timer: Timer::new()?,
        })
    }

    fn poll_read(
        &mut self,
        socket: &mut TcpStream,
        turns: &Turns,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.take_in(socket, turns, context)?;
        let Some(piece) = self.under_way.front_mut() else {
            return if self.has_ended { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        let due = piece.came.max(self.connected) + self.rtt;
        ready!(self.timer.poll_until(due, context))?;
        turns.input(piece.came);
        let rest = piece.bytes.get(piece.read..).unwrap_or_default();
        let count = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..count).unwrap_or_default());
        piece.read += count;
        if piece.read == piece.bytes.len() {
            self.bytes -= piece.bytes.len();
            self.under_way.pop_front();
        }
        Poll::Ready(Ok(()))
    }

    /// Everything that has come, so that it is known when.
    fn take_in(&mut self, socket: &mut TcpStream, turns: &Turns, context: &mut Context<'_>) -> io::Result<()> {
        while !self.has_ended && self.bytes < MOST_UNDER_WAY {
            let mut bytes = vec![0; CHUNK];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *socket).poll_read(context, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(result) => result?,
            }
            let count = buffer.filled().len();
            self.has_ended = count == 0;
            if count > 0 {
                bytes.truncate(count);
                self.bytes += count;
                turns.received(count);
                self.under_way.push_back(Piece { came: Instant::now(), bytes, read: 0 });
            }
        }
        Ok(())
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if let Some(delay) = &mut wire.delay {
            return delay.poll_read(&mut wire.socket, &wire.turns, context, buffer);
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut wire.socket).poll_read(context, buffer))?;
        wire.turns.input(Instant::now());
        wire.turns.received(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        wire.turns.output();
        Pin::new(&mut wire.socket).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}
