//! A session whose stream fails, ends, stalls or becomes slow at every byte of it, in each direction. Whatever happens, it
//! comes to an end, "sent" is said only of what was accepted, and "uncertain" exactly where the content had left to its end.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};

use super::super::connect::Peer;
use super::super::{Deadlines, Roots};
use super::*;
use crate::email::{Email, Mailbox, Sender, compose, parse_mailboxes};
use crate::secret::Secret;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fail,
    /// Of reading only.
    End,
    Stall,
    /// One byte at a time.
    Slow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Read,
    Write,
}

/// From byte `at` of one direction on.
#[derive(Clone, Copy, Debug)]
struct Fault {
    side: Side,
    at: usize,
    kind: Kind,
}

/// How many bytes went each way.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    read: usize,
    written: usize,
}

struct Faulty {
    inner: DuplexStream,
    fault: Option<Fault>,
    moved: Rc<RefCell<Moved>>,
}

impl Faulty {
    /// How many bytes may move now, or what happens instead.
    fn room(&self, side: Side) -> Result<usize, Poll<io::Result<usize>>> {
        let Some(fault) = self.fault.filter(|fault| fault.side == side) else { return Ok(usize::MAX) };
        let moved = *self.moved.borrow();
        let done = if side == Side::Read { moved.read } else { moved.written };
        if done < fault.at {
            return Ok(fault.at - done);
        }
        match fault.kind {
            Kind::Slow => Ok(1),
            Kind::Fail => Err(Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))),
            Kind::End => Err(Poll::Ready(Ok(0))),
            Kind::Stall => Err(Poll::Pending),
        }
    }
}

