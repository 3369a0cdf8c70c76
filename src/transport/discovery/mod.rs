//! From a mail domain to the servers that may take its emails: what the domain publishes of itself over https and in DNS, and
//! the usual names and ports. It knows the domain and no more of an address, and logs in nowhere.

mod autoconfig;
mod dns;

use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{join, join_all};
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::Instant;

pub use dns::NameServers;

use super::smtp::{self, Mode, Probe, Security};
use super::{Network, Trust, is_domain};

/// Without another time, which a slow line may need: where nothing answers, a person waits for nothing.
pub const LIMIT: Duration = Duration::from_millis(2500);

/// The names under which most domains have their server.
const USUAL_NAMES: [&str; 2] = ["smtp", "mail"];

/// Where nothing is published, only what is encrypted is looked for, the safest first (RFC 8314).
const USUAL_MODES: [Mode; 2] =
    [Mode { port: 465, security: Security::Tls }, Mode { port: 587, security: Security::StartTls }];

/// By which way a server was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The domain says it itself, over https.
    Autoconfig,
    /// Its name servers say it.
    Srv,
    /// It answers where most servers do.
    Probe,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Find {
    Server {
        source: Source,
        host: String,
        mode: Mode,
        /// With `%EMAILADDRESS%` and the like in it.
        username: Option<String>,
    },
    /// The host of a provider, to which the domain's emails go (MX).
    Provider(String),
}

impl Find {
    fn server(source: Source, host: String, mode: Mode) -> Self {
        Self::Server { source, host, mode, username: None }
    }
}

type Way<'w> = Pin<Box<dyn Future<Output = Vec<Find>> + 'w>>;

/// All ways side by side. What the first of them that finds something has found, in the order of trust; and whatever others
/// have found by then. `is_provider` knows the hosts of providers.
pub async fn discover(
    domain: &str,
    names: Option<&NameServers>,
    is_provider: &dyn Fn(&str) -> bool,
    limit: Duration,
    network: &Network,
) -> Vec<Find> {
    if !is_domain(domain) {
        return Vec::new();
    }
    let until = Instant::now() + limit;
    let exchanges = async {
        match names {
            Some(names) => names.exchanges(domain, until).await,
            None => Vec::new(),
        }
    };
    let exchanges = exchanges.shared();
    let ways: [Way<'_>; 4] = [
        Box::pin(autoconfig::ask(domain, until, network)),
        Box::pin(published(domain, names, until)),
        Box::pin(exchanges.clone().map(|hosts| kept_by_provider(hosts, is_provider))),
        Box::pin(guess(domain, exchanges, is_provider, until, network)),
    ];
    let mut ways: FuturesOrdered<_> = ways.into_iter().collect();
    let mut finds = Vec::new();
    while finds.is_empty()
        && let Some(more) = ways.next().await
    {
        finds = more;
    }
    while let Some(Some(more)) = ways.next().now_or_never() {
        finds.extend(more);
    }
    finds
}

/// RFC 8314 section 5.1 and RFC 6186.
async fn published(domain: &str, names: Option<&NameServers>, until: Instant) -> Vec<Find> {
    let Some(names) = names else { return Vec::new() };
    let services = [("_submissions", Security::Tls), ("_submission", Security::StartTls)];
    let asked = services.map(|(service, security)| async move {
        let (host, port) = names.service(&format!("{service}._tcp.{domain}"), until).await?;
        Some(Find::server(Source::Srv, host, Mode { port, security }))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn kept_by_provider(hosts: Vec<String>, is_provider: &dyn Fn(&str) -> bool) -> Vec<Find> {
    hosts.into_iter().find(|host| is_provider(host)).map(Find::Provider).into_iter().collect()
}

/// The usual names, and the host to which the emails go, unless it is a provider's.
async fn guess(
    domain: &str,
    exchanges: impl Future<Output = Vec<String>>,
    is_provider: &dyn Fn(&str) -> bool,
    until: Instant,
    network: &Network,
) -> Vec<Find> {
    let usual = USUAL_NAMES.map(|name| format!("{name}.{domain}"));
    let named = usual.iter().map(|host| answering(host.clone(), until, network));
    let exchange = async {
        let hosts = exchanges.await;
        let own = hosts.into_iter().next().filter(|host| !is_provider(host) && !usual.contains(host));
        match own {
            Some(host) => answering(host, until, network).await,
            None => None,
        }
    };
    let (named, exchange) = join(join_all(named), exchange).await;
    named.into_iter().chain([exchange]).flatten().collect()
}

/// Only if it takes a login, as what is looked for is for people.
async fn answering(host: String, until: Instant, network: &Network) -> Option<Find> {
    let about = Probe { host: &host, modes: &USUAL_MODES, trust: Trust::Authorities, has_login: true };
    let tried = smtp::probe(about, until.saturating_duration_since(Instant::now()), network).await;
    let works = tried.into_iter().find(|tried| tried.failed.is_none())?;
    Some(Find::server(Source::Probe, host, works.mode))
}
