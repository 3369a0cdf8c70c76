//! One connection: commands out, replies in, each under its deadline, and nothing believed that was not asked for.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use super::super::connect::Peer;
use super::super::transcript::Transcript;
use super::super::words::Redactor;
use super::super::{ChannelBinding, Ending, Failure, ServerWords, Spoken, Stream};
use super::reply::{BadReply, Class, Reply, ReplyParser};

/// How long the rest of a reply is waited for that began in the middle of the content.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Replies that come while a flight is still being written wait here; a server that says more before it reads on is not
/// read further until the flight is out.
const MOST_WAITING: usize = 256 * 1024;

pub struct Wire {
    stream: Box<dyn Stream>,
    parser: ReplyParser,
    /// Commands that were written and have no reply yet.
    unanswered: usize,
    /// The server said 421: it is about to hang up, whatever it was asked (RFC 5321 section 3.8).
    is_leaving: bool,
    /// It said something that nobody had asked for: which reply is to which command is not known any more.
    spoke_unasked: bool,
    /// Why nothing can be written any more. What the server said before that may still be here, and counts more.
    broke: Option<Broken>,
    redactor: Rc<Redactor>,
    transcript: Option<Rc<Transcript>>,
    pub peer: Peer,
    pub is_secure: bool,
    /// What a login may be tied to.
    pub channel_binding: Option<ChannelBinding>,
}

impl Wire {
    pub fn new(stream: Box<dyn Stream>, peer: Peer, is_secure: bool, redactor: Rc<Redactor>) -> Self {
        let parser = ReplyParser::default();
        Self {
            stream,
            parser,
            unanswered: 0,
            is_leaving: false,
            spoke_unasked: false,
            broke: None,
            redactor,
            transcript: None,
            peer,
            is_secure,
            channel_binding: None,
        }
    }

    #[must_use]
    pub fn with_transcript(mut self, transcript: Option<Rc<Transcript>>) -> Self {
        self.transcript = transcript;
        self
    }

    /// For STARTTLS: whatever was read in clear is forgotten.
    pub fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    pub fn words(&self, reply: &Reply) -> ServerWords {
        reply.words(&self.redactor)
    }

    /// What the server said elsewhere than in the text of a reply.
    pub fn clean(&self, text: &[u8]) -> String {
        self.redactor.clean(text)
    }

    /// From here on it is replaced in whatever the server says.
    pub fn hide(&self, secret: &str) {
        self.redactor.hide(secret);
    }

    /// Every command has its reply, and the server stays: a command that is sent now is understood as one.
    pub fn is_in_step(&self) -> bool {
        self.unanswered == 0 && self.parser.is_empty() && !self.spoke_unasked
    }

    pub fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    pub fn has_spoken_unasked(&self) -> bool {
        self.spoke_unasked
    }

    pub fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// Nothing can be written any more; what the server said before may still be read.
    pub fn is_broken(&self) -> bool {
        self.broke.is_some()
    }

    /// The greeting. What comes instead of one tells what listens there.
    pub async fn greeting(&mut self, limit: Duration) -> Result<Reply, Failure> {
        let spoken = |wire: &Self| wire.parser.first().spoken().filter(|spoken| *spoken != Spoken::Smtp);
        self.reply(limit).await.map_err(|failure| Failure { spoken: spoken(self), ..failure })
    }

    /// One command and its reply. Nothing may be waiting before it.
    pub async fn command(&mut self, line: &[u8], limit: Duration) -> Result<Reply, Failure> {
        let exchange = async {
            self.flight(line, 1, limit).await?;
            self.reply(limit).await
        };
        // The deadline is for both together.
        timeout(limit, exchange).await.map_err(|_| Failure::new(Ending::TimedOut))?
    }

    /// Several commands in one write (RFC 2920). Their replies are read afterwards, one by one. Nothing may be waiting
    /// before it.
    pub async fn flight(&mut self, commands: &[u8], count: usize, limit: Duration) -> Result<(), Failure> {
        self.quiet()?;
        self.unanswered += count;
        if let Some(transcript) = &self.transcript {
            transcript.client(commands, &self.redactor);
        }
        self.broke = self.push_all(commands, limit).await?;
        Ok(())
    }

