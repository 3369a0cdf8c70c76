//! For each way to fail: which problem it is, the sentence, and what to do about it, the likeliest first. What is known of
//! problems is in the catalogue, `problems.json`; here a situation is matched with it, and its words are filled in.

mod catalogue;
mod replies;
mod said;
mod when;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::transport::{Ending, Failure, Step};

use super::{Endpoint, Provider, SignIn, Texts};
use catalogue::{Catalogue, Remedy, catalogue};
pub use said::Wait;

/// What a problem and the advice on it depend on. The texts of the settings are as the user typed them.
pub struct Situation<'s> {
    pub failure: &'s Failure,
    pub step: Option<Step>,
    pub host: &'s str,
    pub port: u16,
    /// The security in effect: `tls`, `starttls` or `none`; empty for the HTTP protocol.
    pub security: &'s str,
    pub username: &'s str,
    /// How the login goes: `password` or `oauth2`; empty where there is none.
    pub auth: &'s str,
    pub sender: &'s str,
    pub provider: Option<&'s Provider>,
    /// Whether the user could sign in with it.
    pub sign_in: SignIn,
    /// Host and port of the proxy, if the step is about it and not about the server.
    pub proxy: Option<&'s str>,
    /// The first recipient that met with what is told.
    pub refused: Option<Refused<'s>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Refused<'s> {
    pub address: &'s str,
    /// It is not one of the email's own, but the settings' address for copies.
    pub is_copy: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable; the reason's own where nothing more is known.
    pub code: String,
    pub message: String,
    pub advice: Vec<Advice>,
    /// How long to wait before another try, where the server says it.
    pub wait: Option<Wait>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Stable.
    pub code: String,
    pub text: String,
    pub link: Option<String>,
    /// Settings that, merged into the present ones, follow the advice with one click.
    pub patch: Option<Map<String, Value>>,
}

pub fn explain(texts: &Texts, situation: &Situation<'_>) -> Problem {
    explain_by(catalogue(), texts, situation)
}

fn explain_by(catalogue: &Catalogue, texts: &Texts, situation: &Situation<'_>) -> Problem {
    let words = words(texts, situation);
    let row = catalogue.row(situation);
    let (code, text) = row.map_or_else(
        // A test finds a row for every ending; without one its reason still has a sentence.
        || (situation.failure.ending.reason(), situation.failure.ending.reason()),
        |row| (row.code.as_str(), row.text.as_str()),
    );
    let mut advice: Vec<Advice> = Vec::new();
    for remedy in row.map_or_else(Vec::new, |row| catalogue.remedies(row, situation)) {
        // The first of a code is the one that fits best.
        let is_new = advice.iter().all(|told| told.code != remedy.code);
        advice.extend(is_new.then(|| told(remedy, texts, &words, situation)).flatten());
    }
    let message = texts.with(&format!("problem-{text}"), &words);
    // "Locked for an hour after five attempts" asks nobody to wait whose password was refused.
    let is_asked = situation.failure.retry_after.is_some() || advice.iter().any(|advice| advice.code == "wait");
    let wait = situation.wait().filter(|_| is_asked);
    Problem { code: code.to_owned(), message, advice, wait }
}

