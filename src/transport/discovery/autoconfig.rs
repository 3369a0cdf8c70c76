//! The file in which a domain publishes its mail servers (draft-ietf-mailmaint-autoconfig), from the domain's own web
//! servers, over https alone. Redirects are not followed: what another host says is not the domain's own word.

use hyper::client::conn::http1;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use reqwest::{Body, Response};
use roxmltree::{Document, Node, ParsingOptions};
use tokio::time::{Instant, timeout_at};

use super::super::connect::{self, Connected};
use super::super::smtp::{Mode, Security};
use super::super::{Journal, Network, Stream, Trust, http, is_domain, tls};
use super::{Find, Source, Way, first_of};

/// Real files have less than a hundred nodes.
const MOST_NODES: u32 = 5000;
/// What servers that are proposed to a person can be looked through.
const MOST_SERVERS: usize = 4;
/// As in the form.
const LONGEST_USERNAME: usize = 500;

/// Ways to log in that are none with a username and a password.
const NO_PASSWORD: &[&str] = &["OAuth2", "OAuth", "NTLM", "GSSAPI", "TLS-client-cert"];

pub async fn ask(domain: &str, until: Instant, network: &Network) -> Vec<Find> {
    let at = |host: String, path: &'static str| -> Way<'_> {
        Box::pin(async move {
            let fetched = timeout_at(until, fetch(&host, path, network)).await;
            let text = fetched.ok().flatten().and_then(|file| String::from_utf8(file).ok());
            text.map(|text| read(&text, domain)).unwrap_or_default()
        })
    };
    let own_host = at(format!("autoconfig.{domain}"), "/mail/config-v1.1.xml");
    let domain_itself = at(domain.to_owned(), "/.well-known/autoconfig/mail/config-v1.1.xml");
    first_of([own_host, domain_itself]).await
}

async fn fetch(host: &str, path: &'static str, network: &Network) -> Option<Vec<u8>> {
    let journal = Journal::unheard();
    let Connected { stream, .. } = connect::open(host, 443, network, &journal).await.ok()?;
    let stream = tls::secure(stream, host, Trust::Authorities, network, &journal).await.ok()?;
    let stream: Box<dyn Stream> = Box::new(stream);
    let (mut server, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("mailbutton/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "*/*")
        .body(Body::default())
        .ok()?;
    let work = async {
        let response = Response::from(server.send_request(request).await.ok()?.map(Body::wrap));
        if response.status() != 200 {
            return None;
        }
        Some(http::read_body(response).await)
    };
    tokio::select! {
        biased;
        file = work => file,
        never = http::carry(connection) => match never {},
    }
}

/// The servers for sending that can be used with encryption and a password, in the file's order.
fn read(text: &str, domain: &str) -> Vec<Find> {
    // Without a DTD there are no entities that could grow.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let Ok(document) = Document::parse_with_options(text.trim_start_matches('\u{feff}'), options) else {
        return Vec::new();
    };
    let root = document.root_element();
    if !root.has_tag_name("clientConfig") {
        return Vec::new();
    }
    let servers = children(root, "emailProvider").flat_map(|provider| children(provider, "outgoingServer"));
    servers.filter_map(|server| outgoing(server, domain)).take(MOST_SERVERS).collect()
}

fn outgoing(server: Node<'_, '_>, domain: &str) -> Option<Find> {
    let text = |name: &'static str| children(server, name).find_map(|node| node.text()).map(str::trim);
    let security = match text("socketType")? {
        "SSL" => Security::Tls,
        "STARTTLS" => Security::StartTls,
        _ => return None,
    };
    let mut logins = children(server, "authentication").filter_map(|node| node.text()).map(str::trim).peekable();
    let takes_password = logins.peek().is_none() || logins.any(|login| !NO_PASSWORD.contains(&login));
    let host = text("hostname")?.replace("%EMAILDOMAIN%", domain).to_ascii_lowercase();
    let port = text("port")?.parse().ok().filter(|port| *port > 0)?;
    let username = text("username").filter(|name| is_username(name)).map(str::to_owned);
    (server.attribute("type") == Some("smtp") && takes_password && is_domain(&host)).then_some(Find::Server {
        source: Source::Autoconfig,
        host,
        mode: Mode { port, security },
        username,
    })
}

fn is_username(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_USERNAME && !name.contains(char::is_control)
}

fn children<'d, 'i>(node: Node<'d, 'i>, name: &'static str) -> impl Iterator<Item = Node<'d, 'i>> {
    node.children().filter(move |child| child.has_tag_name(name))
}