    /// Until all of it has left, out of the TLS layer too, or the connection is found to be broken.
    async fn push_all(&mut self, mut rest: &[u8], limit: Duration) -> Result<Option<Broken>, Failure> {
        let write = async {
            loop {
                // A server that answers the first commands must not wait for us to read while we wait for it to read.
                let listens = self.parser.waiting() < MOST_WAITING;
                match self.push(rest, listens).await {
                    Ok(Pushed::Out) => return None,
                    Ok(Pushed::Taken(count)) => rest = rest.get(count..).unwrap_or_default(),
                    Ok(Pushed::Heard) => {}
                    Err(broken) => return Some(broken),
                }
            }
        };
        timeout(limit, write).await.map_err(|_| Failure::new(Ending::TimedOut))
    }

    /// The next reply to what was written before, or to nothing (the greeting).
    pub async fn reply(&mut self, limit: Duration) -> Result<Reply, Failure> {
        let limit = if self.broke.is_some() { limit.min(LAST_WORDS) } else { limit };
        let read = timeout(limit, self.read_reply()).await;
        if matches!(read, Err(_) | Ok(Err(Broken::Closed | Broken::Io(_))))
            && let Some(broke) = self.broke.take()
        {
            return Err(broke.into_failure());
        }
        let reply = read.map_err(|_| Failure::new(Ending::TimedOut))?.map_err(Broken::into_failure)?;
        self.unanswered = self.unanswered.saturating_sub(1);
        Ok(reply)
    }

    /// Fails if the server has said something, or gone away, since the last reply. Nothing it says is believed from then on.
    pub fn quiet(&mut self) -> Result<(), Failure> {
        let heard = self.hear_nothing();
        self.spoke_unasked |= heard.is_err();
        heard
    }

