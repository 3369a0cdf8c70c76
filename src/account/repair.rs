//! After a test that came to no safe connection: the neighbouring settings are tried, without a login, and what works
//! becomes the first advice.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::guide::{Advice, Texts};
use crate::transport::smtp::{Mode, Probe, Security, Server, Submission, Tried, probe};
use crate::transport::{Ending, Failure, Journal, Network, Step};

use super::delivery::Delivery;

/// Whoever tests has waited already.
const LIMIT: Duration = Duration::from_secs(5);

/// What submission servers listen to (RFC 8314, 6409), the safest first. 2525 is where 25 and 587 are blocked.
const USUAL: [Mode; 4] = [
    Mode { port: 465, security: Security::Tls },
    Mode { port: 587, security: Security::StartTls },
    Mode { port: 2525, security: Security::StartTls },
    Mode { port: 25, security: Security::StartTls },
];

/// What else could be set is tried, if that can help at all; in this time, of which there may be less than is wanted.
pub async fn run(
    delivery: &Delivery,
    failure: &Failure,
    network: &Network,
    journal: &Journal,
    left: Duration,
) -> Option<Vec<Tried>> {
    let Delivery::Smtp(Submission { server, .. }) = delivery else { return None };
    if left.is_zero() || !is_of_the_connection(failure.ending, journal) {
        return None;
    }
    journal.tell(Step::Repair);
    let modes = neighbours(server);
    let about = Probe { host: &server.host, modes: &modes, trust: server.trust, has_login: server.login.is_some() };
    Some(probe(about, left.min(LIMIT), network).await)
}

/// The ports that other servers use; and on one that is not among them, the other way to encrypt.
fn neighbours(server: &Server) -> Vec<Mode> {
    let failed = Mode { port: server.port, security: server.security };
    let is_usual = USUAL.iter().any(|mode| mode.port == failed.port);
    let others = [Security::Tls, Security::StartTls].map(|security| Mode { security, ..failed });
    let others = others.into_iter().filter(|_| !is_usual);
    others.chain(USUAL).filter(|mode| *mode != failed).collect()
}

/// The port, the encryption or what stands in between is to blame, and not the name, the network, the proxy or the login.
fn is_of_the_connection(ending: Ending, journal: &Journal) -> bool {
    use Ending as E;
    let step = journal.step();
    if step == Some(Step::SignIn) {
        // At another server.
        return false;
    }
    let is_about_proxy = journal.steps().last().is_some_and(|last| last.found.proxy.is_some());
    match ending {
        E::ConnectionRefused | E::ConnectionFailed | E::NoRoute => !is_about_proxy,
        E::TimedOut => match step {
            Some(Step::Connect) => !is_about_proxy,
            step => matches!(step, Some(Step::Proxy | Step::Tls | Step::Greeting)),
        },
        E::Disconnected | E::BadReply => matches!(step, Some(Step::Tls | Step::Greeting)),
        // The last as port 25 mostly is for servers, which have none.
        E::ProxyFailed
        | E::TlsFailed
        | E::TlsNotSpoken
        | E::TlsTooOld
        | E::TlsNotOffered
        | E::TlsRefused
        | E::BytesBeforeTls
        | E::CertificateUntrusted
        | E::CertificateExpired
        | E::CertificateNotYetValid
        | E::CertificateWrongName
        | E::CertificateInvalid
        | E::CertificateChanged
        | E::LoginNotOffered => true,
        E::Accepted
        | E::AcceptedPartly
        | E::NameNotFound
        | E::NameLookupFailed
        | E::OutOfTime
        | E::ProxyLoginRefused
        | E::LoginInClear
        | E::LoginServerUnproven
        | E::EncryptionRequired
        | E::LoginRefused
        | E::LoginUnsupported
        | E::LoginRequired
        | E::TokenRefused
        | E::OtherAccount
        | E::NoListener
        | E::HttpUnauthorized
        | E::ServerBusy
        | E::LoginDeferred
        | E::SenderDeferred
        | E::RecipientDeferred
        | E::ContentDeferred
        | E::HttpBusy
        | E::ServerRefused
        | E::SenderRefused
        | E::RecipientRefused
        | E::ContentRefused
        | E::TooLarge
        | E::AddressNotSupported
        | E::HttpRefused
        | E::HttpNotFound
        | E::HttpRedirected
        | E::FileChanged
        | E::FileUnreadable
        | E::NoVerdict
        | E::Canceled
        | E::Internal => false,
    }
}

