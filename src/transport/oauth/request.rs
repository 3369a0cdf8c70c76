//! The crate's requests on our own connections, and what came back as endings.

use std::fmt;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use oauth2::basic::BasicErrorResponse;
use oauth2::{
    DeviceCodeErrorResponse, ErrorResponse, HttpRequest, HttpResponse, RequestTokenError, StandardErrorResponse,
};
use reqwest::{Body, Response};
use tokio::time::timeout;
use url::{Position, Url};

use crate::secret::Secret;

use super::super::http::{self, carry, read_body};
use super::super::words::Redactor;
use super::super::{Ending, Failure, Journal, Network};
use super::Client;

/// A failure in the crate's hands.
#[derive(Debug)]
pub struct Broken(Failure);

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.ending.reason())
    }
}

impl std::error::Error for Broken {}

/// One request to one provider.
pub struct Sender<'s> {
    network: &'s Network,
    redactor: Redactor,
}

impl<'s> Sender<'s> {
    /// `secrets` are those that the request has in it.
    pub fn new(client: &Client, network: &'s Network, secrets: &[&Secret]) -> Self {
        let redactor = Redactor::new(&client.id, client.secret.as_ref());
        for secret in secrets {
            redactor.hide(secret.expose());
        }
        Self { network, redactor }
    }

    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Broken> {
        let limit = self.network.deadlines.command;
        let exchanged = timeout(limit, exchange(request, self.network)).await;
        exchanged.unwrap_or_else(|_| Err(Ending::TimedOut.into())).map_err(Broken)
    }
}

/// A redirect is an answer like another: no secret goes where it leads.
async fn exchange(request: HttpRequest, network: &Network) -> Result<HttpResponse, Failure> {
    let journal = Journal::unheard();
    let internal = || Failure::new(Ending::Internal).detail("a web address that is none");
    let url = Url::parse(&request.uri().to_string()).map_err(|_| internal())?;
    let stream = TokioIo::new(http::open(&url, network, &journal).await?);
    let disconnected = |error: hyper::Error| Failure::new(Ending::Disconnected).detail(error.to_string());
    let (mut server, connection) = http1::handshake(stream).await.map_err(disconnected)?;
    let (mut parts, body) = request.into_parts();
    parts.uri = url[Position::BeforePath..Position::AfterQuery].parse().map_err(|_| internal())?;
    for (name, value) in [
        (hyper::header::HOST, &url[Position::BeforeHost..Position::AfterPort]),
        (hyper::header::USER_AGENT, concat!("mailbutton/", env!("CARGO_PKG_VERSION"))),
    ] {
        parts.headers.insert(name, value.parse().map_err(|_| internal())?);
    }
    let request = hyper::Request::from_parts(parts, Body::from(body));
    let work = async {
        let response = server.send_request(request).await.map_err(disconnected)?;
        let (head, body) = response.into_parts();
        let bytes = read_body(Response::from(hyper::Response::new(Body::wrap(body)))).await;
        Ok(HttpResponse::from_parts(head, bytes))
    };
    tokio::select! {
        biased;
        response = work => response,
        never = carry(connection) => match never {},
    }
}

/// Of the errors that a provider may answer with.
pub trait Refusal: ErrorResponse + 'static {
    fn code(&self) -> String;
    fn description(&self) -> Option<&String>;
}

impl<T: oauth2::ErrorResponseType + fmt::Display + 'static> Refusal for StandardErrorResponse<T> {
    fn code(&self) -> String {
        self.error().to_string()
    }

    fn description(&self) -> Option<&String> {
        self.error_description()
    }
}

/// What the provider says in its error goes into the detail, where the catalogue of problems looks for it.
pub fn refused<R: Refusal>(sender: &Sender<'_>, error: RequestTokenError<Broken, R>) -> Failure {
    let bad = |detail: &str| Failure::new(Ending::BadReply).detail(sender.redactor.clean(detail.as_bytes()));
    match error {
        RequestTokenError::Request(Broken(failure)) => failure,
        RequestTokenError::ServerResponse(response) => {
            let text = match response.description() {
                Some(description) => format!("{}: {description}", response.code()),
                None => response.code(),
            };
            Failure::new(Ending::TokenRefused).detail(sender.redactor.clean(text.as_bytes()))
        }
        // What the parser says may quote what it could not read, and that may be a token.
        RequestTokenError::Parse(..) => bad("an answer that is none of OAuth 2.0"),
        RequestTokenError::Other(text) => bad(text.split(':').next().unwrap_or_default()),
    }
}

const _: fn(&Sender<'_>, RequestTokenError<Broken, BasicErrorResponse>) -> Failure = refused;
const _: fn(&Sender<'_>, RequestTokenError<Broken, DeviceCodeErrorResponse>) -> Failure = refused;