    fn hear_nothing(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 512];
        let mut closed = None;
        while let Some(read) = self.stream.read(&mut buffer).now_or_never() {
            if let Err(broken) = self.take(&buffer, read) {
                closed = Some(broken);
                break;
            }
            if self.parser.waiting() > MOST_WAITING {
                break;
            }
        }
        match (self.parser.is_empty(), closed) {
            (true, None) => Ok(()),
            (true, Some(broken)) => Err(broken.into_failure()),
            (false, _) => {
                let early = self.parser.next_reply();
                Err(self.unasked(early, [Ending::ServerBusy, Ending::ServerRefused]))
            }
        }
    }

    /// Writes content, and reads meanwhile: a server that speaks before the end of the content has its words heard, and one
    /// that stops reading until it is read from does not block us. `limit` is for no byte being taken, not for the whole.
    pub async fn upload(&mut self, bytes: &[u8], limit: Duration) -> Result<(), Failure> {
        self.upload_to(bytes, bytes.len(), || {}, limit).await
    }

    /// Writes the end of the content, and what goes out behind it in the same write: the first `end` bytes of `bytes` are
    /// content, and `ended` is called when the last of them has left. From there on, what the server says waits.
    pub async fn upload_to(
        &mut self,
        bytes: &[u8],
        end: usize,
        ended: impl FnOnce(),
        limit: Duration,
    ) -> Result<(), Failure> {
        let (mut done, mut ended) = (0, Some(ended));
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            // What was asked for before (the envelope that went out with a chunk) may be answered meanwhile.
            let is_awaited = ended.is_none() || self.unanswered > 0;
            let listens = !is_awaited || self.parser.waiting() < MOST_WAITING;
            let broke = match timeout(limit, self.push(rest, listens)).await {
                Err(_) => return Err(Failure::new(Ending::TimedOut)),
                Ok(Ok(Pushed::Heard)) if is_awaited => continue,
                Ok(Ok(Pushed::Heard)) => None,
                Ok(Ok(Pushed::Out)) => Some(Broken::Io(io::ErrorKind::WriteZero.into())),
                Ok(Err(broken)) => Some(broken),
                Ok(Ok(Pushed::Taken(count))) => {
                    done += count;
                    if done >= end
                        && let Some(ended) = ended.take()
                    {
                        ended();
                    }
                    continue;
                }
            };
            if is_awaited {
                self.broke = broke;
                return Ok(());
            }
            return Err(self.last_words(broke, limit).await);
        }
        Ok(())
    }

    /// Why an upload stopped: what the server said, or else how the connection `broke`. Its words may be here although
    /// writing has failed, and are seen only by waiting for them: a socket that is not waited on looks empty.
    async fn last_words(&mut self, broke: Option<Broken>, limit: Duration) -> Failure {
        let early = match timeout(limit.min(LAST_WORDS), self.read_reply()).await {
            Ok(Ok(reply)) => Ok(Some(reply)),
            Ok(Err(Broken::Reply(bad))) => Err(bad),
            // Half a line before the connection closes is no reply.
            Ok(Err(gone)) => return broke.unwrap_or(gone).into_failure(),
            Err(_) => match broke {
                Some(broke) if self.parser.is_empty() => return broke.into_failure(),
                _ => Ok(None),
            },
        };
        self.unasked(early, [Ending::ContentDeferred, Ending::ContentRefused])
    }

    /// Out of the TLS layer too. A connection that breaks here may have brought the server's answer before.
    pub async fn flush(&mut self, limit: Duration) -> Result<(), Failure> {
        if self.broke.is_none() {
            self.broke = self.push_all(&[], limit).await?;
        }
        Ok(())
    }

    /// The verdict will answer the content; commands that went out behind it are answered after that.
    pub fn expect(&mut self, replies: usize) {
        self.unanswered += replies;
    }

    /// For what is no line of the protocol: how much content went by.
    pub fn note(&self, text: &str) {
        if let Some(transcript) = &self.transcript {
            transcript.note(text);
        }
    }

    /// Commands that went out behind a content, for the transcript.
    pub fn note_commands(&self, commands: &[u8]) {
        if let Some(transcript) = &self.transcript {
            transcript.client(commands, &self.redactor);
        }
    }

    /// QUIT, and a short wait for the goodbye that keeps the server's log free of "lost connection". Nobody awaits this.
    pub async fn quit(mut self, limit: Duration) {
        let goodbye = async {
            self.stream.write_all(b"QUIT\r\n").await?;
            self.stream.flush().await?;
            self.read_reply().await.ok();
            self.stream.shutdown().await
        };
        timeout(limit, goodbye).await.ok();
    }

    async fn read_reply(&mut self) -> Result<Reply, Broken> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(reply) = self.parser.next_reply()? {
                self.is_leaving |= reply.code == 421;
                if let Some(transcript) = &self.transcript {
                    transcript.server(&reply, &self.redactor);
                }
                return Ok(reply);
            }
            let read = self.stream.read(&mut buffer).await;
            self.take(&buffer, read)?;
        }
    }

    /// One step of writing, with everything flushed at the end of it: some bytes are taken, or all are `Out`, or (if it
    /// `listens`) the server said something first, which then waits in the parser.
    async fn push(&mut self, bytes: &[u8], listens: bool) -> Result<Pushed, Broken> {
        let Self { stream, parser, .. } = self;
        let mut buffer = [0; 1024];
        poll_fn(|context| {
            if listens {
                let mut heard = ReadBuf::new(&mut buffer);
                if let Poll::Ready(read) = Pin::new(&mut *stream).poll_read(context, &mut heard) {
                    read?;
                    if heard.filled().is_empty() {
                        return Poll::Ready(Err(Broken::Closed));
                    }
                    parser.feed(heard.filled());
                    return Poll::Ready(Ok(Pushed::Heard));
                }
            }
            if bytes.is_empty() {
                return Pin::new(&mut *stream).poll_flush(context).map(|flushed| Ok(flushed.map(|()| Pushed::Out)?));
            }
            Pin::new(&mut *stream).poll_write(context, bytes).map(|taken| match taken? {
                0 => Err(Broken::Io(io::ErrorKind::WriteZero.into())),
                count => Ok(Pushed::Taken(count)),
            })
        })
        .await
    }

    fn take(&mut self, buffer: &[u8], read: io::Result<usize>) -> Result<(), Broken> {
        match read? {
            0 => Err(Broken::Closed),
            count => {
                self.parser.feed(buffer.get(..count).unwrap_or_default());
                Ok(())
            }
        }
    }

    /// A refusal that came early is still a refusal, with its words (421 before it hangs up, 552 in the middle of the
    /// content); anything else that nobody asked for breaks the protocol.
    fn unasked(&self, early: Result<Option<Reply>, BadReply>, [deferred, refused]: [Ending; 2]) -> Failure {
        let bad = match early {
            Ok(Some(reply)) => match reply.class() {
                Class::Deferred => return Failure::new(deferred).words(self.words(&reply)),
                Class::Refused => return Failure::new(refused).words(self.words(&reply)),
                Class::Success | Class::Continue => BadReply::Unasked,
            },
            Ok(None) => BadReply::Unasked,
            Err(bad) => bad,
        };
        Failure::new(Ending::BadReply).detail(bad.describe())
    }
}

