//! What a host and its users read, in their language: by the options, and by each call.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::host::Host;
use support::server::Server;
use support::{Session, object};

fn opened(options: Value) -> Host {
    let mut whole = object(json!({"program_name": "Ledger"}));
    whole.extend(object(options));
    Host::open(&whole.into())
}

fn field<'f>(form: &'f Value, key: &str) -> &'f Value {
    let fields = form["form"]["fields"].as_array().unwrap();
    fields.iter().find(|field| field["key"] == key).unwrap()
}

/// Key and code of each error.
fn errors(answer: &Value) -> Vec<(&str, &str)> {
    assert_eq!(answer["status_name"], "BAD_CALL", "{answer:#}");
    let errors = answer["errors"].as_array().unwrap();
    errors.iter().map(|error| (error["key"].as_str().unwrap(), error["code"].as_str().unwrap())).collect()
}

#[test]
fn the_form_is_in_the_language_of_the_options() {
    for (locale, told, direction, label) in [
        ("ro", "ro", "ltr", "Parolă"),
        ("ro-MD", "ro", "ltr", "Parolă"),
        ("pt-BR", "pt", "ltr", "Senha"),
        ("ar-EG", "ar", "rtl", "كلمة المرور"),
        ("tlh", "en", "ltr", "Password"),
    ] {
        let form = opened(json!({"locale": locale})).form(None);
        assert_eq!(
            (&form["form"]["locale"], &form["form"]["direction"]),
            (&json!(told), &json!(direction)),
            "{locale}"
        );
        assert_eq!(field(&form, "password")["label"], label, "{locale}");
        assert_eq!(form["form"]["json_forms"]["schema"]["properties"]["password"]["title"], label, "{locale}");
    }
}

