//! How a piece of work ended, as a reply: the status, the words, and what happened at each step.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::email::Role;
use crate::guide::{Advice, Problem, Provider, Providers, Refused, SignIn, Situation, Texts, explain};
use crate::reply::{Answer, Status};
use crate::transport::smtp::{Submission, Tried};
use crate::transport::{CertificateFacts, Ending, Failure, Found, Journal, Outcome, ServerWords, Step, StepRecord};

use super::delivery::Delivery;
use super::repair;

pub fn status_of(ending: Ending) -> Status {
    use Ending as E;
    match ending {
        E::Accepted | E::AcceptedPartly => Status::Ok,
        E::NameNotFound
        | E::NameLookupFailed
        | E::NoRoute
        | E::ConnectionRefused
        | E::ConnectionFailed
        | E::TimedOut
        | E::OutOfTime
        | E::Disconnected
        | E::BadReply
        | E::ProxyLoginRefused
        | E::ProxyFailed
        | E::NoListener => Status::Unreachable,
        E::TlsFailed
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
        | E::LoginInClear
        | E::LoginServerUnproven => Status::NotSecure,
        E::LoginRefused
        | E::EncryptionRequired
        | E::LoginNotOffered
        | E::LoginUnsupported
        | E::LoginRequired
        | E::TokenRefused
        | E::OtherAccount
        | E::HttpUnauthorized => Status::LoginRefused,
        E::ServerBusy
        | E::LoginDeferred
        | E::SenderDeferred
        | E::RecipientDeferred
        | E::ContentDeferred
        | E::HttpBusy => Status::TryLater,
        E::ServerRefused
        | E::SenderRefused
        | E::RecipientRefused
        | E::ContentRefused
        | E::TooLarge
        | E::AddressNotSupported
        | E::HttpRefused
        | E::HttpNotFound
        | E::HttpRedirected => Status::Refused,
        E::FileChanged | E::FileUnreadable => Status::BadEmail,
        E::NoVerdict => Status::Uncertain,
        E::Canceled => Status::Canceled,
        E::Internal => Status::Internal,
    }
}

/// What is told at once. What happened on the way stands in the [`Course`].
pub fn answer(
    texts: &Texts,
    providers: &Providers,
    delivery: &Delivery,
    ended: &Result<Ending, Failure>,
    journal: &Journal,
    tested: Option<&str>,
    tried: Option<&[Tried]>,
) -> Answer {
    let answer = match ended {
        Ok(ending) => {
            let message = match tested {
                Some(recipient) => texts.with("test-accepted", &[("recipient", recipient.to_owned())]),
                None => texts.get(&format!("problem-{}", ending.reason())),
            };
            Answer::new(Status::Ok, ending.reason(), message)
        }
        Err(failure) => failed(texts, providers, delivery, failure, journal, tried),
    };
    let (message_id, key) = match delivery {
        Delivery::Smtp(Submission { message, .. }) => (Some(message.message_id.clone()), None),
        Delivery::Http { post, .. } => (None, post.idempotency_key.clone()),
    };
    answer.with_some("message_id", message_id).with_some("idempotency_key", key)
}

/// What happened on the way, kept until somebody wants to read it; the document is not part of it.
pub struct Course {
    recipients: Vec<(String, Role)>,
    outcomes: Vec<Outcome>,
    steps: Vec<StepRecord>,
    planned: Vec<Step>,
    transcript: Option<String>,
}

impl Course {
    pub fn of(delivery: &Delivery, journal: &Journal) -> Self {
        let steps = journal.steps();
        let has_proxy = steps.iter().any(|record| record.found.proxy.is_some());
        let recipients = delivery.recipients().into_iter();
        Self {
            recipients: recipients.map(|(address, role)| (address.to_owned(), role)).collect(),
            outcomes: journal.outcomes(),
            planned: delivery.steps(has_proxy),
            transcript: journal.transcript().map(|transcript| transcript.text()),
            steps,
        }
    }

