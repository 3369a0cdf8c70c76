//! A server for one connection that plays a script, and writes down everything that it received.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{HANG, certificates};

/// The connection is over, and with it the script.
#[derive(Debug)]
pub struct Gone;
pub type Played = Result<(), Gone>;
pub type Script = Box<dyn FnOnce(&mut Peer) -> Played + Send>;

#[derive(Clone, Debug, Default)]
pub struct Record {
    pub has_connected: bool,
    /// What was received before TLS, and inside it.
    pub clear: Vec<u8>,
    pub secret: Vec<u8>,
    /// The lines that were received outside contents.
    pub commands: Vec<String>,
    /// What came of the last content, without the dot that ends it.
    pub content: Vec<u8>,
    /// The contents that came whole, with their dot.
    pub delivered: Vec<Vec<u8>>,
    /// How many of these were answered by a whole 2xx.
    pub accepted: usize,
    pub sent: usize,
    pub received: usize,
    pub tls_problem: Option<String>,
    /// The client did not do what the script expects.
    pub problem: Option<String>,
    is_released: bool,
    is_over: bool,
}

pub struct Server {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    record: Mutex<Record>,
    changed: Condvar,
}

/// The connection is closed after so many bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cut {
    pub sent: Option<usize>,
    pub received: Option<usize>,
}

impl Server {
    pub fn start(script: impl FnOnce(&mut Peer) -> Played + Send + 'static) -> Self {
        Self::start_cut(Cut::default(), script)
    }

    pub fn start_cut(cut: Cut, script: impl FnOnce(&mut Peer) -> Played + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            drop(listener);
            play(stream, cut, &ours, script);
        });
        Self { port, shared }
    }

    /// A server for several connections, which have a script and a record each, in the order in which they come. The
    /// listener is for whoever wants to know whether there came more.
    pub fn start_each(scripts: Vec<Script>) -> (TcpListener, Vec<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let servers: Vec<_> = scripts.iter().map(|_| Self { port, shared: Arc::default() }).collect();
        let ours: Vec<_> = servers.iter().map(|server| Arc::clone(&server.shared)).collect();
        if scripts.is_empty() {
            return (listener, servers);
        }
        let accepting = listener.try_clone().unwrap();
        std::thread::spawn(move || {
            for (script, shared) in scripts.into_iter().zip(ours) {
                let (stream, _) = accepting.accept().unwrap();
                std::thread::spawn(move || play(stream, Cut::default(), &shared, script));
            }
        });
        (listener, servers)
    }

    /// A connection that was made is taken, be it a moment later.
    pub fn was_connected(&self) -> bool {
        let (record, moment) = (self.shared.lock(), HANG / 10);
        let waited = self.shared.changed.wait_timeout_while(record, moment, |record| !record.has_connected).unwrap();
        !waited.1.timed_out()
    }

    /// The whole record, when the connection is over.
    #[track_caller]
    pub fn record(&self) -> Record {
        self.wait_until(|record| record.is_over)
    }

    pub fn release(&self) {
        self.shared.lock().is_released = true;
        self.shared.changed.notify_all();
    }

    #[track_caller]
    pub fn wait_until(&self, is_so: impl Fn(&Record) -> bool) -> Record {
        let (record, waited) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), HANG, |record| !is_so(record) && !record.is_over)
            .unwrap();
        assert!(!waited.timed_out(), "the server waits in vain: {record:?}");
        record.clone()
    }
}

fn play(stream: TcpStream, cut: Cut, shared: &Arc<Shared>, script: impl FnOnce(&mut Peer) -> Played) {
    let mut peer = Peer::new(stream, cut, Arc::clone(shared));
    if script(&mut peer).is_ok() {
        peer.until_gone();
    }
    drop(peer);
    shared.lock().is_over = true;
    shared.changed.notify_all();
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap()
    }
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

