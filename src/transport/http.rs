//! The HTTP protocol: a form post for a test, a multipart post with the document for a send. Any 2xx is success.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::{FutureExt as _, TryStreamExt as _, stream};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection};
use hyper::header::HeaderValue;
use hyper_util::rt::TokioIo;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Response, StatusCode, Url};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use url::Position;

use crate::email::{Data, File, FileProblem, Reading};
use crate::secret::Secret;

use super::connect::{self, Connected};
use super::tls;
use super::words::Redactor;
use super::{Ending, Failure, Journal, Network, Outcome, ServerWords, Step, Stream, Trust};

/// More of a refusal's body than this is not read.
const LONGEST_BODY: usize = 64 * 1024;
/// A file goes out in pieces of this size, each of which counts as progress.
const PIECE: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    pub url: Url,
    pub token: Option<Secret>,
}

/// What is posted. The addresses are separated by commas.
#[derive(Clone, Debug, Default)]
pub struct Post {
    /// The business's name, not an address.
    pub from: String,
    pub reply_to: String,
    pub to: String,
    pub cc: String,
    pub bcc: String,
    pub subject: String,
    /// Text in a test, HTML in a send.
    pub body: String,
    /// The document first; none in a test.
    pub files: Vec<File>,
    pub idempotency_key: Option<String>,
}

pub async fn send(
    relay: &Relay,
    network: &Network,
    post: &Post,
    recipients: usize,
    journal: &Journal,
) -> Result<Ending, Failure> {
    let redactor = Redactor::new("", relay.token.as_ref());
    let stream = TokioIo::new(open(&relay.url, network, journal).await?);
    let (mut relayed, connection) =
        http1::handshake(stream).await.map_err(|error| Failure::new(Ending::Disconnected).detail(error.to_string()))?;
    let (progress, taken) = mpsc::unbounded_channel();
    let total = body_length(post);
    let problem = Arc::default();
    let upload = Upload {
        left: Arc::new(AtomicU64::new(total)),
        ended: journal.content_ended_flag(),
        problem: Arc::clone(&problem),
        progress,
    };
    let request = request(relay, post, &upload)?;
    drop(upload);
    // Without the path: it may be a secret.
    journal.note(&format!("POST to {}, {total} bytes of content", relay.url.host_str().unwrap_or_default()));
    let mut exchange = Exchange { network, journal, taken, problem, total, recipients };
    let work = async {
        let response = exchange.run(relayed.send_request(request)).await?;
        verdict(Response::from(response.map(Body::wrap)), network, journal, &redactor).await
    };
    tokio::select! {
        biased;
        ended = work => ended,
        never = carry(connection) => match never {},
    }
}

/// A connection with the web server of an address, and with no other.
pub(super) async fn open(url: &Url, network: &Network, journal: &Journal) -> Result<Box<dyn Stream>, Failure> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(443);
    if url.scheme() != "http" {
        let Connected { stream, .. } = connect::open(host, port, network, journal).await?;
        let stream = tls::secure(stream, host, Trust::Authorities, network, journal).await?;
        return Ok(Box::new(stream));
    }
    let refuse = |detail: &str| Err(Failure::new(Ending::TlsNotOffered).detail(detail));
    if network.proxy_for(host).is_some() {
        // Not even asked: the loopback that the proxy would reach is its own.
        journal.begin(Step::Connect);
        return refuse("http:// does not go through a proxy");
    }
    let Connected { stream, peer, .. } = connect::open(host, port, network, journal).await?;
    // Without TLS only this machine is safe, whatever its names resolve to.
    if peer.is_loopback { Ok(Box::new(stream)) } else { refuse("http:// is for loopback addresses only") }
}

/// Moves the bytes. It does so only while it is looked at: with the work's future it is dropped, and nothing more is sent.
pub(super) async fn carry(connection: Connection<TokioIo<Box<dyn Stream>>, Body>) -> Infallible {
    // What ends the connection, the request is told of as well.
    connection.await.ok();
    std::future::pending().await
}

/// What the pieces of a body have in common: each tells when it is taken, and the last byte of all ends the content. That
/// is noted where the byte leaves, as whoever cancels or gives up may be faster than the news of it.
#[derive(Clone)]
struct Upload {
    left: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    /// Why the document's file could not be given to its end.
    problem: Arc<OnceLock<FileProblem>>,
    progress: mpsc::UnboundedSender<u64>,
}

impl Upload {
    fn taken(&self, bytes: u64) {
        if self.left.fetch_sub(bytes, Ordering::AcqRel) == bytes {
            self.ended.store(true, Ordering::Release);
        }
        // Nobody listens any more when the work was cancelled; the connection is being dropped too.
        self.progress.send(bytes).ok();
    }
}