    pub fn members(&self, texts: &Texts) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("recipients".to_owned(), self.recipients().into());
        members.insert("steps".to_owned(), self.steps(texts).into());
        members.extend(self.transcript.clone().map(|transcript| ("transcript".to_owned(), transcript.into())));
        members
    }

    /// Those that happened, and after a failure those that did not get their turn. On a connection that was there already,
    /// its opening is no part of this.
    fn steps(&self, texts: &Texts) -> Vec<Value> {
        let happened = self.steps.iter().map(|record| step(texts, record, if record.failed { "failed" } else { "ok" }));
        let is_reused = self.steps.iter().any(|record| record.found.reused);
        let is_missing = |planned: &Step| {
            self.steps.iter().all(|record| record.step != *planned) && !(is_reused && planned.is_of_the_opening())
        };
        let skipped = self.planned.iter().copied().filter(is_missing).map(|step| StepRecord {
            step,
            failed: false,
            took: Duration::ZERO,
            found: Found::default(),
            server: None,
        });
        happened.chain(skipped.map(|record| step(texts, &record, "skipped"))).collect()
    }

    fn recipients(&self) -> Vec<Value> {
        let role = |role: Role| match role {
            Role::To => "to",
            Role::Cc => "cc",
            Role::Bcc => "bcc",
            Role::Copy => "copy",
        };
        let recipient = |((address, of), outcome): (&(String, Role), &Outcome)| {
            let words = match outcome {
                Outcome::Deferred(words) | Outcome::Refused(words) => Some(server(words)),
                Outcome::NotSent | Outcome::Taken | Outcome::Accepted | Outcome::Uncertain => None,
            };
            json!({"address": address, "role": role(*of), "outcome": outcome.code(), "server": words})
        };
        self.recipients.iter().zip(&self.outcomes).map(recipient).collect()
    }
}

fn failed(
    texts: &Texts,
    providers: &Providers,
    delivery: &Delivery,
    failure: &Failure,
    journal: &Journal,
    tried: Option<&[Tried]>,
) -> Answer {
    let step = journal.step();
    let proxy = journal.steps().pop().and_then(|last| last.found.proxy);
    let recipients = delivery.recipients();
    // A refusal outranks a deferral: the recipient that is named is the first one that met with what is told.
    let is_deferral = failure.ending == Ending::RecipientDeferred;
    let is_refused = |outcome: &Outcome| match outcome {
        Outcome::Deferred(_) => is_deferral,
        Outcome::Refused(_) => !is_deferral,
        Outcome::NotSent | Outcome::Taken | Outcome::Accepted | Outcome::Uncertain => false,
    };
    let refused = journal
        .outcomes()
        .iter()
        .position(is_refused)
        .and_then(|at| recipients.get(at))
        .map(|(address, role)| Refused { address, is_copy: *role == Role::Copy });
    let situation = Situation { refused, proxy: proxy.as_deref(), ..situation(providers, delivery, failure, step) };
    let Problem { code, message, advice, wait } = explain(texts, &situation);
    let advice = advised(repair::advise(texts, delivery, tried.unwrap_or_default(), advice));
    let size = failure.size.map(|(size, limit)| json!({"bytes": size, "limit": (limit > 0).then_some(limit)}));
    // As every BAD_EMAIL, it names the part of the email.
    let fault = json!({"key": "document.path", "code": failure.ending.reason(), "message": message});
    let is_of_email = status_of(failure.ending) == Status::BadEmail;
    Answer::new(status_of(failure.ending), failure.ending.reason(), message)
        .with("problem", code)
        .with_some("errors", is_of_email.then(|| vec![fault]))
        .with_some("step", step.map(Step::code))
        .with("advice", advice)
        .with_some("tried", tried.map(repair::told))
        .with_some("server", failure.server.as_ref().map(server))
        .with_some("detail", failure.detail.clone())
        .with_some("certificate", failure.certificate.as_deref().map(certificate))
        .with_some("size", size)
        .with_some("wait_seconds", wait.map(|wait| wait.seconds))
}

