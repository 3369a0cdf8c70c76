//! Judges the values of a form: everything that is wrong at once, and the settings if nothing is.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::email::{Address, Mailbox, check_header_text, parse_mailboxes};
use crate::guide::{Provider, Providers};
use crate::input::{Fault, Faults};
use crate::secret::Secret;
use crate::transport::http::Relay;
use crate::transport::smtp::{Credential, Login, Security, Server};
use crate::transport::{Fingerprint, Trust};

use super::fields::{FIELDS, Field, Kind};
use super::provider::{of_server, sends_instead};
use super::server_name;
use super::settings::{Belonging, Route, SIGN_IN, Settings, Stored, TokenLogin};
use super::values::Values;

/// Longer than any real one, and short enough for a header.
const LONGEST_TEXT: usize = 500;
/// Tokens are long.
const LONGEST_SECRET: usize = 2000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Save,
    /// The certificate that is to be trusted may still be unknown: showing it is what the test is for.
    Test,
}

pub struct Checked<'p> {
    /// By key, at most one for each field.
    pub faults: Faults,
    /// Key and code of the text.
    pub warnings: Vec<(&'static str, &'static str)>,
    /// The one that runs the server.
    pub provider: Option<&'p Provider>,
    /// There if nothing is at fault.
    pub settings: Option<Settings>,
    /// What the store would keep: the shown fields only, so that nothing hidden comes back later.
    pub kept: Map<String, Value>,
    pub secrets: BTreeMap<String, Secret>,
}

pub fn check<'p>(providers: &'p Providers, values: &Values, stored: Option<&Stored>, purpose: Purpose) -> Checked<'p> {
    let provider = of_server(providers, values);
    let mut checker = Checker { values, provider, faults: Faults::new(), purpose };
    let parts = checker.parts();
    let secrets = checker.secrets(stored);
    checker.agreement(&parts, &secrets);
    let settings = if checker.faults.is_empty() { checker.settings(parts, &secrets) } else { None };
    Checked {
        warnings: warnings(values, provider),
        provider,
        settings,
        kept: kept(values),
        secrets,
        faults: checker.faults,
    }
}

/// What the stored secrets belong to, given the values that were stored with them.
pub fn belonging(values: &Values) -> Belonging {
    let smtp = || {
        let host = server_name::host("smtp_host", values.text("smtp_host")).ok()?;
        let port = port(values)?;
        Some(format!("{host} {port} {:?} {}", security(values, port), values.text("username")))
    };
    let http = || server_name::url("http_server", values.text("http_server")).ok().map(String::from);
    let sign_in = || {
        let host = server_name::host("smtp_host", values.text("smtp_host")).ok()?;
        Some(format!("{host} {}", values.text("username")))
    };
    let is_http = values.text("protocol") == "http";
    Belonging {
        sign_in: if is_http || !has_token(values) { String::new() } else { sign_in().unwrap_or_default() },
        password: if is_http { String::new() } else { smtp().unwrap_or_default() },
        token: if is_http { http().unwrap_or_default() } else { String::new() },
    }
}

/// What was understood of the single fields.
#[derive(Default)]
struct Parts {
    url: Option<url::Url>,
    host: Option<String>,
    port: Option<u16>,
    sender: Option<Address>,
    copy_to: Vec<Mailbox>,
    reply_to: Vec<Mailbox>,
    fingerprint: Option<Fingerprint>,
}

struct Checker<'c> {
    values: &'c Values,
    provider: Option<&'c Provider>,
    faults: Faults,
    purpose: Purpose,
}