fn fields(post: &Post) -> impl Iterator<Item = (&'static str, &String)> {
    let fields = [
        ("from", &post.from),
        ("reply_to", &post.reply_to),
        ("to", &post.to),
        ("cc", &post.cc),
        ("bcc", &post.bcc),
        ("subject", &post.subject),
        ("body", &post.body),
    ];
    fields.into_iter().filter(|(name, value)| !(matches!(*name, "cc" | "bcc") && value.is_empty()))
}

fn urlencoded(post: &Post) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields(post)).finish()
}

/// How many bytes of the body are counted: of a send the files', which are nearly all of it.
fn body_length(post: &Post) -> u64 {
    if post.files.is_empty() {
        urlencoded(post).len() as u64
    } else {
        post.files.iter().map(|file| file.data.size()).sum()
    }
}

fn request(relay: &Relay, post: &Post, upload: &Upload) -> Result<hyper::Request<Body>, Failure> {
    // The request line has the path alone (RFC 9112 section 3.2.1).
    let mut builder = hyper::Request::post(&relay.url[Position::BeforePath..Position::AfterQuery])
        .header("Host", &relay.url[Position::BeforeHost..Position::AfterPort])
        .header("User-Agent", concat!("mailbutton/", env!("CARGO_PKG_VERSION")))
        .header("Accept", "*/*");
    if let Some(token) = relay.token.as_ref().filter(|token| !token.is_empty()) {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| Failure::new(Ending::Internal).detail("a token that is no header"))?;
        value.set_sensitive(true);
        builder = builder.header("Authorization", value);
    }
    if let Some(key) = &post.idempotency_key {
        builder = builder.header("Idempotency-Key", key);
    }
    let built = if post.files.is_empty() {
        let body = urlencoded(post);
        builder
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Content-Length", body.len())
            .body(reporting(&Data::Held(body.into()), upload.clone()))
    } else {
        let form = form(post, |file| reporting(&file.data, upload.clone()))?;
        builder
            .header("Content-Type", format!("multipart/form-data; boundary={}", form.boundary()))
            .header("Content-Length", body_length(post) + frame_length(post)?)
            .body(Body::wrap_stream(form.into_stream()))
    };
    built.map_err(|error| Failure::new(Ending::Internal).detail(error.to_string()))
}

fn form(post: &Post, body: impl Fn(&File) -> Body) -> Result<Form, Failure> {
    let mut form = Form::new();
    for (name, value) in fields(post) {
        form = form.text(name, value.clone());
    }
    for (at, file) in post.files.iter().enumerate() {
        let part = Part::stream(body(file))
            .file_name(file.name.clone())
            .mime_str(&file.media_type)
            .map_err(|error| Failure::new(Ending::Internal).detail(error.to_string()))?;
        form = form.part(if at == 0 { "document".to_owned() } else { format!("attachment{at}") }, part);
    }
    Ok(form)
}

/// What of the body is not the files' bytes: it is as long without them, as all boundaries are of one length.
fn frame_length(post: &Post) -> Result<u64, Failure> {
    let pieces = form(post, |_| Body::default())?.into_stream();
    let length = pieces.try_fold(0, |length, piece| ready(Ok(length + piece.len() as u64)));
    // Nothing in it waits.
    let length = length.now_or_never().and_then(Result::ok);
    length.ok_or_else(|| Failure::new(Ending::Internal).detail("the length of the request is not known"))
}

/// A body that tells of each piece as it is taken. The bytes of a held file are shared, not copied; one on the disk is
/// read while it is sent.
fn reporting(data: &Data, upload: Upload) -> Body {
    let (rest, reading) = match data {
        Data::Held(bytes) => (bytes.clone(), None),
        Data::OnDisk(file) => (Bytes::new(), Some(file.read())),
    };
    Body::wrap_stream(stream::unfold(Source { rest, reading, upload }, |mut source| async move {
        let piece = source.next().await.transpose()?;
        Some((piece, source))
    }))
}

struct Source {
    /// What was read and not sent yet.
    rest: Bytes,
    reading: Option<Reading>,
    upload: Upload,
}

impl Source {
    /// An error ends the request before its end: whoever gets it has not got the whole of it.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.rest.is_empty()
            && let Some(reading) = &mut self.reading
        {
            let block = reading.next(Vec::new()).await.map_err(|problem| {
                self.upload.problem.set(problem.clone()).ok();
                io::Error::other(problem)
            })?;
            self.rest = block.map(Bytes::from).unwrap_or_default();
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        self.upload.taken(piece.len() as u64);
        Ok(Some(piece))
    }
}