#[test]
fn the_words_of_an_interface_are_there_in_each_language() {
    let host = opened(json!({"locale": "ro", "texts": {"en": "word-send = Off you go"}}));
    let keys = |words: &Value| words["words"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let all = keys(&host.words(None));
    assert!(all.len() > 60, "{all:?}");
    for (locale, told, direction, cancel) in [
        (None, "ro", "ltr", "Anulează"),
        (Some("de-AT"), "de", "ltr", "Abbrechen"),
        (Some("ar"), "ar", "rtl", "إلغاء"),
        (Some("tlh"), "en", "ltr", "Cancel"),
    ] {
        let words = host.words(locale.map(|locale| json!({"locale": locale})).as_ref());
        assert_eq!(
            [&words["locale"], &words["direction"], &words["words"]["cancel"]],
            [&json!(told), &json!(direction), &json!(cancel)]
        );
        assert_eq!(keys(&words), all);
        assert!(words["words"]["remove_attachment"].as_str().unwrap().contains("{file}"), "{words:#}");
    }
    assert_eq!(host.words(Some(&json!({"locale": "en"})))["words"]["send"], "Off you go");
    assert_eq!(errors(&host.words(Some(&json!({"local": "en"})))), [("local", "unknown_key_near")]);
    assert_eq!(errors(&host.words(Some(&json!({"locale": 1})))), [("locale", "locale_invalid")]);
}

#[test]
fn faults_are_told_in_the_language_too() {
    let answer = opened(json!({"locale": "ro"})).try_set(&json!({"smtp_host": "mail.example.com:587"}));
    assert_eq!(answer["errors"][0]["message"], "Ștergeți de aici „:587”: portul are câmpul lui.", "{answer:#}");
    let wrong = opened(json!({"locale": "ro"})).try_set(&json!({"smtp_host": true}));
    assert_eq!(wrong["errors"][0]["message"], "Aici trebuie să fie text.", "{wrong:#}");
}

#[test]
fn a_host_adds_a_language_and_replaces_texts() {
    let texts = json!({"hu": "field-password = Jelszó\n", "en": "field-password = Secret word of { $program }"});
    let form = opened(json!({"locale": "hu-HU", "texts": texts})).form(None);
    assert_eq!(form["form"]["locale"], "hu");
    assert_eq!(field(&form, "password")["label"], "Jelszó");
    assert_eq!(field(&form, "username")["label"], "Username");
    let form = opened(json!({"texts": texts})).form(None);
    assert_eq!(field(&form, "password")["label"], "Secret word of Ledger");
}

#[test]
fn what_is_no_language_and_no_text_is_refused_with_its_place() {
    let refused = |options: Value| Host::refused(&options);
    assert_eq!(errors(&refused(json!({"locale": "ro_RO.UTF-8"}))), [("locale", "locale_invalid")]);
    assert_eq!(errors(&refused(json!({"locale": 7}))), [("locale", "wrong_type")]);
    let texts = json!({"hu": "field-pasword = x", "h!": "", "de": 7, "fr": "field-password = {", "it": "a = b\na = b"});
    let answer = refused(json!({"texts": texts}));
    let expected = [
        ("texts.hu", "text_unknown"),
        ("texts.h!", "locale_invalid"),
        ("texts.de", "wrong_type_expected"),
        ("texts.fr", "text_syntax"),
        ("texts.it", "text_unknown"),
        ("texts.it", "text_twice"),
        ("texts.it", "text_unknown"),
    ];
    assert_eq!(errors(&answer), expected);
    assert_eq!(answer["errors"][0]["message"], "There is no text with the id field-pasword (line 1).");
    let answer = refused(json!({"texts": {"hu": "field-password = a\nfield-username = { $pasword }"}}));
    let message = "The text field-username (line 2) names $pasword, which is not there for it.";
    assert_eq!((errors(&answer)[0].1, &answer["errors"][0]["message"]), ("text_word", &json!(message)));
}

#[test]
fn each_call_may_be_for_somebody_who_reads_another_language() {
    let host = opened(json!({"locale": "de"}));
    host.set(&json!({"smtp_host": "127.0.0.1", "smtp_port": 1, "smtp_security": "none", "email_address": "a@b.ro"}));
    let document = |locale: Value| host.button(&json!({"kind": "invoice", "reference": "7", "locale": locale}));
    assert_eq!(document(Value::Null)["email"]["subject"], "Rechnung 7");
    assert_eq!(document(json!("ro"))["email"]["subject"], "Factură 7");
    assert_eq!(errors(&document(json!("r"))), [("locale", "locale_invalid")]);
    let answer = host.send_test(Some(&json!({"locale": "ro"}))).wait();
    let refused = "Serverul 127.0.0.1 a refuzat conexiunea pe portul 1. E-mailul nu a fost trimis.";
    assert_eq!(
        (&answer["message"], &answer["steps"][1]["label"]),
        (&json!(refused), &json!("Conectarea")),
        "{answer:#}"
    );
    let email = json!({"to": "ion@example.test", "locale": "ro"});
    assert_eq!(host.send_document(&email, support::PDF).wait()["message"], refused);
    let answer = host.send_document(&json!({"to": "ion", "locale": "ro"}), support::PDF).wait();
    assert!(answer["message"].as_str().unwrap().starts_with("E-mailul nu poate fi trimis astfel."), "{answer:#}");
    assert_eq!(errors(&host.send_test(Some(&json!({"locale": 1}))).wait()), [("locale", "locale_invalid")]);
}

#[test]
fn the_form_of_one_account_is_in_the_language_of_each_call() {
    let host = opened(json!({"locale": "de"}));
    let settings = json!({"smtp_host": "mail.example.com", "smtp_port": 587, "email_address": "a@b.ro"});
    host.set(&settings);
    let value = |form: &Value| field(form, "smtp_host")["value"].clone();
    for (values, locale, saved) in [
        (json!({"locale": "ro"}), "ro", json!("mail.example.com")),
        (json!({"locale": "ar", "smtp_host": "mx.example.com"}), "ar", json!("mx.example.com")),
        (json!({"locale": null, "smtp_host": "mx.example.com"}), "de", json!("mx.example.com")),
        (json!({"locale": null}), "de", json!("")),
    ] {
        let form = host.form(Some(&values));
        assert_eq!((&form["form"]["locale"], value(&form)), (&json!(locale), saved), "{values}");
        let title = &form["form"]["json_forms"]["schema"]["properties"]["smtp_host"]["title"];
        assert_eq!(title, &field(&form, "smtp_host")["label"], "{values}");
    }
    assert_eq!(errors(&host.form(Some(&json!({"locale": 1})))), [("locale", "locale_invalid")]);
    let answer = host.try_set(&json!({"locale": "ro", "smtp_host": "mail.example.com:587"}));
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("portul"), "{answer:#}");
    let mut in_romanian = settings;
    in_romanian["locale"] = json!("ro");
    assert!(host.try_set(&in_romanian)["settings"].get("locale").is_none(), "it is no setting");
}

#[test]
fn the_test_mail_and_its_report_are_in_the_language_of_the_call() {
    let server = Server::start(|peer| {
        peer.greet(&[])?;
        peer.take_email()
    });
    let host = Session::plain().test().open(server.port);
    let answer = host.send_test(Some(&json!({"locale": "ro"}))).wait();
    assert_eq!(answer["reason"], "accepted", "{answer:#}");
    assert!(answer["message"].as_str().unwrap().starts_with("Setările funcționează"), "{answer:#}");
    drop(host);
    let record = server.record();
    let content = String::from_utf8_lossy(&record.delivered[0]);
    assert!(content.contains("Subject: E-mail de test de la Ledger\r\n"), "{content}");
}

#[test]
fn an_arabic_email_begins_as_one_that_can_be_sent() {
    let host = opened(json!({"locale": "ar"}));
    host.set(&json!({
        "smtp_host": "localhost", "smtp_port": 587, "email_address": "a@b.ro", "sender_name": "Ana SRL",
    }));
    let answer =
        host.button(&json!({"kind": "invoice", "reference": "7", "recipient": {"name": "Ion", "addresses": "i@b.ro"}}));
    assert_eq!(answer["warnings"], json!([]), "{answer:#}");
    let email = answer["email"].to_string();
    assert!(email.contains("فاتورة") && !email.contains(['\u{2068}', '\u{2069}']), "{email}");
}
