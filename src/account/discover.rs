//! The settings for an email address: from the table of providers, and where the program allows it from the network.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::email::{Address, looks_like_address};
use crate::guide::{Endpoint, Provider, Providers, Texts};
use crate::input::{Fault, Faults, Object};
use crate::reply::{Answer, Job, Reply, Status, pending};
use crate::transport::discovery::{self, Find, NameServers, Source};
use crate::transport::smtp::{Mode, Security};
use crate::transport::{Ending, Network};

use super::options::Discovery;
use super::{Account, fault, report, send};

pub fn discover(account: &Account, json: Value) -> Result<Reply, Answer> {
    let mut faults = Faults::new();
    let texts = account.texts_for(&json, &mut faults);
    let (mut address, mut limit) = (None, None);
    if let Some(mut object) = Object::new(json, "discover_json", &mut faults).map(Object::outermost) {
        address = email_address(&mut object, &mut faults);
        limit = object.number("total_ms", 1, 86_400_000, &mut faults).map(Duration::from_millis);
        object.take("locale");
        object.end(&mut faults);
    }
    let Some(address) = address.filter(|_| faults.is_empty()) else {
        return Err(fault::refuse(&texts, &faults, Status::BadSettings));
    };
    let subject = Subject { address, texts, providers: Arc::clone(&account.providers) };
    if let Some(provider) = subject.providers.of_address(subject.address.as_str()) {
        let server = subject.of_provider(PROVIDER, provider);
        return Ok(Reply::ready(subject.answer(server.into_iter().collect(), Some(provider))));
    }
    // Nobody but this machine hears of the domain, unless the program says so.
    let Some(options) = account.network.discovery.clone() else {
        return Ok(Reply::ready(subject.answer(Vec::new(), None)));
    };
    let worker = send::worker(account).map_err(|error| send::no_thread(&subject.texts, &error))?;
    let (reply, job) = pending();
    let names = name_servers(&options, account.network.has_proxy());
    let limit = limit.unwrap_or(discovery::LIMIT);
    worker.submit(move |network| Box::pin(run(network, subject, names, limit, job)));
    Ok(reply)
}

fn email_address(object: &mut Object, faults: &mut Faults) -> Option<Address> {
    let Some(text) = object.text("email_address", faults).filter(|text| !text.trim().is_empty()) else {
        if faults.is_empty() {
            faults.push(Fault::input("email_address", "required"));
        }
        return None;
    };
    Address::parse(&text).map_err(|problem| faults.push(problem.at("email_address"))).ok()
}

/// Past a proxy, which may be there to hide from whom questions come, none is asked but one that the program names.
fn name_servers(options: &Discovery, has_proxy: bool) -> Option<NameServers> {
    match options.nameserver {
        Some(server) => Some(NameServers::one(server)),
        None => (!has_proxy).then(NameServers::of_system),
    }
}

async fn run(network: Rc<Network>, subject: Subject, names: Option<NameServers>, limit: Duration, job: Job) {
    let domain = subject.address.domain();
    let is_provider = |host: &str| subject.providers.of_mx(host).is_some();
    let answer = tokio::select! {
        biased;
        finds = discovery::discover(domain, names.as_ref(), &is_provider, limit, &network) => {
            let provider = finds.iter().find_map(|find| subject.provider_of(find));
            subject.answer(finds.iter().filter_map(|find| subject.of_find(find)).collect(), provider)
        }
        () = job.canceled() => {
            let ending = Ending::Canceled;
            Answer::new(report::status_of(ending), ending.reason(), subject.texts.get("discovery-canceled"))
        }
    };
    job.end(answer);
}

/// Whose settings are looked for.
struct Subject {
    address: Address,
    texts: Arc<Texts>,
    providers: Arc<Providers>,
}

/// The stable word for a way, and the text that tells of it.
#[derive(Clone, Copy)]
struct Way(&'static str, &'static str);

const PROVIDER: Way = Way("provider", "proposal-provider");
const AUTOCONFIG: Way = Way("autoconfig", "proposal-autoconfig");
const SRV: Way = Way("srv", "proposal-srv");
const MX: Way = Way("mx", "proposal-mx");
const PROBE: Way = Way("probe", "proposal-probe");

/// A server that is proposed.
struct Server<'s> {
    way: Way,
    provider: Option<&'s Provider>,
    host: &'s str,
    mode: Mode,
    /// `None`: it is not known how people log in.
    username: Option<String>,
}

