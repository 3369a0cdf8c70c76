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
    pub provider: Option<&'s Provider>,
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
    let is_copy = situation.refused.is_some_and(|refused| refused.is_copy);
    let variant = match (is_copy, situation.proxy) {
        (true, _) => texts.find(&format!("problem-{reason}-copy"), &words),
        (false, Some(_)) => texts.find(&format!("problem-{reason}-proxy"), &words),
        (false, None) => None,
    };
    Problem {
        message: variant.unwrap_or_else(|| texts.with(&format!("problem-{reason}"), &words)),
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
        ("recipient", situation.refused.map_or("", |refused| refused.address).to_owned()),
        ("proxy", situation.proxy.unwrap_or_default().to_owned()),
        ("provider", situation.provider.map_or_else(String::new, |provider| provider.name.clone())),
        ("step", situation.step.map_or("start", Step::code).to_owned()),
        // Rounded apart, so that a size a little over the limit does not read as the same number.
        ("size", megabytes(size.div_ceil(100_000))),
        ("limit", megabytes(limit / 100_000)),
        ("limit_known", if limit > 0 { "yes" } else { "no" }.to_owned()),
        ("names", certificate.map_or_else(String::new, |facts| facts.names.join(", "))),
        ("names_known", if certificate.is_some_and(|facts| !facts.names.is_empty()) { "yes" } else { "no" }.to_owned()),
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

/// The likeliest first.
fn remedies(situation: &Situation<'_>) -> Vec<Remedy> {
    let ending = situation.failure.ending;
    match situation.step {
        Some(Step::Turn) if ending == Ending::OutOfTime => all(&["fewer_at_once"]),
        _ => {
            let of_proxy = situation.proxy.and_then(|_| for_proxy(ending));
            let of_server = || if situation.security.is_empty() { for_http(ending) } else { for_smtp(situation) };
            of_proxy.unwrap_or_else(of_server)
        }
    }
}

fn all(codes: &[&'static str]) -> Vec<Remedy> {
    codes.iter().copied().map(remedy).collect()
}

/// What is about the proxy and not about the server; the settings of the server are then not to blame.
fn for_proxy(ending: Ending) -> Option<Vec<Remedy>> {
    use Ending as E;
    match ending {
        E::NameLookupFailed | E::NoRoute => Some(all(&["check_internet", "check_proxy"])),
        E::NameNotFound | E::ConnectionRefused | E::ConnectionFailed | E::TimedOut | E::Disconnected => {
            Some(all(&["check_proxy", "check_internet", "firewall"]))
        }
        E::BadReply => Some(all(&["check_proxy", "firewall"])),
        E::ProxyLoginRefused => Some(all(&["check_proxy_login", "ask_proxy"])),
        E::ProxyFailed => Some(all(&["check_host_and_port", "ask_proxy"])),
        _ => None,
    }
}

fn for_http(ending: Ending) -> Vec<Remedy> {
    use Ending as E;
    match ending {
        E::Accepted | E::AcceptedPartly | E::Canceled => vec![],
        E::NameLookupFailed | E::NoRoute => all(&["check_internet", "check_url"]),
        E::NameNotFound | E::ConnectionRefused | E::ConnectionFailed => {
            all(&["check_url", "check_internet", "firewall", "ask_relay"])
        }
        E::TimedOut | E::OutOfTime | E::Disconnected => all(&["try_again", "check_internet", "firewall", "ask_relay"]),
        E::CertificateExpired | E::CertificateNotYetValid => all(&["check_clock", "ask_relay"]),
        E::TlsFailed
        | E::TlsNotSpoken
        | E::TlsTooOld
        | E::TlsNotOffered
        | E::TlsRefused
        | E::BytesBeforeTls
        | E::CertificateUntrusted
        | E::CertificateWrongName
        | E::CertificateInvalid
        | E::CertificateChanged => all(&["check_url", "firewall", "ask_relay"]),
        E::HttpUnauthorized => all(&["check_token"]),
        E::HttpBusy => all(&["try_later", "ask_relay"]),
        E::TooLarge => all(&["make_smaller", "send_link"]),
        E::FileChanged => all(&["complete_file"]),
        E::FileUnreadable => all(&["check_file"]),
        E::NoVerdict => all(&["ask_recipient", "ask_relay"]),
        E::ProxyLoginRefused | E::ProxyFailed => all(&["ask_proxy"]),
        E::BadReply | E::HttpNotFound | E::HttpRedirected => all(&["check_url", "ask_relay"]),
        // What only SMTP servers say stands here for completeness.
        E::HttpRefused
        | E::LoginInClear
        | E::LoginServerUnproven
        | E::EncryptionRequired
        | E::LoginRefused
        | E::LoginNotOffered
        | E::LoginUnsupported
        | E::LoginRequired
        | E::ServerBusy
        | E::LoginDeferred
        | E::SenderDeferred
        | E::RecipientDeferred
        | E::ContentDeferred
        | E::ServerRefused
        | E::SenderRefused
        | E::RecipientRefused
        | E::ContentRefused
        | E::AddressNotSupported => all(&["ask_relay"]),
        E::Internal => all(&["report_bug"]),
    }
}

fn for_smtp(situation: &Situation<'_>) -> Vec<Remedy> {
    use Ending as E;
    match situation.failure.ending {
        E::Accepted | E::AcceptedPartly | E::Canceled => vec![],

        // A provider's server is not misspelt: the network is what is missing.
        E::NameNotFound if situation.provider.is_none() => all(&["check_host", "check_internet"]),
        E::NameNotFound | E::NameLookupFailed | E::NoRoute => all(&["check_internet", "check_host"]),
        E::ConnectionRefused | E::ConnectionFailed => unreachable(situation),
        E::TimedOut | E::Disconnected => silent(situation),
        E::OutOfTime => all(&["try_again", "check_internet"]),
        E::BadReply => all(&["check_host_and_port", "firewall", "other_program"]),
        E::ProxyLoginRefused | E::ProxyFailed => all(&["ask_proxy"]),

        E::TlsNotSpoken | E::TlsNotOffered | E::TlsRefused => {
            other_mode(situation).into_iter().chain(all(&["check_host_and_port", "firewall"])).collect()
        }
        E::TlsFailed => all(&["check_host_and_port", "firewall", "ask_provider"]),
        E::TlsTooOld => all(&["server_must_update", "other_server"]),
        E::BytesBeforeTls | E::LoginServerUnproven => all(&["other_network", "ask_provider"]),
        E::CertificateUntrusted
        | E::CertificateExpired
        | E::CertificateNotYetValid
        | E::CertificateWrongName
        | E::CertificateInvalid
        | E::CertificateChanged => certificate(situation),
        E::LoginInClear => vec![use_tls(), remedy("allow_insecure_login")],
        E::EncryptionRequired => vec![use_tls(), remedy("ask_provider")],

        E::LoginRefused => login_refused(situation),
        E::LoginNotOffered => {
            let without_tls = (situation.security == "none").then(use_tls);
            without_tls.into_iter().chain(all(&["check_host_and_port", "login_off", "ask_provider"])).collect()
        }
        E::LoginUnsupported => all(&["ask_provider", "other_server"]),
        E::LoginRequired => all(&["enter_login"]),
        E::HttpUnauthorized => all(&["check_token"]),

        E::ServerBusy | E::SenderDeferred | E::ContentDeferred | E::HttpBusy => all(&["try_later", "check_limits"]),
        E::LoginDeferred => all(&["try_later", "check_login"]),
        E::RecipientDeferred => all(&["try_later", "check_recipient"]),

        E::ServerRefused => all(&["ask_provider", "other_network"]),
        E::SenderRefused => all(&["check_sender", "ask_provider"]),
        E::RecipientRefused => recipient_refused(situation),
        // Microsoft says only after the content that the sender is not the login's (SendAsDenied).
        E::ContentRefused if matches!(enhanced(situation), Some("5.7.60" | "5.2.252")) => {
            all(&["check_sender", "ask_provider"])
        }
        E::ContentRefused => all(&["check_content", "ask_provider"]),
        E::TooLarge => all(&["make_smaller", "send_link"]),
        E::AddressNotSupported => all(&["plain_address"]),
        E::HttpRefused | E::HttpNotFound | E::HttpRedirected => all(&["check_url", "ask_relay"]),

        E::FileChanged => all(&["complete_file"]),
        E::FileUnreadable => all(&["check_file"]),
        E::NoVerdict => all(&["ask_recipient", "look_in_sent"]),
        E::Internal => all(&["report_bug"]),
    }
}

fn enhanced<'s>(situation: &'s Situation<'_>) -> Option<&'s str> {
    situation.failure.server.as_ref()?.enhanced.as_deref()
}

fn use_tls() -> Remedy {
    patched("use_tls", json!({"smtp_security": "auto"}))
}

/// The classic ones for a server that does not answer.
fn unreachable(situation: &Situation<'_>) -> Vec<Remedy> {
    let blocked = patched("port_25_blocked", json!({"smtp_port": 587, "smtp_security": "auto"}));
    let mut list = all(&["check_host_and_port"]);
    list.extend((situation.port == 25).then_some(blocked));
    list.extend(all(&["firewall", "other_program"]));
    list
}

/// The connection is there, and then nothing comes, or it goes.
fn silent(situation: &Situation<'_>) -> Vec<Remedy> {
    match situation.step {
        Some(Step::Connect) => unreachable(situation),
        Some(Step::Greeting | Step::Tls) => {
            other_mode(situation).into_iter().chain(all(&["firewall", "other_program", "try_again"])).collect()
        }
        _ => all(&["try_again", "check_internet", "firewall"]),
    }
}

/// The port and the security mode do not belong together: the pair that usually does, as a patch.
fn other_mode(situation: &Situation<'_>) -> Option<Remedy> {
    match (situation.port, situation.security) {
        (465, "starttls" | "none") => Some(patched("mode_of_465", json!({"smtp_security": "auto"}))),
        (465, _) => Some(patched("try_587", json!({"smtp_port": 587, "smtp_security": "auto"}))),
        (25 | 587 | 2525, "tls") => Some(patched("mode_of_587", json!({"smtp_security": "auto"}))),
        (_, "tls") => Some(patched("try_auto", json!({"smtp_security": "auto"}))),
        (_, "starttls") => Some(patched("try_465", json!({"smtp_port": 465, "smtp_security": "auto"}))),
        _ => None,
    }
}

fn certificate(situation: &Situation<'_>) -> Vec<Remedy> {
    let ending = situation.failure.ending;
    if situation.provider.is_some() {
        // Its own certificate is in order: somebody else's is shown, and whoever that is must not be made the server.
        return match ending {
            Ending::CertificateExpired | Ending::CertificateNotYetValid => {
                all(&["check_clock", "intercepted", "other_network"])
            }
            _ => all(&["intercepted", "other_network", "check_clock"]),
        };
    }
    let facts = situation.failure.certificate.as_deref();
    let is_self_signed = facts.is_some_and(|facts| facts.self_signed);
    let accept = facts.map(|facts| {
        let fingerprint = facts.fingerprint.to_string();
        patched("accept_certificate", json!({"allow_untrusted_certificate": true, "trusted_certificate": fingerprint}))
    });
    let mut list = match ending {
        Ending::CertificateChanged => all(&["compare_certificate"]),
        Ending::CertificateExpired | Ending::CertificateNotYetValid => all(&["check_clock", "renew_certificate"]),
        Ending::CertificateWrongName => wrong_name(situation),
        // Nobody but its owner signed it: that is what one's own server looks like.
        _ if is_self_signed => return accept.into_iter().chain(all(&["ask_provider", "firewall"])).collect(),
        _ => all(&["firewall", "check_host", "ask_provider"]),
    };
    let may_accept = is_self_signed || matches!(ending, Ending::CertificateUntrusted | Ending::CertificateChanged);
    list.extend(accept.filter(|_| may_accept));
    list
}

/// The name to use is offered, after the reminder that it must be the provider's.
fn wrong_name(situation: &Situation<'_>) -> Vec<Remedy> {
    let names = situation.failure.certificate.as_ref().map(|facts| facts.names.as_slice()).unwrap_or_default();
    let usable = names.iter().find(|name| !name.starts_with('*'));
    let mut list = all(&["check_host"]);
    list.extend(usable.map(|name| patched("use_certificate_name", json!({"smtp_host": name}))));
    list.extend(all(&["firewall", "ask_provider"]));
    list
}

fn login_refused(situation: &Situation<'_>) -> Vec<Remedy> {
    let mut list = Vec::new();
    if let Some(provider) = situation.provider {
        let link = provider.app_password_page.as_ref().or(provider.help.as_ref()).cloned();
        let variant = match provider.app_password {
            AppPassword::Required => match provider.id.as_str() {
                "gmail" | "google-workspace" => Some(("app_password", "app_password-gmail")),
                "yahoo" => Some(("app_password", "app_password-yahoo")),
                "icloud" => Some(("app_password", "app_password-icloud")),
                _ => Some(("app_password", "app_password")),
            },
            AppPassword::WithTwoSteps => Some(("app_password", "app_password-two_steps")),
            AppPassword::NotForLong => Some(("password_login_off", "password_login_off")),
            AppPassword::NoPassword => Some(("other_account", "other_account")),
            AppPassword::Key => Some(("check_key", "check_key")),
            AppPassword::NotNeeded | AppPassword::Unknown => None,
        };
        list.extend(variant.map(|(code, text)| Remedy { code, text: text.to_owned(), link, patch: None }));
    }
    if situation.provider.is_some_and(|provider| provider.app_password == AppPassword::Key) {
        return list.into_iter().chain(all(&["other_program"])).collect();
    }
    if !situation.username.is_empty() && !situation.username.contains('@') {
        list.push(remedy("full_address"));
    }
    if situation.provider.is_none() {
        list.push(Remedy { text: "app_password-any".to_owned(), ..remedy("app_password") });
    }
    list.extend(all(&["check_login", "other_program"]));
    list
}

/// Many servers judge the sender and the login only when they hear of a recipient.
fn recipient_refused(situation: &Situation<'_>) -> Vec<Remedy> {
    let has_login = !situation.username.is_empty();
    match enhanced(situation) {
        Some(code) if code.starts_with("5.7.") || matches!(code, "5.1.7" | "5.1.8") => {
            if has_login {
                all(&["check_sender", "ask_provider", "check_recipient"])
            } else {
                all(&["check_relay", "check_sender", "check_recipient"])
            }
        }
        _ if has_login => all(&["check_recipient", "ask_provider"]),
        _ => all(&["check_recipient", "check_relay"]),
    }
}
