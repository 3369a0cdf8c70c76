//! The options of `mailbutton_open`. Each may be left out; an unknown one is an error.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use crate::form::host_name;
use crate::guide::{BadText, Catalogue, Locale, Provider, Providers, Texts, WhyBadText, read_catalogue};
use crate::input::{Blame, Fault, Faults, Object, parse};
use crate::reply::{Answer, Status};
use crate::secret::Secret;
use crate::store::{KeySource, Store};
use crate::transport::{BadRoots, CONNECTIONS, Deadlines, Network, Proxy, Roots, WhyBad};

use super::{fault, saved};

/// Room for the texts of a dozen languages.
const MAX_OPTIONS: usize = 1024 * 1024;
/// A file of texts that is no Fluent at all has a fault in each line.
const MOST_BAD_TEXTS: usize = 20;
/// More connections at a time than any provider takes from one account.
const MOST_CONNECTIONS: u64 = 64;
/// A stranger's text is not told whole.
const LONGEST_TAG: usize = 40;
const DNS_PORT: u16 = 53;
/// A day: longer deadlines are mistakes.
const LONGEST_DEADLINE: u64 = 24 * 60 * 60 * 1000;

pub struct Options {
    pub texts: Texts,
    pub store: Store,
    pub providers: Providers,
    pub network: NetworkOptions,
    pub programs: ProgramIds,
}

/// How the host's program is registered with each provider, by the provider's id.
pub type ProgramIds = BTreeMap<String, ProgramId>;

pub struct ProgramId {
    pub id: String,
    pub secret: Option<Secret>,
    /// Instead of the provider's.
    pub scopes: Vec<String>,
}

/// What a worker makes its network from; a worker after `fork()` makes its own.
pub struct NetworkOptions {
    roots: Roots,
    pub deadlines: Deadlines,
    hello_name: Option<String>,
    proxy: Option<Proxy>,
    connections: usize,
    /// `None`: the network is not asked.
    pub discovery: Option<Discovery>,
    /// The hosts that the program knows to do CHUNKING well.
    pub chunking: Vec<String>,
}

/// How the network is asked for the settings of an address.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// Instead of the system's.
    pub nameserver: Option<SocketAddr>,
}

impl NetworkOptions {
    pub fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    pub fn network(&self) -> Network {
        let (roots, deadlines, hello_name) = (self.roots.clone(), self.deadlines.clone(), self.hello_name.clone());
        Network::new(roots, deadlines, hello_name, self.proxy.clone(), self.connections)
    }
}

pub fn read(options_json: Option<&str>) -> Result<Options, Answer> {
    let refuse = |texts: &Texts, faults: &[Fault]| fault::refuse(texts, faults, Status::BadCall);
    let mut faults = Faults::new();
    let json = match parse("options_json", options_json.unwrap_or("{}"), MAX_OPTIONS) {
        Ok(json) => json,
        Err(fault) => return Err(refuse(&Texts::new(""), &[fault])),
    };
    let Some(mut object) = Object::new(json, "options_json", &mut faults).map(Object::outermost) else {
        return Err(refuse(&Texts::new(""), &faults));
    };
    let program = object.text("program_name", &mut faults).unwrap_or_else(|| "this program".to_owned());
    if program.trim().is_empty() {
        faults.push(Fault::program("program_name", "program_name_empty"));
    } else if let Err(fault) = crate::email::check_header_text("program_name", &program) {
        faults.push(fault);
    }
    let texts = texts(&program, &mut object, &mut faults);
    let path = object.text("store", &mut faults);
    if path.as_deref().is_some_and(str::is_empty) {
        faults.push(Fault::program("store", "store_empty"));
    }
    let key = key_source(&mut object, path.is_some(), &mut faults);
    let network = NetworkOptions {
        roots: ca_file(&mut object, &mut faults),
        deadlines: deadlines(&mut object, &mut faults),
        hello_name: hello_name(&mut object, &mut faults),
        proxy: proxy(&mut object, &mut faults),
        connections: connections(&mut object, &mut faults),
        discovery: discovery(&mut object, &mut faults),
        chunking: chunking(&mut object, &mut faults),
    };
    let providers = providers(&mut object, &mut faults);
    let programs = programs(&mut object, &mut faults);
    object.end(&mut faults);
    if !faults.is_empty() {
        return Err(refuse(&texts, &faults));
    }
    let store = match path {
        None => Store::memory(),
        Some(path) => Store::file(Path::new(&path), key).map_err(|error| saved::failed(&texts, &error))?,
    };
    let providers = providers.registered(programs.keys().cloned().collect());
    Ok(Options { texts, store, providers, network, programs })
}

fn texts(program: &str, object: &mut Object, faults: &mut Faults) -> Texts {
    let given = object.object("texts", faults).map(Object::into_members).unwrap_or_default();
    let own = given.into_iter().filter_map(|(language, source)| own_texts(&language, &source, faults)).collect();
    let texts = Texts::with_own(program, own);
    let Some(tag) = object.text("locale", faults) else { return texts };
    if let Some(locale) = Locale::parse(&tag) {
        return texts.in_locale(&locale);
    }
    faults.push(Fault::program("locale", "locale_invalid"));
    texts
}

