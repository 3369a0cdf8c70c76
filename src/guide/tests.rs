//! The catalogue against the sources: every text that is asked for is there, with the words that it names, and no text
//! waits for somebody who never asks. The sources are read as text, because ids are put together at run time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::providers::embedded;
use super::{AppPassword, Providers, Refused, SignIn, Situation, Texts, explain};
use crate::transport::certificate::{CertificateFacts, Fingerprint};
use crate::transport::{Ending, Failure, Step};

const ENGLISH: &str = include_str!("texts/en.ftl");

/// By path under src, without the tests in them.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                if text.contains("#![cfg(test)]") {
                    continue;
                }
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                sources.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), code);
            }
        }
    }
    assert!(sources.len() > 40);
    sources
}

/// Each text with its patterns.
fn catalogue() -> BTreeMap<&'static str, String> {
    let mut texts: BTreeMap<_, String> = BTreeMap::new();
    let mut id = "";
    for line in ENGLISH.lines().filter(|line| !line.starts_with('#')) {
        let mut pattern = line;
        if let Some((new, value)) = line.split_once(" =").filter(|_| line.starts_with(|c: char| c.is_ascii_lowercase()))
        {
            (id, pattern) = (new, value);
            assert!(!texts.contains_key(id), "{id} twice");
        }
        let text = texts.entry(id).or_default();
        text.push_str(pattern);
        text.push('\n');
    }
    texts
}

/// The `{ $words }` of a text, but for the program's name, which every text has.
fn placeholders(pattern: &str) -> BTreeSet<&str> {
    let words = pattern.split("{ $").skip(1).map(|rest| rest.split([' ', '}']).next().unwrap());
    words.filter(|word| *word != "program").collect()
}

fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("{from}"));
    rest.split_once(to).unwrap_or_else(|| panic!("{to}")).0
}

/// The literal right behind each occurrence of `before`.
fn literals_after<'t>(text: &'t str, before: &str) -> Vec<&'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next()).collect()
}

fn literals(text: &str) -> Vec<&str> {
    text.split('"').skip(1).step_by(2).collect()
}

/// The codes of `Fault::input(place, "code")` and `Fault::program(…)`; where the code is a variable, a helper's pattern
/// finds it.
fn fault_codes(code: &str) -> Vec<&str> {
    let mut codes = Vec::new();
    for call in ["Fault::input(", "Fault::program("] {
        for rest in code.split(call).skip(1) {
            let mut depth = 1;
            let end = rest.find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            });
            let arguments = rest[..end.unwrap()].trim_end_matches([',', ' ', '\n']);
            if let Some(open) = arguments.strip_suffix('"') {
                codes.push(open.rsplit('"').next().unwrap());
            }
        }
    }
    let helpers = [
        " fault(",
        "about(",
        "AddressProblem::new(",
        "AddressProblem::over(",
        "AddressProblem { code: ",
        "if apart { ",
        "} else { ",
        "Err(",
    ];
    let known = |literal: &&str| literal.contains('_') && !literal.contains(' ');
    codes.extend(helpers.iter().flat_map(|helper| literals_after(code, helper)).filter(known));
    codes.extend(literals_after(code, "character_fault(place, "));
    codes
}

fn reasons(sources: &BTreeMap<String, String>) -> BTreeSet<&str> {
    literals(between(&sources["transport/ending.rs"], "fn reason(self)", "pub struct ServerWords"))
        .into_iter()
        .collect()
}

