//! The HTTP protocol: a form post for a test, a multipart post with the document for a send. Any 2xx is success.

use std::error::Error as _;
use std::io;

use bytes::Bytes;
use futures_util::stream;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Client, Request, Response, StatusCode, Url, redirect};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::email::File;
use crate::secret::Secret;

use super::connect::look_up;
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
    let addresses = look_up(&host, port_number, &network.deadlines, journal).await?;
    journal.begin(Step::Connect);
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
    let (request, total) = request(&client, relay, post, &progress)?;
    drop(progress);
    let mut exchange = Exchange { network, journal, taken, total, recipients };
    let response = exchange.run(&client, request).await?;
    verdict(response, network, journal, &redactor).await
}

/// The request, and how many bytes its body streams report in all.
fn request(
    client: &Client,
    relay: &Relay,
    post: &Post,
    progress: &mpsc::UnboundedSender<u64>,
) -> Result<(Request, u64), Failure> {
    let mut builder = client.post(relay.url.clone());
    if let Some(token) = relay.token.as_ref().filter(|token| !token.is_empty()) {
        builder = builder.bearer_auth(token.expose());
    }
    if let Some(key) = &post.idempotency_key {
        builder = builder.header("Idempotency-Key", key);
    }
    let fields = [
        ("from", &post.from),
        ("reply_to", &post.reply_to),
        ("to", &post.to),
        ("cc", &post.cc),
        ("bcc", &post.bcc),
        ("subject", &post.subject),
        ("body", &post.body),
    ];
    let fields = fields.into_iter().filter(|(name, value)| !(matches!(*name, "cc" | "bcc") && value.is_empty()));
    let (builder, total) = if post.files.is_empty() {
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let total = body.len() as u64;
        let builder = builder
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Content-Length", total)
            .body(reporting(Bytes::from(body), progress.clone()));
        (builder, total)
    } else {
        let mut form = Form::new();
        for (name, value) in fields {
            form = form.text(name, value.clone());
        }
        let mut total = 0;
        for (at, file) in post.files.iter().enumerate() {
            let length = file.bytes.len() as u64;
            total += length;
            let part = Part::stream_with_length(reporting(file.bytes.clone(), progress.clone()), length)
                .file_name(file.name.clone())
                .mime_str(&file.media_type)
                .map_err(|error| Failure::new(Ending::Internal).detail(error.to_string()))?;
            form = form.part(if at == 0 { "document".to_owned() } else { format!("attachment{at}") }, part);
        }
        (builder.multipart(form), total)
    };
    let request = builder.build().map_err(|error| Failure::new(Ending::Internal).detail(error.to_string()))?;
    Ok((request, total))
}

/// A body that tells of each piece as it is taken. The bytes are shared, not copied.
fn reporting(bytes: Bytes, progress: mpsc::UnboundedSender<u64>) -> Body {
    Body::wrap_stream(stream::unfold((bytes, progress), |(mut rest, progress)| async move {
        if rest.is_empty() {
            return None;
        }
        let piece = rest.split_to(rest.len().min(PIECE));
        // Nobody listens any more when the work was cancelled; the request is being dropped too.
        progress.send(piece.len() as u64).ok();
        Some((Ok::<_, io::Error>(piece), (rest, progress)))
    }))
}

struct Exchange<'e> {
    network: &'e Network,
    journal: &'e Journal,
    taken: mpsc::UnboundedReceiver<u64>,
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
        self.journal.content_ended();
        for at in 0..self.recipients {
            self.journal.outcome(at, Outcome::Taken);
        }
        self.journal.begin(Step::Verdict);
    }

    fn failure(&self, error: &reqwest::Error) -> Failure {
        let mut failure = cause(error);
        if self.journal.has_content_ended() {
            failure.ending = Ending::NoVerdict;
        } else if failure.certificate.is_some() || matches!(failure.ending, Ending::TlsFailed | Ending::TlsNotSpoken) {
            self.journal.begin(Step::Tls);
        }
        failure
    }
}

/// The innermost cause that says something.
fn cause(error: &reqwest::Error) -> Failure {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return tls_failure(tls);
        }
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            if tls_error(io).is_some() {
                return handshake_failure(io);
            }
            if error.is_connect() {
                return super::connect::connect_failure(io);
            }
        }
        source = inner.source();
    }
    let ending = if error.is_connect() { Ending::ConnectionFailed } else { Ending::Disconnected };
    Failure::new(ending).detail(error.to_string())
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
        journal.verdict_came();
        journal.server_said(ServerWords { code: status.as_u16(), enhanced: None, text: phrase(status) });
        return Ok(Ending::Accepted);
    }
    let ending = match status.as_u16() {
        300..=399 => Ending::HttpRedirected,
        401 | 403 | 407 => Ending::HttpUnauthorized,
        404 | 405 | 410 => Ending::HttpNotFound,
        408 | 425 | 429 | 502 | 503 => Ending::HttpBusy,
        413 => Ending::TooLarge,
        // A gateway gave up waiting for the relay behind it, which may have sent the email.
        504 => Ending::NoVerdict,
        _ => Ending::HttpRefused,
    };
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
