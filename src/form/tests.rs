//! The rules of the form, one test for each row of promises.

use once_cell::race::OnceBox;
use serde_json::{Value, json};

use super::check::Checked;
use super::{FIELDS, Purpose, Route, SIGN_IN, Schemas, Sheet, Stored, Values, belonging, render};
use crate::guide::{Provider, Providers, Texts};
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

fn check(values: &Values, stored: Option<&Stored>, purpose: Purpose) -> Checked<'static> {
    super::check(providers(), values, stored, purpose)
}

fn providers() -> &'static Providers {
    static PROVIDERS: OnceBox<Providers> = OnceBox::new();
    PROVIDERS.get_or_init(Box::default)
}

fn save(values: &Values) -> Checked<'static> {
    check(values, None, Purpose::Save)
}

fn told<'c>(checked: &'c Checked<'_>) -> Vec<(&'c str, &'static str)> {
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
fn a_sign_in_has_no_password_and_a_user() {
    let signed_in = |changes: Value| {
        let mut changes = changes;
        changes["auth"] = "oauth2".into();
        smtp(changes)
    };
    let checked = save(&signed_in(json!({"mailbox": "office@example.test"})));
    assert_eq!(told(&checked), []);
    assert!(checked.secrets.is_empty() && !checked.kept.contains_key("password"));
    assert_eq!((&checked.kept["auth"], &checked.kept["mailbox"]), (&json!("oauth2"), &json!("office@example.test")));
    let mut settings = checked.settings.unwrap();
    assert!(settings.needs_token() && settings.authorize(Secret::new("token".to_owned())) && !settings.needs_token());
    let Route::Smtp { server, sender, .. } = settings.route else { panic!("http") };
    assert_eq!(sender.as_str(), "office@example.test");
    assert_eq!(server.login.as_ref().unwrap().username, "office@example.test");
    let missing = save(&signed_in(json!({"username": null, "email_address": "ana@example.test"})));
    assert_eq!(told(&missing), [("username", "required")]);
    // With a password, the mailbox is hidden, and there is no use for a token.
    let checked = save(&smtp(json!({"mailbox": "not an address"})));
    assert!(told(&checked).is_empty() && !checked.kept.contains_key("mailbox"));
    assert!(!checked.settings.unwrap().authorize(Secret::new("token".to_owned())));
}

#[test]
fn a_sign_in_stays_with_its_server_and_user() {
    let with = |changes: Value| {
        let mut changes = changes;
        changes["auth"] = changes.get("auth").cloned().unwrap_or("oauth2".into());
        changes["password"] = Value::Null;
        smtp(changes)
    };
    let mut stored = stored(&with(json!({})));
    stored.secrets.insert(SIGN_IN.to_owned(), Secret::new("tokens".to_owned()));
    let is_kept = |changes: Value| check(&with(changes), Some(&stored), Purpose::Save).secrets.contains_key(SIGN_IN);
    for same in [json!({}), json!({"smtp_port": 465}), json!({"mailbox": "office@example.test", "sender_name": "Ana"})]
    {
        assert!(is_kept(same.clone()), "{same}");
    }
    for other in
        [json!({"smtp_host": "mail.example.com"}), json!({"username": "ion@example.test"}), json!({"auth": "password"})]
    {
        assert!(!is_kept(other.clone()), "{other}");
    }
    // A password that is stored is none.
    let password = super::tests::stored(&smtp(json!({})));
    assert!(check(&with(json!({})), Some(&password), Purpose::Save).secrets.is_empty());
}

#[test]
fn a_token_goes_out_encrypted_whatever_is_ticked() {
    let clear = |host| {
        let settings =
            json!({"auth": "oauth2", "smtp_host": host, "smtp_security": "none", "allow_insecure_login": true});
        told(&save(&smtp(settings))).iter().map(|(key, code)| format!("{key} {code}")).collect::<Vec<_>>()
    };
    assert_eq!(clear("mail.example.test"), ["smtp_security token_in_clear"]);
    assert!(clear("127.0.0.1").is_empty());
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
    let form = render(&texts, &schemas, &Sheet { values: &values, stored: Some(&stored), providers: providers() });
    assert!(!form.to_string().contains("hunter2"));
    let field = |key: &str| form["fields"].as_array().unwrap().iter().find(|it| it["key"] == key).unwrap().clone();
    assert_eq!((&field("password")["has_value"], &field("password")["value"]), (&json!(true), &Value::Null));
    assert_eq!(field("http_token")["visible"], false);
    assert_eq!(form["fields"].as_array().unwrap().len(), FIELDS.len());
    // A form that was just opened does not complain; its buttons say why they are off.
    let empty = Values::default();
    let form = render(&texts, &schemas, &Sheet { values: &empty, stored: None, providers: providers() });
    assert!(form["fields"].as_array().unwrap().iter().all(|field| field["error"].is_null()), "{form:#}");
    assert_eq!(form["buttons"][1]["enabled"], false);
    assert_eq!(form["buttons"][1]["why_not"]["code"], "fields");
}

