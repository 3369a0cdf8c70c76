//! One request to one provider: a form that is posted, and the JSON that comes back.

use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use reqwest::{Body, Response};
use tokio::time::timeout;
use url::form_urlencoded::{Serializer, byte_serialize};
use url::{Position, Url};

use crate::secret::Secret;

use super::super::http::{self, carry, read_body};
use super::super::words::Redactor;
use super::super::{Ending, Failure, Journal, Network};
use super::Client;
use super::answer::{Answer, is_success, read_answer};

/// In a box: each flow waits for one, and their states would have the whole of a connection in them.
type Exchange<'e> = Pin<Box<dyn Future<Output = Result<(u16, Vec<u8>), Failure>> + 'e>>;

pub struct Asker<'a> {
    client: &'a Client,
    network: &'a Network,
    /// Knows what the requests have in them, should the provider echo it.
    redactor: Redactor,
}

impl<'a> Asker<'a> {
    /// `secrets` are those that the request has in it.
    pub fn new(client: &'a Client, network: &'a Network, secrets: &[&Secret]) -> Self {
        let redactor = Redactor::new(&client.id, client.secret.as_ref());
        for secret in secrets {
            redactor.hide_secret("", secret);
        }
        Self { client, network, redactor }
    }

    pub async fn ask(&self, url: &Url, form: &[(&str, &str)]) -> Result<Answer, Failure> {
        let (status, body) = self.post(url, form).await?;
        read_answer(status, &body, &self.redactor)
    }

    /// Of an answer that is empty where all is well (RFC 7009 section 2.2).
    pub async fn tell(&self, url: &Url, form: &[(&str, &str)]) -> Result<(), Failure> {
        let (status, body) = self.post(url, form).await?;
        if is_success(status) { Ok(()) } else { read_answer(status, &body, &self.redactor).map(drop) }
    }

    async fn post(&self, url: &Url, form: &[(&str, &str)]) -> Result<(u16, Vec<u8>), Failure> {
        let mut body = Serializer::new(String::new());
        body.extend_pairs(form);
        let authorization = self.client.secret.as_ref().map(|secret| basic(&self.client.id, secret));
        if let Some(authorization) = &authorization {
            self.redactor.hide(authorization.expose());
        } else {
            // A program that runs at its users' has no secret, and says its name alone (RFC 6749 section 3.2.1).
            body.append_pair("client_id", &self.client.id);
        }
        let exchanged = exchange(url, authorization, body.finish(), self.network);
        timeout(self.network.deadlines.command, exchanged).await.unwrap_or_else(|_| Err(Ending::TimedOut.into()))
    }
}

/// RFC 6749 section 2.3.1: each of both encoded as in a form first.
fn basic(id: &str, secret: &Secret) -> Secret {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    Secret::new(STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret.expose()))))
}

/// The status and the beginning of the body. A redirect is an answer like another: no secret goes where it leads.
fn exchange<'e>(url: &'e Url, authorization: Option<Secret>, form: String, network: &'e Network) -> Exchange<'e> {
    Box::pin(async move {
        let journal = Journal::unheard();
        let stream = TokioIo::new(http::open(url, network, &journal).await?);
        let disconnected = |error: hyper::Error| Failure::new(Ending::Disconnected).detail(error.to_string());
        let (mut server, connection) = http1::handshake(stream).await.map_err(disconnected)?;
        let mut request = Request::post(&url[Position::BeforePath..Position::AfterQuery])
            .header(header::HOST, &url[Position::BeforeHost..Position::AfterPort])
            .header(header::USER_AGENT, concat!("mailbutton/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, format!("Basic {}", authorization.expose()));
        }
        let unfit = |_| Failure::new(Ending::Internal).detail("a request that cannot be sent");
        let request = request.body(Body::from(form)).map_err(unfit)?;
        let work = async {
            let response = Response::from(server.send_request(request).await.map_err(disconnected)?.map(Body::wrap));
            Ok((response.status().as_u16(), read_body(response).await))
        };
        tokio::select! {
            biased;
            answered = work => answered,
            never = carry(connection) => match never {},
        }
    })
}