struct Exchange<'e> {
    network: &'e Network,
    journal: &'e Journal,
    taken: mpsc::UnboundedReceiver<u64>,
    problem: Arc<OnceLock<FileProblem>>,
    total: u64,
    recipients: usize,
}

impl Exchange<'_> {
    async fn run(
        &mut self,
        response: impl Future<Output = hyper::Result<hyper::Response<Incoming>>>,
    ) -> Result<hyper::Response<Incoming>, Failure> {
        let deadlines = &self.network.deadlines;
        let mut response = std::pin::pin!(response);
        let mut limit = deadlines.upload;
        let (mut done, mut pieces_left) = (0, true);
        loop {
            tokio::select! {
                biased;
                piece = self.taken.recv(), if pieces_left => {
                    let Some(piece) = piece else { pieces_left = false; continue };
                    self.journal.begin(Step::Content);
                    done += piece;
                    self.journal.found(|found| found.bytes = Some(done));
                    self.journal.uploaded(done, self.total);
                    limit = deadlines.upload;
                    if done >= self.total {
                        self.ended();
                        limit = deadlines.verdict;
                    }
                }
                result = &mut response => return result.map_err(|error| self.failure(&error)),
                () = sleep(limit) => {
                    let ending = if self.journal.has_content_ended() { Ending::NoVerdict } else { Ending::TimedOut };
                    return Err(ending.into());
                }
            }
        }
    }

    /// One verdict will be for all recipients.
    fn ended(&self) {
        for at in 0..self.recipients {
            self.journal.outcome(at, Outcome::Taken);
        }
        self.journal.begin(Step::Verdict);
    }

    fn failure(&self, error: &hyper::Error) -> Failure {
        if let Some(problem) = self.problem.get() {
            self.journal.begin(Step::Content);
            return problem.clone().into();
        }
        let ending = if self.journal.has_content_ended() {
            Ending::NoVerdict
        } else if error.is_parse() {
            Ending::BadReply
        } else {
            Ending::Disconnected
        };
        Failure::new(ending).detail(describe(error))
    }
}

/// The innermost cause in its own words.
fn describe(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(deeper) = innermost.source() {
        innermost = deeper;
    }
    innermost.to_string()
}

async fn verdict(
    response: Response,
    network: &Network,
    journal: &Journal,
    redactor: &Redactor,
) -> Result<Ending, Failure> {
    journal.begin(Step::Verdict);
    let status = response.status();
    journal.note(&format!("answered: {} {}", status.as_u16(), phrase(status)));
    if status.is_success() {
        if !journal.has_content_ended() {
            // Whatever it says yes to, it is not the document, which it does not have.
            return Err(Failure::new(Ending::BadReply).detail("success was answered before the whole email was sent"));
        }
        journal.verdict_came();
        journal.server_said(ServerWords { code: status.as_u16(), enhanced: None, text: phrase(status) });
        return Ok(Ending::Accepted);
    }
    let mut ending = match status.as_u16() {
        300..=399 => Ending::HttpRedirected,
        401 | 403 | 407 => Ending::HttpUnauthorized,
        404 | 405 | 410 => Ending::HttpNotFound,
        413 => Ending::TooLarge,
        408 | 425 | 429 | 503 => Ending::HttpBusy,
        // A gateway lost the relay behind it, or gave up waiting for it: that may have sent the email.
        502 | 504 | 520 | 524 => Ending::NoVerdict,
        _ => Ending::HttpRefused,
    };
    if ending == Ending::NoVerdict && !journal.has_content_ended() {
        // It never had all of it.
        ending = Ending::HttpBusy;
    }
    if ending != Ending::NoVerdict {
        journal.verdict_came();
    }
    let retry_after = retry_after(&response);
    let body = timeout(network.deadlines.command, read_body(response)).await.unwrap_or_default();
    let text = if body.trim_ascii_start().first() == Some(&b'<') || body.is_empty() {
        // A web page is no message for people.
        phrase(status)
    } else {
        redactor.clean(&body)
    };
    let failure = Failure::new(ending).words(ServerWords { code: status.as_u16(), enhanced: None, text });
    Err(Failure { retry_after, ..failure })
}

/// In seconds, at most 18 hours; its other form is a date of the relay's clock (RFC 9110 section 10.2.3).
fn retry_after(response: &Response) -> Option<u16> {
    let seconds: u64 = response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(u16::try_from(seconds).unwrap_or(u16::MAX))
}

fn phrase(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or_default().to_owned()
}

pub(super) async fn read_body(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        let room = LONGEST_BODY - body.len();
        body.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        if body.len() >= LONGEST_BODY {
            break;
        }
    }
    body
}
