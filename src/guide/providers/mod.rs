//! What is known about providers: the embedded data file, and the rows of the host's own. Found by the host name of a
//! server, by an address, or by the mail server of a domain.

mod row;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use once_cell::race::OnceBox;
use serde_json::Value;

use crate::input::{Faults, Object};
use crate::transport::oauth::Endpoints;
use crate::transport::smtp::Security;

const DATA: &str = include_str!("../providers.json");

#[derive(Clone, Debug)]
pub struct Provider {
    /// Stable.
    pub id: String,
    pub name: String,
    /// Mail domains whose addresses belong to this provider; none for one that its customers use with their own domains.
    pub domains: Vec<String>,
    /// The ends of the names of mail servers (MX) that show that a domain's mail lives here.
    mx: Vec<String>,
    /// The first one is proposed, all of them are recognised. None: no program can send through this provider.
    pub servers: Vec<Endpoint>,
    /// Hosts that are for receiving alone, and whose names do not lead to one for sending.
    receiving: Vec<String>,
    username: Username,
    /// How a program can log in: `password`, `app_password`, `key`, `oauth2`.
    pub login: Vec<&'static str>,
    pub app_password: AppPassword,
    /// Where app passwords or keys are made.
    pub app_password_page: Option<String>,
    /// The provider's own help.
    pub help: Option<String>,
    pub limits: Limits,
    /// Where its sign-in is.
    pub oauth: Option<Endpoints>,
    /// It is known to do CHUNKING and BINARYMIME well.
    pub chunks_well: bool,
    /// The texts of its own steps are `steps-<steps_as>-1` and so on; without steps it has those of its rule.
    pub steps_as: String,
    /// The link of each step.
    pub steps: Vec<Option<String>>,
}

/// A server that takes emails from programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub security: Security,
}

impl Endpoint {
    /// As the setting `smtp_security` calls it, if `auto` would mean another one.
    pub fn security_beside_auto(&self) -> Option<&'static str> {
        (self.security != Security::automatic(self.port)).then_some(self.security.code())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Username {
    Address,
    LocalPart,
    Fixed(String),
    /// One that nobody can tell from the address.
    Other,
}

/// What the password field takes at this provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppPassword {
    /// The normal password never works.
    Required,
    /// Needed where 2-step verification is on.
    WithTwoSteps,
    /// Password sign-in is off unless an administrator allows it, and will end.
    NotForLong,
    /// Programs cannot sign in with any password.
    NoPassword,
    /// The username and the password are those of a key, not a person's.
    Key,
    /// The normal one.
    NotNeeded,
    Unknown,
}

impl AppPassword {
    pub const ALL: [Self; 7] = [
        Self::Required,
        Self::WithTwoSteps,
        Self::NotForLong,
        Self::NoPassword,
        Self::Key,
        Self::NotNeeded,
        Self::Unknown,
    ];

    /// Stable.
    pub fn code(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::WithTwoSteps => "with_two_steps",
            Self::NotForLong => "not_for_long",
            Self::NoPassword => "no_password",
            Self::Key => "key",
            Self::NotNeeded => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// What the provider publishes, of one account and of one email.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub per_day: Option<u64>,
    pub per_hour: Option<u64>,
    pub recipients: Option<u64>,
    /// Of the whole email as it is sent.
    pub bytes: Option<u64>,
}

impl Provider {
    /// From a row of the data file or of the option `providers`.
    pub fn read(row: Value, place: String, faults: &mut Faults) -> Option<Self> {
        row::read(Object::new(row, place, faults)?, faults)
    }

    /// The server of this name, with this port if there is one.
    pub fn endpoint(&self, host: &str, port: Option<u16>) -> Option<&Endpoint> {
        let mut named = self.servers.iter().filter(|server| server.host == host);
        match port {
            Some(port) => named.find(|server| server.port == port),
            None => named.next(),
        }
    }

    /// The server for sending, where this one is the provider's for receiving.
    pub fn sends_instead_of(&self, host: &str) -> Option<&Endpoint> {
        if self.servers.iter().any(|server| server.host == host) {
            return None;
        }
        let by_row = self.receiving.iter().any(|known| known == host).then(|| self.servers.first()).flatten();
        by_row.or_else(|| counterparts(host).iter().find_map(|name| self.endpoint(name, None)))
    }

