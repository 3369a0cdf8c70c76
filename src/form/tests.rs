//! The rules of the form, one test for each row of promises.

use serde_json::{Value, json};

use super::check::{Checked, check};
use super::{FIELDS, Purpose, Route, Schemas, Sheet, Stored, Values, belonging, render};
use crate::guide::Texts;
use crate::input::Faults;
use crate::secret::Secret;
use crate::transport::Trust;
use crate::transport::smtp::{Security, Server};

const FINGERPRINT: &str =
    "AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB";

/// What works as it is, with these changes; `null` leaves a key out.
fn smtp(changes: Value) -> Values {
    let mut json = json!({
        "smtp_host": "mail.example.test", "smtp_port": 587, "username": "ana@example.test", "password": "secret",
    });
    merge(&mut json, changes);
    values(json)
}

fn merge(json: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else { panic!("no object: {changes}") };
    json.as_object_mut().unwrap().extend(changes);
}

fn http(changes: Value) -> Values {
    let mut json = json!({"protocol": "http", "http_server": "email.example.test", "reply_to": "ana@example.test"});
    merge(&mut json, changes);
    values(json)
}

fn values(json: Value) -> Values {
    let mut faults = Faults::new();
    let values = Values::from_json(json, "settings_json", &mut faults);
    assert_eq!(faults, []);
    values
}

fn save(values: &Values) -> Checked {
    check(values, None, Purpose::Save)
}

fn told(checked: &Checked) -> Vec<(&str, &'static str)> {
    checked.faults.iter().map(|fault| (fault.place.as_str(), fault.code)).collect()
}

fn server(values: &Values) -> Server {
    match save(values).settings.expect("settings").route {
        Route::Smtp { server, .. } => (*server).clone(),
        Route::Http(_) => panic!("http"),
    }
}

/// As the store gives it back.
fn stored(values: &Values) -> Stored {
    let checked = save(values);
    assert_eq!(told(&checked), []);
    Stored { secrets: checked.secrets, belongs_to: belonging(&Values::from_saved(&checked.kept)) }
}

#[test]
fn a_stored_password_stays_with_its_server_and_user() {
    let stored = stored(&smtp(json!({})));
    let kept = |changes: Value| {
        let mut changes = changes;
        changes["password"] = Value::Null;
        let checked = check(&smtp(changes), Some(&stored), Purpose::Save);
        (checked.faults.is_empty(), told(&checked) == [("password", "password_again")], checked.secrets.len())
    };
    for same in [
        json!({}),
        json!({"smtp_host": "MAIL.example.test."}),
        json!({"smtp_port": " 587 "}),
        json!({"smtp_security": "starttls"}),
        json!({"sender_name": "Ana SRL", "send_copy": true, "copy_to": "a@b.test"}),
        json!({"allow_untrusted_certificate": true, "trusted_certificate": FINGERPRINT}),
    ] {
        assert_eq!(kept(same.clone()), (true, false, 1), "{same}");
    }
    for changed in [
        json!({"smtp_host": "mail.example.com"}),
        json!({"smtp_port": 2525}),
        json!({"smtp_port": 465}),
        json!({"smtp_security": "tls"}),
        json!({"smtp_security": "none", "allow_insecure_login": true}),
        json!({"username": "ion@example.test"}),
        json!({"username": "Ana@example.test"}),
    ] {
        assert_eq!(kept(changed.clone()), (false, true, 0), "{changed}");
    }
    // What is typed counts, and an empty one was not typed.
    let typed = check(&smtp(json!({"smtp_port": 2525, "password": "new"})), Some(&stored), Purpose::Save);
    assert_eq!(typed.secrets["password"], Secret::new("new".to_owned()));
    let empty = check(&smtp(json!({"password": ""})), Some(&stored), Purpose::Save);
    assert_eq!(empty.secrets["password"], Secret::new("secret".to_owned()));
}

#[test]
fn automatic_and_the_mode_that_it_means_are_the_same_server() {
    let automatic = stored(&smtp(json!({"smtp_port": 465})));
    let tls = smtp(json!({"smtp_port": 465, "smtp_security": "tls", "password": null}));
    assert_eq!(told(&check(&tls, Some(&automatic), Purpose::Save)), []);
    for (port, security, means) in [
        (465, "auto", Security::Tls),
        (587, "auto", Security::StartTls),
        (25, "auto", Security::StartTls),
        (2525, "auto", Security::StartTls),
        (465, "starttls", Security::StartTls),
        (587, "tls", Security::Tls),
        (25, "none", Security::None),
    ] {
        let values = smtp(json!({"smtp_port": port, "smtp_security": security, "allow_insecure_login": true}));
        assert_eq!(server(&values).security, means, "{port} {security}");
    }
}