impl Checker<'_> {
    fn parts(&mut self) -> Parts {
        let mut parts = Parts::default();
        for field in FIELDS.iter().filter(|field| field.shown.holds(self.values)) {
            if let Err(fault) = self.field(field, &mut parts) {
                self.faults.push(fault);
            }
        }
        if parts.sender.is_none() {
            parts.sender = Address::parse(self.values.text("username")).ok();
        }
        parts
    }

    fn field(&self, field: &'static Field, parts: &mut Parts) -> Result<(), Fault> {
        let (key, text) = (field.key, self.values.text(field.key));
        if matches!(field.kind, Kind::Secret | Kind::Checkbox) {
            return Ok(());
        }
        if text.is_empty() {
            let may_wait = self.purpose == Purpose::Test && field.kind == Kind::Fingerprint;
            let is_missing = field.required.holds(self.values) && !may_wait;
            return if is_missing { Err(Fault::input(key, "required")) } else { Ok(()) };
        }
        if text.chars().count() > LONGEST_TEXT && field.kind != Kind::EmailList {
            return Err(Fault::input(key, "too_long_text").with("limit", LONGEST_TEXT.to_string()));
        }
        match field.kind {
            Kind::Choice(choices) if choices.contains(&text) => {}
            Kind::Choice(choices) => {
                let shown: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
                let fault = Fault::input(key, "choice_unknown").with("value", shown);
                return Err(fault.with("choices", choices.join(", ")));
            }
            Kind::Url => parts.url = Some(server_name::url(key, text)?),
            Kind::Host => parts.host = Some(server_name::host(key, text)?),
            Kind::Port => parts.port = Some(port(self.values).ok_or_else(|| Fault::input(key, "port_invalid"))?),
            Kind::Text if key == "username" && text.contains(char::is_control) => {
                return Err(Fault::input(key, "username_control"));
            }
            Kind::Text => check_header_text(key, text)?,
            Kind::Email => parts.sender = Some(Address::parse(text).map_err(|problem| problem.at(key))?),
            Kind::EmailList if key == "copy_to" => parts.copy_to = mailboxes(key, text)?,
            Kind::EmailList => parts.reply_to = mailboxes(key, text)?,
            Kind::Fingerprint => {
                let fingerprint = Fingerprint::parse(text);
                parts.fingerprint = Some(fingerprint.ok_or_else(|| Fault::input(key, "fingerprint_invalid"))?);
            }
            Kind::Secret | Kind::Checkbox => {}
        }
        Ok(())
    }

    /// Each shown secret: as typed, else as stored if it belongs here.
    fn secrets(&mut self, stored: Option<&Stored>) -> BTreeMap<String, Secret> {
        let mut secrets = BTreeMap::new();
        for field in FIELDS.iter().filter(|field| field.kind == Kind::Secret && field.shown.holds(self.values)) {
            let secret = match self.values.secret(field.key) {
                Some(typed) => typed_secret(field.key, typed).map(Some),
                None => self.stored_secret(field, stored),
            };
            match secret {
                Ok(Some(secret)) => {
                    secrets.insert(field.key.to_owned(), secret);
                }
                Ok(None) => {}
                Err(fault) => self.faults.push(fault),
            }
        }
        secrets.extend(self.sign_in(stored));
        secrets
    }

    /// The stored one, if it is of this server and user.
    fn sign_in(&self, stored: Option<&Stored>) -> Option<(String, Secret)> {
        let stored = stored.filter(|stored| stored.belongs_to.sign_in == belonging(self.values).sign_in)?;
        let secret = stored.secrets.get(SIGN_IN).filter(|_| !stored.belongs_to.sign_in.is_empty())?;
        Some((SIGN_IN.to_owned(), secret.clone()))
    }

    fn stored_secret(&self, field: &Field, stored: Option<&Stored>) -> Result<Option<Secret>, Fault> {
        let is_required = field.required.holds(self.values);
        let is_token = field.key == "http_token";
        let kept = stored.and_then(|stored| Some((stored.secrets.get(field.key)?, &stored.belongs_to)));
        let here = belonging(self.values);
        match kept {
            Some((secret, of)) if is_token && of.token == here.token => Ok(Some(secret.clone())),
            // Without a username there is no login, and a password would have nothing to go with.
            Some((secret, of)) if is_required && of.password == here.password => Ok(Some(secret.clone())),
            Some(_) if is_required => Err(Fault::input(field.key, "password_again")),
            None if is_required => Err(Fault::input(field.key, "required")),
            // A token that belongs to another relay is not for this one, which may want none.
            _ => Ok(None),
        }
    }

    /// What is right by itself and wrong together.
    fn agreement(&mut self, parts: &Parts, secrets: &BTreeMap<String, Secret>) {
        let values = self.values;
        if values.text("protocol") != "smtp" {
            return;
        }
        let username = values.text("username");
        if username.is_empty() && secrets.contains_key("password") {
            self.faults.push(Fault::input("username", "password_without_username"));
        }
        let is_loopback = parts.host.as_deref().is_none_or(server_name::is_loopback);
        let is_clear = values.text("smtp_security") == "none" && !username.is_empty() && !is_loopback;
        if is_clear && has_token(values) {
            // Whoever reads a token can send with it, so that there is no box to tick.
            self.faults.push(Fault::input("smtp_security", "token_in_clear"));
        } else if is_clear && !values.flag("allow_insecure_login") {
            self.faults.push(Fault::input("allow_insecure_login", "insecure_login"));
        }
        if values.flag("allow_untrusted_certificate")
            && let Some(provider) = self.provider
        {
            self.faults.retain(|fault| fault.place != "trusted_certificate");
            self.faults.push(
                Fault::input("allow_untrusted_certificate", "established_provider").with("provider", &provider.name),
            );
        }
    }

    fn settings(&self, parts: Parts, secrets: &BTreeMap<String, Secret>) -> Option<Settings> {
        let values = self.values;
        let route = if values.text("protocol") == "http" {
            Route::Http(Box::new(Relay { url: parts.url?, token: secrets.get("http_token").cloned() }))
        } else {
            let port = parts.port?;
            let username = values.text("username");
            let mailbox = Some(values.text("mailbox")).filter(|mailbox| !mailbox.is_empty());
            let token_login = has_token(values)
                .then(|| TokenLogin { account: username.to_owned(), user: mailbox.unwrap_or(username).to_owned() });
            let login = secrets.get("password").map(|password| Login {
                username: username.to_owned(),
                credential: Credential::Password(password.clone()),
            });
            let server = Server {
                host: parts.host?,
                port,
                security: security(values, port),
                trust: parts.fingerprint.map_or(Trust::Authorities, Trust::Pinned),
                login,
                allow_insecure_login: values.flag("allow_insecure_login"),
                chunks_well: false,
            };
            Route::Smtp { server: Arc::new(server), sender: parts.sender?, token_login }
        };
        Some(Settings {
            sender_name: values.text("sender_name").to_owned(),
            copy_to: parts.copy_to.into_iter().map(|mailbox| mailbox.address).collect(),
            reply_to: parts.reply_to,
            route,
            sign_in_of: secrets.contains_key(SIGN_IN).then(|| belonging(values).sign_in),
        })
    }
}