    /// Two names of one house: they have a server, the mail servers of their domains, or the name in common, or the other's
    /// servers are named after a domain of this one's.
    pub fn is_one_with(&self, other: &Self) -> bool {
        let is_below = |name: &str, domain: &str| name == domain || name.ends_with(&format!(".{domain}"));
        let are_near = |one: &String, two: &String| is_below(one, two) || is_below(two, one);
        let hosts = || other.servers.iter().map(|server| &server.host);
        let house = |provider: &Self| provider.name.split(' ').next().map(str::to_lowercase);
        house(self) == house(other)
            || self.servers.iter().any(|server| hosts().any(|host| server.host == *host))
            || self.domains.iter().any(|domain| hosts().any(|host| is_below(host, domain)))
            || self.mx.iter().chain(&self.domains).any(|one| other.mx.iter().any(|two| are_near(one, two)))
    }

    /// The username that belongs to an address; an empty address is none.
    pub fn username(&self, address: &str) -> Option<String> {
        match &self.username {
            Username::Fixed(name) => Some(name.clone()),
            Username::Address => Some(address.to_owned()).filter(|address| address.contains('@')),
            Username::LocalPart => address.rsplit_once('@').map(|(local, _)| local.to_owned()),
            Username::Other => None,
        }
    }
}

/// All providers: the embedded ones, and the host's own in front of them.
pub struct Providers {
    table: Arc<Table>,
    /// The ids of those with which the host's program is registered.
    registered: Arc<BTreeSet<String>>,
}

/// Whether users of the host's program can sign in with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    NotOffered,
    /// The program has no client id.
    Unregistered,
    Registered,
}

impl SignIn {
    /// As conditions of problems name it.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotOffered => "not_offered",
            Self::Unregistered => "unregistered",
            Self::Registered => "registered",
        }
    }
}

#[derive(Default)]
struct Table {
    hosts: HashMap<String, Vec<Arc<Provider>>>,
    receiving: HashMap<String, Vec<Arc<Provider>>>,
    domains: HashMap<String, Arc<Provider>>,
    mx: HashMap<String, Arc<Provider>>,
}

impl Default for Providers {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Providers {
    /// One of the host's with the id of an embedded one replaces it.
    pub fn new(own: Vec<Provider>) -> Self {
        // Most accounts have no rows of their own, and share one table.
        static EMBEDDED: OnceBox<Arc<Table>> = OnceBox::new();
        if own.is_empty() {
            let table = EMBEDDED.get_or_init(|| Box::new(Arc::new(Table::new(embedded().iter()))));
            return Self { table: Arc::clone(table), registered: Arc::default() };
        }
        let own: Vec<_> = own.into_iter().map(Arc::new).collect();
        let is_replaced = |known: &&Arc<Provider>| own.iter().any(|own| own.id == known.id);
        let embedded = embedded().iter().filter(|known| !is_replaced(known));
        Self { table: Arc::new(Table::new(own.iter().chain(embedded))), registered: Arc::default() }
    }

    /// The host's program may sign in with those of these ids.
    #[must_use]
    pub fn registered(self, ids: BTreeSet<String>) -> Self {
        Self { registered: Arc::new(ids), ..self }
    }

    pub fn sign_in(&self, provider: &Provider) -> SignIn {
        match &provider.oauth {
            None => SignIn::NotOffered,
            Some(_) if self.registered.contains(&provider.id) => SignIn::Registered,
            Some(_) => SignIn::Unregistered,
        }
    }

    /// The provider whose rules hold for this login, be the server one for sending or for receiving. Some share a server: the one that the address belongs to, else the one
    /// whose customers bring their own domains, else the one that proposes this server.
    pub fn of_login(&self, host: &str, username: &str) -> Option<&Provider> {
        let of_host = self.table.of_host(&canonical(host))?;
        let of_address = self.of_address(username);
        let is_of_address = |it: &&Arc<Provider>| of_address.is_some_and(|address| address.id == it.id);
        let is_for_own_domains = |it: &&Arc<Provider>| username.contains('@') && it.domains.is_empty();
        let found = of_host.iter().find(is_of_address).or_else(|| of_host.iter().find(is_for_own_domains));
        found.or_else(|| of_host.first()).map(AsRef::as_ref)
    }