/// The texts that the catalogue of problems names.
fn of_the_catalogue() -> [(&'static str, BTreeSet<String>); 2] {
    let data: Value = serde_json::from_str(include_str!("problems.json")).unwrap();
    let id = |row: &Value| row.get("text").or(row.get("code")).unwrap_or(row).as_str().unwrap().to_owned();
    let rows = data["problems"].as_array().unwrap();
    let lists = rows.iter().map(|row| &row["advice"]).chain(data["groups"].as_object().unwrap().values());
    let advice = lists.flat_map(|list| list.as_array().unwrap()).filter(|advice| advice.get("group").is_none());
    [("problem-", rows.iter().map(id).collect()), ("advice-", advice.map(id).collect())]
}

/// Every id that the program puts together.
fn asked_for(sources: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut add = |prefix: &str, rest: &[&str]| ids.extend(rest.iter().map(|rest| format!("{prefix}{rest}")));
    for code in sources.values() {
        add("fault-", &fault_codes(code));
        for call in ["texts.get(", "texts.with(", "texts.plain("] {
            add("", &literals_after(code, call));
        }
    }
    for (prefix, texts) in of_the_catalogue() {
        add(prefix, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let kinds = [
        "\"expected\", ",
        "refuse(key, ",
        "wrong_type(&place, ",
        "not_text(place.to_owned(), ",
        "not_text(object.place_of(key), ",
    ];
    let mut expected: Vec<_> =
        sources.values().flat_map(|code| kinds.iter().flat_map(|before| literals_after(code, before))).collect();
    expected.extend(literals(between(&sources["input/object.rs"], "let found = match found", "};")));
    expected.extend(literals(between(&sources["form/values.rs"], "fn expected(", "\n}\n")));
    let expected: Vec<_> = expected.iter().map(|kind| kind.replace(' ', "_")).collect();
    add("type-", &expected.iter().map(String::as_str).collect::<Vec<_>>());
    add("step-", &literals(between(&sources["transport/ending.rs"], "impl Step", "pub enum Ending")));
    add("call-", &literals_after(&sources["ffi/arguments.rs"], "refuse("));
    add("call-", &literals_after(&sources["account/fault.rs"], "bad_argument(None, "));
    let saved = &sources["account/saved.rs"];
    add("store-", &literals(saved).into_iter().filter_map(|it| it.strip_prefix("store_")).collect::<Vec<_>>());
    add("protection-", &literals(between(saved, "match store.protection()", "};")));
    add("kind-", &literals(between(&sources["account/button.rs"], "KINDS: &[&str] = &[", "];")));
    let fields = &sources["form/fields.rs"];
    let table = between(fields, "FIELDS: &[Field]", "pub fn field_of");
    for prefix in ["field-", "help-"] {
        let keys: Vec<_> = table.split("field(").skip(1).map(|rest| literals(rest)[0]).collect();
        assert!(keys.len() > 15, "{keys:?}");
        add(prefix, &keys);
    }
    for rest in table.split("field(").skip(1).filter(|rest| rest.contains("Kind::Choice")) {
        let key = literals(rest)[0];
        add(&format!("choice-{key}-"), &literals(between(rest, "Kind::Choice(&[", "]")));
    }
    let pushed = sources["form/check.rs"].split("warnings.push((").skip(1);
    add("warning-", &pushed.map(|rest| literals(rest)[1]).collect::<Vec<_>>());
    let warnings = sources.values().flat_map(|code| code.split("Warning::new(").skip(1));
    add("check-", &warnings.filter_map(|rest| literals(rest.split(')').next()?).pop()).collect::<Vec<_>>());
    add("button-", &literals_after(&sources["form/render.rs"], "button(texts, "));
    let render = &sources["form/render.rs"];
    add("help-password-", &literals(between(render, "match provider.app_password", "AppPassword::Unknown")));
    for provider in embedded() {
        let own: Vec<_> = (1..=provider.steps.len()).map(|number| format!("{}-{number}", provider.steps_as)).collect();
        add("steps-", &own.iter().map(String::as_str).collect::<Vec<_>>());
    }
    for rule in AppPassword::ALL {
        add("steps-", &[&format!("{}-1", rule.code())]);
    }
    ids
}

#[test]
fn every_text_that_is_asked_for_is_there() {
    let (sources, catalogue) = (sources(), catalogue());
    let missing: Vec<_> = asked_for(&sources).into_iter().filter(|id| !catalogue.contains_key(id.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_text_that_is_there_is_asked_for() {
    let sources = sources();
    let asked = asked_for(&sources);
    let all = sources.values().map(String::as_str).collect::<String>();
    let is_literal = |text: &str| all.contains(&format!("\"{text}\""));
    let unused: Vec<_> = catalogue()
        .into_keys()
        .filter(|id| !asked.contains(*id) && !is_literal(id))
        .filter(|id| match id.split_once('-') {
            // The steps of a rule are as many as there are texts.
            Some(("steps", rest)) => {
                !AppPassword::ALL.iter().any(|rule| rest.rsplit_once('-').is_some_and(|(of, _)| of == rule.code()))
            }
            // All of them are given away, by their prefix.
            Some(("word", _)) => false,
            Some(("placeholder", key)) => !asked.contains(&format!("field-{key}")),
            // A sentence for one place only.
            Some(("fault", rest)) => !rest
                .split_once('-')
                .is_some_and(|(code, place)| asked.contains(&format!("fault-{code}")) && is_literal(place)),
            _ => true,
        })
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn every_word_that_a_text_names_is_given() {
    let sources = sources();
    let advice = between(&sources["guide/problems/mod.rs"], "fn words(", "fn day");
    for (id, pattern) in catalogue() {
        let (family, rest) = id.split_once('-').unwrap_or((id, ""));
        // The code that gives the words: the file that names the text's code, or the one that gives a whole family its words.
        let givers: Vec<&str> = match family {
            "problem" | "advice" => vec![advice],
            "store" => vec![&sources["account/saved.rs"]],
            "help" | "warning" => vec![&sources["form/render.rs"]],
            "steps" => vec![&sources["form/provider.rs"]],
            "word" => vec![&sources["guide/texts.rs"]],
            "call" if rest != "faults" => vec![&sources["ffi/arguments.rs"]],
            "fault" | "check" => {
                let code = format!("\"{}\"", rest.split('-').next().unwrap());
                sources.values().filter(|text| text.contains(&code)).map(String::as_str).collect()
            }
            _ => sources.values().filter(|text| text.contains(&format!("\"{id}\""))).map(String::as_str).collect(),
        };
        for word in placeholders(&pattern) {
            let is_given = givers.iter().any(|text| text.contains(&format!("\"{word}\"")));
            assert!(is_given, "{id} names {word}, which nobody gives");
        }
    }
}

#[test]
fn each_advice_is_one_sentence_that_begins_with_what_to_do() {
    const VERBS: &[&str] = &[
        "Accept", "Add", "Allow", "Ask", "Change", "Check", "Clear", "Close", "Confirm", "Delete", "Enter", "Leave",
        "Look", "Make", "Open", "Report", "Send", "Set", "Sign", "Switch", "Tell", "Try", "Use", "Write",
    ];
    for (id, pattern) in catalogue().into_iter().filter(|(id, _)| id.starts_with("advice-")) {
        for text in forms(&pattern) {
            assert!(VERBS.contains(&text.split([' ', ',']).next().unwrap()), "{id}: {text}");
            assert!(text.ends_with('.') && !text.contains(". "), "{id} is no single sentence: {text}");
        }
    }
}

/// The string literals of Rust, as they are written there.
fn strings(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, here) = rest.split_at(at);
        let raw = before
            .ends_with(['r', '#'])
            .then(|| format!("\"{}", "#".repeat(before.len() - before.trim_end_matches('#').len())));
        let length = match (here.as_bytes(), raw) {
            ([b'/', b'/', ..], _) => here.find('\n').unwrap_or(here.len()),
            ([b'\'', b'\\', ..], _) => 3 + here[3..].find('\'').unwrap() + 1,
            ([b'\'', ..], _) => {
                let character = here[1..].chars().next().map_or(0, char::len_utf8);
                if here[1 + character..].starts_with('\'') { character + 2 } else { 1 }
            }
            ([b'"', ..], Some(end)) => 1 + here[1..].find(&end).unwrap() + end.len(),
            ([b'"', ..], None) => {
                let mut escaped = false;
                let end = here[1..].find(|c| {
                    let is_end = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    is_end
                });
                end.unwrap() + 2
            }
            _ => 1,
        };
        let (literal, after) = here.split_at(length);
        found.extend(literal.strip_prefix('"').map(|text| text.trim_end_matches(['"', '#'])));
        rest = after;
    }
    found
}

#[test]
fn no_sentence_is_left_outside_the_catalogues() {
    // What is said where there are no texts at hand: of a bug, and to a developer.
    let known = ["Something inside mailbutton went wrong.", "This work was started before fork()"];
    assert_eq!(
        strings("f('\"', \"One 'two' \\\" three\"); // \"no\"\n<'a>(r#\"x\"y\"#)"),
        ["One 'two' \\\" three", "x\"y"]
    );
    let is_sentence = |text: &&str| {
        let words: Vec<_> =
            text.split_whitespace().filter(|word| word.chars().all(|c| !"<>=\\/[]".contains(c))).collect();
        let begins = words.first().is_some_and(|word| {
            let mut letters = word.chars();
            letters.next().is_some_and(char::is_uppercase) && letters.all(|c| c.is_lowercase() || c == '\'')
        });
        words.len() >= 3 && (begins || text.ends_with('.'))
    };
    let sources = sources();
    let all: Vec<_> = sources.values().flat_map(|code| strings(code)).collect();
    assert!(all.len() > 1000 && all.iter().filter(|text| is_sentence(text)).count() >= known.len());
    let others: Vec<_> =
        all.into_iter().filter(is_sentence).filter(|text| !known.iter().any(|it| text.starts_with(it))).collect();
    assert!(others.is_empty(), "{others:#?}");
}

/// The plural forms of a text, or the text itself.
fn forms(pattern: &str) -> Vec<&str> {
    if !pattern.contains("->") {
        return vec![pattern.trim()];
    }
    let forms: Vec<_> = pattern.lines().filter_map(|line| Some(line.split_once("] ")?.1.trim())).collect();
    assert!(forms.len() > 1, "{pattern}");
    forms
}

pub const ENDINGS: &[Ending] = &[
    Ending::Accepted,
    Ending::AcceptedPartly,
    Ending::NameNotFound,
    Ending::NameLookupFailed,
    Ending::NoRoute,
    Ending::ConnectionRefused,
    Ending::ConnectionFailed,
    Ending::TimedOut,
    Ending::OutOfTime,
    Ending::Disconnected,
    Ending::BadReply,
    Ending::ProxyLoginRefused,
    Ending::ProxyFailed,
    Ending::TlsFailed,
    Ending::TlsNotSpoken,
    Ending::TlsTooOld,
    Ending::TlsNotOffered,
    Ending::TlsRefused,
    Ending::BytesBeforeTls,
    Ending::CertificateUntrusted,
    Ending::CertificateExpired,
    Ending::CertificateNotYetValid,
    Ending::CertificateWrongName,
    Ending::CertificateInvalid,
    Ending::CertificateChanged,
    Ending::LoginInClear,
    Ending::LoginServerUnproven,
    Ending::EncryptionRequired,
    Ending::LoginRefused,
    Ending::LoginNotOffered,
    Ending::LoginUnsupported,
    Ending::LoginRequired,
    Ending::TokenRefused,
    Ending::OtherAccount,
    Ending::NoListener,
    Ending::HttpUnauthorized,
    Ending::ServerBusy,
    Ending::LoginDeferred,
    Ending::SenderDeferred,
    Ending::RecipientDeferred,
    Ending::ContentDeferred,
    Ending::HttpBusy,
    Ending::ServerRefused,
    Ending::SenderRefused,
    Ending::RecipientRefused,
    Ending::ContentRefused,
    Ending::TooLarge,
    Ending::AddressNotSupported,
    Ending::HttpRefused,
    Ending::HttpNotFound,
    Ending::HttpRedirected,
    Ending::FileChanged,
    Ending::FileUnreadable,
    Ending::NoVerdict,
    Ending::Canceled,
    Ending::Internal,
];

const STEPS: &[Option<Step>] = &[
    None,
    Some(Step::Turn),
    Some(Step::Name),
    Some(Step::Connect),
    Some(Step::Proxy),
    Some(Step::Tls),
    Some(Step::Greeting),
    Some(Step::Login),
    Some(Step::Sender),
    Some(Step::Recipient),
    Some(Step::Content),
    Some(Step::Verdict),
];

fn certificate() -> Box<CertificateFacts> {
    Box::new(CertificateFacts {
        fingerprint: Fingerprint::parse(&"ab".repeat(32)).unwrap(),
        subject: "CN=mail".to_owned(),
        issuer: "CN=mail".to_owned(),
        not_before: "2020-01-01T00:00:00Z".to_owned(),
        not_after: "2021-01-01T00:00:00Z".to_owned(),
        names: vec!["mail.example.test".to_owned()],
        self_signed: true,
    })
}

/// Every situation that the advice looks at.
fn situations(mut see: impl FnMut(&Situation<'_>)) {
    let providers = Providers::default();
    let hosts =
        ["mail.example.test", "smtp.gmail.com", "smtp.mail.yahoo.com", "smtp.mail.me.com", "smtp-mail.outlook.com"];
    for &ending in ENDINGS {
        let mut bare = Failure::new(ending);
        bare.size = Some((36_000_000, 0));
        // A failure for another account is always told with it.
        bare.detail = (ending == Ending::OtherAccount).then(|| "ion@example.test".to_owned());
        let mut full = bare.clone();
        full.certificate = Some(certificate());
        full.size = Some((36_000_000, 35_900_000));
        // A certificate that is refused is always shown, though it may be for no name at all.
        let is_about_certificate = ending.reason().starts_with("certificate_");
        if is_about_certificate {
            bare.certificate = Some(Box::new(CertificateFacts { names: Vec::new(), ..*certificate() }));
        }
        for failure in [&bare, &full] {
            for host in hosts.iter().chain(&[
                "smtp.web.de",
                "smtp.qq.com",
                "mail.gandi.net",
                "smtp.office365.com",
                "smtp.sendgrid.net",
            ]) {
                for (port, security) in [
                    (25, "none"),
                    (465, "tls"),
                    (465, "starttls"),
                    (587, "starttls"),
                    (587, "tls"),
                    (2465, "tls"),
                    (443, ""),
                ] {
                    for (username, auth) in [
                        ("", ""),
                        ("ana", "password"),
                        ("ana@example.test", "password"),
                        ("ana@example.test", "oauth2"),
                    ] {
                        for &step in STEPS {
                            let (sender, provider) = ("ana@example.test", providers.of_login(host, username));
                            // Somebody signs in, at a provider that is known.
                            if ending == Ending::OtherAccount && (provider.is_none() || username.is_empty()) {
                                continue;
                            }
                            let refused = Some(Refused { address: "ion@example.test", is_copy: step.is_none() });
                            // What a proxy refuses is told at the step that is about it.
                            let is_of_proxy = step == Some(Step::Proxy) || ending.reason().starts_with("proxy_");
                            let proxy = is_of_proxy.then_some("proxy.example.test:1080");
                            see(&Situation {
                                failure,
                                step,
                                host,
                                port,
                                security,
                                username,
                                auth,
                                sender,
                                provider,
                                sign_in: provider.map_or(SignIn::NotOffered, |it| providers.sign_in(it)),
                                proxy,
                                refused,
                            });
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_ending_in_every_situation_has_its_words() {
    let sources = sources();
    let listed: BTreeSet<_> = ENDINGS.iter().map(|ending| ending.reason()).collect();
    assert_eq!(listed, reasons(&sources), "an ending is not listed here");
    let texts = Texts::new("Ledger");
    let mut wrong = BTreeSet::new();
    situations(|situation| {
        let problem = explain(&texts, situation);
        let ending = situation.failure.ending;
        for text in problem.advice.iter().map(|advice| &advice.text).chain([&problem.message]) {
            if ["problem-", "advice-", "{", "}", "  ", "()"].iter().any(|raw| text.contains(raw)) {
                wrong.insert(format!("{ending:?}: {text}"));
            }
        }
        let has_advice = !problem.advice.is_empty();
        let needs_advice = !matches!(ending, Ending::Accepted | Ending::AcceptedPartly | Ending::Canceled);
        assert_eq!(has_advice, needs_advice, "{ending:?}");
        let codes: BTreeSet<_> = problem.advice.iter().map(|advice| &advice.code).collect();
        assert_eq!(codes.len(), problem.advice.len(), "{ending:?} advises something twice");
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}