fn form(json: Value) -> Value {
    form_of(providers(), json)
}

fn form_of(providers: &Providers, json: Value) -> Value {
    let texts = Texts::new("Ledger");
    render(&texts, &Schemas::new(&texts), &Sheet { values: &values(json), stored: None, providers })
}

#[test]
fn where_no_password_gets_in_the_sign_in_is_proposed_if_it_can_work() {
    let proposed = |providers: &Providers| {
        form_of(providers, json!({"username": "ana@outlook.com"}))["proposal"]["patch"]["auth"].clone()
    };
    assert_eq!(proposed(&Providers::default()), Value::Null);
    let registered = |id: &str| Providers::default().registered([id.to_owned()].into());
    assert_eq!(proposed(&registered("outlook-personal")), "oauth2");
    assert_eq!(proposed(&registered("gmail")), Value::Null);
}

#[test]
fn an_address_alone_gives_the_settings_of_each_provider() {
    let mut count = 0;
    for row in serde_json::from_str::<Vec<Value>>(include_str!("../guide/providers.json")).unwrap() {
        for domain in row["domains"].as_array().into_iter().flatten().map(|it| it.as_str().unwrap()) {
            let address = format!("ana.pop@{domain}");
            let shown = form(json!({"email_address": address}));
            assert_eq!(shown["provider"]["id"], row["id"], "{domain}");
            let Some(server) = row["servers"].get(0) else {
                assert_eq!(shown["proposal"], Value::Null, "{domain}");
                continue;
            };
            let patch = &shown["proposal"]["patch"];
            assert_eq!((&patch["smtp_host"], &patch["smtp_port"]), (&server["host"], &server["port"]), "{domain}");
            let username = match row["username"].as_str() {
                Some("address") => address.as_str().into(),
                Some("local_part") => "ana.pop".into(),
                _ => Value::Null,
            };
            assert_eq!(patch["username"], username, "{domain}");
            // Merged into the form, they are what the row says, and nothing is left to propose.
            let mut merged = json!({"email_address": address, "password": "secret"});
            merge(&mut merged, patch.clone());
            let merged_values = values(merged.clone());
            let checked = save(&merged_values);
            assert_eq!(told(&checked), [], "{domain}");
            let Some(Route::Smtp { server: used, sender, .. }) = checked.settings.map(|it| it.route) else { panic!() };
            let means = if server["security"] == "tls" { Security::Tls } else { Security::StartTls };
            assert_eq!((used.security, sender.as_str()), (means, address.as_str()), "{domain}");
            assert_eq!(form(merged)["proposal"], Value::Null, "{domain}");
            count += 1;
        }
    }
    assert!(count > 500, "{count}");
}

#[test]
fn a_server_name_gives_the_rest() {
    let patch = |json| form(json)["proposal"]["patch"].clone();
    assert_eq!(patch(json!({"smtp_host": "SMTP.SendGrid.net."})), json!({"smtp_port": 587, "username": "apikey"}));
    assert_eq!(patch(json!({"smtp_host": "smtp.mailgun.org"})), json!({"smtp_port": 465}));
    assert_eq!(
        patch(json!({"smtp_host": "smtp.gmail.com", "email_address": "ana@firm.example"})),
        json!({"smtp_port": 465, "username": "ana@firm.example"})
    );
    // The mode that belongs to the port that was typed.
    let resend = json!({"smtp_host": "smtp.resend.com", "smtp_port": "2465", "username": "resend"});
    assert_eq!(patch(resend), json!({"smtp_security": "tls"}));
}

#[test]
fn a_providers_server_for_receiving_is_told_with_the_one_for_sending() {
    let shown = form(json!({"smtp_host": "imap.gmail.com", "smtp_port": 993, "username": "ana@gmail.com"}));
    let warning = shown["fields"].as_array().unwrap().iter().find(|field| field["key"] == "smtp_host").unwrap();
    assert_eq!(warning["warning"]["code"], "host_incoming");
    let message = warning["warning"]["message"].as_str().unwrap();
    assert!(message.contains("Gmail's server smtp.gmail.com"), "{message}");
    assert_eq!((&shown["provider"]["id"], &shown["proposal"]), (&json!("gmail"), &Value::Null));
    // What is so at the provider's other servers is so here.
    let trusting = smtp(json!({"smtp_host": "imap.gmail.com", "allow_untrusted_certificate": true}));
    assert!(told(&save(&trusting)).contains(&("allow_untrusted_certificate", "established_provider")));
}

