//! The host's own providers, through the C ABI: what is known of one holds in the report and in the session as it does for
//! those that are built in.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::certificates::{self, Kind};
use support::host::Host;
use support::server::{Peer, Played};
use support::{Session, USERNAME};

/// The scripted server, as the provider of this row.
fn at(row: &Value) -> Session {
    let mut session = Session::tls().login();
    session.options.insert("providers".to_owned(), json!([row]));
    session
}

fn localhost(id: &str, app_password: &str) -> Value {
    json!({
        "id": id, "name": "Orchard Mail", "domains": ["example.test"], "app_password": app_password,
        "servers": [{"host": "localhost", "port": 465, "security": "tls"}],
        "app_password_page": "https://orchard.example/app-passwords", "help": "https://orchard.example/help",
    })
}

fn refuse_login(peer: &mut Peer) -> Played {
    peer.open_tls(&["AUTH PLAIN"])?;
    peer.answer("AUTH PLAIN ", "535 5.7.8 Username and Password not accepted\r\n")
}

#[test]
fn a_refused_login_is_advised_on_by_the_providers_rule() {
    for (app_password, code, page) in [
        ("required", "app_password", "app-passwords"),
        ("with_two_steps", "app_password", "app-passwords"),
        ("no_password", "other_account", "help"),
    ] {
        let ended = at(&localhost("orchard", app_password)).run(refuse_login);
        ended.is("LOGIN_REFUSED", "login_refused", "login").advises(code);
        let advice = &ended.json["advice"][0];
        assert!(advice["text"].as_str().unwrap().contains("Orchard Mail"), "{advice:#}");
        assert_eq!(advice["link"], format!("https://orchard.example/{page}"));
    }
}

#[test]
fn a_built_in_provider_can_be_played() {
    let ended = at(&localhost("gmail", "required")).run(refuse_login);
    ended.is("LOGIN_REFUSED", "login_refused", "login").advises("app_password");
    assert!(ended.json["advice"][0]["text"].as_str().unwrap().contains("Google"), "{:#}", ended.json);
}

#[test]
fn a_strangers_certificate_at_a_provider_is_never_offered_for_trust() {
    let strange = |peer: &mut Peer| peer.secure(&certificates::server(Kind::SelfSigned));
    let own_server = Session::tls().login().test().run(strange);
    own_server.is("NOT_SECURE", "certificate_untrusted", "tls").advises("accept_certificate");
    let provider = at(&localhost("orchard", "required")).test().run(strange);
    provider.is("NOT_SECURE", "certificate_untrusted", "tls").advises("intercepted");
    let advice = provider.json["advice"].as_array().unwrap();
    assert!(advice.iter().all(|it| it["code"] != "accept_certificate"), "{:#}", provider.json);
    // Nor can it be chosen.
    let host = Host::open(&json!({"providers": [localhost("orchard", "required")]}));
    let settings = json!({
        "smtp_host": "localhost", "smtp_port": 465, "username": USERNAME, "password": "x",
        "allow_untrusted_certificate": true, "trusted_certificate": "ab".repeat(32),
    });
    assert_eq!(host.try_set(&settings)["errors"][0]["code"], "established_provider");
}

#[test]
fn chunks_go_to_a_provider_that_is_known_to_do_them_well() {
    for (chunking, has_chunks) in [("good", true), ("bad", false)] {
        let mut row = localhost("orchard", "none");
        row["chunking"] = chunking.into();
        let ended = at(&row).run(move |peer| {
            peer.open_tls(&["AUTH PLAIN", "CHUNKING"])?;
            peer.answer("AUTH PLAIN ", "235 welcome\r\n")?;
            if !has_chunks {
                return peer.take_email();
            }
            peer.answer("MAIL FROM:<", "250 ok\r\n")?;
            peer.answer("RCPT TO:<", "250 ok\r\n")?;
            let line = peer.expect("BDAT ")?;
            let length = line.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap();
            peer.chunk(length, line.ends_with(" LAST"))?;
            peer.accept()
        });
        let content = if has_chunks { "BDAT" } else { "DATA" };
        ended.is_sent().commands(&["EHLO", "AUTH", "MAIL", "RCPT", content, "QUIT"]);
    }
}

#[test]
fn what_is_wrong_with_a_row_is_told_with_its_place() {
    let wrong = json!([
        localhost("orchard", "required"),
        {"id": "x", "name": "X", "servers": [{"host": "x.example", "port": 0, "security": "tls"}], "help": "http://x.example"},
        localhost("orchard", "key"),
    ]);
    let refused = Host::refused(&json!({"providers": wrong}));
    assert_eq!((&refused["status_name"], &refused["reason"]), (&json!("BAD_CALL"), &json!("bad_argument")));
    let errors: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|it| (&it["key"], &it["code"])).collect();
    let expected = [
        (&json!("providers[1].servers[0].port"), &json!("out_of_range")),
        (&json!("providers[1].help"), &json!("link_invalid")),
        (&json!("providers[2].id"), &json!("provider_twice")),
    ];
    assert_eq!(errors, expected);
    assert_eq!(Host::refused(&json!({"providers": {}}))["errors"][0]["code"], "wrong_type");
}

#[test]
fn the_hosts_own_steps_are_shown_in_its_own_words() {
    let mut row = localhost("orchard-mail", "required");
    row["steps"] = json!(["https://orchard.example/1", null]);
    let texts = json!({
        "en": "steps-orchard-mail-1 = Open { $provider } for { $program }.\nsteps-orchard-mail-2 = Copy the key.\n",
        "ro": "steps-orchard-mail-1 = Deschideți { $provider } pentru { $program }.\n",
    });
    let steps = |locale: &str| {
        let options = json!({"program_name": "Ledger", "providers": [row], "texts": texts, "locale": locale});
        let shown = Host::open(&options).form(Some(&json!({"email_address": "ana@example.test"})));
        shown["form"]["provider"]["steps"].clone()
    };
    let step = |text: &str, link: Value| json!({"text": text, "link": link});
    let first = "https://orchard.example/1";
    assert_eq!(
        steps("en"),
        json!([step("Open Orchard Mail for Ledger.", first.into()), step("Copy the key.", Value::Null)])
    );
    assert_eq!(
        steps("ro"),
        json!([step("Deschideți Orchard Mail pentru Ledger.", first.into()), step("Copy the key.", Value::Null)])
    );
}
