//! The login with an access token that the host gives: OAUTHBEARER (RFC 7628) and XOAUTH2.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::{PASSWORD, Session, USERNAME};

fn xoauth2(user: &str) -> String {
    STANDARD.encode(format!("user={user}\u{1}auth=Bearer {PASSWORD}\u{1}\u{1}"))
}

#[test]
fn a_token_is_sent_in_one_command() {
    let ended = Session::tls().token().run(|peer| {
        peer.open_tls(&["AUTH PLAIN LOGIN SCRAM-SHA-256 XOAUTH2 OAUTHBEARER"])?;
        let line = peer.expect("AUTH OAUTHBEARER ")?;
        let said = STANDARD.decode(line.rsplit(' ').next().unwrap().trim()).unwrap();
        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with(&format!("n,a={USERNAME},\u{1}host=localhost\u{1}port=")), "{said:?}");
        assert!(said.ends_with(&format!("\u{1}auth=Bearer {PASSWORD}\u{1}\u{1}")), "{said:?}");
        peer.send("235 2.7.0 welcome\r\n")?;
        peer.take_email()
    });
    ended.is_sent().commands(&["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]);
    assert_eq!(ended.step("login")["found"]["mechanism"], "OAUTHBEARER");
    let ended = Session::starttls().token().run(|peer| {
        peer.start_tls(&["AUTH LOGIN XOAUTH2"])?;
        peer.answer(&format!("AUTH XOAUTH2 {}", xoauth2(USERNAME)), "235 ok\r\n")?;
        peer.take_email()
    });
    ended.is_sent();
    assert_eq!(ended.step("login")["found"]["mechanism"], "XOAUTH2");
}

#[test]
fn a_test_takes_a_token_too() {
    let ended = Session::tls().token().test().run(|peer| {
        peer.open_tls(&["AUTH XOAUTH2"])?;
        peer.answer("AUTH XOAUTH2 ", "235 ok\r\n")?;
        peer.take_email()
    });
    ended.is_sent();
}

#[test]
fn a_shared_mailbox_is_the_user_of_the_login_and_the_sender() {
    let ended = Session::tls().token().set("mailbox", "office@example.test").run(|peer| {
        peer.open_tls(&["AUTH XOAUTH2"])?;
        peer.answer(&format!("AUTH XOAUTH2 {}", xoauth2("office@example.test")), "235 ok\r\n")?;
        peer.answer("MAIL FROM:<office@example.test>", "550 5.1.0 enough\r\n")
    });
    ended.is("REFUSED", "sender_refused", "sender");
}

#[test]
fn what_the_server_says_in_a_challenge_is_answered_and_told() {
    for (mechanism, answer) in [("OAUTHBEARER", "AQ=="), ("XOAUTH2", "")] {
        let ended = Session::tls().token().run(move |peer| {
            peer.open_tls(&[&format!("AUTH {mechanism}")])?;
            peer.expect("AUTH ")?;
            let reason = json!({"status": "invalid_token", "scope": format!("send\u{202e} {PASSWORD}")});
            peer.send(format!("334 {}\r\n", STANDARD.encode(reason.to_string())))?;
            assert_eq!(peer.line()?, answer);
            peer.send("535 5.7.8 no\r\n")
        });
        ended.is("LOGIN_REFUSED", "login_refused", "login").says(535, Some("5.7.8"), "no");
        assert_eq!(ended.json["detail"], "status invalid_token, scope send [secret]");
        assert_eq!(ended.json["problem"], "sign_in_again");
    }
    // What is no JSON, and no base64 either, is no reason, and answered all the same.
    for challenge in ["", "e30=", "not base64!", "////"] {
        let ended = Session::tls().token().run(move |peer| {
            peer.open_tls(&["AUTH XOAUTH2"])?;
            peer.answer("AUTH XOAUTH2 ", format!("334 {challenge}\r\n"))?;
            peer.answer("", "535 5.7.8 no\r\n")
        });
        ended.is("LOGIN_REFUSED", "login_refused", "login");
        assert_eq!((&ended.json["detail"], &ended.json["problem"]), (&Value::Null, &json!("sign_in_refused")));
    }
}

#[test]
fn an_echoed_response_is_in_no_reply() {
    let response = xoauth2(USERNAME);
    let ended = Session::tls().token().run(move |peer| {
        peer.open_tls(&["AUTH XOAUTH2"])?;
        peer.answer("AUTH XOAUTH2 ", format!("535 5.7.8 {response} {PASSWORD}\r\n"))
    });
    ended.is("LOGIN_REFUSED", "login_refused", "login").says(535, Some("5.7.8"), "[secret] [secret]");
}

#[test]
fn the_longest_token_fits_into_the_command() {
    let long = |length: usize| {
        format!("{}@{}", "a".repeat(60), ["b".repeat(60), "c".repeat(60)].join(".") + &".d".repeat(length))
    };
    let session = Session::tls().token().email("access_token", "x".repeat(8000)).set("username", long(30));
    let ended = session.run(|peer| {
        peer.open_tls(&["AUTH OAUTHBEARER"])?;
        peer.answer("AUTH OAUTHBEARER ", "235 ok\r\n")?;
        peer.take_email()
    });
    ended.is_sent();
}

#[test]
fn a_token_goes_to_no_server_in_clear() {
    let host = Session::tls().token().open(1);
    let reply = host.try_set(&json!({
        "smtp_host": "192.0.2.1", "smtp_port": 587, "smtp_security": "none", "auth": "oauth2", "username": USERNAME,
        "allow_insecure_login": true,
    }));
    assert_eq!(reply["errors"][0]["code"], "token_in_clear", "{reply:#}");
    assert_eq!(reply["errors"][0]["key"], "smtp_security");
}

#[test]
fn a_token_is_used_or_refused_by_name() {
    let host = Session::tls().token().open(1);
    let send = |json: Value| {
        let mut email = json!({"to": "ion@example.test"});
        email.as_object_mut().unwrap().extend(support::object(json));
        host.send_document(&email, support::PDF).wait()
    };
    let told = |reply: &Value| {
        let error = &reply["errors"][0];
        [&reply["status_name"], &error["key"], &error["code"]].map(|it| it.as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(told(&send(json!({}))), ["BAD_SETTINGS", "auth", "not_signed_in"]);
    assert_eq!(told(&host.send_test(None).wait()), ["BAD_SETTINGS", "auth", "not_signed_in"]);
    for bad in ["", "a b", "a\n", "\u{e9}", &"x".repeat(8001)] {
        let reply = send(json!({"access_token": bad}));
        assert_eq!(told(&reply), ["BAD_CALL", "access_token", "access_token_bad"], "{bad}");
    }
    assert_eq!(told(&send(json!({"access_token": 1}))), ["BAD_CALL", "access_token", "wrong_type_expected"]);
    let host = Session::tls().login().open(1);
    let reply = host.send_test(Some(&json!({"access_token": "x"}))).wait();
    assert_eq!(told(&reply), ["BAD_CALL", "access_token", "access_token_unused"]);
}