impl AsyncRead for Faulty {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = match self.room(Side::Read) {
            Ok(room) => room.min(buffer.remaining()),
            Err(instead) => return instead.map(|read| read.map(drop)),
        };
        let mut piece = vec![0; room];
        let mut part = ReadBuf::new(&mut piece);
        let read = Pin::new(&mut self.inner).poll_read(context, &mut part);
        self.moved.borrow_mut().read += part.filled().len();
        buffer.put_slice(part.filled());
        read
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = match self.room(Side::Write) {
            Ok(room) => room.min(bytes.len()),
            Err(instead) => return instead,
        };
        let written = Pin::new(&mut self.inner).poll_write(context, &bytes[..room]);
        if let Poll::Ready(Ok(count)) = written {
            self.moved.borrow_mut().written += count;
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.room(Side::Write) {
            Ok(_) => Poll::Ready(Ok(())),
            Err(instead) => instead.map(|flushed| flushed.map(drop)),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// What the other side saw.
#[derive(Default)]
struct Seen {
    /// Contents that arrived to their end.
    whole: usize,
}

/// A server that does everything right.
async fn serve(mut stream: DuplexStream, extensions: &'static str, seen: Rc<RefCell<Seen>>) -> io::Result<()> {
    stream.write_all(b"220 mail.test\r\n").await?;
    let mut waiting = Vec::new();
    loop {
        let line = until(&mut stream, &mut waiting, b"\r\n").await?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let reply = match line.get(..4).unwrap_or_default() {
            "EHLO" => format!("250-mail.test\r\n{extensions}250 HELP\r\n"),
            "AUTH" => "235 2.7.0 welcome\r\n".to_owned(),
            "DATA" => {
                stream.write_all(b"354 go\r\n").await?;
                until(&mut stream, &mut waiting, b"\r\n.\r\n").await?;
                seen.borrow_mut().whole += 1;
                "250 2.0.0 queued\r\n".to_owned()
            }
            "BDAT" => {
                let length: usize = line.split(' ').nth(1).unwrap().parse().unwrap();
                while waiting.len() < length {
                    fill(&mut stream, &mut waiting).await?;
                }
                waiting.drain(..length);
                seen.borrow_mut().whole += 1;
                "250 2.0.0 queued\r\n".to_owned()
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n").await,
            _ => "250 2.1.0 ok\r\n".to_owned(),
        };
        stream.write_all(reply.as_bytes()).await?;
    }
}

async fn fill(stream: &mut DuplexStream, waiting: &mut Vec<u8>) -> io::Result<()> {
    if stream.read_buf(waiting).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// What comes before the mark, which is taken too.
async fn until(stream: &mut DuplexStream, waiting: &mut Vec<u8>, mark: &[u8]) -> io::Result<Vec<u8>> {
    loop {
        if let Some(at) = waiting.windows(mark.len()).position(|window| window == mark) {
            let taken = waiting[..at].to_vec();
            waiting.drain(..at + mark.len());
            return Ok(taken);
        }
        fill(stream, waiting).await?;
    }
}

/// What a kind of session needs.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    extensions: &'static str,
    chunks_well: bool,
    /// Emails one after the other on the connection.
    emails: usize,
}

pub const LOCKSTEP: Setup = Setup { extensions: "250-AUTH PLAIN\r\n", chunks_well: false, emails: 1 };
const PIPELINED: Setup =
    Setup { extensions: "250-PIPELINING\r\n250-SIZE 99999\r\n250-AUTH PLAIN\r\n", chunks_well: false, emails: 1 };
const CHUNKED: Setup = Setup {
    extensions: "250-PIPELINING\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-AUTH PLAIN\r\n",
    chunks_well: true,
    emails: 1,
};
const REUSED: Setup = Setup { emails: 2, ..PIPELINED };

pub fn submission(setup: Setup) -> Submission {
    let mut faults = Vec::new();
    let address = parse_mailboxes("from", "ana@example.test", &mut faults).remove(0).address;
    let json = json!({"to": "ion@example.test", "subject": "x", "body": "x"});
    let Ok(email) = Email::from_json(json, Some(bytes::Bytes::from_static(b"%PDF-1.7\n"))) else { panic!("an email") };
    let sender = Sender { from: Mailbox { name: None, address }, copy_to: Vec::new(), reply_to: Vec::new() };
    let Ok(message) = compose(&email, &sender) else { panic!("a message") };
    let server = Server {
        host: "127.0.0.1".to_owned(),
        port: 1,
        security: Security::None,
        trust: Trust::Authorities,
        login: Some(Login {
            username: "ana".to_owned(),
            credential: Credential::Password(Secret::new("hunter2".to_owned())),
        }),
        allow_insecure_login: true,
        chunks_well: setup.chunks_well,
    };
    Submission { server: Arc::new(server), message: Arc::new(message), partial: false }
}

struct Outcome {
    endings: Vec<Ending>,
    moved: Moved,
    whole: usize,
    took: Duration,
    /// How many bytes had been written when each content had left to its end.
    ends: Vec<usize>,
}

/// The emails of a setup, until one fails.
fn run(runtime: &Runtime, setup: Setup, fault: Option<Fault>) -> Outcome {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (moved, seen) = (Rc::<RefCell<Moved>>::default(), Rc::<RefCell<Seen>>::default());
    let stream = Faulty { inner: ours, fault, moved: Rc::clone(&moved) };
    let tasks = LocalSet::new();
    tasks.spawn_local(serve(theirs, setup.extensions, Rc::clone(&seen)));
    let began = Rc::new(RefCell::new(None));
    let work = async {
        *began.borrow_mut() = Some(Instant::now());
        emails(setup, stream, &moved).await
    };
    let (endings, ends, took) = runtime.block_on(tasks.run_until(async {
        // Twenty times what all the deadlines together allow: what takes longer hangs.
        let (endings, ends) = timeout(Duration::from_secs(50_000), work).await.expect("it hangs");
        (endings, ends, began.borrow().unwrap().elapsed())
    }));
    let whole = seen.borrow().whole;
    let moved = *moved.borrow();
    Outcome { endings, moved, whole, took, ends }
}

async fn emails(setup: Setup, stream: Faulty, moved: &Rc<RefCell<Moved>>) -> (Vec<Ending>, Vec<usize>) {
    let submission = submission(setup);
    let network = Network::new(Roots::default(), Deadlines::default(), Some("host.test".to_owned()), None, 1);
    let (mut endings, mut ends) = (Vec::new(), Vec::new());
    let peer = Peer { address: "127.0.0.1:25".parse().unwrap(), is_loopback: true, proxy: None };
    let journal = Journal::new(1, Box::new(|_, _| {}));
    let (stream, local) = (Box::new(stream), "127.0.0.1".parse().unwrap());
    let opened = Session::over(stream, local, peer, &submission.server, &network, None, &journal);
    let mut session = match opened.await {
        Ok(session) => session,
        Err(failure) => return (vec![failure.ending], ends),
    };
    for _ in 0..setup.emails {
        let journal = Journal::new(1, Box::new(|_, _| {}));
        let mut transaction = Transaction::new(&mut session, &submission, &network, &journal);
        let ended = ending_of(&transaction.run(false).await);
        endings.push(ended);
        if ended != Ending::Accepted {
            break;
        }
        ends.push(moved.borrow().written);
        if !session.can_go_on(ended) {
            break;
        }
    }
    (endings, ends)
}

fn paused() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

fn every_fault_of(setup: Setup) {
    let runtime = paused();
    let clean = run(&runtime, setup, None);
    assert_eq!(clean.endings, vec![Ending::Accepted; setup.emails]);
    let reads = (0..clean.moved.read).flat_map(|at| {
        [Kind::Fail, Kind::End, Kind::Stall, Kind::Slow].map(|kind| Fault { side: Side::Read, at, kind })
    });
    let writes = (0..clean.moved.written)
        .flat_map(|at| [Kind::Fail, Kind::Stall, Kind::Slow].map(|kind| Fault { side: Side::Write, at, kind }));
    for fault in reads.chain(writes) {
        judge(&clean, &run(&runtime, setup, Some(fault)), fault, setup);
    }
}

fn judge(clean: &Outcome, ended: &Outcome, fault: Fault, setup: Setup) {
    let told = format!("{setup:?} {fault:?}: {:?}, {} whole, {:?}", ended.endings, ended.whole, ended.moved);
    let accepted = ended.endings.iter().filter(|ending| **ending == Ending::Accepted).count();
    assert!(accepted <= ended.whole, "said to be sent, and was not: {told}");
    if fault.kind == Kind::Slow {
        assert_eq!(accepted, setup.emails, "slow is no failure: {told}");
        return;
    }
    let last = *ended.endings.last().unwrap();
    // The verdict was read though nothing could be written any more: the connection is not used again.
    if fault.side == Side::Write && clean.ends.contains(&fault.at) && last == Ending::Accepted {
        return;
    }
    assert_ne!(last, Ending::Accepted, "{told}");
    // Lengths are the same in every run; what is random in a message has one length.
    let has_ended = clean.ends.get(accepted).is_some_and(|end| ended.moved.written >= *end);
    assert_eq!(last == Ending::NoVerdict, has_ended, "{told}");
    if last != Ending::NoVerdict {
        assert!(matches!(last, Ending::Disconnected | Ending::TimedOut), "{told}");
        assert_eq!(ended.whole, accepted, "{told}");
    }
    let longest = if fault.kind == Kind::Stall { 700 } else { 10 };
    assert!(ended.took <= Duration::from_secs(longest), "{:?}: {told}", ended.took);
}

#[test]
fn lockstep_sessions_survive_every_fault() {
    every_fault_of(LOCKSTEP);
}

#[test]
fn pipelined_sessions_survive_every_fault() {
    every_fault_of(PIPELINED);
}

#[test]
fn chunked_sessions_survive_every_fault() {
    every_fault_of(CHUNKED);
}

#[test]
fn a_second_email_on_the_connection_survives_every_fault() {
    every_fault_of(REUSED);
}

#[test]
fn a_yes_to_half_of_a_chunk_is_no_verdict() {
    async fn serve(mut stream: DuplexStream) -> io::Result<()> {
        let mut waiting = Vec::new();
        for reply in ["250-mail.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 AUTH PLAIN\r\n", "235 welcome\r\n"] {
            until(&mut stream, &mut waiting, b"\r\n").await?;
            stream.write_all(reply.as_bytes()).await?;
        }
        until(&mut stream, &mut waiting, b"BDAT ").await?;
        stream.write_all(b"250 sender\r\n250 recipient\r\n250 queued\r\n").await
    }
    // Smaller than the email, which therefore cannot be written to its end.
    let (ours, mut theirs) = tokio::io::duplex(512);
    let stream = Faulty { inner: ours, fault: None, moved: Rc::default() };
    let tasks = LocalSet::new();
    tasks.spawn_local(async move {
        theirs.write_all(b"220 mail.test\r\n").await?;
        serve(theirs).await
    });
    let (endings, _) = paused().block_on(tasks.run_until(emails(CHUNKED, stream, &Rc::default())));
    assert_eq!(endings, [Ending::BadReply]);
}

#[test]
fn on_a_connection_that_has_spoken_out_of_turn_nothing_is_begun() {
    let runtime = paused();
    runtime.block_on(LocalSet::new().run_until(async {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let server = tokio::task::spawn_local(async move {
            theirs.write_all(b"220 mail.test\r\n").await?;
            until(&mut theirs, &mut Vec::new(), b"\r\n").await?;
            theirs.write_all(b"250-mail.test\r\n250 PIPELINING\r\n550 go away\r\n").await?;
            let mut heard = Vec::new();
            theirs.read_to_end(&mut heard).await?;
            io::Result::Ok(heard)
        });
        let mut submission = submission(PIPELINED);
        submission.server = Arc::new(Server { login: None, ..(*submission.server).clone() });
        let network = Network::new(Roots::default(), Deadlines::default(), Some("host.test".to_owned()), None, 1);
        let journal = Journal::new(1, Box::new(|_, _| {}));
        let Some(Turn::Open(permit)) = network.pool.turn(Some(&submission), Place::Last, &journal).await else {
            panic!("a turn")
        };
        let peer = Peer { address: "127.0.0.1:25".parse().unwrap(), is_loopback: true, proxy: None };
        let (stream, local) = (Box::new(ours), "127.0.0.1".parse().unwrap());
        let opened = Session::over(stream, local, peer, &submission.server, &network, Some(&permit), &journal).await;
        let Ok(session) = opened else { panic!("a session") };
        let attempt = attempt(Turn::Reuse(session), &submission, &network, &journal).await;
        assert!(matches!(attempt.again, Again::OnNew(_)));
        assert_eq!(server.await.unwrap().unwrap(), b"");
    }));
}
