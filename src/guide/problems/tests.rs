//! The catalogue against itself: it reads whole, every row can be met, and every advice is given to somebody.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::catalogue::{Catalogue, Row, catalogue};
use super::replies::SAID;
use super::when::{Fact, When};
use super::*;
use crate::guide::Providers;
use crate::guide::tests::ENDINGS;
use crate::transport::certificate::{CertificateFacts, Fingerprint};
use crate::transport::{Ending, ServerWords, Spoken};

const DATA: &str = include_str!("../problems.json");

#[test]
fn the_data_file_reads_whole() {
    let read = Catalogue::read(DATA).map(|catalogue| catalogue.problems.len());
    assert!(read.as_ref().is_ok_and(|rows| *rows >= 60), "{read:?}");
    let codes: BTreeSet<_> = catalogue().problems.iter().map(|row| &row.code).collect();
    assert_eq!(codes.len(), catalogue().problems.len(), "a code stands twice");
    for code in codes {
        assert!(code.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')), "{code}");
    }
}

#[test]
fn what_is_no_catalogue_is_refused() {
    for (wrong, word) in [
        ("[]", "object"),
        ("{}", "no problems"),
        (r#"{"problems": [{}]}"#, "code"),
        (r#"{"problems": [{"code": "a", "wehn": {}, "advice": []}]}"#, "wehn"),
        (r#"{"problems": [{"code": "a", "when": {"reason": "x"}, "advice": {}}]}"#, "advice"),
        (r#"{"problems": [{"code": "a", "advice": [{"code": 1}]}]}"#, "code"),
        (r#"{"problems": [{"code": "a", "advice": [{"code": "b", "patsch": {}}]}]}"#, "patsch"),
        (r#"{"problems": [{"code": "a", "advice": [{"group": "b"}]}]}"#, "group b"),
        (r#"{"problems": [], "more": 1}"#, "more"),
    ] {
        let error = Catalogue::read(wrong).err().unwrap_or_else(|| panic!("taken: {wrong}"));
        assert!(error.contains(word), "{wrong}: {error}");
    }
}

#[test]
fn every_value_of_a_condition_is_one_that_comes() {
    let reasons: BTreeSet<_> = ENDINGS.iter().map(|ending| ending.reason()).collect();
    let steps: BTreeSet<_> = Step::ALL.iter().map(|step| step.code()).collect();
    let providers = provider_ids();
    let mut wrong = Vec::new();
    for row in &catalogue().problems {
        for when in &row.fits.when {
            for (name, fact) in Fact::ALL {
                for value in when.values(fact) {
                    let value = value.as_str();
                    let is_fine = match fact {
                        Fact::Reason => reasons.contains(value),
                        Fact::Step => steps.contains(value),
                        Fact::Protocol => ["smtp", "http"].contains(&value),
                        Fact::Proxy | Fact::Copy | Fact::Receiving => ["true", "false"].contains(&value),
                        Fact::Code | Fact::Port => value.parse::<u16>().is_ok(),
                        Fact::Enhanced => value.starts_with(['4', '5']) && value.split('.').count() == 3,
                        Fact::Provider => ["known", "unknown"].contains(&value) || providers.contains(value),
                        Fact::AppPassword => {
                            ["required", "with_two_steps", "not_for_long", "no_password", "key"].contains(&value)
                        }
                        Fact::Security => ["tls", "starttls", "none"].contains(&value),
                        Fact::Certificate => ["self_signed", "signed", "other_name"].contains(&value),
                        Fact::Auth => ["password", "oauth2"].contains(&value),
                        Fact::SignIn => ["registered", "unregistered"].contains(&value),
                        Fact::Username => ["empty", "address", "name"].contains(&value),
                        Fact::Spoken => SPOKEN.iter().any(|spoken| spoken.code() == value),
                        Fact::Wait => ["seconds", "minutes", "hours", "known", "unknown"].contains(&value),
                        Fact::Link => ["known", "unknown"].contains(&value),
                        Fact::Words | Fact::Issuer | Fact::Subject | Fact::Detail => value.len() > 2,
                    };
                    if !is_fine {
                        wrong.push(format!("{}: {name} {value}", row.code));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const SPOKEN: [Spoken; 6] = [Spoken::Smtp, Spoken::Imap, Spoken::Pop3, Spoken::Http, Spoken::Ssh, Spoken::Tls];

static PROVIDERS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let data: Value = serde_json::from_str(include_str!("../providers.json")).unwrap();
    data.as_array().unwrap().clone()
});

fn provider_ids() -> BTreeSet<&'static str> {
    PROVIDERS.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

/// The last row of each reason fits whatever else is so, and has the reason's name.
#[test]
fn every_reason_has_its_general_problem() {
    for ending in ENDINGS {
        let reason = ending.reason();
        let of_reason =
            |row: &&Row| row.fits.when.iter().any(|when| when.values(Fact::Reason).iter().any(|it| it == reason));
        let last = catalogue().problems.iter().rfind(of_reason).unwrap_or_else(|| panic!("no row for {reason}"));
        assert_eq!(last.code, reason);
        let names_nothing_else =
            |when: &When| Fact::ALL.iter().all(|(_, fact)| *fact == Fact::Reason || when.values(*fact).is_empty());
        assert!(last.fits.when.iter().any(names_nothing_else), "{reason} does not fit always");
    }
}

/// A situation in which a condition holds, made from its values.
struct Made {
    failure: Failure,
    step: Option<Step>,
    host: String,
    port: u16,
    security: String,
    username: &'static str,
    auth: &'static str,
    sign_in: SignIn,
    proxy: bool,
    copy: bool,
}

impl Made {
    /// With this value of one fact, and the first ones of all others.
    fn from(when: &When, turn: (Fact, usize)) -> Self {
        let value = |fact: Fact| when.values(fact).get(if fact == turn.0 { turn.1 } else { 0 }).map(String::as_str);
        let reason = value(Fact::Reason).unwrap();
        let ending = *ENDINGS.iter().find(|ending| ending.reason() == reason).unwrap();
        // With STARTTLS, what is no TLS has a problem of its own.
        let usual = if ending == Ending::TlsNotSpoken { "tls" } else { "starttls" };
        let is_http = value(Fact::Protocol) == Some("http") || reason.starts_with("http_");
        let mut failure = Failure::new(ending);
        let server = [Fact::Words, Fact::Code, Fact::Enhanced].map(value);
        if server.iter().any(Option::is_some) {
            failure.server = Some(ServerWords {
                code: server[1].map_or(550, |code| code.parse().unwrap()),
                enhanced: server[2].map(|code| code.replace('*', "1")),
                text: server[0].unwrap_or_default().to_owned(),
            });
        }
        let facts = [Fact::Issuer, Fact::Subject, Fact::Certificate].map(value);
        if facts.iter().any(Option::is_some) || reason.starts_with("certificate_") {
            failure.certificate = Some(Box::new(certificate(facts)));
        }
        failure.spoken = value(Fact::Spoken).and_then(|code| SPOKEN.into_iter().find(|spoken| spoken.code() == code));
        failure.detail =
            value(Fact::Detail).or((ending == Ending::OtherAccount).then_some("ion@example.test")).map(str::to_owned);
        failure.size = Some((36_000_000, 35_900_000));
        Self {
            failure,
            step: value(Fact::Step).and_then(|code| Step::ALL.into_iter().find(|step| step.code() == code)),
            // Nobody signs in where no provider is known.
            host: host(
                value(Fact::Provider)
                    .or((is_about_sign_in(ending) || value(Fact::Step) == Some("sign_in")).then_some("known")),
                value(Fact::AppPassword),
            ),
            port: value(Fact::Port).map_or(587, |port| port.parse().unwrap()),
            security: if is_http { String::new() } else { value(Fact::Security).unwrap_or(usual).to_owned() },
            username: match value(Fact::Username) {
                Some("empty") => "",
                Some("name") => "ana",
                _ => "ana@example.test",
            },
            auth: if value(Fact::Auth) == Some("oauth2") { "oauth2" } else { "password" },
            sign_in: SignIn::NotOffered,
            proxy: value(Fact::Proxy) == Some("true") || reason.starts_with("proxy_"),
            copy: value(Fact::Copy) == Some("true"),
        }
    }

    fn see<R>(&self, see: impl FnOnce(&Situation<'_>) -> R) -> R {
        let providers = Providers::default();
        let provider = providers.of_login(&self.host, self.username);
        see(&Situation {
            failure: &self.failure,
            step: self.step,
            host: &self.host,
            port: self.port,
            security: &self.security,
            username: self.username,
            auth: self.auth,
            sender: "ana@example.test",
            provider,
            sign_in: if provider.is_some_and(|it| it.oauth.is_some()) { self.sign_in } else { SignIn::NotOffered },
            proxy: self.proxy.then_some("proxy.example.test:1080"),
            refused: Some(Refused { address: "ion@example.test", is_copy: self.copy }),
        })
    }
}

fn certificate([issuer, subject, kind]: [Option<&str>; 3]) -> CertificateFacts {
    let other = kind == Some("other_name");
    CertificateFacts {
        fingerprint: Fingerprint::parse(&"ab".repeat(32)).unwrap(),
        subject: format!("CN={}", subject.unwrap_or("mail")),
        issuer: format!("CN={}", issuer.unwrap_or("mail")),
        not_before: "2020-01-01T00:00:00Z".to_owned(),
        not_after: "2021-01-01T00:00:00Z".to_owned(),
        names: vec![if other { "other.example.test" } else { "mail.example.test" }.to_owned()],
        self_signed: kind == Some("self_signed"),
    }
}

/// The host of a provider that is meant by a condition.
fn host(provider: Option<&str>, rule: Option<&str>) -> String {
    let id = match (provider, rule) {
        (Some("unknown"), _) | (None, None) => return "mail.example.test".to_owned(),
        (None | Some("known"), Some("required")) => "fastmail",
        (None | Some("known"), Some("with_two_steps")) => "ionos",
        (None | Some("known"), Some("not_for_long")) => "microsoft365",
        (None | Some("known"), Some("no_password")) => "outlook-personal",
        (None | Some("known"), Some("key")) => "postmark",
        (Some("known"), _) => "gmail",
        (Some(id), _) => id,
        (None, Some(rule)) => panic!("{rule}"),
    };
    let row = PROVIDERS.iter().find(|row| row["id"] == id).unwrap();
    row["servers"][0]["host"].as_str().unwrap().to_owned()
}

/// Each way in which a row can be met: every value of every condition once.
fn ways(row: &Row) -> Vec<Made> {
    let mut ways = Vec::new();
    for when in &row.fits.when {
        for (_, fact) in Fact::ALL {
            ways.extend((0..when.values(fact).len()).map(|at| Made::from(when, (fact, at))));
        }
    }
    ways
}

#[test]
fn every_row_can_be_met_by_each_of_its_values() {
    let mut shadowed = BTreeSet::new();
    for row in &catalogue().problems {
        for made in ways(row) {
            let met = made.see(|situation| catalogue().row(situation).map(|row| row.code.clone()));
            if met.as_deref() != Some(&row.code) {
                let server = made.failure.server.as_ref();
                shadowed.insert(format!("{} by {met:?}: {:?} {server:?}", row.code, made.failure.ending));
            }
        }
    }
    assert!(shadowed.is_empty(), "{shadowed:#?}");
}

#[test]
fn every_advice_is_given_to_somebody() {
    let texts = Texts::new("Ledger");
    let mut given = BTreeSet::new();
    for row in &catalogue().problems {
        for made in ways(row).iter().flat_map(variants) {
            made.see(|situation| {
                let row = catalogue().row(situation).unwrap();
                given.extend(catalogue().remedies(row, situation).iter().map(|remedy| remedy.text.clone()));
                words_are_words(&explain(&texts, situation), situation);
            });
        }
    }
    let all: BTreeSet<_> = catalogue().all_remedies().map(|remedy| remedy.text.clone()).collect();
    let never: Vec<_> = all.difference(&given).collect();
    assert!(never.is_empty(), "{never:?}");
}

fn is_about_sign_in(ending: Ending) -> bool {
    matches!(ending, Ending::TokenRefused | Ending::OtherAccount | Ending::NoListener)
}

/// The same in other words of the server, with another login, and with other settings.
fn variants(made: &Made) -> Vec<Made> {
    let mut variants = Vec::new();
    for (said, sign_in) in [
        ("", SignIn::NotOffered),
        ("see https://example.com/why and wait 30 seconds", SignIn::Unregistered),
        ("wait 5 minutes", SignIn::Registered),
        ("wait 5 hours", SignIn::NotOffered),
    ] {
        for (username, host) in
            [("ana", ""), ("", ""), ("ana@example.test", ""), ("ana", "mail.example.test"), ("ana", "imap.gmail.com")]
        {
            // A sign-in is somebody's.
            let is_signing_in = made.auth == "oauth2" || is_about_sign_in(made.failure.ending);
            let username = if is_signing_in && username.is_empty() { "ana" } else { username };
            for (port, security) in [(0, ""), (465, "tls"), (2600, "tls")] {
                let mut failure = made.failure.clone();
                if let Some(server) = &mut failure.server {
                    server.text = format!("{} {said}", server.text);
                }
                let text = |given: &str, own: &String| if given.is_empty() { own.clone() } else { given.to_owned() };
                let port = if port == 0 { made.port } else { port };
                let host = if is_about_sign_in(failure.ending) || made.step == Some(Step::SignIn) { "" } else { host };
                let (host, security) = (text(host, &made.host), text(security, &made.security));
                variants.push(Made { failure, host, port, security, username, sign_in, ..*made });
            }
        }
    }
    variants
}

/// Nothing is missing in a sentence where a word should stand.
fn words_are_words(problem: &Problem, situation: &Situation<'_>) {
    for text in problem.advice.iter().map(|advice| &advice.text).chain([&problem.message]) {
        for raw in ["problem-", "advice-", "{", "}", "  ", "()", " .", " ,", " :"] {
            assert!(!text.contains(raw), "{} {:?}: {text:?}", problem.code, situation.failure.ending);
        }
        assert!(!text.starts_with(' '), "{}: {text:?}", problem.code);
    }
    let patched: Vec<_> = problem.advice.iter().filter_map(|advice| advice.patch.as_ref()).collect();
    assert!(
        patched.iter().all(|patch| !patch.is_empty() && !patch.values().any(|value| value.to_string().contains('$')))
    );
}

#[test]
fn values_of_patches_and_links_come_from_the_situation() {
    let texts = Texts::new("Ledger");
    let mut failure = Failure::new(Ending::BadReply);
    failure.spoken = Some(Spoken::Imap);
    let made = Made {
        failure,
        step: Some(Step::Greeting),
        host: "imap.example.test".to_owned(),
        port: 993,
        security: "tls".to_owned(),
        username: "ana@example.test",
        auth: "password",
        sign_in: SignIn::NotOffered,
        proxy: false,
        copy: false,
    };
    let problem = made.see(|situation| explain(&texts, situation));
    assert_eq!(problem.code, "imap_port");
    let patch = Value::from(problem.advice[0].patch.clone().unwrap());
    assert_eq!(patch, serde_json::json!({"smtp_host": "smtp.example.test", "smtp_port": 587, "smtp_security": "auto"}));
    let of_provider = Made {
        host: "imap.gmail.com".to_owned(),
        security: made.security.clone(),
        failure: made.failure.clone(),
        ..made
    };
    let advice = of_provider.see(|situation| explain(&texts, situation)).advice;
    assert_eq!(advice[0].code, "use_sending_server");
    assert_eq!(advice[0].text, "Use Google Workspace's server for sending, smtp.gmail.com, on port 465.");
    let patch = Value::from(advice[0].patch.clone().unwrap());
    assert_eq!(patch, serde_json::json!({"smtp_host": "smtp.gmail.com", "smtp_port": 465, "smtp_security": "auto"}));
    assert!(advice.iter().all(|advice| advice.code != "use_sending_port"));
    let mut failure = Failure::new(Ending::CertificateWrongName);
    failure.certificate = Some(Box::new(certificate([None, None, Some("other_name")])));
    let mut made = Made { failure, host: "mail.example.test".to_owned(), step: Some(Step::Tls), ..made };
    let patch = |made: &Made| {
        let problem = made.see(|situation| explain(&texts, situation));
        let advice = problem.advice.into_iter().find(|advice| advice.code == "use_certificate_name");
        advice.map(|advice| Value::from(advice.patch.unwrap()))
    };
    assert_eq!(patch(&made), Some(serde_json::json!({"smtp_host": "other.example.test", "password": ""})));
    // A star is no name that could be typed.
    made.failure.certificate.as_mut().unwrap().names = vec!["*.example.org".to_owned()];
    assert_eq!(patch(&made), None);
    let failure = Failure::new(Ending::ContentRefused).words(ServerWords {
        code: 550,
        enhanced: Some("5.7.1".to_owned()),
        text: "This looks like spam, see https://example.com/spam.".to_owned(),
    });
    let made = Made { failure, ..made };
    let problem = made.see(|situation| explain(&texts, situation));
    assert_eq!(problem.code, "spam_block");
    assert_eq!(problem.advice[0].link.as_deref(), Some("https://example.com/spam"));
}

#[test]
fn what_was_said_in_clear_has_no_link() {
    let texts = Texts::new("Ledger");
    for (security, step, has_link) in [
        ("starttls", Step::Greeting, false),
        ("starttls", Step::Recipient, true),
        ("tls", Step::Greeting, true),
        ("none", Step::Recipient, false),
    ] {
        let failure = Failure::new(Ending::ServerRefused).words(ServerWords {
            code: 554,
            enhanced: None,
            text: "Blocked using a list, see https://example.com/why".to_owned(),
        });
        let made = Made {
            failure,
            step: Some(step),
            host: "mail.example.test".to_owned(),
            port: 587,
            security: security.to_owned(),
            username: "ana@example.test",
            auth: "password",
            sign_in: SignIn::NotOffered,
            proxy: false,
            copy: false,
        };
        let problem = made.see(|situation| explain(&texts, situation));
        assert_eq!(problem.code, "blocklisted");
        assert_eq!(problem.advice.iter().any(|advice| advice.link.is_some()), has_link, "{security} {step:?}");
    }
}

#[test]
fn sizes_are_rounded_apart() {
    let texts = Texts::new("Ledger");
    for (size, limit, told) in [
        (20_001, 20_999, ["21 kB", "20 kB"]),
        (1_000_000, 999_999, ["1.0 MB", "999 kB"]),
        (35_900_001, 35_999_999, ["36.0 MB", "35.9 MB"]),
    ] {
        assert_eq!([size_rounded_up(&texts, size), size_rounded_down(&texts, limit)], told);
    }
}

#[test]
fn what_servers_say_is_told_as_what_it_is() {
    let texts = Texts::new("Ledger");
    let mut wrong = Vec::new();
    for said in SAID {
        let failure = Failure::new(said.ending).words(ServerWords {
            code: said.code,
            enhanced: Some(said.enhanced.to_owned()).filter(|code| !code.is_empty()),
            text: said.text.to_owned(),
        });
        let made = Made {
            failure,
            step: None,
            host: host(Some(said.by).filter(|id| !id.is_empty()), None),
            port: 587,
            security: "starttls".to_owned(),
            username: said.username,
            auth: "password",
            sign_in: SignIn::NotOffered,
            proxy: false,
            copy: false,
        };
        let problem = made.see(|situation| explain(&texts, situation));
        let told = (problem.code.as_str(), problem.advice.first().map_or("", |advice| advice.code.as_str()));
        if told != (said.problem, said.advice) {
            wrong.push(format!("{told:?} {} {} {}", said.code, said.enhanced, said.text));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nobody_waits_who_is_not_asked_to() {
    let texts = Texts::new("Ledger");
    let seconds = |ending, text: &str, retry_after| {
        let mut failure = Failure::new(ending);
        failure.server = Some(ServerWords { code: 450, enhanced: None, text: text.to_owned() });
        failure.retry_after = retry_after;
        let made = Made {
            failure,
            step: None,
            host: "mail.example.test".to_owned(),
            port: 587,
            security: "starttls".to_owned(),
            username: "ana@example.test",
            auth: "password",
            sign_in: SignIn::NotOffered,
            proxy: false,
            copy: false,
        };
        made.see(|situation| explain(&texts, situation)).wait.map(|wait| wait.seconds)
    };
    let locked = "Wrong password. The account is closed for 30 minutes after 5 attempts.";
    assert_eq!(seconds(Ending::LoginRefused, locked, None), None);
    assert_eq!(seconds(Ending::LoginRefused, "Too many login attempts, wait 30 minutes", None), Some(1800));
    assert_eq!(seconds(Ending::SenderDeferred, "Greylisted for 60 seconds", None), Some(60));
    assert_eq!(seconds(Ending::HttpRefused, "Out of order", Some(120)), Some(120));
}
