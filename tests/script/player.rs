//! Plays the server's side of one connection, line by line. The client has to be there to the last one, and to say
//! nothing that is not in the script.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard};

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

use super::scram::Scram;
use super::{Act, Certificate, Line, Piece, Text, Version, memory};
use crate::support::server::{Gone, Peer, Played};
use crate::support::{HANG, certificates, promises};

/// How far the host and the connections of one script are.
#[derive(Default)]
pub struct Stage {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub struct State {
    /// Emails that were given to the library, and those that have ended.
    pub begun: usize,
    pub ended: usize,
    /// How often a script said `next email`.
    pub called: usize,
    /// By connection: which of its contents were answered by a good verdict, and whether it ever came to an end.
    pub accepted: HashMap<usize, Vec<usize>>,
    pub chunked: HashMap<usize, Vec<usize>>,
}

impl Stage {
    pub fn tell(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub fn wait_until(&self, is_so: impl Fn(&State) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), HANG, |state| !is_so(state)).unwrap();
        !waited.1.timed_out()
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// Made once in a run, so that a file can speak of the same certificate twice.
pub fn certificate(which: Certificate, version: Option<Version>) -> (Arc<ServerConfig>, CertificateDer<'static>) {
    type Made = HashMap<(Certificate, Option<Version>), (Arc<ServerConfig>, CertificateDer<'static>)>;
    static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);
    let versions = match version {
        None => rustls::DEFAULT_VERSIONS,
        Some(Version::Tls12) => &[&rustls::version::TLS12],
        Some(Version::Tls13) => &[&rustls::version::TLS13],
    };
    let mut made = MADE.lock().unwrap();
    made.entry((which, version)).or_insert_with(|| certificates::server_of(which.kind(), versions)).clone()
}

pub struct Player<'p> {
    pub peer: &'p mut Peer,
    pub stage: &'p Stage,
    /// The number of this connection, of all emails, and whether these begin together.
    pub connection: usize,
    pub emails: usize,
    pub are_together: bool,
    scram: Scram,
    /// The last line that came.
    heard: String,
    /// Contents that came whole.
    contents: usize,
    is_in_content: bool,
}

impl<'p> Player<'p> {
    pub fn new(peer: &'p mut Peer, stage: &'p Stage, connection: usize, emails: usize, are_together: bool) -> Self {
        let (scram, heard) = (Scram::default(), String::new());
        Self { peer, stage, connection, emails, are_together, scram, heard, contents: 0, is_in_content: false }
    }

    pub fn play(&mut self, lines: &[Line]) -> Played {
        memory::leave_this_thread_out();
        if self.are_together {
            let emails = self.emails;
            self.wait(|state| state.begun == emails, "the emails do not all begin")?;
        }
        for (at, line) in lines.iter().enumerate() {
            let is_last = at + 1 == lines.len();
            if self.act(&line.act).is_err() {
                if !(is_last && line.act.may_be_left()) {
                    return Err(self.peer.misfit(format!("line {}: the client went away", line.number)));
                }
                return Err(Gone);
            }
        }
        if self.is_in_content {
            // The rest of it, and if it is whole, that will be told as a delivery.
            self.peer.content()?;
        }
        // Whatever comes after the last line was not expected.
        while let Ok(line) = self.peer.line() {
            self.peer.misfit(format!("after the last line came {line:?}"));
        }
        let left = self.peer.take_waiting();
        // An alert of TLS, from a handshake that came to nothing.
        let is_alert = !self.peer.is_secure() && left.starts_with(b"\x15\x03");
        if !left.is_empty() && !is_alert {
            self.peer.misfit(format!("after the last line came {:?}", String::from_utf8_lossy(&left)));
        }
        Err(Gone)
    }

    fn act(&mut self, act: &Act) -> Played {
        match act {
            Act::Send { text, accepts } => self.send(text, *accepts)?,
            Act::Dribble(text) => {
                let bytes = self.bytes(text);
                self.peer.dribble(bytes)?;
            }
            Act::Flood(text, times) => self.flood(text, *times)?,
            Act::Trickle(text, every) => {
                let bytes = self.bytes(text);
                for byte in bytes.into_iter().cycle() {
                    self.peer.send([byte])?;
                    std::thread::sleep(*every);
                }
            }
            Act::Raw(text) => {
                let bytes = self.bytes(text);
                self.peer.send_raw(&bytes)?;
            }
            Act::Expect { text, is_whole } => self.expect(text, *is_whole)?,
            Act::PerhapsReset => self.take_reset()?,
            Act::ClientHello => self.client_hello()?,
            Act::Tls(which, version) => self.peer.secure(&certificate(*which, *version).0)?,
            Act::Content => {
                self.peer.content()?;
                self.is_in_content = false;
                self.contents += 1;
            }
            Act::SomeContent(bytes) => {
                self.is_in_content = true;
                self.peer.some_content(*bytes)?;
            }
            Act::Chunk => self.chunk()?,
            Act::Request => self.request()?,
            Act::RequestHead => {
                self.request_head()?;
                self.peer.take_waiting();
            }
            Act::ScramProof => {
                let line = self.peer.line()?;
                self.scram.check_proof(&line).map_err(|problem| self.peer.misfit(problem))?;
            }
            Act::Goodbye | Act::PerhapsGoodbye => self.goodbye()?,
            Act::Pause(time) => std::thread::sleep(*time),
            Act::Idle => {
                let so_far = self.stage.lock().called + 1;
                self.wait(|state| state.ended >= so_far, "the email before does not end")?;
            }
            Act::NextEmail => self.stage.tell(|state| state.called += 1),
            Act::Silence => {}
            Act::StopReading => {
                let emails = self.emails;
                self.wait(|state| state.ended == emails, "the emails do not end")?;
                self.peer.cut();
            }
            Act::Shutdown => self.peer.hang_up_reading(),
            Act::Close => self.peer.close(),
            Act::Cut => self.peer.cut(),
            Act::HangUp => self.peer.reset(),
        }
        Ok(())
    }

