//! After a test that came to no safe connection: the neighbouring settings are tried, and what works is the first advice.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::certificates::{self, Kind};
use support::network::{Network, Running};
use support::server::{Gone, Peer, Played, Server};
use support::{Session, promises};

const HOST: &str = "mail.firm.test";

fn through(mut session: Session, network: &Running) -> Session {
    session.options.insert("proxy".to_owned(), network.address.clone().into());
    session.set("smtp_host", HOST)
}

/// How a test of these settings ends in this network.
fn tested(session: Session, port: u16, network: &Running) -> Value {
    let (host, pending) = through(session, network).test().begin(port);
    let json = pending.wait();
    drop((pending, host));
    promises::worded(&json);
    json
}

fn tls(peer: &mut Peer) -> Played {
    peer.open_tls(&["AUTH PLAIN"])
}

fn starttls(peer: &mut Peer) -> Played {
    peer.start_tls(&["AUTH PLAIN"])
}

fn no_starttls(peer: &mut Peer) -> Played {
    peer.greet(&["AUTH PLAIN"])
}

fn failed(port: u16, security: &str, reason: &str) -> Value {
    json!({"port": port, "security": security, "works": false, "reason": reason})
}

fn works(port: u16, security: &str) -> Value {
    json!({"port": port, "security": security, "works": true, "reason": null})
}

fn codes(json: &Value) -> Vec<&str> {
    json["advice"].as_array().unwrap().iter().map(|advice| advice["code"].as_str().unwrap()).collect()
}

#[track_caller]
fn assert_repaired(json: &Value, tried: &Value, patch: &Value) {
    assert_eq!(&json["tried"], tried, "{json:#}");
    assert_eq!(json["advice"][0]["code"], "use_what_works", "{json:#}");
    assert_eq!(&json["advice"][0]["patch"], patch, "{json:#}");
    // No guess beside what is known.
    let others = &json["advice"].as_array().unwrap()[1..];
    assert!(others.iter().all(|advice| advice["patch"]["smtp_security"].is_null()), "{json:#}");
}

#[test]
fn the_first_port_that_works_is_proposed() {
    let network = Network::default().plays(HOST, 465, tls).plays(HOST, 587, starttls).plays(HOST, 2525, starttls);
    let json = tested(Session::starttls().login(), 2587, &network.start());
    assert_eq!((&json["reason"], &json["step"]), (&"proxy_failed".into(), &"proxy".into()), "{json:#}");
    let tried = json!([failed(2587, "tls", "proxy_failed"), works(465, "tls"),]);
    assert_repaired(&json, &tried, &json!({"smtp_port": 465, "smtp_security": "auto"}));
    assert!(json["advice"][0]["text"].as_str().unwrap().contains("465"), "{json:#}");
    let network =
        Network::default().plays(HOST, 587, no_starttls).plays(HOST, 2525, starttls).plays(HOST, 25, starttls);
    let json = tested(Session::tls().login(), 465, &network.start());
    let tried = json!([failed(587, "starttls", "tls_not_offered"), works(2525, "starttls")]);
    assert_repaired(&json, &tried, &json!({"smtp_port": 2525, "smtp_security": "auto"}));
}

#[test]
fn a_port_that_is_spoken_to_in_the_wrong_way_is_kept() {
    let network = Network::default().plays(HOST, 587, starttls).start();
    let json = tested(Session::tls().login(), 587, &network);
    assert_eq!(json["reason"], "tls_not_spoken", "{json:#}");
    let tried = json!([failed(465, "tls", "proxy_failed"), works(587, "starttls")]);
    assert_repaired(&json, &tried, &json!({"smtp_security": "auto"}));
    for (session, port, script, patch, tried) in [
        (Session::tls(), 1587, starttls as fn(&mut Peer) -> Played, "auto", works(1587, "starttls")),
        (Session::starttls(), 1465, tls, "tls", works(1465, "tls")),
        (Session::starttls(), 465, tls, "auto", works(465, "tls")),
    ] {
        let network = Network::default().plays(HOST, port, script).start();
        let json = tested(session.login().deadline("command_ms", 300), port, &network);
        assert_repaired(&json, &json!([tried]), &json!({"smtp_security": patch}));
    }
}

#[test]
fn a_server_that_waits_for_tls_is_not_waited_for_until_the_deadline() {
    let network = Network::default().plays(HOST, 465, tls).start();
    let host = through(Session::starttls().login(), &network).open(465);
    let json = host.send_test(Some(&json!({"total_ms": 30_000}))).wait();
    assert_eq!((&json["reason"], &json["problem"]), (&"timed_out".into(), &"tls_from_the_start".into()), "{json:#}");
    assert_repaired(&json, &json!([works(465, "tls")]), &json!({"smtp_security": "auto"}));
}

#[test]
fn a_bad_certificate_does_not_work() {
    let self_signed = |peer: &mut Peer| {
        peer.secure(&certificates::server(Kind::SelfSigned))?;
        peer.greet(&["AUTH PLAIN"])
    };
    let network = Network::default().plays(HOST, 465, self_signed).plays(HOST, 587, no_starttls).start();
    let json = tested(Session::starttls().login(), 587, &network);
    assert_eq!(json["reason"], "tls_not_offered", "{json:#}");
    let tried = json!([
        failed(465, "tls", "certificate_untrusted"),
        failed(2525, "starttls", "proxy_failed"),
        failed(25, "starttls", "proxy_failed"),
    ]);
    assert_eq!(json["tried"], tried, "{json:#}");
    // What was tried and does not work is no advice.
    assert!(!codes(&json).contains(&"use_what_works") && !codes(&json).contains(&"try_465"), "{json:#}");
    let network = Network::default().plays(HOST, 465, self_signed).plays(HOST, 587, starttls).start();
    let json = tested(Session::tls().login(), 465, &network);
    assert_eq!(json["reason"], "certificate_untrusted", "{json:#}");
    assert_repaired(&json, &json!([works(587, "starttls")]), &json!({"smtp_port": 587, "smtp_security": "auto"}));
}