    /// The provider that runs this server.
    pub fn of_host(&self, host: &str) -> Option<&Provider> {
        self.of_login(host, "")
    }

    /// The provider of an address, by its domain.
    pub fn of_address(&self, address: &str) -> Option<&Provider> {
        let (_, domain) = address.trim().rsplit_once('@')?;
        self.table.domains.get(&canonical(domain)).map(AsRef::as_ref)
    }

    /// The provider where the mail of a domain with this mail server lives.
    pub fn of_mx(&self, host: &str) -> Option<&Provider> {
        let host = canonical(host);
        let mut rest = host.as_str();
        loop {
            if let Some(found) = self.table.mx.get(rest) {
                return Some(found);
            }
            rest = rest.split_once('.')?.1;
        }
    }
}

impl Table {
    /// Whoever comes first keeps a domain.
    fn new<'p>(providers: impl Iterator<Item = &'p Arc<Provider>>) -> Self {
        let mut table = Self::default();
        for provider in providers {
            for domain in &provider.domains {
                table.domains.entry(domain.clone()).or_insert_with(|| Arc::clone(provider));
            }
            for suffix in &provider.mx {
                table.mx.entry(suffix.clone()).or_insert_with(|| Arc::clone(provider));
            }
            for host in &provider.receiving {
                table.receiving.entry(host.clone()).or_default().push(Arc::clone(provider));
            }
            for server in &provider.servers {
                let of_host = table.hosts.entry(server.host.clone()).or_default();
                if !of_host.iter().any(|known| known.id == provider.id) {
                    of_host.push(Arc::clone(provider));
                }
            }
        }
        for (host, providers) in &mut table.hosts {
            providers.sort_by_key(|provider| provider.servers.first().is_none_or(|first| first.host != *host));
        }
        table
    }

    fn of_host(&self, host: &str) -> Option<&Vec<Arc<Provider>>> {
        let by_name = || counterparts(host).into_iter().find_map(|name| self.hosts.get(&name));
        self.hosts.get(host).or_else(|| self.receiving.get(host)).or_else(by_name)
    }
}

/// What the server for sending may be called where this one is for receiving: `smtp-mail.` beside `imap-mail.`, and `mail.`
/// beside `pop.`.
fn counterparts(host: &str) -> Vec<String> {
    let Some((label, domain)) = host.split_once('.') else { return Vec::new() };
    let Some(word) = ["imaps", "imap4", "imap", "pop3", "pops", "pop"].into_iter().find(|word| label.contains(word))
    else {
        return Vec::new();
    };
    let plain = (label == word).then(|| format!("mail.{domain}"));
    [format!("{}.{domain}", label.replacen(word, "smtp", 1))].into_iter().chain(plain).collect()
}

/// Names are compared as they are looked up.
fn canonical(name: &str) -> String {
    let name = name.trim().trim_end_matches('.');
    if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) {
        return name.to_owned();
    }
    idna::domain_to_ascii(name).unwrap_or_else(|_| name.to_ascii_lowercase())
}

pub(super) fn embedded() -> &'static [Arc<Provider>] {
    // Lock-free: a child after `fork()` must not wait for a thread that was reading the file and is not there.
    static EMBEDDED: OnceBox<Vec<Arc<Provider>>> = OnceBox::new();
    EMBEDDED.get_or_init(|| {
        // A test reads the file whole, so that nothing of it can be missing here.
        Box::new(read(DATA, &mut Faults::new()).into_iter().map(Arc::new).collect())
    })
}

fn read(data: &str, faults: &mut Faults) -> Vec<Provider> {
    let Ok(Value::Array(rows)) = serde_json::from_str(data) else { return Vec::new() };
    let numbered = rows.into_iter().enumerate();
    numbered.filter_map(|(at, row)| Provider::read(row, format!("providers[{at}]"), faults)).collect()
}
