//! One connection: commands out, replies in, each under its deadline, and nothing believed that was not asked for.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::super::words::Redactor;
use super::super::{Ending, Failure, ServerWords};
use super::reply::{BadReply, Class, Reply, ReplyParser};

/// How long the rest of a reply is waited for that began in the middle of the content.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A TCP stream, or TLS on one.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

pub struct Wire {
    stream: Box<dyn Stream>,
    parser: ReplyParser,
    redactor: Rc<Redactor>,
    pub peer: SocketAddr,
    pub is_secure: bool,
}

impl Wire {
    pub fn new(stream: Box<dyn Stream>, peer: SocketAddr, is_secure: bool, redactor: Rc<Redactor>) -> Self {
        Self { stream, parser: ReplyParser::default(), redactor, peer, is_secure }
    }

    /// For STARTTLS: whatever was read in clear is forgotten.
    pub fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    pub fn words(&self, reply: &Reply) -> ServerWords {
        reply.words(&self.redactor)
    }

    /// One command and its reply. Nothing may be waiting before it.
    pub async fn command(&mut self, line: &[u8], limit: Duration) -> Result<Reply, Failure> {
        self.quiet()?;
        let exchange = async {
            self.stream.write_all(line).await?;
            self.stream.flush().await?;
            self.read_reply().await
        };
        timeout(limit, exchange).await.map_err(|_| Failure::new(Ending::TimedOut))?.map_err(Broken::into_failure)
    }

    /// A reply to what was written before, or to nothing (the greeting).
    pub async fn reply(&mut self, limit: Duration) -> Result<Reply, Failure> {
        timeout(limit, self.read_reply())
            .await
            .map_err(|_| Failure::new(Ending::TimedOut))?
            .map_err(Broken::into_failure)
    }

    /// Fails if the server has said something, or gone away, since the last reply.
    pub fn quiet(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 512];
        let mut closed = None;
        while let Some(read) = self.stream.read(&mut buffer).now_or_never() {
            if let Err(broken) = self.take(&buffer, read) {
                closed = Some(broken);
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
        let mut buffer = [0; 512];
        let stopped = write_until_heard(&mut self.stream, bytes, &mut buffer, limit).await;
        let broken = match stopped {
            Stopped::Written => return Ok(()),
            Stopped::Overdue => return Err(Failure::new(Ending::TimedOut)),
            Stopped::Heard(read) => self.take(&buffer, read).err(),
            Stopped::WriteFailed(error) => Some(Broken::Io(error)),
        };
        Err(self.last_words(broken, limit).await)
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

    pub async fn flush(&mut self, limit: Duration) -> Result<(), Failure> {
        timeout(limit, self.stream.flush())
            .await
            .map_err(|_| Failure::new(Ending::TimedOut))?
            .map_err(|error| Broken::Io(error).into_failure())
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
                return Ok(reply);
            }
            let read = self.stream.read(&mut buffer).await;
            self.take(&buffer, read)?;
        }
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

/// Why writing stopped.
enum Stopped {
    Written,
    Overdue,
    Heard(io::Result<usize>),
    WriteFailed(io::Error),
}

async fn write_until_heard(
    stream: &mut Box<dyn Stream>,
    mut bytes: &[u8],
    heard: &mut [u8],
    limit: Duration,
) -> Stopped {
    let (mut reader, mut writer) = tokio::io::split(stream);
    while !bytes.is_empty() {
        let step = async {
            tokio::select! {
                biased;
                read = reader.read(heard) => Err(Stopped::Heard(read)),
                written = writer.write(bytes) => written.map_err(Stopped::WriteFailed),
            }
        };
        match timeout(limit, step).await {
            Err(_) => return Stopped::Overdue,
            Ok(Err(stopped)) => return stopped,
            Ok(Ok(0)) => return Stopped::WriteFailed(io::ErrorKind::WriteZero.into()),
            Ok(Ok(taken)) => bytes = bytes.get(taken..).unwrap_or_default(),
        }
    }
    Stopped::Written
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