#[test]
fn what_was_typed_is_never_overwritten() {
    let proposal = |json| form(json)["proposal"].clone();
    let typed = json!({"username": "ana@gmail.com", "smtp_port": 587});
    assert_eq!(proposal(typed)["patch"], json!({"smtp_host": "smtp.gmail.com"}));
    let typed = json!({"username": "me", "email_address": "ana@web.de"});
    assert_eq!(proposal(typed)["patch"], json!({"smtp_host": "smtp.web.de", "smtp_port": 587}));
    for complete_or_strange in [
        json!({"username": "ana@gmail.com", "smtp_host": "smtp.gmail.com", "smtp_port": 465}),
        // Another server, a port that the provider does not have, a name that is none, another protocol.
        json!({"username": "ana@gmail.com", "smtp_host": "mail.firm.example"}),
        json!({"username": "ana@gmail.com", "smtp_port": 2525}),
        json!({"username": "ana@gmail.com", "smtp_port": "x"}),
        json!({"username": "ana@gmail.com", "smtp_host": "smtp.gmail.com:465"}),
        json!({"username": "ana@gmail.com", "protocol": "http"}),
        json!({"username": "ana@firm.example"}),
        json!({}),
    ] {
        assert_eq!(proposal(complete_or_strange.clone()), Value::Null, "{complete_or_strange}");
    }
}

#[test]
fn only_a_whole_address_becomes_the_username() {
    let patch = |address: &str| form(json!({"email_address": address}))["proposal"]["patch"].clone();
    for half in ["@gmail.com", "ana b@gmail.com", "ana@x@gmail.com", "ana\u{202e}@gmail.com"] {
        assert_eq!(patch(half), json!({"smtp_host": "smtp.gmail.com", "smtp_port": 465}), "{half}");
    }
    assert_eq!(patch(" ana@gmail.com ")["username"], "ana@gmail.com");
    assert_eq!(
        form(json!({"email_address": "@x", "smtp_host": "smtp.sendgrid.net"}))["proposal"]["patch"]["username"],
        "apikey"
    );
}

#[test]
fn the_provider_comes_with_its_steps() {
    let gmail = form(json!({"email_address": "ana@gmail.com"}))["provider"].clone();
    assert_eq!((&gmail["name"], &gmail["login"][0]), (&json!("Gmail"), &json!("app_password")));
    let steps = gmail["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 3);
    assert_eq!(steps[1]["link"], "https://myaccount.google.com/apppasswords");
    assert!(steps[1]["text"].as_str().unwrap().contains("Ledger"), "{steps:#?}");
    // Every provider has steps, and each is a sentence.
    for row in serde_json::from_str::<Vec<Value>>(include_str!("../guide/providers.json")).unwrap() {
        let own = Providers::new(vec![provider(json!({
            "id": "own", "name": row["name"], "app_password": row["app_password"], "domains": ["own.example"],
            "steps_as": row["steps_as"].as_str().or(row["id"].as_str()), "steps": row["steps"],
            "app_password_page": row["app_password_page"], "help": row["help"],
        }))]);
        let shown = form_of(&own, json!({"email_address": "ana@own.example"}))["provider"].clone();
        let steps = shown["steps"].as_array().unwrap();
        assert!(!steps.is_empty(), "{}", row["id"]);
        assert_eq!(row["steps"].as_array().map_or(steps.len(), Vec::len), steps.len(), "{}", row["id"]);
        assert!(steps.iter().all(|step| step["text"].as_str().is_some_and(|text| text.ends_with('.'))), "{steps:?}");
    }
}

fn provider(row: Value) -> Provider {
    let mut faults = Faults::new();
    let provider = Provider::read(row, "providers[0]".to_owned(), &mut faults);
    assert_eq!(faults, []);
    provider.unwrap()
}

#[test]
fn the_rules_hold_for_the_providers_of_the_host_too() {
    let own = Providers::new(vec![provider(json!({
        "id": "own", "name": "Own Mail", "app_password": "required", "domains": ["own.example"],
        "servers": [{"host": "mail.own.example", "port": 2465, "security": "tls"}],
    }))]);
    let shown = form_of(&own, json!({"email_address": "ana@own.example"}));
    let patch = json!({
        "smtp_host": "mail.own.example", "smtp_port": 2465, "smtp_security": "tls", "username": "ana@own.example",
    });
    assert_eq!(shown["proposal"]["patch"], patch);
    assert_eq!((&shown["proposal"]["source"], &shown["proposal"]["provider"]), (&json!("provider"), &json!("own")));
    let field = |key: &str| shown["fields"].as_array().unwrap().iter().find(|it| it["key"] == key).unwrap().clone();
    assert!(field("password")["help"].as_str().unwrap().starts_with("Own Mail"));
    let trusting = smtp(json!({"smtp_host": "Mail.own.example", "allow_untrusted_certificate": true}));
    let checked = super::check(&own, &trusting, None, Purpose::Save);
    assert_eq!(told(&checked), [("allow_untrusted_certificate", "established_provider")]);
    // Security that was chosen stays.
    let chosen = form_of(&own, json!({"email_address": "ana@own.example", "smtp_security": "starttls"}));
    assert_eq!(chosen["proposal"]["patch"]["smtp_security"], Value::Null);
}
