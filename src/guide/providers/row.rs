//! A provider's row in JSON, read strictly: the host's own rows are checked as the embedded ones are.

use std::net::IpAddr;

use serde_json::Value;
use url::Url;

use crate::input::{Fault, Faults, Object};
use crate::transport::oauth::{Endpoints, address};
use crate::transport::smtp::Security;

use super::super::link::page;
use super::{AppPassword, Endpoint, Limits, Provider, Username, canonical};

const LOGINS: &[&str] = &["password", "app_password", "key", "oauth2"];
const SECURITIES: &[&str] = &["tls", "starttls", "none"];
const USERNAMES: &[&str] = &["address", "local_part", "other"];
const LARGEST_LIMIT: u64 = 1 << 40;

/// `None` where what makes a provider is missing; the faults say what.
pub fn read(mut row: Object, faults: &mut Faults) -> Option<Provider> {
    let id = needed_text(&mut row, "id", faults);
    let name = needed_text(&mut row, "name", faults);
    let rules = AppPassword::ALL.map(AppPassword::code);
    let rule = choice(&mut row, "app_password", &rules, faults);
    let provider = Provider {
        oauth: oauth(&mut row, faults),
        domains: names(&mut row, "domains", faults),
        mx: names(&mut row, "mx", faults),
        servers: servers(&mut row, faults),
        receiving: names(&mut row, "receiving", faults),
        username: username(&mut row, faults),
        login: logins(&mut row, faults),
        app_password: AppPassword::ALL.into_iter().find(|it| Some(it.code()) == rule).unwrap_or(AppPassword::Unknown),
        app_password_page: link(&mut row, "app_password_page", faults),
        help: link(&mut row, "help", faults),
        limits: limits(&mut row, faults),
        chunks_well: choice(&mut row, "chunking", &["good", "bad"], faults) == Some("good"),
        steps_as: row.text("steps_as", faults).or_else(|| id.clone()).unwrap_or_default(),
        steps: links(&mut row, "steps", faults),
        id: id.unwrap_or_default(),
        name: name.unwrap_or_default(),
    };
    provenance(&mut row, faults);
    row.end(faults);
    let is_whole = !provider.id.is_empty() && !provider.name.is_empty();
    is_whole.then_some(provider)
}

fn needed<T>(value: Option<T>, row: &Object, key: &str, faults: &mut Faults) -> Option<T> {
    if value.is_none() {
        let place = row.place_of(key);
        // One that is there and wrong was told already.
        if faults.iter().all(|fault| fault.place != place) {
            faults.push(Fault::program(place, "key_missing"));
        }
    }
    value
}

fn needed_text(row: &mut Object, key: &'static str, faults: &mut Faults) -> Option<String> {
    let text = row.text(key, faults).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    needed(text, row, key, faults)
}

/// One of the words that the key takes.
fn choice<'w>(row: &mut Object, key: &'static str, known: &[&'w str], faults: &mut Faults) -> Option<&'w str> {
    let text = row.text(key, faults)?;
    word(&text, || row.place_of(key), known, faults)
}

fn word<'w>(text: &str, place: impl FnOnce() -> String, known: &[&'w str], faults: &mut Faults) -> Option<&'w str> {
    let found = known.iter().copied().find(|word| *word == text);
    if found.is_none() {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
        let fault = Fault::program(place(), "choice_unknown").with("value", shown);
        faults.push(fault.with("choices", known.join(", ")));
    }
    found
}

/// The place of an item; there are thousands of items, and hardly ever one whose place is told.
fn place_at(row: &Object, key: &str, at: usize) -> String {
    format!("{}[{at}]", row.place_of(key))
}

/// The texts of a list with their numbers, the wrong ones told and left out.
fn texts(row: &mut Object, key: &'static str, faults: &mut Faults) -> Vec<(usize, String)> {
    let mut texts = Vec::new();
    for (at, item) in row.list(key, faults).unwrap_or_default().into_iter().enumerate() {
        match item {
            Value::String(text) => texts.push((at, text)),
            _ => faults.push(Fault::program(place_at(row, key, at), "wrong_type_expected").with("expected", "text")),
        }
    }
    texts
}

fn names(row: &mut Object, key: &'static str, faults: &mut Faults) -> Vec<String> {
    let mut names = Vec::new();
    for (at, text) in texts(row, key, faults) {
        match host_name(&text) {
            Some(name) => names.push(name),
            None => faults.push(Fault::program(place_at(row, key, at), "host_name_invalid")),
        }
    }
    names
}

fn host_name(text: &str) -> Option<String> {
    let name = canonical(text);
    let is_name = (1..=253).contains(&name.len())
        && name.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        });
    // An address is compared as it is written out, however it was typed.
    name.parse().map_or(is_name.then_some(name), |address: IpAddr| Some(address.to_string()))
}

fn servers(row: &mut Object, faults: &mut Faults) -> Vec<Endpoint> {
    let list = row.list("servers", faults).unwrap_or_default();
    let numbered = list.into_iter().enumerate();
    numbered.filter_map(|(at, item)| server(Object::new(item, place_at(row, "servers", at), faults)?, faults)).collect()
}