#[test]
fn without_a_username_there_is_no_login() {
    let values = smtp(json!({"username": null, "password": null, "email_address": "ana@example.test"}));
    assert_eq!(server(&values).login, None);
    // A stored password is not kept for a login that is not there.
    let before = stored(&smtp(json!({})));
    assert!(check(&values, Some(&before), Purpose::Save).secrets.is_empty());
    let typed = smtp(json!({"username": null, "email_address": "ana@example.test"}));
    assert_eq!(told(&save(&typed)), [("username", "password_without_username")]);
    assert_eq!(told(&save(&smtp(json!({"password": null})))), [("password", "required")]);
}

#[test]
fn the_sender_is_the_username_or_asked_for() {
    let sender = |changes| match save(&smtp(changes)).settings.expect("settings").route {
        Route::Smtp { sender, .. } => sender.as_str().to_owned(),
        Route::Http(_) => panic!("http"),
    };
    assert_eq!(sender(json!({})), "ana@example.test");
    assert_eq!(sender(json!({"username": "ana", "email_address": "office@example.test"})), "office@example.test");
    // Hidden, it does not count.
    assert_eq!(sender(json!({"email_address": "other@example.test"})), "ana@example.test");
    assert_eq!(told(&save(&smtp(json!({"username": "ana"})))), [("email_address", "required")]);
}

#[test]
fn hidden_fields_are_neither_judged_nor_kept() {
    let checked = save(&smtp(json!({
        "http_server": "not a server", "copy_to": "not an address", "reply_to": "nor this", "email_address": "x",
        "trusted_certificate": "zz", "http_token": "hidden", "allow_insecure_login": true,
    })));
    assert_eq!(told(&checked), []);
    for hidden in [
        "http_server",
        "copy_to",
        "reply_to",
        "email_address",
        "trusted_certificate",
        "http_token",
        "allow_insecure_login",
    ] {
        assert!(!checked.kept.contains_key(hidden) && !checked.secrets.contains_key(hidden), "{hidden}");
    }
    assert!(!checked.kept.contains_key("password"), "a secret among the settings");
    let checked = save(&http(json!({"smtp_host": "bad host", "password": "x", "different_reply_to": false})));
    assert_eq!(told(&checked), []);
    assert!(checked.secrets.is_empty() && !checked.kept.contains_key("smtp_host"));
}

#[test]
fn a_password_in_clear_is_chosen_in_so_many_words() {
    let clear = |changes: Value| {
        let mut changes = changes;
        changes["smtp_security"] = "none".into();
        smtp(changes)
    };
    assert_eq!(told(&save(&clear(json!({})))), [("allow_insecure_login", "insecure_login")]);
    assert!(server(&clear(json!({"allow_insecure_login": true}))).allow_insecure_login);
    for loopback in ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1"] {
        assert!(!server(&clear(json!({"smtp_host": loopback}))).allow_insecure_login, "{loopback}");
    }
    for other in ["localhost.example.test", "10.0.0.1", "0.0.0.0", "127.0.0.1.example.test"] {
        assert!(save(&clear(json!({"smtp_host": other}))).settings.is_none(), "{other}");
    }
    // No login, nothing to protect; the emails are warned about all the same.
    let checked = save(&clear(json!({"username": null, "password": null, "email_address": "a@b.test"})));
    assert_eq!(told(&checked), []);
    assert_eq!(checked.warnings, [("smtp_security", "no_encryption")]);
    // Ticked before the encryption came back, it allows nothing.
    assert!(!save(&smtp(json!({"allow_insecure_login": true}))).kept.contains_key("allow_insecure_login"));
}

#[test]
fn an_established_provider_needs_no_trust_of_its_own() {
    for host in ["smtp.gmail.com", "SMTP.mail.yahoo.com", "smtp.office365.com.", "smtp.web.de"] {
        let values = smtp(json!({
            "smtp_host": host, "allow_untrusted_certificate": true, "trusted_certificate": FINGERPRINT,
        }));
        assert_eq!(told(&save(&values)), [("allow_untrusted_certificate", "established_provider")], "{host}");
        let testing = smtp(json!({"smtp_host": host, "allow_untrusted_certificate": true}));
        let checked = check(&testing, None, Purpose::Test);
        assert_eq!(told(&checked), [("allow_untrusted_certificate", "established_provider")], "{host}");
    }
    let own = json!({"allow_untrusted_certificate": true, "trusted_certificate": FINGERPRINT.to_lowercase()});
    assert!(matches!(server(&smtp(own.clone())).trust, Trust::Pinned(_)));
    let checked = save(&smtp(own));
    assert_eq!(checked.kept["trusted_certificate"], FINGERPRINT);
    assert_eq!(checked.warnings, [("allow_untrusted_certificate", "own_certificate")]);
    // Which certificate it is, the test finds out; until then nothing is trusted that was not before.
    let unknown = smtp(json!({"allow_untrusted_certificate": true}));
    assert_eq!(told(&save(&unknown)), [("trusted_certificate", "required")]);
    let tested = check(&unknown, None, Purpose::Test);
    assert!(
        matches!(tested.settings.map(|it| it.route), Some(Route::Smtp { server, .. }) if server.trust == Trust::Authorities)
    );
    // Unticked, an old fingerprint does not count.
    assert_eq!(server(&smtp(json!({"trusted_certificate": FINGERPRINT}))).trust, Trust::Authorities);
}