/// What one step of writing came to.
enum Pushed {
    Taken(usize),
    Out,
    Heard,
}

/// Why no reply came.
enum Broken {
    Closed,
    Io(io::Error),
    Reply(BadReply),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<BadReply> for Broken {
    fn from(error: BadReply) -> Self {
        Self::Reply(error)
    }
}

impl Broken {
    fn into_failure(self) -> Failure {
        match self {
            Self::Closed => Failure::new(Ending::Disconnected).detail("the server closed the connection"),
            Self::Reply(bad) => Failure::new(Ending::BadReply).detail(bad.describe()),
            Self::Io(error) if error.kind() == io::ErrorKind::TimedOut => Failure::new(Ending::TimedOut),
            // TLS errors too: after the handshake a safe connection had come about, and a password may have travelled.
            Self::Io(error) => Failure::new(Ending::Disconnected).detail(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncBufReadExt as _;
    use tokio::io::{BufReader, BufWriter, duplex};
    use tokio::runtime::Builder;
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn wire(stream: impl Stream + 'static) -> Wire {
        let peer = Peer { address: "127.0.0.1:25".parse().unwrap(), is_loopback: true, proxy: None };
        Wire::new(Box::new(stream), peer, false, Rc::new(Redactor::new("", None)))
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(LocalSet::new().run_until(test));
    }

    #[test]
    fn a_layer_that_holds_bytes_is_emptied_while_the_server_is_heard() {
        run(async {
            let (ours, theirs) = duplex(1024);
            // As TLS does, it takes more at once than the server reads before it wants to be read from.
            let mut wire = wire(BufWriter::with_capacity(1 << 16, ours));
            spawn_local(async move {
                let mut lines = BufReader::new(theirs);
                let mut line = String::new();
                while lines.read_line(&mut line).await.is_ok_and(|count| count > 0) {
                    lines.write_all(b"250 a reply that is longer than the command\r\n").await.unwrap();
                }
            });
            let commands = b"RCPT TO:<a@b.c>\r\n".repeat(1000);
            wire.upload_to(&commands, 0, || {}, LIMIT).await.unwrap();
            wire.flush(LIMIT).await.unwrap();
            for _ in 0..1000 {
                assert_eq!(wire.reply(LIMIT).await.unwrap().code, 250);
            }
        });
    }

    #[test]
    fn whoever_speaks_unasked_is_not_in_step_any_more() {
        run(async {
            for words in ["550 no\r\n", "250 yes\r\n", "2"] {
                let (ours, mut theirs) = duplex(1024);
                let mut wire = wire(ours);
                assert!(wire.quiet().is_ok() && wire.is_in_step());
                theirs.write_all(words.as_bytes()).await.unwrap();
                assert!(wire.quiet().is_err() && !wire.is_in_step(), "{words}");
            }
        });
    }
}