    fn wait(&mut self, is_so: impl Fn(&State) -> bool, problem: &str) -> Played {
        if self.stage.wait_until(is_so) { Ok(()) } else { Err(self.peer.misfit(problem.to_owned())) }
    }

    fn send(&mut self, text: &Text, accepts: bool) -> Played {
        let bytes = self.bytes(text);
        let (connection, last) = (self.connection, self.contents.wrapping_sub(1));
        if accepts {
            // Counted first: the client may tell of it before this goes on.
            self.stage.tell(|state| state.accepted.entry(connection).or_default().push(last));
        }
        self.peer.send(bytes)
    }

    fn flood(&mut self, text: &Text, times: Option<usize>) -> Played {
        let piece = self.bytes(text);
        if let Some(times) = times {
            return self.peer.send(piece.repeat(times));
        }
        let block = piece.repeat((256 * 1024 / piece.len()).max(1));
        for _ in 0..512 {
            self.peer.send(&block)?;
        }
        Err(self.peer.misfit("the client read 128 MB, and would read on".to_owned()))
    }

    fn expect(&mut self, text: &Text, is_whole: bool) -> Played {
        let expected = String::from_utf8_lossy(&self.bytes(text)).into_owned();
        let line = self.peer.line()?;
        let fits = if is_whole { line == expected } else { line.starts_with(&expected) };
        if !fits {
            return Err(self.peer.misfit(format!("{expected:?} was expected, and {line:?} came")));
        }
        if let Some(response) = line.strip_prefix("AUTH SCRAM-SHA-256 ") {
            self.scram.begin(response).map_err(|problem| self.peer.misfit(problem))?;
        }
        self.heard = line;
        Ok(())
    }

    fn goodbye(&mut self) -> Played {
        let line = self.peer.line()?;
        if line != "QUIT" {
            return Err(self.peer.misfit(format!("\"QUIT\" was expected, and {line:?} came")));
        }
        // Nobody waits for the answer.
        self.peer.send("221 2.0.0 bye\r\n").ok();
        self.peer.close();
        Ok(())
    }

    /// RSET in front of the next command, where the client finds it necessary.
    fn take_reset(&mut self) -> Played {
        self.peer.some_bytes(6)?;
        let waiting = self.peer.take_waiting();
        let comes = waiting.starts_with(b"RSET\r\n");
        self.peer.put_back(waiting);
        if comes {
            self.peer.line()?;
            self.peer.send("250 2.0.0 reset\r\n")?;
        }
        Ok(())
    }

    /// The first record of a client that wants TLS.
    fn client_hello(&mut self) -> Played {
        self.peer.some_bytes(5)?;
        let mut waiting = self.peer.take_waiting();
        let length = 5 + usize::from(waiting[3]) * 256 + usize::from(waiting[4]);
        let is_hello = waiting[0] == 0x16;
        self.peer.put_back(std::mem::take(&mut waiting));
        if !is_hello {
            return Err(self.peer.misfit("no TLS came".to_owned()));
        }
        self.peer.some_bytes(length)?;
        let rest = self.peer.take_waiting().split_off(length);
        self.peer.put_back(rest);
        Ok(())
    }

    /// The bytes that the last line, a BDAT, speaks of.
    fn chunk(&mut self) -> Played {
        let mut words = self.heard.split(' ').skip(1);
        let length = words.next().and_then(|word| word.parse().ok());
        let is_last = words.next().is_some_and(|word| word == "LAST");
        let length = length.ok_or_else(|| self.peer.misfit("before a chunk there must be BDAT".to_owned()))?;
        self.peer.chunk(length, is_last)?;
        if is_last {
            let (connection, last) = (self.connection, self.contents);
            self.stage.tell(|state| state.chunked.entry(connection).or_default().push(last));
            self.contents += 1;
        }
        Ok(())
    }

    /// A head, and the body that it speaks of.
    fn request(&mut self) -> Played {
        let length = self.request_head()?;
        self.peer.some_bytes(length)?;
        self.peer.take_waiting();
        Ok(())
    }

    /// How long the body is.
    fn request_head(&mut self) -> Result<usize, Gone> {
        let mut length = 0;
        loop {
            let line = self.peer.line()?.to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if line.is_empty() {
                return Ok(length);
            }
        }
    }

    fn bytes(&mut self, text: &Text) -> Vec<u8> {
        let [clear, encoded, response] = promises::secret_forms();
        let mut bytes = Vec::new();
        for piece in &text.0 {
            match piece {
                Piece::Bytes(given) => bytes.extend_from_slice(given),
                Piece::Password => bytes.extend_from_slice(clear.as_bytes()),
                Piece::PasswordInBase64 => bytes.extend_from_slice(encoded.as_bytes()),
                Piece::PlainResponse => bytes.extend_from_slice(response.as_bytes()),
                Piece::ScramFirst(fault) => bytes.extend(self.scram.first(*fault).bytes()),
                Piece::ScramLast(fault) => bytes.extend(self.scram.last(*fault).bytes()),
            }
        }
        bytes
    }
}

impl Act {
    /// Whether the client may go away in the middle of it.
    fn may_be_left(&self) -> bool {
        !matches!(
            self,
            Self::Expect { .. }
                | Self::PerhapsReset
                | Self::ClientHello
                | Self::Content
                | Self::SomeContent(_)
                | Self::Chunk
                | Self::Request
                | Self::RequestHead
                | Self::ScramProof
                | Self::Goodbye
                | Self::Idle
        )
    }
}