fn typed_secret(key: &'static str, typed: &Secret) -> Result<Secret, Fault> {
    if typed.expose().contains(char::is_control) {
        return Err(Fault::input(key, "secret_control"));
    }
    if typed.expose().chars().count() > LONGEST_SECRET {
        return Err(Fault::input(key, "too_long_text").with("limit", LONGEST_SECRET.to_string()));
    }
    Ok(typed.clone())
}

fn has_token(values: &Values) -> bool {
    values.text("auth") == "oauth2"
}

fn port(values: &Values) -> Option<u16> {
    values.text("smtp_port").parse().ok().filter(|port| *port > 0)
}

fn security(values: &Values, port: u16) -> Security {
    match values.text("smtp_security") {
        "tls" => Security::Tls,
        "starttls" => Security::StartTls,
        "none" => Security::None,
        _ => Security::automatic(port),
    }
}

/// A field has room for one sentence: the first fault of its list is told, under the field's own key.
fn mailboxes(key: &'static str, text: &str) -> Result<Vec<Mailbox>, Fault> {
    let mut faults = Faults::new();
    let list = parse_mailboxes(key, text, &mut faults);
    match faults.into_iter().next() {
        Some(fault) => Err(Fault { place: key.to_owned(), ..fault }),
        None => Ok(list),
    }
}

fn warnings(values: &Values, provider: Option<&Provider>) -> Vec<(&'static str, &'static str)> {
    let mut warnings = Vec::new();
    if values.text("protocol") != "smtp" {
        return warnings;
    }
    if sends_instead(provider, values).is_some() {
        warnings.push(("smtp_host", "host_incoming"));
    }
    if port(values) == Some(25) {
        warnings.push(("smtp_port", "port_25"));
    }
    if values.text("smtp_security") == "none" {
        warnings.push(("smtp_security", "no_encryption"));
    }
    if values.flag("allow_untrusted_certificate") {
        warnings.push(("allow_untrusted_certificate", "own_certificate"));
    }
    warnings
}

fn kept(values: &Values) -> Map<String, Value> {
    FIELDS
        .iter()
        .filter(|field| field.kind != Kind::Secret && field.shown.holds(values))
        .map(|field| (field.key.to_owned(), normal(field, values)))
        .collect()
}

/// Two ways of writing the same value are kept as one.
fn normal(field: &Field, values: &Values) -> Value {
    let text = values.text(field.key);
    match field.kind {
        Kind::Url => server_name::url(field.key, text).map_or_else(|_| text.into(), |url| String::from(url).into()),
        Kind::Fingerprint => Fingerprint::parse(text).map_or_else(|| text.into(), |it| it.to_string().into()),
        _ => values.json(field),
    }
}