pub struct Peer {
    stream: Option<Stream>,
    shared: Arc<Shared>,
    cut: Cut,
    /// Received, and not yet looked at.
    waiting: Vec<u8>,
    in_content: bool,
}

impl Peer {
    fn new(stream: TcpStream, cut: Cut, shared: Arc<Shared>) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.set_write_timeout(Some(HANG)).unwrap();
        shared.lock().has_connected = true;
        shared.changed.notify_all();
        let mut peer =
            Self { stream: Some(Stream::Clear(stream)), shared, cut, waiting: Vec::new(), in_content: false };
        peer.cut_if_due();
        peer
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Played {
        let bytes = bytes.as_ref();
        let room = self.cut.sent.map_or(bytes.len(), |cut| cut - self.shared.lock().sent).min(bytes.len());
        let written = match self.stream.as_mut().ok_or(Gone)? {
            Stream::Clear(stream) => stream.write_all(&bytes[..room]),
            Stream::Tls(stream) => stream.write_all(&bytes[..room]).and_then(|()| stream.flush()),
        };
        written.map_err(|_| Gone)?;
        self.shared.lock().sent += room;
        self.cut_if_due();
        if room == bytes.len() { Ok(()) } else { Err(Gone) }
    }

    /// Past TLS, onto the wire itself.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Played {
        match self.stream.as_mut().ok_or(Gone)? {
            Stream::Clear(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.sock.write_all(bytes),
        }
        .map_err(|_| Gone)
    }

    /// One byte at a time.
    pub fn dribble(&mut self, bytes: impl AsRef<[u8]>) -> Played {
        bytes.as_ref().iter().try_for_each(|byte| self.send([*byte]))
    }

    /// For ever, until the client goes.
    pub fn dribble_slowly(&mut self, byte: u8, every: Duration) -> Played {
        loop {
            self.send([byte])?;
            std::thread::sleep(every);
        }
    }

    fn cut_if_due(&mut self) {
        let (sent, received) = {
            let record = self.shared.lock();
            (record.sent, record.received)
        };
        if self.cut.sent == Some(sent) || self.cut.received == Some(received) {
            self.close();
        }
    }