impl Subject {
    fn of_provider<'s>(&self, way: Way, provider: &'s Provider) -> Option<Server<'s>> {
        let Endpoint { host, port, security } = provider.servers.first()?;
        let mode = Mode { port: *port, security: *security };
        Some(Server { way, provider: Some(provider), host, mode, username: provider.username(self.address.as_str()) })
    }

    fn provider_of(&self, find: &Find) -> Option<&Provider> {
        match find {
            Find::Provider(host) => self.providers.of_mx(host),
            Find::Server { .. } => None,
        }
    }

    fn of_find<'s>(&'s self, find: &'s Find) -> Option<Server<'s>> {
        match find {
            Find::Provider(_) => self.of_provider(MX, self.provider_of(find)?),
            Find::Server { source, host, mode, username } => {
                // Where nobody says how people log in, it is nearly always with the whole address.
                let whole = || Some(self.address.as_str().to_owned());
                let (way, username) = match source {
                    Source::Autoconfig => (AUTOCONFIG, username.as_deref().map(|name| self.filled_in(name))),
                    Source::Srv => (SRV, whole()),
                    Source::Probe => (PROBE, whole()),
                };
                Some(Server { way, provider: None, host, mode: *mode, username })
            }
        }
    }

    /// The placeholders of draft-ietf-mailmaint-autoconfig.
    fn filled_in(&self, username: &str) -> String {
        let (address, domain) = (self.address.as_str(), self.address.domain());
        let local = address.strip_suffix(domain).and_then(|rest| rest.strip_suffix('@')).unwrap_or_default();
        username.replace("%EMAILADDRESS%", address).replace("%EMAILLOCALPART%", local).replace("%EMAILDOMAIN%", domain)
    }

    /// `provider`: whose customer this is, if that is known.
    fn answer(&self, servers: Vec<Server<'_>>, provider: Option<&Provider>) -> Answer {
        let mut proposals: Vec<Value> = Vec::new();
        for server in servers {
            let is_same = |other: &Value| {
                other["host"] == server.host
                    && other["port"] == server.mode.port
                    && other["security"] == server.mode.security.code()
            };
            if !proposals.iter().any(is_same) {
                proposals.push(self.proposal(&server));
            }
        }
        let message = if proposals.is_empty() { self.nothing(provider) } else { String::new() };
        Answer::new(Status::Ok, "discovered", message).with("proposals", proposals)
    }

    /// Some providers let no program send, and their first step says what to do then.
    fn nothing(&self, provider: Option<&Provider>) -> String {
        let words = |provider: &Provider| [("provider", provider.name.clone())];
        let step = |it: &Provider| self.texts.find(&format!("steps-{}-1", it.steps_as), &words(it));
        provider
            .and_then(step)
            .unwrap_or_else(|| self.texts.with("discovery-nothing", &[("domain", self.address.domain().to_owned())]))
    }

    fn proposal(&self, server: &Server<'_>) -> Value {
        let Way(source, text) = server.way;
        let words = [
            ("domain", self.address.domain().to_owned()),
            ("host", server.host.to_owned()),
            ("port", server.mode.port.to_string()),
            ("provider", server.provider.map_or_else(String::new, |provider| provider.name.clone())),
        ];
        json!({
            "source": source,
            "provider": server.provider.map(|provider| &provider.id),
            "host": server.host,
            "port": server.mode.port,
            "security": server.mode.security.code(),
            "message": self.texts.with(text, &words),
            "patch": self.patch(server),
        })
    }

    fn patch(&self, server: &Server<'_>) -> Map<String, Value> {
        let Mode { port, security } = server.mode;
        let encryption = if Security::automatic(port) == security { "auto" } else { security.code() };
        let mut patch = Map::new();
        patch.insert("smtp_host".to_owned(), server.host.into());
        patch.insert("smtp_port".to_owned(), port.into());
        patch.insert("smtp_security".to_owned(), encryption.into());
        patch.extend(server.username.as_ref().map(|name| ("username".to_owned(), name.as_str().into())));
        // The form asks for it where the username does not say it.
        if server.username.as_deref().is_none_or(|name| !looks_like_address(name)) {
            patch.insert("email_address".to_owned(), self.address.as_str().into());
        }
        patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_a_proxy_only_the_name_server_is_asked_that_the_program_names() {
        let system = Discovery::default();
        let named = Discovery { nameserver: Some("192.0.2.53:53".parse().unwrap()) };
        assert!(name_servers(&system, true).is_none() && name_servers(&system, false).is_some());
        assert!(name_servers(&named, true).is_some() && name_servers(&named, false).is_some());
    }
}