#[test]
fn a_port_without_a_login_is_no_use_to_who_has_one() {
    let no_login = |peer: &mut Peer| peer.start_tls(&[]);
    let network = || Network::default().plays(HOST, 25, no_login);
    let json = tested(Session::starttls().login(), 587, &network().start());
    assert_eq!(json["tried"][2], failed(25, "starttls", "login_not_offered"), "{json:#}");
    let json = tested(Session::starttls(), 587, &network().start());
    assert_eq!(json["tried"][2], works(25, "starttls"), "{json:#}");
    let json = tested(Session::starttls().login(), 25, &network().plays(HOST, 587, starttls).start());
    assert_eq!(json["reason"], "login_not_offered", "{json:#}");
    let tried = json!([failed(465, "tls", "proxy_failed"), works(587, "starttls")]);
    assert_repaired(&json, &tried, &json!({"smtp_port": 587, "smtp_security": "auto"}));
}

#[test]
fn nothing_but_the_name_of_the_server_is_told_while_trying() {
    let network = Network::default().plays(HOST, 465, tls).plays(HOST, 587, no_starttls).plays(HOST, 2525, starttls);
    let network = network.plays(HOST, 25, starttls).start();
    tested(Session::starttls().login(), 587, &network);
    let visits = network.visits();
    assert!(visits.len() > 1);
    for visit in visits {
        assert_eq!(visit.host, HOST);
        let record = visit.record().unwrap();
        let told = String::from_utf8_lossy(&[record.clear, record.secret].concat()).into_owned();
        assert!(promises::secret_forms().iter().all(|form| !told.contains(form)) && !told.contains("ana"), "{told}");
        for command in record.commands {
            assert!(["EHLO ", "STARTTLS", "QUIT"].iter().any(|verb| command.starts_with(verb)), "{command}");
        }
    }
}

#[test]
fn what_another_port_cannot_mend_is_not_tried() {
    let ended = Session::tls().login().test().run(|peer| {
        peer.open_tls(&["AUTH PLAIN"])?;
        peer.answer("AUTH PLAIN ", "535 5.7.8 no\r\n")
    });
    ended.is("LOGIN_REFUSED", "login_refused", "login");
    assert_eq!(ended.json["tried"], Value::Null);
    // A document is not kept waiting.
    let network = Network::default().plays(HOST, 465, tls).start();
    let (_host, pending) = through(Session::starttls().login(), &network).begin(587);
    let json = pending.wait();
    assert_eq!((&json["reason"], &json["tried"]), (&"proxy_failed".into(), &Value::Null), "{json:#}");
    assert_eq!(network.visits().len(), 1);
    // A proxy that is not there leads to no other port either.
    let mut session = Session::starttls().login().set("smtp_host", HOST).test();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    session.options.insert("proxy".to_owned(), format!("socks5://{nobody}").into());
    let (_host, pending) = session.begin(587);
    let json = pending.wait();
    assert_eq!((&json["reason"], &json["tried"]), (&"connection_refused".into(), &Value::Null), "{json:#}");
}

fn silent() -> Network {
    let network = Network::default().plays(HOST, 587, no_starttls);
    network.stays_silent(HOST, 465).stays_silent(HOST, 2525).stays_silent(HOST, 25)
}

#[test]
fn trying_ends_with_the_time_of_the_test_and_leaves_the_reason_alone() {
    let network = silent().start();
    let host = through(Session::starttls().login(), &network).open(587);
    let began = Instant::now();
    let json = host.send_test(Some(&json!({"total_ms": 1500}))).wait();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(json["reason"], "tls_not_offered", "{json:#}");
    let tried: Vec<_> = [(465, "tls"), (2525, "starttls"), (25, "starttls")]
        .map(|(port, security)| failed(port, security, "timed_out"))
        .to_vec();
    assert_eq!(json["tried"], json!(tried), "{json:#}");
}

#[test]
fn a_better_port_that_does_not_answer_is_not_waited_for_to_the_end() {
    let network = silent().plays(HOST, 2525, starttls).start();
    let began = Instant::now();
    let json = tested(Session::starttls().login(), 587, &network);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let tried = json!([failed(465, "tls", "timed_out"), works(2525, "starttls")]);
    assert_repaired(&json, &tried, &json!({"smtp_port": 2525, "smtp_security": "auto"}));
}

#[test]
fn cancelling_ends_the_trying_too() {
    let network = silent().start();
    let (_host, pending) = through(Session::starttls().login(), &network).test().begin(587);
    pending.wait_for("repair", 0);
    let began = Instant::now();
    pending.cancel();
    let json = pending.wait();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!((&json["status_name"], &json["tried"]), (&"CANCELED".into(), &Value::Null), "{json:#}");
}

/// Without a proxy: the ports of this machine.
#[test]
fn a_server_of_ones_own_is_found_at_its_own_port() {
    let scripts: Vec<support::server::Script> =
        vec![Box::new(|peer: &mut Peer| peer.greet(&[]).and(Err(Gone))), Box::new(starttls)];
    let (listener, servers) = Server::start_each(scripts);
    let port = listener.local_addr().unwrap().port();
    let (host, pending) = Session::tls().login().test().begin(port);
    let json = pending.wait();
    drop((pending, host));
    assert_repaired(&json, &json!([works(port, "starttls")]), &json!({"smtp_security": "auto"}));
    assert_eq!(servers[1].record().commands.last().unwrap(), "QUIT");
}