#[test]
fn copies_and_replies_go_where_they_were_sent_to() {
    let settings = |changes| save(&smtp(changes)).settings.expect("settings");
    let both = settings(json!({
        "send_copy": true, "copy_to": "a@b.test; C <c@d.test>", "different_reply_to": true, "reply_to": ["o@b.test"],
    }));
    assert_eq!(both.copy_to.iter().map(crate::email::Address::as_str).collect::<Vec<_>>(), ["a@b.test", "c@d.test"]);
    assert_eq!(both.reply_to[0].address.as_str(), "o@b.test");
    let none = settings(json!({"copy_to": "a@b.test", "reply_to": "o@b.test"}));
    assert!(none.copy_to.is_empty() && none.reply_to.is_empty());
    let missing = save(&smtp(json!({"send_copy": true, "different_reply_to": true})));
    assert_eq!(told(&missing), [("copy_to", "required"), ("reply_to", "required")]);
    let wrong = save(&smtp(json!({"send_copy": true, "copy_to": "a@b.test, nobody"})));
    assert_eq!(told(&wrong), [("copy_to", "address_no_at")]);
    // At a relay the address for replies is the only one there is.
    assert_eq!(told(&save(&http(json!({"reply_to": null})))), [("reply_to", "required")]);
}

#[test]
fn a_token_stays_with_its_relay() {
    let stored = stored(&http(json!({"http_token": "token"})));
    let kept = |changes| check(&http(changes), Some(&stored), Purpose::Save);
    assert_eq!(kept(json!({"http_server": "https://EMAIL.example.test"})).secrets.len(), 1);
    for changed in ["https://email.example.test:8443/", "https://email.example.test/other", "https://other.test/"] {
        let checked = kept(json!({"http_server": changed}));
        assert_eq!((told(&checked), checked.secrets.len()), (vec![], 0), "{changed}");
    }
    // From SMTP to a relay, nothing of the one goes to the other.
    let password = super::tests::stored(&smtp(json!({})));
    let checked = check(&http(json!({})), Some(&password), Purpose::Save);
    assert_eq!((told(&checked), checked.secrets.len()), (vec![], 0));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let checked = save(&values(json!({"smtp_port": "x", "smtp_security": "ssl", "sender_name": "a\nb"})));
    let expected = [
        ("smtp_host", "required"),
        ("smtp_port", "port_invalid"),
        ("smtp_security", "choice_unknown"),
        ("email_address", "required"),
        ("sender_name", "control_character"),
    ];
    assert_eq!(told(&checked), expected);
    for (port, is_fine) in [("0", false), ("65535", true), ("65536", false), ("-1", false), ("58 7", false)] {
        assert_eq!(told(&save(&smtp(json!({"smtp_port": port})))).is_empty(), is_fine, "{port}");
    }
    for control in ["a\nb", "a\0", "\u{85}"] {
        assert_eq!(told(&save(&smtp(json!({"password": control})))), [("password", "secret_control")]);
    }
}

#[test]
fn no_form_ever_holds_a_secret() {
    let texts = Texts::new("Ledger");
    let values = smtp(json!({"password": "hunter2-typed"}));
    let stored = stored(&smtp(json!({"password": "hunter2-stored"})));
    let schemas = Schemas::new(&texts);
    let form = render(&texts, &schemas, &Sheet { values: &values, stored: Some(&stored) });
    assert!(!form.to_string().contains("hunter2"));
    let field = |key: &str| form["fields"].as_array().unwrap().iter().find(|it| it["key"] == key).unwrap().clone();
    assert_eq!((&field("password")["has_value"], &field("password")["value"]), (&json!(true), &Value::Null));
    assert_eq!(field("http_token")["visible"], false);
    assert_eq!(form["fields"].as_array().unwrap().len(), FIELDS.len());
    // A form that was just opened does not complain; its buttons say why they are off.
    let empty = Values::default();
    let form = render(&texts, &schemas, &Sheet { values: &empty, stored: None });
    assert!(form["fields"].as_array().unwrap().iter().all(|field| field["error"].is_null()), "{form:#}");
    assert_eq!(form["buttons"][1]["enabled"], false);
    assert_eq!(form["buttons"][1]["why_not"]["code"], "fields");
}
