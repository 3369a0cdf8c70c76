//! The SMTP that a submission client meets. Replies are written when there is nothing left to read, so that pipelined
//! commands are answered in one write.

use std::io;
use std::rc::Rc;

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::server::{PASSWORD, Server, Settings, USER};
use crate::wire::Turns;

const MAX_LINE: usize = 16 * 1024;
const MAX_CONTENT: usize = 512 * 1024 * 1024;
const ROOM: usize = 256 * 1024;

pub enum Ended<S> {
    Over,
    StartTls(S),
}

enum Next {
    Command,
    Content,
    Chunk { size: usize, is_last: bool },
    StartTls,
    Quit,
}

pub struct Session<'s, S> {
    stream: S,
    server: &'s Server,
    turns: &'s Turns,
    settings: Settings,
    is_clear: bool,
    awaits_login: bool,
    /// Received; the part before `at` is done with.
    input: Vec<u8>,
    at: usize,
    output: Vec<u8>,
    /// The recipients since MAIL, if that came.
    recipients: Option<u64>,
    /// What the client announced with SIZE.
    announced: usize,
    chunks: Vec<u8>,
    /// The next write tells what became of an email.
    has_verdict: bool,
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Session<'s, S> {
    pub fn new(stream: S, server: &'s Rc<Server>, turns: &'s Rc<Turns>, settings: Settings) -> Self {
        Self {
            stream,
            server,
            turns,
            settings,
            is_clear: false,
            awaits_login: false,
            input: Vec::new(),
            at: 0,
            output: Vec::new(),
            recipients: None,
            announced: 0,
            chunks: Vec::new(),
            has_verdict: false,
        }
    }

    pub fn greeted(mut self) -> Self {
        self.say("220 localhost ESMTP sink");
        self
    }

    pub fn in_clear(mut self) -> Self {
        self.is_clear = true;
        self
    }

    pub async fn run(mut self) -> io::Result<Ended<S>> {
        loop {
            let Some(line) = self.line().await? else { return Ok(Ended::Over) };
            match self.command(&line) {
                Next::Command => {}
                Next::Content => self.content().await?,
                Next::Chunk { size, is_last } => self.chunk(size, is_last).await?,
                Next::Quit => {
                    self.flush().await?;
                    return Ok(Ended::Over);
                }
                Next::StartTls => {
                    if self.at < self.input.len() {
                        return Err(broken("bytes in clear behind STARTTLS"));
                    }
                    self.flush().await?;
                    return Ok(Ended::StartTls(self.stream));
                }
            }
        }
    }

    fn say(&mut self, reply: &str) {
        self.output.extend_from_slice(reply.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await?;
            self.output.clear();
            if std::mem::take(&mut self.has_verdict) {
                self.turns.verdict();
            }
        }
        Ok(())
    }

    /// False: the client has closed the connection.
    async fn fill(&mut self) -> io::Result<bool> {
        self.flush().await?;
        if self.at == self.input.len() {
            self.input.clear();
            self.at = 0;
        }
        self.input.reserve(ROOM);
        match self.stream.read_buf(&mut self.input).await {
            Ok(count) => Ok(count > 0),
            // Many clients close without TLS's goodbye.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn waiting(&self) -> &[u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(length) = memmem::find(self.waiting(), b"\r\n") {
                let line = self.waiting().get(..length).unwrap_or_default();
                let line = String::from_utf8(line.to_vec()).map_err(|_| broken("a command that is not UTF-8"))?;
                self.at += length + 2;
                return Ok(Some(line));
            }
            if self.waiting().len() > MAX_LINE {
                return Err(broken("a command without an end"));
            }
            if !self.fill().await? {
                return if self.waiting().is_empty() { Ok(None) } else { Err(broken("half a command")) };
            }
        }
    }

    fn command(&mut self, line: &str) -> Next {
        if std::mem::take(&mut self.awaits_login) {
            self.login(line);
            return Next::Command;
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.hello(),
            "STARTTLS" if self.is_clear => {
                self.say("220 2.0.0 go on");
                return Next::StartTls;
            }
            "AUTH" => {
                if let Some((_, response)) = rest.split_once(' ') {
                    self.login(response);
                } else {
                    self.say("334 ");
                    self.awaits_login = true;
                }
            }
            "MAIL" => self.sender(rest),
            "RCPT" if self.recipients.is_some() => {
                self.recipients = self.recipients.map(|count| count + 1);
                self.say("250 2.1.5 recipient taken");
            }
            "DATA" if self.has_recipients() => {
                self.say("354 end with a dot");
                return Next::Content;
            }
            "BDAT" if self.has_recipients() && self.settings.has_chunking => return self.chunk_command(rest),
            "RSET" => {
                self.forget();
                self.say("250 2.0.0 forgotten");
            }
            "NOOP" => self.say("250 2.0.0 here"),
            "QUIT" => {
                self.say("221 2.0.0 bye");
                return Next::Quit;
            }
            "RCPT" | "DATA" | "BDAT" => self.say("503 5.5.1 not now"),
            _ => self.say("500 5.5.2 not known"),
        }
        Next::Command
    }

    fn hello(&mut self) {
        self.forget();
        self.say("250-localhost");
        if self.settings.has_pipelining {
            self.say("250-PIPELINING");
        }
        if self.settings.has_chunking {
            self.say("250-CHUNKING\r\n250-BINARYMIME");
        }
        if self.is_clear {
            self.say("250-STARTTLS");
        }
        self.say("250-AUTH PLAIN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 SIZE 500000000");
    }

    fn login(&mut self, response: &str) {
        let expected = base64_simd::STANDARD.encode_to_string(format!("\0{USER}\0{PASSWORD}"));
        // An authorization identity that is the user's own says the same (RFC 4616).
        let doubled = base64_simd::STANDARD.encode_to_string(format!("{USER}\0{USER}\0{PASSWORD}"));
        self.say(if response == expected || response == doubled {
            "235 2.7.0 welcome"
        } else {
            "535 5.7.8 not the benchmark's login"
        });
    }

    fn sender(&mut self, rest: &str) {
        let size = rest.split(' ').find_map(|word| word.strip_prefix("SIZE=")).and_then(|size| size.parse().ok());
        self.announced = size.unwrap_or_default();
        self.recipients = Some(0);
        self.say("250 2.1.0 sender taken");
    }

    fn has_recipients(&self) -> bool {
        self.recipients.is_some_and(|count| count > 0)
    }

    fn forget(&mut self) {
        self.recipients = None;
        self.announced = 0;
        self.chunks = Vec::new();
    }

    fn chunk_command(&mut self, rest: &str) -> Next {
        let (size, last) = rest.split_once(' ').unwrap_or((rest, ""));
        match size.parse() {
            Ok(size) if size <= MAX_CONTENT - self.chunks.len() => {
                Next::Chunk { size, is_last: last.eq_ignore_ascii_case("LAST") }
            }
            _ => {
                self.say("501 5.5.4 not a size");
                Next::Command
            }
        }
    }

    async fn content(&mut self) -> io::Result<()> {
        self.input.reserve((self.announced + self.announced / 64).min(MAX_CONTENT));
        let mut looked = 0;
        loop {
            if self.waiting().starts_with(b".\r\n") {
                let content = self.take(0, 3);
                self.verdict(content);
                return Ok(());
            }
            if let Some(found) = memmem::find(self.waiting().get(looked..).unwrap_or_default(), b"\r\n.\r\n") {
                let content = self.take(looked + found + 2, 3);
                self.verdict(content);
                return Ok(());
            }
            // The end may have come in part.
            looked = self.waiting().len().saturating_sub(4);
            if looked > MAX_CONTENT {
                return Err(broken("a content without an end"));
            }
            if !self.fill().await? {
                return Err(broken("half a content"));
            }
        }
    }

    async fn chunk(&mut self, size: usize, is_last: bool) -> io::Result<()> {
        self.input.reserve(size.saturating_sub(self.waiting().len()));
        while self.waiting().len() < size {
            if !self.fill().await? {
                return Err(broken("half a chunk"));
            }
        }
        let chunk = self.take(size, 0);
        if self.chunks.is_empty() {
            self.chunks = chunk;
        } else {
            self.chunks.extend_from_slice(&chunk);
        }
        if is_last {
            let content = std::mem::take(&mut self.chunks);
            self.verdict(content);
        } else {
            self.say("250 2.0.0 go on");
        }
        Ok(())
    }

    /// The next `length` bytes, and away with `end` more. A content that fills the buffer is not copied.
    fn take(&mut self, length: usize, end: usize) -> Vec<u8> {
        let rest = self.input.split_off(self.at + length + end);
        let mut content = std::mem::replace(&mut self.input, rest);
        content.truncate(self.at + length);
        if self.at > 0 {
            content.drain(..self.at);
        }
        self.at = 0;
        content
    }

    fn verdict(&mut self, content: Vec<u8>) {
        let recipients = self.recipients.unwrap_or_default();
        self.server.count(|counts| {
            counts.emails += 1;
            counts.recipients += recipients;
        });
        self.server.checker.check(content);
        self.forget();
        self.say("250 2.0.0 accepted");
        self.has_verdict = true;
    }
}