/// The host's texts for one language.
fn own_texts(language: &str, source: &Value, faults: &mut Faults) -> Option<Catalogue> {
    let shown: String = language.chars().filter(char::is_ascii_graphic).take(LONGEST_TAG).collect();
    let place = format!("texts.{shown}");
    let Some(locale) = Locale::parse(language) else {
        faults.push(Fault::program(place, "locale_invalid"));
        return None;
    };
    let Some(source) = source.as_str() else {
        faults.push(Fault::program(place, "wrong_type_expected").with("expected", "text"));
        return None;
    };
    match read_catalogue(&locale, source) {
        Ok(catalogue) => Some(catalogue),
        Err(bad) => {
            faults.extend(bad.into_iter().take(MOST_BAD_TEXTS).map(|bad| bad_text(&place, bad)));
            None
        }
    }
}

fn bad_text(place: &str, bad: BadText) -> Fault {
    let fault = match bad.why {
        WhyBadText::Syntax(detail) => Fault::program(place, "text_syntax").with("detail", detail),
        WhyBadText::Unknown => Fault::program(place, "text_unknown"),
        WhyBadText::Twice => Fault::program(place, "text_twice"),
        WhyBadText::Word(word) => Fault::program(place, "text_word").with("word", word),
    };
    fault.with("id", bad.id).with("line", bad.line.to_string())
}

fn key_source(object: &mut Object, has_store: bool, faults: &mut Faults) -> KeySource {
    let key = object.text("key", faults).map(Secret::new);
    let passphrase = object.text("passphrase", faults).map(Secret::new);
    let keychain = object.text("keychain", faults);
    let given: Vec<&str> =
        [("key", key.is_some()), ("passphrase", passphrase.is_some()), ("keychain", keychain.is_some())]
            .into_iter()
            .filter_map(|(name, is_given)| is_given.then_some(name))
            .collect();
    if let Some(second) = given.get(1) {
        faults.push(Fault::program(*second, "one_key_only"));
    }
    if let (Some(first), false) = (given.first(), has_store) {
        faults.push(Fault::program(*first, "key_needs_store"));
    }
    match (key, passphrase, keychain) {
        (Some(key), ..) => decode_key(&key).map_or_else(
            || {
                faults.push(Fault::program("key", "key_invalid"));
                KeySource::File
            },
            KeySource::Given,
        ),
        (_, Some(passphrase), _) => {
            if passphrase.is_empty() {
                faults.push(Fault::program("passphrase", "passphrase_empty"));
            }
            KeySource::Passphrase(passphrase)
        }
        (_, _, Some(entry)) => KeySource::Keychain(entry),
        _ => KeySource::File,
    }
}

fn decode_key(text: &Secret) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = STANDARD.decode(text.expose().trim()).ok()?;
    let key = <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new);
    bytes.zeroize();
    key
}

fn ca_file(object: &mut Object, faults: &mut Faults) -> Roots {
    let Some(path) = object.text("ca_file", faults) else { return Roots::default() };
    let fault = match Roots::read(&path) {
        Ok(roots) => return roots,
        Err(BadRoots::Empty) => Fault::program("ca_file", "ca_file_empty"),
        Err(BadRoots::Unreadable(detail)) => Fault::program("ca_file", "ca_file_unreadable").with("detail", detail),
        Err(BadRoots::Invalid(detail)) => Fault::program("ca_file", "ca_file_invalid").with("detail", detail),
    };
    faults.push(fault);
    Roots::default()
}

fn hello_name(object: &mut Object, faults: &mut Faults) -> Option<String> {
    let name = object.text("hello_name", faults)?;
    // A domain or an address literal: visible ASCII without anything that could end the command.
    let is_fine = (1..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'[' | b']' | b':'));
    if !is_fine {
        faults.push(Fault::program("hello_name", "hello_name_invalid"));
    }
    Some(name)
}

fn proxy(object: &mut Object, faults: &mut Faults) -> Option<Proxy> {
    let text = object.text("proxy", faults).map(Secret::new)?;
    let read = if text.expose() == "environment" {
        // Looked at because the host says so, and once: the environment is the host's, and may change under other threads.
        Proxy::from_environment(|name| std::env::var(name).ok())
    } else {
        Proxy::parse(&text).map(Some)
    };
    let bad = match read {
        Ok(proxy) => return proxy,
        Err(bad) => bad,
    };
    let fault = match bad.why {
        WhyBad::NotAnAddress => Fault::program("proxy", "proxy_invalid"),
        WhyBad::Protocol(scheme) => Fault::program("proxy", "proxy_unsupported").with("scheme", scheme),
        WhyBad::Login => Fault::program("proxy", "proxy_login_invalid"),
    };
    faults.push(fault.with("variable", bad.variable.unwrap_or("none")));
    None
}

