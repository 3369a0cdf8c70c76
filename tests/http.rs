//! The HTTP protocol with a relay that plays a script.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use support::certificates::{self, Kind};
use support::server::{Gone, Peer, Played, Server};
use support::{PDF, Session};

const TOKEN: &str = support::PASSWORD;

/// The head of a request, and its body to the end that Content-Length says.
fn request(peer: &mut Peer) -> Result<(Vec<String>, Vec<u8>), Gone> {
    let mut head = Vec::new();
    let mut length = 0;
    loop {
        let line = peer.line()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    peer.some_bytes(length)?;
    Ok((head, peer.take_waiting()))
}

/// The reply, and the record of the relay.
fn run(
    change: impl FnOnce(Session) -> Session,
    script: impl FnOnce(&mut Peer) -> Played + Send + 'static,
) -> (serde_json::Value, support::server::Record) {
    run_at("http://127.0.0.1", change, script)
}

fn run_at(
    origin: &str,
    change: impl FnOnce(Session) -> Session,
    script: impl FnOnce(&mut Peer) -> Played + Send + 'static,
) -> (serde_json::Value, support::server::Record) {
    let server = Server::start(script);
    let mut session = change(Session::plain());
    session.settings = support::object(serde_json::json!({
        "protocol": "http",
        "http_server": format!("{origin}:{}/send?company=7", server.port),
        "http_token": TOKEN,
        "sender_name": "Ana SRL",
        "reply_to": "ana@example.test",
    }));
    let (host, pending) = session.begin(server.port);
    let json = pending.wait();
    drop((pending, host));
    let record = server.record();
    support::promises::worded(&json);
    assert!(!json.to_string().contains(TOKEN), "{json:#}");
    (json, record)
}

#[track_caller]
fn assert_ends(json: &serde_json::Value, status: &str, reason: &str, step: &str) {
    let told = ["status_name", "reason"].map(|key| json[key].as_str().unwrap());
    assert_eq!(told, [status, reason], "{json:#}");
    let last = json["steps"].as_array().unwrap().iter().rfind(|it| it["status"] != "skipped").unwrap();
    assert_eq!(last["step"], step, "{json:#}");
}

#[test]
fn a_document_is_posted_with_its_parts() {
    let (json, record) = run(
        |session| session.email("cc", "c@example.test").email("idempotency_key", "key-1"),
        |peer| {
            let (head, body) = request(peer)?;
            assert_eq!(head[0], "POST /send?company=7 HTTP/1.1");
            let body = String::from_utf8(body).unwrap();
            for part in ["name=\"from\"\r\n\r\nAna SRL\r\n", "name=\"to\"\r\n\r\nion@example.test\r\n", "name=\"cc\""] {
                assert!(body.contains(part), "{part}: {body}");
            }
            assert!(body.contains("filename=\"document.pdf\"") && body.contains(std::str::from_utf8(PDF).unwrap()));
            peer.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        },
    );
    assert_ends(&json, "OK", "accepted", "verdict");
    let head = String::from_utf8_lossy(&record.clear).to_ascii_lowercase();
    assert!(head.contains(&format!("authorization: bearer {}", TOKEN.to_ascii_lowercase())), "{head}");
    assert!(head.contains("idempotency-key: key-1"), "{head}");
    assert_eq!(json["recipients"].as_array().unwrap().len(), 2);
}

#[test]
fn with_tls_the_relay_is_checked_and_what_was_found_is_told() {
    let (json, record) = run_at("https://localhost", Session::test, |peer| {
        peer.secure(&certificates::good())?;
        let (head, _) = request(peer)?;
        assert!(head.iter().any(|line| line.to_ascii_lowercase().starts_with("host: localhost:")), "{head:?}");
        peer.send("HTTP/1.1 204 No Content\r\n\r\n")
    });
    assert_ends(&json, "OK", "accepted", "verdict");
    let steps: Vec<_> = json["steps"].as_array().unwrap().iter().map(|it| it["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["name", "connect", "tls", "content", "verdict"]);
    assert_eq!(json["steps"][2]["found"]["tls_version"], "TLS 1.3", "{json:#}");
    assert!(!String::from_utf8_lossy(&record.clear).contains("POST"));
    for (kind, reason) in [
        (Kind::SelfSigned, "certificate_untrusted"),
        (Kind::Expired, "certificate_expired"),
        (Kind::OtherName, "certificate_wrong_name"),
    ] {
        let config = certificates::server(kind);
        let (json, record) = run_at("https://localhost", Session::test, move |peer| {
            peer.secure(&config)?;
            request(peer).map(drop)
        });
        assert_ends(&json, "NOT_SECURE", reason, "tls");
        assert!(record.secret.is_empty());
        assert!(json["certificate"]["fingerprint"].is_string(), "{json:#}");
    }
    let (json, _) = run_at("https://localhost", Session::test, |peer| peer.send("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert_ends(&json, "NOT_SECURE", "tls_not_spoken", "tls");
    let (json, _) =
        run_at("https://localhost", |session| session.deadline("tls_ms", 500), |peer| peer.some_bytes(1_000_000));
    assert_ends(&json, "UNREACHABLE", "timed_out", "tls");
}

#[test]
fn what_is_no_answer_is_told_by_what_had_been_sent() {
    let (json, _) = run(
        |session| session.pdf_of(20_000_000),
        |peer| {
            peer.some_bytes(1)?;
            peer.send("220 mail.test ESMTP\r\n")?;
            peer.some_bytes(30_000_000)
        },
    );
    assert_ends(&json, "UNREACHABLE", "bad_reply", "content");
    let (json, _) = run(
        |session| session,
        |peer| {
            request(peer)?;
            peer.send("220 mail.test ESMTP\r\n")
        },
    );
    assert_ends(&json, "UNCERTAIN", "no_verdict", "verdict");
}

#[test]
fn a_test_is_a_form() {
    let (json, _) = run(Session::test, |peer| {
        let (head, body) = request(peer)?;
        assert!(head.iter().any(|line| line.eq_ignore_ascii_case("content-type: application/x-www-form-urlencoded")));
        assert!(String::from_utf8(body).unwrap().contains("to=ana%40example.test"));
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    });
    assert_ends(&json, "OK", "accepted", "verdict");
}

#[test]
fn a_status_other_than_2xx_is_a_failure_with_its_words() {
    for (code, status, reason) in [
        (302, "REFUSED", "http_redirected"),
        (400, "REFUSED", "http_refused"),
        (401, "LOGIN_REFUSED", "http_unauthorized"),
        (404, "REFUSED", "http_not_found"),
        (413, "REFUSED", "too_large"),
        (429, "TRY_LATER", "http_busy"),
        (500, "REFUSED", "http_refused"),
        (503, "TRY_LATER", "http_busy"),
        (504, "UNCERTAIN", "no_verdict"),
    ] {
        let (json, _) = run(
            |session| session,
            move |peer| {
                request(peer)?;
                let body = format!("the token {TOKEN} is wrong\0");
                let head = "Location: http://127.0.0.1:1/\r\nConnection: close";
                peer.send(format!("HTTP/1.1 {code} X\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
            },
        );
        assert_ends(&json, status, reason, "verdict");
        assert_eq!(json["server"]["code"], code);
        assert_eq!(json["server"]["text"], "the token [secret] is wrong", "{json:#}");
    }
}

#[test]
fn a_success_before_the_document_was_sent_is_none() {
    let (json, _) = run(
        |session| session.pdf_of(20_000_000),
        |peer| {
            peer.some_bytes(100)?;
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
            peer.hang_up_reading();
            Ok(())
        },
    );
    assert_ne!(json["status_name"], "OK", "{json:#}");
}

#[test]
fn without_an_answer_it_is_uncertain() {
    let (json, _) = run(
        |session| session,
        |peer| {
            request(peer)?;
            peer.close();
            Ok(())
        },
    );
    assert_ends(&json, "UNCERTAIN", "no_verdict", "verdict");
    let (json, _) = run(|session| session.deadline("verdict_ms", 300), |peer| request(peer).map(drop));
    assert_ends(&json, "UNCERTAIN", "no_verdict", "verdict");
    assert_eq!(json["recipients"][0]["outcome"], "uncertain", "{json:#}");
}

#[test]
fn an_endless_body_is_cut() {
    let (json, _) = run(
        |session| session.deadline("command_ms", 2000),
        |peer| {
            request(peer)?;
            peer.send("HTTP/1.1 400 No\r\nConnection: close\r\n\r\n")?;
            loop {
                peer.send("x".repeat(10_000))?;
            }
        },
    );
    assert_ends(&json, "REFUSED", "http_refused", "verdict");
    assert!(json["server"]["text"].as_str().unwrap().len() <= 512);
}
