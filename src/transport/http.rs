//! The HTTP protocol: a form post for a test, a multipart post with the document for a send. Any 2xx is success.

use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::stream;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Client, Request, Response, StatusCode, Url, redirect};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::email::{Data, File, FileProblem, Reading};
use crate::secret::Secret;

use super::connect::{connect_failure, look_up};
use super::tls::{handshake_failure, tls_error, tls_failure};
use super::words::Redactor;
use super::{Ending, Failure, Journal, Network, Outcome, ServerWords, Step, Trust};

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
    let host = relay.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port_number = relay.url.port_or_known_default().unwrap_or(443);
    let mut addresses = look_up(&host, port_number, &network.deadlines, journal).await?;
    journal.begin(Step::Connect);
    if relay.url.scheme() == "http" {
        // Without TLS only this machine is safe, whatever its names resolve to.
        addresses.retain(|address| address.ip().to_canonical().is_loopback());
        if addresses.is_empty() {
            return Err(Failure::new(Ending::TlsNotOffered).detail("http:// is for loopback addresses only"));
        }
    }
    let (config, builtin_roots) = network.tls.config(Trust::Authorities)?;
    journal.found(|found| found.builtin_roots = builtin_roots);
    let client = Client::builder()
        .tls_backend_preconfigured((*config).clone())
        // A document goes where the settings say and nowhere else.
        .redirect(redirect::Policy::none())
        // The environment's proxies are the host's business, not ours.
        .no_proxy()
        .user_agent(concat!("mailbutton/", env!("CARGO_PKG_VERSION")))
        .resolve_to_addrs(&host, &addresses)
        .build()
        .map_err(|error| Failure::new(Ending::Internal).detail(error.to_string()))?;
    let (progress, taken) = mpsc::unbounded_channel();
    let total = body_length(post);
    let problem = Arc::default();
    let upload = Upload {
        left: Arc::new(AtomicU64::new(total)),
        ended: journal.content_ended_flag(),
        problem: Arc::clone(&problem),
        progress,
    };
    let request = request(&client, relay, post, &upload)?;
    drop(upload);
    let mut exchange = Exchange { network, journal, taken, problem, total, recipients };
    let response = exchange.run(&client, request).await?;
    verdict(response, network, journal, &redactor).await
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
        // Nobody listens any more when the work was cancelled; the request is being dropped too.
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

fn request(client: &Client, relay: &Relay, post: &Post, upload: &Upload) -> Result<Request, Failure> {
    let mut builder = client.post(relay.url.clone());
    if let Some(token) = relay.token.as_ref().filter(|token| !token.is_empty()) {
        builder = builder.bearer_auth(token.expose());
    }
    if let Some(key) = &post.idempotency_key {
        builder = builder.header("Idempotency-Key", key);
    }
    builder = if post.files.is_empty() {
        let body = urlencoded(post);
        builder
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Content-Length", body.len())
            .body(reporting(&Data::Held(body.into()), upload.clone()))
    } else {
        let mut form = Form::new();
        for (name, value) in fields(post) {
            form = form.text(name, value.clone());
        }
        for (at, file) in post.files.iter().enumerate() {
            let length = file.data.size();
            let part = Part::stream_with_length(reporting(&file.data, upload.clone()), length)
                .file_name(file.name.clone())
                .mime_str(&file.media_type)
                .map_err(|error| Failure::new(Ending::Internal).detail(error.to_string()))?;
            form = form.part(if at == 0 { "document".to_owned() } else { format!("attachment{at}") }, part);
        }
        builder.multipart(form)
    };
    builder.build().map_err(|error| Failure::new(Ending::Internal).detail(error.without_url().to_string()))
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
        if self.upload.progress.is_closed() {
            // There is an answer, or nobody wants one any more: the HTTP library would send the rest all the same.
            return Err(io::Error::other("given up"));
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
    async fn run(&mut self, client: &Client, request: Request) -> Result<Response, Failure> {
        let deadlines = &self.network.deadlines;
        let mut response = std::pin::pin!(client.execute(request));
        let mut limit = deadlines.connect + deadlines.tls;
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

    fn failure(&self, error: &reqwest::Error) -> Failure {
        if let Some(problem) = self.problem.get() {
            self.journal.begin(Step::Content);
            return problem.clone().into();
        }
        if self.journal.has_content_ended() {
            return Failure::new(Ending::NoVerdict).detail(describe(error));
        }
        // Once a safe connection had come about, "not secure" would promise that nothing had left.
        if !error.is_connect() {
            return Failure::new(Ending::Disconnected).detail(describe(error));
        }
        let (failure, is_tls) = cause(error);
        if is_tls {
            self.journal.begin(Step::Tls);
        }
        failure
    }
}

/// Why no connection came about, and whether that was for TLS.
fn cause(error: &reqwest::Error) -> (Failure, bool) {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return (tls_failure(tls), true);
        }
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return match tls_error(io) {
                Some(_) => (handshake_failure(io), true),
                None => (connect_failure(io), false),
            };
        }
        source = inner.source();
    }
    (Failure::new(Ending::ConnectionFailed).detail(describe(error)), false)
}

/// The innermost cause in its own words. The URL stays out: its query may be a secret.
fn describe(error: &reqwest::Error) -> String {
    let mut innermost = error.source();
    while let Some(deeper) = innermost.and_then(std::error::Error::source) {
        innermost = Some(deeper);
    }
    innermost.map_or_else(|| "the exchange broke off".to_owned(), ToString::to_string)
}

async fn verdict(
    response: Response,
    network: &Network,
    journal: &Journal,
    redactor: &Redactor,
) -> Result<Ending, Failure> {
    journal.begin(Step::Verdict);
    let status = response.status();
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
    let body = timeout(network.deadlines.command, read_body(response)).await.unwrap_or_default();
    let text = if body.trim_ascii_start().first() == Some(&b'<') || body.is_empty() {
        // A web page is no message for people.
        phrase(status)
    } else {
        redactor.clean(&body)
    };
    Err(Failure::new(ending).words(ServerWords { code: status.as_u16(), enhanced: None, text }))
}

fn phrase(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or_default().to_owned()
}

async fn read_body(mut response: Response) -> Vec<u8> {
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