fn connections(object: &mut Object, faults: &mut Faults) -> usize {
    let given = object.number("connections", 1, MOST_CONNECTIONS, faults);
    given.and_then(|number| usize::try_from(number).ok()).unwrap_or(CONNECTIONS)
}

/// `true`, or an object with what is not as usual.
fn discovery(object: &mut Object, faults: &mut Faults) -> Option<Discovery> {
    let mut given = match object.take("discovery")? {
        Value::Bool(is_on) => return is_on.then(Discovery::default),
        Value::Object(map) => Object::new(map.into(), "discovery", faults)?,
        _ => {
            faults.push(
                Fault::program("discovery", "wrong_type_expected").with("expected", "true or false or an object"),
            );
            return None;
        }
    };
    let nameserver = given.text("nameserver", faults).and_then(|text| {
        let parsed = nameserver(&text);
        if parsed.is_none() {
            faults.push(Fault::program("discovery.nameserver", "nameserver_invalid"));
        }
        parsed
    });
    given.end(faults);
    Some(Discovery { nameserver })
}

/// An IP address, and perhaps a port.
fn nameserver(text: &str) -> Option<SocketAddr> {
    let address = || text.parse::<IpAddr>().ok().map(|address| (address, DNS_PORT).into());
    text.parse().ok().or_else(address).filter(|server: &SocketAddr| server.port() > 0)
}

fn chunking(object: &mut Object, faults: &mut Faults) -> Vec<String> {
    let mut hosts = Vec::new();
    for (index, host) in object.list("chunking", faults).unwrap_or_default().into_iter().enumerate() {
        let place = format!("chunking[{index}]");
        match host.as_str().map(|text| host_name(&place, text)) {
            Some(Ok(host)) => hosts.push(host),
            Some(Err(fault)) => faults.push(Fault { blame: Blame::Program, ..fault }),
            None => faults.push(Fault::program(place, "wrong_type_expected").with("expected", "a host name")),
        }
    }
    hosts
}

/// The host's own rows, which are read as strictly as the embedded ones.
fn providers(object: &mut Object, faults: &mut Faults) -> Providers {
    let (mut own, mut ids) = (Vec::new(), HashSet::new());
    for (at, row) in object.list("providers", faults).unwrap_or_default().into_iter().enumerate() {
        let place = format!("providers[{at}]");
        let Some(provider) = Provider::read(row, place.clone(), faults) else { continue };
        if !ids.insert(provider.id.clone()) {
            let shown: String = provider.id.chars().filter(|c| !c.is_control()).take(LONGEST_TAG).collect();
            faults.push(Fault::program(format!("{place}.id"), "provider_twice").with("id", shown));
        }
        own.push(provider);
    }
    Providers::new(own)
}

fn programs(object: &mut Object, faults: &mut Faults) -> ProgramIds {
    let given = object.object("oauth", faults).map(Object::into_members).unwrap_or_default();
    given
        .into_iter()
        .filter_map(|(provider, value)| Some((provider.clone(), program(&provider, value, faults)?)))
        .collect()
}

fn program(provider: &str, value: Value, faults: &mut Faults) -> Option<ProgramId> {
    let shown: String = provider.chars().filter(char::is_ascii_graphic).take(LONGEST_TAG).collect();
    let mut given = Object::new(value, format!("oauth.{shown}"), faults)?;
    let id = given.text("client_id", faults).filter(|id| !id.trim().is_empty());
    if id.is_none() {
        faults.push(Fault::program(given.place_of("client_id"), "key_missing"));
    }
    let secret = given.text("client_secret", faults).filter(|secret| !secret.is_empty()).map(Secret::new);
    let mut scopes = Vec::new();
    for (at, scope) in given.list("scopes", faults).unwrap_or_default().into_iter().enumerate() {
        if let Value::String(scope) = scope {
            scopes.push(scope);
        } else {
            let place = format!("{}[{at}]", given.place_of("scopes"));
            faults.push(Fault::program(place, "wrong_type_expected").with("expected", "text"));
        }
    }
    given.end(faults);
    Some(ProgramId { id: id?, secret, scopes })
}

fn deadlines(object: &mut Object, faults: &mut Faults) -> Deadlines {
    let mut deadlines = Deadlines::default();
    let Some(mut given) = object.object("deadlines", faults) else { return deadlines };
    let mut take = |key: &'static str, slot: &mut Duration| {
        if let Some(milliseconds) = given.number(key, 1, LONGEST_DEADLINE, faults) {
            *slot = Duration::from_millis(milliseconds);
        }
    };
    take("connect_ms", &mut deadlines.connect);
    take("tls_ms", &mut deadlines.tls);
    take("command_ms", &mut deadlines.command);
    take("login_ms", &mut deadlines.login);
    take("upload_ms", &mut deadlines.upload);
    take("verdict_ms", &mut deadlines.verdict);
    take("test_ms", &mut deadlines.test);
    deadlines.total = given.number("total_ms", 1, LONGEST_DEADLINE, faults).map(Duration::from_millis);
    given.end(faults);
    deadlines
}