/// A sign-in that came to nothing.
pub fn of_sign_in(texts: &Texts, provider: Option<&Provider>, failure: &Failure, host: &str, username: &str) -> Answer {
    let situation = Situation {
        failure,
        step: Some(Step::SignIn),
        host,
        port: 443,
        security: "tls",
        username,
        auth: "oauth2",
        sender: username,
        provider,
        sign_in: SignIn::Registered,
        proxy: None,
        refused: None,
    };
    let Problem { code, message, advice, .. } = explain(texts, &situation);
    Answer::new(status_of(failure.ending), failure.ending.reason(), message)
        .with("problem", code)
        .with("step", Step::SignIn.code())
        .with("advice", advised(advice))
        .with_some("detail", failure.detail.clone())
        .with_some("certificate", failure.certificate.as_deref().map(certificate))
}

fn advised(advice: Vec<Advice>) -> Vec<Value> {
    let told = |it: Advice| json!({"code": it.code, "text": it.text, "link": it.link, "patch": it.patch});
    advice.into_iter().map(told).collect()
}

fn situation<'s>(
    providers: &'s Providers,
    delivery: &'s Delivery,
    failure: &'s Failure,
    step: Option<Step>,
) -> Situation<'s> {
    match delivery {
        Delivery::Smtp(Submission { server, message, .. }) => {
            let username = server.login.as_ref().map_or("", |login| login.username.as_str());
            let sender = message.sender.as_str();
            let provider = providers.of_login(&server.host, if username.contains('@') { username } else { sender });
            Situation {
                failure,
                step,
                host: &server.host,
                port: server.port,
                security: server.security.code(),
                username,
                auth: server.login.as_ref().map_or("", |login| login.credential.code()),
                sender,
                provider,
                sign_in: provider.map_or(SignIn::NotOffered, |provider| providers.sign_in(provider)),
                proxy: None,
                refused: None,
            }
        }
        Delivery::Http { relay, .. } => Situation {
            failure,
            step,
            host: relay.url.host_str().unwrap_or_default(),
            port: relay.url.port_or_known_default().unwrap_or_default(),
            security: "",
            username: "",
            auth: "",
            sender: "",
            provider: None,
            sign_in: SignIn::NotOffered,
            proxy: None,
            refused: None,
        },
    }
}

fn server(words: &ServerWords) -> Value {
    json!({"code": words.code, "enhanced": words.enhanced, "text": words.text})
}

fn step(texts: &Texts, record: &StepRecord, status: &str) -> Value {
    json!({
        "step": record.step.code(),
        "label": texts.get(&format!("step-{}", record.step.code())),
        "status": status,
        "ms": u64::try_from(record.took.as_millis()).unwrap_or(u64::MAX),
        "found": found(&record.found),
        "server": record.server.as_ref().map(server),
    })
}

/// Only what was found is there.
fn found(found: &Found) -> Value {
    let mut members = serde_json::Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(key.to_owned(), value);
        }
    };
    let addresses: Vec<String> = found.addresses.iter().map(|address| address.ip().to_string()).collect();
    put("addresses", (!addresses.is_empty()).then(|| addresses.into()));
    put("address", found.address.map(|address| address.to_string().into()));
    put("proxy", found.proxy.clone().map(Value::from));
    put("tls_version", found.tls_version.map(Value::from));
    put("cipher", found.cipher.clone().map(Value::from));
    put("certificate", found.certificate.as_deref().map(certificate));
    put("builtin_roots", found.builtin_roots.then_some(Value::Bool(true)));
    put("extensions", (!found.extensions.is_empty()).then(|| found.extensions.clone().into()));
    put("size_limit", found.size_limit.map(Value::from));
    put("mechanism", found.mechanism.map(Value::from));
    put("bytes", found.bytes.map(Value::from));
    put("reused", found.reused.then_some(Value::Bool(true)));
    Value::Object(members)
}

fn certificate(facts: &CertificateFacts) -> Value {
    json!({
        "fingerprint": facts.fingerprint.to_string(),
        "subject": facts.subject,
        "issuer": facts.issuer,
        "not_before": facts.not_before,
        "not_after": facts.not_after,
        "names": facts.names,
        "self_signed": facts.self_signed,
    })
}