/// `None` for an advice whose patch cannot be filled in: there is nothing to click.
fn told(remedy: &Remedy, texts: &Texts, words: &[(&'static str, String)], situation: &Situation<'_>) -> Option<Advice> {
    let patch = match &remedy.patch {
        Some(patch) => Some(
            patch
                .iter()
                .map(|(key, value)| Some((key.clone(), filled_in(value, situation)?)))
                .collect::<Option<_>>()?,
        ),
        None => None,
    };
    Some(Advice {
        code: remedy.code.clone(),
        text: texts.with(&format!("advice-{}", remedy.text), words),
        link: remedy.link.as_deref().and_then(|link| situation.link(link)),
        patch,
    })
}

/// Values that begin with `$` are the situation's.
fn filled_in(value: &Value, situation: &Situation<'_>) -> Option<Value> {
    let Some(name) = value.as_str().filter(|text| text.starts_with('$')) else { return Some(value.clone()) };
    let certificate = situation.failure.certificate.as_deref();
    let text = match name {
        "$sending_port" => return Some(situation.sending()?.port.into()),
        "$sending_security" => situation.sending()?.security_beside_auto().unwrap_or("auto").to_owned(),
        "$fingerprint" => certificate?.fingerprint.to_string(),
        "$certificate_name" => situation.certificate_name()?.to_owned(),
        "$sender" => situation.sender.to_owned(),
        "$sending_host" => situation.sending_host(),
        "$account" => situation.account().to_owned(),
        _ => return None,
    };
    (!text.is_empty()).then(|| text.into())
}

impl Situation<'_> {
    fn wait(&self) -> Option<Wait> {
        let given = self.failure.retry_after.map(|seconds| Wait::of(seconds.into()));
        given.or_else(|| said::wait(&self.failure.server.as_ref()?.text))
    }

    fn link(&self, link: &str) -> Option<String> {
        match link {
            "$help" => self.provider?.help.clone(),
            "$app_password_page" => {
                self.provider.and_then(|it| it.app_password_page.as_ref().or(it.help.as_ref())).cloned()
            }
            "$server_link" => self.server_link(),
            _ => Some(link.to_owned()),
        }
    }

    /// Of what came in clear nobody knows who said it: no link of that is for people to open.
    fn server_link(&self) -> Option<String> {
        let is_in_clear = match self.security {
            "starttls" => matches!(self.step, Some(Step::Greeting | Step::Tls)),
            "none" => true,
            _ => self.proxy.is_some(),
        };
        let words = self.failure.server.as_ref().filter(|_| !is_in_clear)?;
        said::link(&words.text)
    }

    /// The known one, where this one is the same provider's for receiving.
    fn sending(&self) -> Option<&Endpoint> {
        self.provider?.sends_instead_of(self.host)
    }

    /// The first that is one host's. Whoever answered chose it.
    fn certificate_name(&self) -> Option<&str> {
        let names = &self.failure.certificate.as_deref()?.names;
        names.iter().find(|name| !name.starts_with('*')).map(String::as_str)
    }

    /// Who signed in where the settings are for somebody else.
    fn account(&self) -> &str {
        let is_told = self.failure.ending == Ending::OtherAccount;
        self.failure.detail.as_deref().filter(|_| is_told).unwrap_or_default()
    }

    /// What the server for sending is called where this one is for receiving.
    fn sending_host(&self) -> String {
        if let Some(server) = self.sending() {
            return server.host.clone();
        }
        let of_receiving = ["imap.", "imaps.", "pop.", "pop3.", "pops."];
        let domain = of_receiving.iter().find_map(|begin| self.host.strip_prefix(begin));
        domain.map_or_else(|| self.host.to_owned(), |domain| format!("smtp.{domain}"))
    }
}

fn words(texts: &Texts, situation: &Situation<'_>) -> Vec<(&'static str, String)> {
    let failure = situation.failure;
    let (size, limit) = failure.size.unwrap_or_default();
    let certificate = failure.certificate.as_deref();
    vec![
        ("host", situation.host.to_owned()),
        ("port", situation.port.to_string()),
        ("username", situation.username.to_owned()),
        ("account", situation.account().to_owned()),
        ("sender", situation.sender.to_owned()),
        ("recipient", situation.refused.map_or("", |refused| refused.address).to_owned()),
        ("proxy", situation.proxy.unwrap_or_default().to_owned()),
        ("provider", situation.provider.map_or_else(String::new, |provider| provider.name.clone())),
        ("step", situation.step.map_or("start", Step::code).to_owned()),
        ("size", size_rounded_up(texts, size)),
        ("limit", size_rounded_down(texts, limit)),
        ("limit_known", if limit > 0 { "yes" } else { "no" }.to_owned()),
        ("names", certificate.map_or_else(String::new, |facts| said::some_of(&facts.names))),
        ("names_known", if certificate.is_some_and(|facts| !facts.names.is_empty()) { "yes" } else { "no" }.to_owned()),
        ("sending_host", situation.sending_host()),
        ("sending_port", situation.sending().map_or_else(String::new, |server| server.port.to_string())),
        ("certificate_name", situation.certificate_name().unwrap_or_default().to_owned()),
        ("issuer", certificate.map_or_else(String::new, |facts| said::common_name(&facts.issuer))),
        ("expires", certificate.map_or_else(String::new, |facts| day(&facts.not_after))),
        ("begins", certificate.map_or_else(String::new, |facts| day(&facts.not_before))),
        ("count", situation.wait().map_or(0, Wait::count).to_string()),
    ]
}

/// Of an RFC 3339 time: a person does not count in seconds here.
fn day(time: &str) -> String {
    time.split('T').next().unwrap_or_default().to_owned()
}

/// Of an email, rounded up, as a limit is rounded down: one that is a little over does not read as the same number.
pub fn size_rounded_up(texts: &Texts, bytes: u64) -> String {
    size(texts, bytes, u64::div_ceil)
}

pub fn size_rounded_down(texts: &Texts, bytes: u64) -> String {
    size(texts, bytes, |bytes, unit| bytes / unit)
}

fn size(texts: &Texts, bytes: u64, round: fn(u64, u64) -> u64) -> String {
    if bytes < 1_000_000 {
        return texts.with("size-kilobytes", &[("number", round(bytes, 1000).to_string())]);
    }
    let tenths = round(bytes, 100_000);
    texts.with("size-megabytes", &[("whole", (tenths / 10).to_string()), ("tenth", (tenths % 10).to_string())])
}