/// What works comes first, and what is known now takes the place of guesses at the same.
pub fn advise(texts: &Texts, delivery: &Delivery, tried: &[Tried], advice: Vec<Advice>) -> Vec<Advice> {
    let Delivery::Smtp(Submission { server, .. }) = delivery else { return advice };
    let works = tried.iter().find(|tried| tried.failed.is_none()).map(|tried| tried.mode);
    let is_known = |advice: &Advice| {
        let guessed = advice.patch.as_ref().and_then(|patch| guessed(patch, server));
        guessed.is_some_and(|mode| works.is_some() || tried.iter().any(|tried| tried.mode == mode))
    };
    let first = works.map(|mode| use_what_works(texts, server, mode));
    first.into_iter().chain(advice.into_iter().filter(|advice| !is_known(advice))).collect()
}

/// The port and encryption that a patch leads to, if it changes them. Of another server nothing is known.
fn guessed(patch: &Map<String, Value>, server: &Server) -> Option<Mode> {
    if patch.get("smtp_host").is_some_and(|host| *host != server.host) {
        return None;
    }
    let port = patch.get("smtp_port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    let security = patch.get("smtp_security").and_then(Value::as_str);
    if port.is_none() && security.is_none() {
        return None;
    }
    let port = port.unwrap_or(server.port);
    let security = match security {
        Some("tls") => Security::Tls,
        Some("starttls") => Security::StartTls,
        Some("none") => Security::None,
        _ => Security::automatic(port),
    };
    Some(Mode { port, security })
}

fn use_what_works(texts: &Texts, server: &Server, mode: Mode) -> Advice {
    let is_automatic = Security::automatic(mode.port) == mode.security;
    let encryption = if is_automatic { "auto" } else { mode.security.code() };
    let text = match (mode.port == server.port, is_automatic) {
        (false, _) => "advice-use_what_works",
        (true, true) => "advice-use_what_works-auto",
        (true, false) => "advice-use_what_works-tls",
    };
    let mut patch = Map::new();
    if mode.port != server.port {
        patch.insert("smtp_port".to_owned(), mode.port.into());
    }
    patch.insert("smtp_security".to_owned(), encryption.into());
    Advice {
        code: "use_what_works".to_owned(),
        text: texts.with(text, &[("host", server.host.clone()), ("port", mode.port.to_string())]),
        link: None,
        patch: Some(patch),
    }
}

/// The member `tried` of the reply.
pub fn told(tried: &[Tried]) -> Value {
    let one = |tried: &Tried| {
        json!({
            "port": tried.mode.port,
            "security": tried.mode.security.code(),
            "works": tried.failed.is_none(),
            "reason": tried.failed.map(Ending::reason),
        })
    };
    tried.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Trust;

    fn server(port: u16, security: Security) -> Server {
        Server {
            host: "mail.example.test".to_owned(),
            port,
            security,
            trust: Trust::Authorities,
            login: None,
            allow_insecure_login: false,
            chunks_well: false,
        }
    }

    fn around(port: u16, security: Security) -> Vec<(u16, &'static str)> {
        let server = server(port, security);
        neighbours(&server).into_iter().map(|mode| (mode.port, mode.security.code())).collect()
    }

    #[test]
    fn the_neighbours_are_all_others() {
        let (tls, rest) = ((465, "tls"), [(2525, "starttls"), (25, "starttls")]);
        let all = [tls, (587, "starttls"), rest[0], rest[1]];
        assert_eq!(around(465, Security::StartTls), all);
        assert_eq!(around(587, Security::None), all);
        assert_eq!(around(587, Security::StartTls), [tls, rest[0], rest[1]]);
        assert_eq!(around(8465, Security::StartTls)[..2], [(8465, "tls"), tls]);
        assert_eq!(around(8465, Security::Tls)[..2], [(8465, "starttls"), tls]);
        assert_eq!(around(8025, Security::None)[..3], [(8025, "tls"), (8025, "starttls"), tls]);
    }

    #[test]
    fn what_a_patch_leads_to_is_known_of_the_same_server_alone() {
        let server = server(993, Security::Tls);
        let leads_to = |patch: Value| guessed(patch.as_object().unwrap(), &server);
        let mode = |port, security| Some(Mode { port, security });
        assert_eq!(leads_to(json!({"smtp_port": 587})), mode(587, Security::StartTls));
        assert_eq!(leads_to(json!({"smtp_port": 465, "smtp_security": "auto"})), mode(465, Security::Tls));
        assert_eq!(leads_to(json!({"smtp_security": "starttls"})), mode(993, Security::StartTls));
        let same = json!({"smtp_host": "mail.example.test", "smtp_port": 25, "smtp_security": "none"});
        assert_eq!(leads_to(same), mode(25, Security::None));
        assert_eq!(leads_to(json!({"smtp_host": "smtp.example.test", "smtp_port": 587})), None);
        assert_eq!(leads_to(json!({"smtp_host": "smtp.example.test"})), None);
        assert_eq!(leads_to(json!({"username": "ana"})), None);
    }
}