    fn fill(&mut self) -> Played {
        let mut buffer = vec![0; 64 * 1024];
        let room = self.cut.received.map_or(buffer.len(), |cut| cut - self.shared.lock().received).min(buffer.len());
        let stream = self.stream.as_mut().ok_or(Gone)?;
        let read = loop {
            let read = match stream {
                Stream::Clear(stream) => stream.read(&mut buffer[..room]),
                Stream::Tls(stream) => stream.read(&mut buffer[..room]),
            };
            // A machine that was paused.
            if !read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
                break read;
            }
        };
        let count = read.map_err(|_| Gone)?;
        if count == 0 {
            return Err(Gone);
        }
        self.waiting.extend_from_slice(&buffer[..count]);
        let is_clear = matches!(self.stream, Some(Stream::Clear(_)));
        {
            let mut record = self.shared.lock();
            record.received += count;
            let log = if is_clear { &mut record.clear } else { &mut record.secret };
            log.extend_from_slice(&buffer[..count]);
        }
        self.shared.changed.notify_all();
        self.cut_if_due();
        Ok(())
    }

    /// What was received and not looked at yet.
    pub fn take_waiting(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.waiting)
    }

    /// To be looked at once more.
    pub fn put_back(&mut self, mut bytes: Vec<u8>) {
        bytes.append(&mut self.waiting);
        self.waiting = bytes;
    }

    pub fn line(&mut self) -> Result<String, Gone> {
        loop {
            if let Some(at) = self.waiting.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.waiting[..at]).into_owned();
                self.waiting.drain(..at + 2);
                self.shared.lock().commands.push(line.clone());
                self.shared.changed.notify_all();
                return Ok(line);
            }
            self.fill()?;
        }
    }

    /// A line that begins so.
    pub fn expect(&mut self, prefix: &str) -> Result<String, Gone> {
        let line = self.line()?;
        if line.starts_with(prefix) {
            return Ok(line);
        }
        Err(self.misfit(format!("{prefix:?} was expected, and {line:?} came")))
    }

    /// The client does not do what the script expects: the first time is told, and the connection ends.
    pub fn misfit(&mut self, problem: String) -> Gone {
        self.shared.lock().problem.get_or_insert(problem);
        Gone
    }

    pub fn is_secure(&self) -> bool {
        matches!(self.stream, Some(Stream::Tls(_)))
    }

    pub fn answer(&mut self, prefix: &str, reply: impl AsRef<[u8]>) -> Played {
        self.expect(prefix)?;
        self.send(reply)
    }

    /// Greeting and EHLO with these extensions.
    pub fn greet(&mut self, extensions: &[&str]) -> Played {
        self.send("220 mail.test ESMTP\r\n")?;
        self.ehlo(extensions)
    }

    pub fn ehlo(&mut self, extensions: &[&str]) -> Played {
        let lines = ["mail.test"].iter().chain(extensions).map(|line| format!("250-{line}\r\n"));
        self.answer("EHLO ", lines.collect::<String>() + "250 HELP\r\n")
    }

    /// TLS from here on.
    pub fn secure(&mut self, config: &Arc<ServerConfig>) -> Played {
        let Some(Stream::Clear(mut stream)) = self.stream.take() else { return Err(Gone) };
        let mut connection = ServerConnection::new(Arc::clone(config)).unwrap();
        while connection.is_handshaking() {
            if let Err(error) = connection.complete_io(&mut stream) {
                self.shared.lock().tls_problem = Some(error.to_string());
                return Err(Gone);
            }
        }
        self.stream = Some(Stream::Tls(Box::new(StreamOwned::new(connection, stream))));
        Ok(())
    }

    /// What TLS 1.3 gives a login to be tied to (RFC 9266).
    pub fn exporter(&self) -> Vec<u8> {
        let Some(Stream::Tls(stream)) = &self.stream else { return Vec::new() };
        stream.conn.export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", None).unwrap()
    }

    /// Everything up to where the login or the sender follows.
    pub fn open_tls(&mut self, extensions: &[&str]) -> Played {
        self.secure(&certificates::good())?;
        self.greet(extensions)
    }

    pub fn start_tls(&mut self, extensions: &[&str]) -> Played {
        self.greet(&["STARTTLS"])?;
        self.answer("STARTTLS", "220 go\r\n")?;
        self.secure(&certificates::good())?;
        self.ehlo(extensions)
    }

    /// From MAIL to the 354.
    pub fn envelope(&mut self) -> Played {
        self.answer("MAIL FROM:<", "250 2.1.0 ok\r\n")?;
        self.answer("RCPT TO:<", "250 2.1.5 ok\r\n")?;
        self.data()
    }

    pub fn data(&mut self) -> Played {
        self.expect("DATA")?;
        self.in_content = true;
        self.send("354 go\r\n")
    }

    /// The content, to its dot.
    pub fn content(&mut self) -> Played {
        self.in_content = true;
        let mut scanned = 0;
        loop {
            if let Some(end) = self.end_of_content(scanned) {
                let content = self.waiting[..end].to_vec();
                self.waiting.drain(..end + 3);
                self.in_content = false;
                let mut record = self.shared.lock();
                record.content.clone_from(&content);
                record.delivered.push(content);
                drop(record);
                self.shared.changed.notify_all();
                return Ok(());
            }
            scanned = self.waiting.len().saturating_sub(4);
            if let Err(gone) = self.fill() {
                self.shared.lock().content = std::mem::take(&mut self.waiting);
                return Err(gone);
            }
        }
    }

    /// A part of the content that is told by its length (RFC 3030).
    pub fn chunk(&mut self, length: usize, is_last: bool) -> Played {
        self.in_content = true;
        self.some_bytes(length)?;
        self.in_content = false;
        let chunk: Vec<u8> = self.waiting.drain(..length).collect();
        let mut record = self.shared.lock();
        record.content.extend_from_slice(&chunk);
        if is_last {
            let content = std::mem::take(&mut record.content);
            record.delivered.push(content);
        }
        drop(record);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Where the line of the lone dot begins.
    fn end_of_content(&self, from: usize) -> Option<usize> {
        if self.waiting.starts_with(b".\r\n") {
            return Some(0);
        }
        self.waiting[from..].windows(5).position(|end| end == b"\r\n.\r\n").map(|at| from + at + 2)
    }

    /// At least so many bytes of the content.
    pub fn some_content(&mut self, bytes: usize) -> Played {
        self.in_content = true;
        self.some_bytes(bytes)
    }

    pub fn some_bytes(&mut self, bytes: usize) -> Played {
        while self.waiting.len() < bytes {
            self.fill()?;
        }
        Ok(())
    }

    pub fn accept(&mut self) -> Played {
        self.accept_with("250 2.0.0 queued\r\n")
    }

    pub fn accept_with(&mut self, reply: &str) -> Played {
        // Counted first: the client may tell of it before this goes on.
        self.shared.lock().accepted += 1;
        self.send(reply).inspect_err(|_| self.shared.lock().accepted -= 1)
    }

    /// Reads nothing and says nothing until the test says so.
    pub fn wait_for_release(&mut self) {
        let record = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(record, HANG, |record| !record.is_released).unwrap();
        assert!(!waited.1.timed_out(), "nobody released the server");
    }

    /// Hangs up without the goodbye of TLS.
    pub fn cut(&mut self) {
        match self.stream.take() {
            Some(Stream::Clear(stream)) => stream.shutdown(Shutdown::Both).ok(),
            Some(Stream::Tls(stream)) => stream.sock.shutdown(Shutdown::Both).ok(),
            None => None,
        };
    }

    /// No more words, but whatever still comes is read, as a polite server does.
    pub fn hang_up_reading(&mut self) {
        match &self.stream {
            Some(Stream::Clear(stream)) => stream.shutdown(Shutdown::Write).ok(),
            Some(Stream::Tls(stream)) => stream.sock.shutdown(Shutdown::Write).ok(),
            None => None,
        };
    }

    /// The envelope, the content, and a good end.
    pub fn take_email(&mut self) -> Played {
        self.envelope()?;
        self.content()?;
        self.accept()
    }

    /// Says nothing more, but a goodbye.
    pub fn until_gone(&mut self) {
        while !self.in_content {
            match self.line() {
                Ok(line) if line == "QUIT" => {
                    self.send("221 bye\r\n").ok();
                    self.close();
                }
                Ok(_) => {}
                Err(Gone) => return,
            }
        }
        while self.fill().is_ok() {}
        self.shared.lock().content = std::mem::take(&mut self.waiting);
    }

    pub fn close(&mut self) {
        match self.stream.take() {
            Some(Stream::Clear(stream)) => {
                stream.shutdown(Shutdown::Both).ok();
            }
            Some(Stream::Tls(mut stream)) => {
                stream.conn.send_close_notify();
                stream.flush().ok();
                stream.sock.shutdown(Shutdown::Both).ok();
            }
            None => {}
        }
    }

    /// Hangs up so that the other side is told of an error.
    pub fn reset(&mut self) {
        let stream = match self.stream.take() {
            Some(Stream::Clear(stream)) => stream,
            Some(Stream::Tls(stream)) => stream.into_parts().1,
            None => return,
        };
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        // SAFETY: the descriptor is open, and the value is of the type and size that the option takes.
        let set = unsafe {
            libc::setsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                u32::try_from(size_of::<libc::linger>()).unwrap(),
            )
        };
        assert_eq!(set, 0);
    }
}