fn server(mut object: Object, faults: &mut Faults) -> Option<Endpoint> {
    let host = object.text("host", faults).and_then(|text| {
        let name = host_name(&text);
        if name.is_none() {
            faults.push(Fault::program(object.place_of("host"), "host_name_invalid"));
        }
        name
    });
    let host = needed(host, &object, "host", faults);
    let port = object.number("port", 1, 65535, faults).and_then(|port| u16::try_from(port).ok());
    let port = needed(port, &object, "port", faults);
    let security = match choice(&mut object, "security", SECURITIES, faults) {
        Some("tls") => Some(Security::Tls),
        Some("starttls") => Some(Security::StartTls),
        Some(_) => Some(Security::None),
        None => None,
    };
    let security = needed(security, &object, "security", faults);
    object.end(faults);
    Some(Endpoint { host: host?, port: port?, security: security? })
}

fn username(row: &mut Object, faults: &mut Faults) -> Username {
    match row.take("username") {
        None => Username::Address,
        Some(Value::String(text)) => match word(&text, || row.place_of("username"), USERNAMES, faults) {
            Some("local_part") => Username::LocalPart,
            Some("other") => Username::Other,
            _ => Username::Address,
        },
        Some(other) => {
            let Some(mut object) = Object::new(other, row.place_of("username"), faults) else { return Username::Other };
            let fixed = needed_text(&mut object, "fixed", faults);
            object.end(faults);
            fixed.map_or(Username::Other, Username::Fixed)
        }
    }
}

fn logins(row: &mut Object, faults: &mut Faults) -> Vec<&'static str> {
    let texts = texts(row, "login", faults);
    texts.into_iter().filter_map(|(at, text)| word(&text, || place_at(row, "login", at), LOGINS, faults)).collect()
}

fn limits(row: &mut Object, faults: &mut Faults) -> Limits {
    let Some(mut object) = row.object("limits", faults) else { return Limits::default() };
    let mut number = |key| object.number(key, 1, LARGEST_LIMIT, faults);
    let limits = Limits {
        per_day: number("per_day"),
        per_hour: number("per_hour"),
        recipients: number("recipients"),
        bytes: number("bytes"),
    };
    object.end(faults);
    limits
}

fn link(row: &mut Object, key: &'static str, faults: &mut Faults) -> Option<String> {
    let text = row.text(key, faults)?;
    checked_link(text, || row.place_of(key), faults)
}

/// A link is opened by a click: nothing but a web page may hide behind it.
fn checked_link(text: String, place: impl FnOnce() -> String, faults: &mut Faults) -> Option<String> {
    if page(&text).is_some() {
        return Some(text);
    }
    faults.push(Fault::program(place(), "link_invalid"));
    None
}

/// A link or `null` for each.
fn links(row: &mut Object, key: &'static str, faults: &mut Faults) -> Vec<Option<String>> {
    let mut links = Vec::new();
    for (at, item) in row.list(key, faults).unwrap_or_default().into_iter().enumerate() {
        let place = || place_at(row, key, at);
        links.push(match item {
            Value::Null => None,
            Value::String(text) => checked_link(text, place, faults),
            _ => {
                faults.push(Fault::program(place(), "wrong_type_expected").with("expected", "a link or null"));
                None
            }
        });
    }
    links
}

/// `None` where nobody could sign in with what is there.
fn oauth(row: &mut Object, faults: &mut Faults) -> Option<Endpoints> {
    let mut object = row.object("oauth", faults)?;
    let mut url = |key| endpoint(&mut object, key, faults);
    let authorization = url("authorization_endpoint");
    let (token, device) = (url("token_endpoint"), url("device_authorization_endpoint"));
    let revocation = url("revocation_endpoint");
    // Issuers are compared as they are written (RFC 9207 section 2.4).
    let issuer = object.text("issuer", faults);
    if issuer.as_deref().is_some_and(|issuer| address(issuer).is_none()) {
        faults.push(Fault::program(object.place_of("issuer"), "link_invalid"));
    }
    let scopes: Vec<String> = texts(&mut object, "scopes", faults).into_iter().map(|(_, scope)| scope).collect();
    texts(&mut object, "sasl", faults);
    let given = object.object("parameters", faults).map(Object::into_members).unwrap_or_default();
    let parameters = given.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect();
    object.end(faults);
    Some(Endpoints { issuer, authorization, token: token?, device, revocation, scope: scopes.join(" "), parameters })
}

fn endpoint(object: &mut Object, key: &'static str, faults: &mut Faults) -> Option<Url> {
    let text = object.text(key, faults)?;
    // RFC 6749 sections 3.1 and 3.2: none has a fragment.
    let url = address(&text).filter(|url| url.fragment().is_none());
    if url.is_none() {
        faults.push(Fault::program(object.place_of(key), "link_invalid"));
    }
    url
}

/// Where the facts are from, and the day when they were looked at: for whoever keeps the rows.
fn provenance(row: &mut Object, faults: &mut Faults) {
    for (at, text) in texts(row, "source", faults) {
        checked_link(text, || place_at(row, "source", at), faults);
    }
    row.text("checked", faults);
}
