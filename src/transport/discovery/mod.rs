//! From a mail domain to the servers that may take its emails: what the domain publishes of itself over https and in DNS, and
//! the usual names and ports. It knows the domain and no more of an address, and logs in nowhere.

mod autoconfig;
mod dns;

use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::OnceCell;
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

/// Of one type, whatever it does: what waits for several of them is the same code.
type Way<'w> = Pin<Box<dyn Future<Output = Vec<Find>> + 'w>>;

/// The hosts to which the domain's emails go, asked for once.
type Exchanges = OnceCell<Vec<String>>;

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
    let asking = Asking { domain, names, is_provider, until: Instant::now() + limit, network };
    let exchanges = Exchanges::new();
    let ways: [Way<'_>; 4] = [
        Box::pin(autoconfig::ask(domain, asking.until, network)),
        Box::pin(asking.published()),
        Box::pin(asking.kept_by_provider(&exchanges)),
        Box::pin(asking.guess(&exchanges)),
    ];
    first_of(ways).await
}

/// What the first of them that finds something has found, and what those behind it have found by then.
async fn first_of<'w>(ways: impl IntoIterator<Item = Way<'w>>) -> Vec<Find> {
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

/// What all of them have found, in their order.
async fn all_of<'w>(ways: impl IntoIterator<Item = Way<'w>>) -> Vec<Find> {
    let mut ways: FuturesOrdered<_> = ways.into_iter().collect();
    let mut finds = Vec::new();
    while let Some(more) = ways.next().await {
        finds.extend(more);
    }
    finds
}

struct Asking<'a> {
    domain: &'a str,
    names: Option<&'a NameServers>,
    is_provider: &'a dyn Fn(&str) -> bool,
    until: Instant,
    network: &'a Network,
}

impl Asking<'_> {
    /// RFC 8314 section 5.1 and RFC 6186.
    async fn published(&self) -> Vec<Find> {
        all_of([self.service("_submissions", Security::Tls), self.service("_submission", Security::StartTls)]).await
    }

    fn service(&self, service: &'static str, security: Security) -> Way<'_> {
        Box::pin(async move {
            let Some(names) = self.names else { return Vec::new() };
            let found = names.service(&format!("{service}._tcp.{}", self.domain), self.until).await;
            found.map(|(host, port)| Find::server(Source::Srv, host, Mode { port, security })).into_iter().collect()
        })
    }

    async fn exchanges<'e>(&self, exchanges: &'e Exchanges) -> &'e [String] {
        let ask = || async {
            match self.names {
                Some(names) => names.exchanges(self.domain, self.until).await,
                None => Vec::new(),
            }
        };
        exchanges.get_or_init(ask).await
    }

    async fn kept_by_provider(&self, exchanges: &Exchanges) -> Vec<Find> {
        let hosts = self.exchanges(exchanges).await.iter();
        hosts.filter(|host| (self.is_provider)(host)).take(1).cloned().map(Find::Provider).collect()
    }

    /// The usual names, and the host to which the emails go, unless it is a provider's.
    async fn guess(&self, exchanges: &Exchanges) -> Vec<Find> {
        let usual = USUAL_NAMES.map(|name| format!("{name}.{}", self.domain));
        let exchange: Way<'_> = Box::pin(async {
            match self.exchanges(exchanges).await.first() {
                Some(host) if !(self.is_provider)(host) && !usual.contains(host) => self.answering(host).await,
                _ => Vec::new(),
            }
        });
        let named = usual.iter().map(|host| Box::pin(self.answering(host)) as Way<'_>);
        all_of(named.chain([exchange])).await
    }

    /// Only if it takes a login, as what is looked for is for people.
    async fn answering(&self, host: &str) -> Vec<Find> {
        let about = Probe { host, modes: &USUAL_MODES, trust: Trust::Authorities, has_login: true };
        let tried = smtp::probe(about, self.until.saturating_duration_since(Instant::now()), self.network).await;
        let works = tried.into_iter().filter(|tried| tried.failed.is_none());
        works.take(1).map(|works| Find::server(Source::Probe, host.to_owned(), works.mode)).collect()
    }
}
