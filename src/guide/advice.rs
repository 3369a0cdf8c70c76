//! For each ending: the sentence, and what to do about it, the likeliest first.

use serde_json::{Map, Value, json};

use crate::transport::{Ending, Failure, Step};

use super::{AppPassword, Provider, Texts};

/// What the advice depends on. The texts of the settings are as the user typed them.
pub struct Situation<'s> {
    pub failure: &'s Failure,
    pub step: Option<Step>,
    pub host: &'s str,
    pub port: u16,
    /// The security in effect: `tls`, `starttls` or `none`; empty for the HTTP protocol.
    pub security: &'s str,
    pub username: &'s str,
    pub sender: &'s str,
    pub provider: Option<&'static Provider>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub message: String,
    pub advice: Vec<Advice>,
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
    let words = words(situation);
    let reason = situation.failure.ending.reason();
    Problem {
        message: texts.with(&format!("problem-{reason}"), &words),
        advice: remedies(situation)
            .into_iter()
            .map(|remedy| Advice {
                text: texts.with(&format!("advice-{}", remedy.text), &words),
                code: remedy.code.to_owned(),
                link: remedy.link,
                patch: remedy.patch,
            })
            .collect(),
    }
}

fn words(situation: &Situation<'_>) -> Vec<(&'static str, String)> {
    let failure = situation.failure;
    let (size, limit) = failure.size.unwrap_or_default();
    let certificate = failure.certificate.as_deref();
    vec![
        ("host", situation.host.to_owned()),
        ("port", situation.port.to_string()),
        ("username", situation.username.to_owned()),
        ("sender", situation.sender.to_owned()),
        ("provider", situation.provider.map_or_else(String::new, |provider| provider.name.clone())),
        ("step", situation.step.map_or("start", Step::code).to_owned()),
        // Rounded apart, so that a size a little over the limit does not read as the same number.
        ("size", megabytes(size.div_ceil(100_000))),
        ("limit", megabytes(limit / 100_000)),
        ("limit_known", if limit > 0 { "yes" } else { "no" }.to_owned()),
        ("names", certificate.map_or_else(String::new, |facts| facts.names.join(", "))),
        ("expires", certificate.map_or_else(String::new, |facts| facts.not_after.clone())),
        ("begins", certificate.map_or_else(String::new, |facts| facts.not_before.clone())),
    ]
}

fn megabytes(tenths: u64) -> String {
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

struct Remedy {
    code: &'static str,
    /// The catalogue's name of the text: the code, or a variant of it for one provider.
    text: String,
    link: Option<String>,
    patch: Option<Map<String, Value>>,
}

fn remedy(code: &'static str) -> Remedy {
    Remedy { code, text: code.to_owned(), link: None, patch: None }
}

fn patched(code: &'static str, patch: Value) -> Remedy {
    let patch = if let Value::Object(patch) = patch { Some(patch) } else { None };
    Remedy { patch, ..remedy(code) }
}

fn remedies(situation: &Situation<'_>) -> Vec<Remedy> {
    let is_smtp = !situation.security.is_empty();
    match situation.failure.ending {
        Ending::Accepted | Ending::AcceptedPartly | Ending::Canceled => vec![],

        Ending::NameNotFound => vec![remedy("check_host"), remedy("check_internet")],
        Ending::NameLookupFailed | Ending::NoRoute => vec![remedy("check_internet"), remedy("check_host")],
        Ending::ConnectionRefused | Ending::ConnectionFailed => unreachable(situation),
        Ending::TimedOut | Ending::Disconnected => match situation.step {
            Some(Step::Connect) => unreachable(situation),
            Some(Step::Greeting | Step::Tls) if is_smtp => {
                let mut list = other_mode(situation);
                list.extend([remedy("firewall"), remedy("other_program"), remedy("try_again")]);
                list
            }
            _ => vec![remedy("try_again"), remedy("check_internet"), remedy("firewall")],
        },
        Ending::BadReply => vec![remedy("check_host_and_port"), remedy("firewall"), remedy("other_program")],

        Ending::TlsNotSpoken | Ending::TlsNotOffered | Ending::TlsRefused => {
            let mut list = other_mode(situation);
            list.extend([remedy("check_host_and_port"), remedy("firewall")]);
            list
        }
        Ending::TlsFailed => vec![remedy("check_host_and_port"), remedy("firewall"), remedy("ask_provider")],
        Ending::TlsTooOld => vec![remedy("server_must_update"), remedy("other_server")],
        Ending::BytesBeforeTls => vec![remedy("other_network"), remedy("ask_provider")],
        Ending::CertificateUntrusted => untrusted(situation),
        Ending::CertificateExpired | Ending::CertificateNotYetValid => {
            let mut list = vec![remedy("check_clock"), remedy("renew_certificate")];
            list.extend(accept(situation));
            list
        }
        Ending::CertificateWrongName => wrong_name(situation),
        Ending::CertificateInvalid => {
            let mut list = vec![remedy("check_host"), remedy("firewall"), remedy("ask_provider")];
            list.extend(accept(situation));
            list
        }
        Ending::CertificateChanged => {
            let mut list = vec![remedy("compare_certificate")];
            list.extend(accept(situation));
            list
        }
        Ending::LoginInClear => {
            vec![patched("use_tls", json!({"smtp_security": "auto"})), remedy("allow_insecure_login")]
        }

        Ending::LoginRefused => login_refused(situation),
        Ending::LoginNotOffered => vec![remedy("check_host_and_port"), remedy("login_off"), remedy("ask_provider")],
        Ending::LoginUnsupported => vec![remedy("ask_provider"), remedy("other_server")],
        Ending::LoginRequired => vec![remedy("enter_login")],
        Ending::HttpUnauthorized => vec![remedy("check_token")],

        Ending::ServerBusy | Ending::SenderDeferred | Ending::ContentDeferred | Ending::HttpBusy => {
            vec![remedy("try_later"), remedy("check_limits")]
        }
        Ending::LoginDeferred => vec![remedy("try_later"), remedy("check_login")],
        Ending::RecipientDeferred => vec![remedy("try_later"), remedy("check_recipient")],

        Ending::ServerRefused => vec![remedy("ask_provider"), remedy("other_network")],
        Ending::SenderRefused => vec![remedy("check_sender"), remedy("ask_provider")],
        Ending::RecipientRefused => vec![remedy("check_recipient"), remedy("check_relay")],
        Ending::ContentRefused => vec![remedy("check_content"), remedy("ask_provider")],
        Ending::TooLarge => vec![remedy("make_smaller"), remedy("send_link")],
        Ending::AddressNotSupported => vec![remedy("plain_address")],
        Ending::HttpRefused => vec![remedy("ask_relay")],
        Ending::HttpNotFound | Ending::HttpRedirected => vec![remedy("check_url"), remedy("ask_relay")],

        Ending::NoVerdict => vec![remedy("ask_recipient"), remedy("look_in_sent")],
        Ending::Internal => vec![remedy("report_bug")],
    }
}

/// The classic ones for a server that does not answer.
fn unreachable(situation: &Situation<'_>) -> Vec<Remedy> {
    let mut list = vec![remedy("check_host_and_port")];
    if situation.port == 25 {
        list.push(patched("port_25_blocked", json!({"smtp_port": 587, "smtp_security": "auto"})));
    }
    list.extend([remedy("firewall"), remedy("other_program")]);
    list
}

/// The port and the security mode do not belong together: the pair that usually does, as a patch.
fn other_mode(situation: &Situation<'_>) -> Vec<Remedy> {
    match (situation.port, situation.security) {
        (465, "starttls" | "none") => vec![patched("mode_of_465", json!({"smtp_security": "auto"}))],
        (465, _) => vec![patched("try_587", json!({"smtp_port": 587, "smtp_security": "auto"}))],
        (_, "tls") => vec![patched("mode_of_587", json!({"smtp_security": "auto"}))],
        (_, "starttls") => vec![patched("try_465", json!({"smtp_port": 465, "smtp_security": "auto"}))],
        _ => vec![],
    }
}

/// Offered for one's own server only: a provider's certificate is never self-signed.
fn accept(situation: &Situation<'_>) -> Option<Remedy> {
    let certificate = situation.failure.certificate.as_deref()?;
    (situation.provider.is_none() && !situation.security.is_empty()).then(|| {
        patched(
            "accept_certificate",
            json!({
                "allow_untrusted_certificate": true,
                "trusted_certificate": certificate.fingerprint.to_string(),
            }),
        )
    })
}

fn untrusted(situation: &Situation<'_>) -> Vec<Remedy> {
    if situation.provider.is_some() {
        return vec![remedy("intercepted"), remedy("other_network"), remedy("check_clock")];
    }
    let mut list: Vec<_> = accept(situation).into_iter().collect();
    list.extend([remedy("firewall"), remedy("ask_provider")]);
    list
}

fn wrong_name(situation: &Situation<'_>) -> Vec<Remedy> {
    let names = situation.failure.certificate.as_ref().map(|facts| facts.names.as_slice()).unwrap_or_default();
    let mut list = match names.iter().find(|name| !name.starts_with('*') && !situation.security.is_empty()) {
        Some(name) => vec![patched("use_certificate_name", json!({"smtp_host": name}))],
        None => vec![remedy("check_host")],
    };
    list.push(remedy("firewall"));
    list.extend(accept(situation));
    list
}

fn login_refused(situation: &Situation<'_>) -> Vec<Remedy> {
    let mut list = Vec::new();
    if let Some(provider) = situation.provider {
        let link = provider.help.clone();
        let variant = match provider.app_password {
            AppPassword::Required => match provider.id.as_str() {
                "gmail" | "google-workspace" => Some(("app_password", "app_password-gmail")),
                "yahoo" => Some(("app_password", "app_password-yahoo")),
                "icloud" => Some(("app_password", "app_password-icloud")),
                _ => Some(("app_password", "app_password")),
            },
            AppPassword::WithTwoSteps => Some(("app_password", "app_password-two_steps")),
            AppPassword::SignInOnly => Some(("password_login_off", "password_login_off")),
            AppPassword::Unknown => None,
        };
        list.extend(variant.map(|(code, text)| Remedy { code, text: text.to_owned(), link, patch: None }));
    }
    if !situation.username.is_empty() && !situation.username.contains('@') {
        list.push(remedy("full_address"));
    }
    list.push(remedy("check_login"));
    if situation.provider.is_none() {
        list.push(Remedy { text: "app_password-any".to_owned(), ..remedy("app_password") });
    }
    list.push(remedy("other_program"));
    list
}
