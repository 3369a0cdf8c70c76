//! From an email address to settings: the table, and each way through a network with name servers and web servers of its own.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::certificates::{self, Kind};
use support::dns::{MX, NameServer, Question, Record, SRV};
use support::host::Host;
use support::network::{Network, Running};
use support::promises;
use support::server::{Peer, Played};

const ADDRESS: &str = "ana.maria@firm.test";
/// Where nobody answers, discovery ends by then.
const PATIENCE: Duration = Duration::from_secs(3);

fn open(network: &Running, names: &NameServer) -> Host {
    Host::open(&json!({
        "ca_file": certificates::ca_file(),
        "proxy": network.address,
        "discovery": {"nameserver": names.address},
    }))
}

/// What is found in this network, within the time that is promised.
#[track_caller]
fn discovered(network: &Running, names: &NameServer) -> Value {
    let host = open(network, names);
    let began = Instant::now();
    let json = host.discover(&json!({"email_address": ADDRESS})).wait();
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    promises::worded(&json);
    assert_eq!((&json["status_name"], &json["reason"]), (&"OK".into(), &"discovered".into()), "{json:#}");
    assert_private(network, names);
    json
}

/// Nobody heard of more than the domain, and nobody was asked in clear.
#[track_caller]
fn assert_private(network: &Running, names: &NameServer) {
    for visit in network.visits() {
        assert!([443, 465, 587].contains(&visit.port), "{}:{}", visit.host, visit.port);
        assert!(!visit.host.contains("ana"), "{}", visit.host);
        if let Some(record) = visit.record() {
            // What was sent before TLS, but for its own records, is among the commands.
            let told = String::from_utf8_lossy(&record.secret).into_owned() + &record.commands.concat();
            assert!(!told.contains("ana") && !told.contains("%40") && !told.contains('@'), "{told}");
            let is_smtp = visit.port != 443;
            let verbs = ["EHLO ", "STARTTLS", "QUIT"];
            let is_known = |line: &String| verbs.iter().any(|verb| line.starts_with(verb));
            assert!(!is_smtp || record.commands.iter().all(is_known), "{:?}", record.commands);
        }
    }
    assert!(
        names.asked().iter().all(|name| name.ends_with("firm.test") && !name.contains("ana")),
        "{:?}",
        names.asked()
    );
}

#[track_caller]
fn assert_proposes(json: &Value, source: &str, host: &str, port: u16, security: &str) {
    let first = &json["proposals"][0];
    assert_eq!(first["source"], source, "{json:#}");
    assert_eq!((&first["host"], &first["port"]), (&host.into(), &port.into()), "{json:#}");
    assert_eq!(first["security"], security, "{json:#}");
    assert_eq!(first["patch"]["smtp_host"], host, "{json:#}");
    assert!(first["message"].as_str().is_some_and(|message| message.ends_with('.')), "{json:#}");
}

#[track_caller]
fn assert_finds_nothing(network: Network, names: &NameServer) {
    let json = discovered(&network.start(), names);
    assert_eq!(json["proposals"], json!([]), "{json:#}");
    assert!(json["message"].as_str().unwrap().contains("firm.test"), "{json:#}");
}

fn file(servers: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<clientConfig version=\"1.1\"><emailProvider id=\"firm.test\"><domain>firm.test</domain>\
         <incomingServer type=\"imap\"><hostname>imap.firm.test</hostname><port>993</port></incomingServer>{servers}\
         </emailProvider></clientConfig>"
    )
}

fn server(host: &str, port: u16, socket: &str, more: &str) -> String {
    format!(
        "<outgoingServer type=\"smtp\"><hostname>{host}</hostname><port>{port}</port><socketType>{socket}</socketType>{more}\
         </outgoingServer>"
    )
}

const LOGIN: &str = "<authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username>";

/// A web server that has this file at this path.
fn web(path: &'static str, body: String) -> impl Fn(&mut Peer) -> Played + Send + Sync + 'static {
    answering(path, move |peer| {
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    })
}

/// One that answers a request for this path with anything.
fn answering(
    path: &'static str,
    answer: impl Fn(&mut Peer) -> Played + Send + Sync + 'static,
) -> impl Fn(&mut Peer) -> Played + Send + Sync + 'static {
    move |peer: &mut Peer| {
        peer.secure(&certificates::good())?;
        request(peer, path)?;
        answer(peer)
    }
}

fn request(peer: &mut Peer, path: &str) -> Played {
    peer.expect(&format!("GET {path} HTTP/1.1"))?;
    while !peer.line()?.is_empty() {}
    Ok(())
}

const WELL_KNOWN: &str = "/.well-known/autoconfig/mail/config-v1.1.xml";
const OWN_HOST: &str = "/mail/config-v1.1.xml";

fn tls(peer: &mut Peer) -> Played {
    peer.open_tls(&["AUTH PLAIN"])
}

fn starttls(peer: &mut Peer) -> Played {
    peer.start_tls(&["AUTH PLAIN"])
}

#[test]
fn a_known_provider_is_found_offline() {
    let (network, names) = (Network::default().start(), NameServer::empty());
    for host in [open(&network, &names), Host::open(&json!({}))] {
        let json = host.discover(&json!({"email_address": "ana@gmail.com"})).wait();
        assert_eq!(json["proposals"].as_array().unwrap().len(), 1, "{json:#}");
        assert_proposes(&json, "provider", "smtp.gmail.com", 465, "tls");
        assert_eq!(json["proposals"][0]["provider"], "gmail", "{json:#}");
        let patch = json!({
            "smtp_host": "smtp.gmail.com", "smtp_port": 465, "smtp_security": "auto", "username": "ana@gmail.com",
        });
        assert_eq!(json["proposals"][0]["patch"], patch, "{json:#}");
    }
    assert!(network.visits().is_empty() && names.asked().is_empty());
}

#[test]
fn the_network_is_not_asked_unless_the_program_says_so() {
    for discovery in [Value::Null, json!(false)] {
        let network = Network::default().start();
        let host = Host::open(&json!({"proxy": network.address, "discovery": discovery}));
        let json = host.discover(&json!({"email_address": ADDRESS})).wait();
        assert_eq!((&json["status_name"], &json["proposals"]), (&"OK".into(), &json!([])), "{json:#}");
        assert!(json["message"].as_str().unwrap().contains("firm.test"), "{json:#}");
        assert!(network.visits().is_empty());
    }
}

#[test]
fn what_is_wrong_with_the_call_is_told() {
    let host = Host::open(&json!({}));
    for (json, status, key, code) in [
        (json!({}), "BAD_SETTINGS", "email_address", "required"),
        (json!({"email_address": " "}), "BAD_SETTINGS", "email_address", "required"),
        (json!({"email_address": "ana"}), "BAD_SETTINGS", "email_address", "address_no_at"),
        (json!({"email_address": 1}), "BAD_CALL", "email_address", "wrong_type"),
        (json!({"email_address": ADDRESS, "password": "x"}), "BAD_CALL", "password", "unknown_key"),
        (json!({"email_address": ADDRESS, "total_ms": 0}), "BAD_CALL", "total_ms", "out_of_range"),
        (json!([]), "BAD_CALL", "discover_json", "wrong_type"),
    ] {
        let reply = host.discover(&json).wait();
        assert_eq!(reply["status_name"], status, "{reply:#}");
        assert_eq!((&reply["errors"][0]["key"], &reply["errors"][0]["code"]), (&key.into(), &code.into()), "{reply:#}");
        assert_eq!(reply["errors"].as_array().unwrap().len(), 1, "{reply:#}");
    }
    for (discovery, key, code) in [
        (json!("yes"), "discovery", "wrong_type_expected"),
        (json!({"nameserver": "dns.firm.test"}), "discovery.nameserver", "nameserver_invalid"),
        (json!({"nameserver": "127.0.0.1:0"}), "discovery.nameserver", "nameserver_invalid"),
        (json!({"name_server": "127.0.0.1"}), "discovery.name_server", "unknown_key_near"),
    ] {
        let reply = Host::refused(&json!({"discovery": discovery}));
        assert_eq!((&reply["errors"][0]["key"], &reply["errors"][0]["code"]), (&key.into(), &code.into()), "{reply:#}");
    }
    for discovery in [json!(true), json!({}), json!({"nameserver": "127.0.0.1"}), json!({"nameserver": "[::1]:53"})] {
        drop(Host::open(&json!({"discovery": discovery})));
    }
}

#[test]
fn the_domains_own_file_is_read() {
    let servers = server("smtp.firm.test", 587, "STARTTLS", LOGIN);
    for (host, path) in [("autoconfig.firm.test", OWN_HOST), ("firm.test", WELL_KNOWN)] {
        let network = Network::default().plays(host, 443, web(path, file(&servers))).start();
        let json = discovered(&network, &NameServer::empty());
        assert_eq!(json["proposals"].as_array().unwrap().len(), 1, "{json:#}");
        assert_proposes(&json, "autoconfig", "smtp.firm.test", 587, "starttls");
        let patch = json!({
            "smtp_host": "smtp.firm.test", "smtp_port": 587, "smtp_security": "auto", "username": ADDRESS,
        });
        assert_eq!(json["proposals"][0]["patch"], patch, "{json:#}");
        assert_eq!(json["proposals"][0]["provider"], Value::Null);
    }
}

#[test]
fn of_a_file_that_is_taken_which_can_be_used() {
    let oauth = "<authentication>OAuth2</authentication><username>%EMAILADDRESS%</username>";
    let local = "<authentication>OAuth2</authentication><authentication>password-encrypted</authentication>\
                 <username>%EMAILLOCALPART%</username>";
    let servers = [
        server("plain.firm.test", 25, "plain", LOGIN),
        server("oauth.firm.test", 587, "STARTTLS", oauth),
        server("localhost", 465, "SSL", LOGIN),
        server("mail firm.test", 465, "SSL", LOGIN),
        server("192.0.2.7", 465, "SSL", LOGIN),
        server("zero.firm.test", 0, "SSL", LOGIN),
        server("SMTP.%EMAILDOMAIN%", 1465, "SSL", local),
        server("relay.firm.test", 587, "STARTTLS", "<authentication>client-IP-address</authentication>"),
        "<outgoingServer type=\"jmap\"><url>https://jmap.firm.test</url></outgoingServer>".to_owned(),
    ];
    let network = Network::default().plays("firm.test", 443, web(WELL_KNOWN, file(&servers.concat()))).start();
    let json = discovered(&network, &NameServer::empty());
    assert_eq!(json["proposals"].as_array().unwrap().len(), 2, "{json:#}");
    assert_proposes(&json, "autoconfig", "smtp.firm.test", 1465, "tls");
    let patch = json!({
        "smtp_host": "smtp.firm.test", "smtp_port": 1465, "smtp_security": "tls", "username": "ana.maria",
        "email_address": ADDRESS,
    });
    assert_eq!(json["proposals"][0]["patch"], patch, "{json:#}");
    assert_eq!(json["proposals"][1]["patch"]["username"], Value::Null, "{json:#}");
    assert_eq!(json["proposals"][1]["patch"]["email_address"], ADDRESS, "{json:#}");
}

#[test]
fn a_file_that_cannot_be_trusted_or_read_is_none() {
    let good = || file(&server("smtp.firm.test", 587, "STARTTLS", LOGIN));
    let other_name = move |peer: &mut Peer| {
        peer.secure(&certificates::server(Kind::OtherName))?;
        request(peer, WELL_KNOWN)?;
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", good().len(), good()))
    };
    let in_clear = move |peer: &mut Peer| {
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", good().len(), good()))
    };
    let redirect = |peer: &mut Peer| {
        peer.send("HTTP/1.1 302 Found\r\nLocation: https://firm.test/other.xml\r\nContent-Length: 0\r\n\r\n")
    };
    let endless = |peer: &mut Peer| {
        peer.send("HTTP/1.1 200 OK\r\n\r\n<clientConfig>")?;
        loop {
            peer.send("<!-- and so on -->".repeat(500))?;
        }
    };
    let endless_header = |peer: &mut Peer| {
        peer.send("HTTP/1.1 200 OK\r\n")?;
        loop {
            peer.send(format!("X-More: {}\r\n", "x".repeat(8000)))?;
        }
    };
    let stalls = |peer: &mut Peer| peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<clientConfig>");
    let not_found = move |peer: &mut Peer| {
        peer.send(format!("HTTP/1.1 404 Not Found\r\nContent-Length: {}\r\n\r\n{}", good().len(), good()))
    };
    let names = NameServer::empty();
    let at =
        |script: Box<dyn Fn(&mut Peer) -> Played + Send + Sync>| Network::default().plays("firm.test", 443, script);
    for script in [Box::new(other_name) as Box<dyn Fn(&mut Peer) -> Played + Send + Sync>, Box::new(in_clear)] {
        assert_finds_nothing(at(script), &names);
    }
    for answer in [
        Box::new(redirect) as Box<dyn Fn(&mut Peer) -> Played + Send + Sync>,
        Box::new(endless),
        Box::new(endless_header),
        Box::new(stalls),
        Box::new(not_found),
    ] {
        assert_finds_nothing(at(Box::new(answering(WELL_KNOWN, answer))), &names);
    }
    let laughs = format!("<!DOCTYPE x [<!ENTITY a \"{}\"><!ENTITY b \"{}\">]>", "x".repeat(1000), "&a;".repeat(1000))
        + &good().replace("firm.test</domain>", "&b;</domain>").replace("<?xml version=\"1.0\"?>\n", "");
    let deep = good().replace("<domain>", &format!("{}<domain>", "<a>".repeat(15_000)));
    let wide = good().replace("<domain>", &format!("{}<domain>", "<a/>".repeat(12_000)));
    let long = good().replace("<domain>", &format!("<!--{}--><domain>", "x".repeat(70_000)));
    let other = "<html><body>Welcome</body></html>".to_owned();
    let latin = "<clientConfig>\u{fffd}".to_owned();
    for body in [laughs, deep, wide, long, other, latin, String::new()] {
        assert_finds_nothing(at(Box::new(web(WELL_KNOWN, body))), &names);
    }
}

fn names(answer: impl Fn(&Question) -> Option<Vec<Record>> + Send + Sync + 'static) -> NameServer {
    NameServer::start(move |question| match answer(question) {
        Some(records) => vec![question.answer(0, &records)],
        None => vec![question.answer(3, &[])],
    })
}

fn submissions(question: &Question) -> bool {
    question.kind == SRV && question.name == "_submissions._tcp.firm.test"
}

fn submission(question: &Question) -> bool {
    question.kind == SRV && question.name == "_submission._tcp.firm.test"
}

fn exchange(question: &Question) -> bool {
    question.kind == MX && question.name == "firm.test"
}

#[test]
fn what_the_name_servers_publish_is_proposed() {
    let names = names(|question| {
        let records = vec![
            Record::srv(20, 0, 465, "late.firm.test"),
            Record::srv(10, 5, 465, "light.firm.test"),
            Record::srv(10, 50, 1465, "Smtp.Other.test"),
        ];
        if submissions(question) {
            Some(records)
        } else {
            submission(question).then(|| vec![Record::srv(0, 0, 587, "sub.firm.test")])
        }
    });
    let json = discovered(&Network::default().start(), &names);
    assert_eq!(json["proposals"].as_array().unwrap().len(), 2, "{json:#}");
    assert_proposes(&json, "srv", "smtp.other.test", 1465, "tls");
    let patch = json!({
        "smtp_host": "smtp.other.test", "smtp_port": 1465, "smtp_security": "tls", "username": ADDRESS,
    });
    assert_eq!(json["proposals"][0]["patch"], patch, "{json:#}");
    let second = &json["proposals"][1];
    assert_eq!((&second["host"], &second["security"]), (&"sub.firm.test".into(), &"starttls".into()), "{json:#}");
}

#[test]
fn the_provider_of_the_domains_emails_is_recognised() {
    let names = names(|question| {
        exchange(question).then(|| vec![Record::mx(20, "alt.firm.test"), Record::mx(1, "ASPMX.L.Google.com")])
    });
    // That the usual names answer as well is of less weight.
    let network = Network::default().plays("smtp.firm.test", 465, tls).start();
    let json = discovered(&network, &names);
    assert_proposes(&json, "mx", "smtp.gmail.com", 465, "tls");
    assert_eq!(json["proposals"][0]["provider"], "google-workspace", "{json:#}");
    assert_eq!(json["proposals"][0]["patch"]["username"], ADDRESS);
}

#[test]
fn of_a_provider_that_lets_no_program_send_it_is_told() {
    let json = Host::open(&json!({})).discover(&json!({"email_address": "ana@tuta.com"})).wait();
    assert_eq!(json["proposals"], json!([]), "{json:#}");
    assert!(json["message"].as_str().unwrap().contains("Tuta"), "{json:#}");
    let names = names(|question| exchange(question).then(|| vec![Record::mx(1, "mail.tutanota.de")]));
    let network = Network::default().plays("smtp.firm.test", 465, tls).start();
    let json = discovered(&network, &names);
    assert_eq!(json["proposals"], json!([]), "{json:#}");
    assert!(json["message"].as_str().unwrap().contains("Tuta"), "{json:#}");
}

#[test]
fn the_usual_names_and_ports_are_tried() {
    let mx = || names(|question| exchange(question).then(|| vec![Record::mx(5, "mx.firm.test")]));
    for (host, port, security, script) in [
        ("smtp.firm.test", 465, "tls", tls as fn(&mut Peer) -> Played),
        ("smtp.firm.test", 587, "starttls", starttls),
        ("mail.firm.test", 465, "tls", tls),
        ("mail.firm.test", 587, "starttls", starttls),
        ("mx.firm.test", 465, "tls", tls),
        ("mx.firm.test", 587, "starttls", starttls),
    ] {
        let json = discovered(&Network::default().plays(host, port, script).start(), &mx());
        assert_eq!(json["proposals"].as_array().unwrap().len(), 1, "{json:#}");
        assert_proposes(&json, "probe", host, port, security);
        assert_eq!(json["proposals"][0]["patch"]["username"], ADDRESS);
    }
}

#[test]
fn a_guess_that_is_not_safe_or_takes_no_login_is_none() {
    let bad = |peer: &mut Peer| {
        peer.secure(&certificates::server(Kind::SelfSigned))?;
        peer.greet(&["AUTH PLAIN"])
    };
    let network = Network::default()
        .plays("smtp.firm.test", 465, bad)
        .plays("smtp.firm.test", 587, |peer| peer.greet(&["AUTH PLAIN"]))
        .plays("mail.firm.test", 465, |peer| peer.open_tls(&[]))
        .plays("mail.firm.test", 587, |peer| peer.send("554 go away\r\n"));
    assert_finds_nothing(network, &NameServer::empty());
}

#[test]
fn what_is_trusted_most_comes_first() {
    let names = names(|question| {
        if submissions(question) {
            Some(vec![Record::srv(0, 0, 465, "srv.firm.test")])
        } else {
            exchange(question).then(|| vec![Record::mx(1, "aspmx.l.google.com")])
        }
    });
    let servers = server("published.firm.test", 465, "SSL", LOGIN);
    let network = || Network::default().plays("smtp.firm.test", 465, tls);
    let json = discovered(&network().start(), &names);
    assert_proposes(&json, "srv", "srv.firm.test", 465, "tls");
    let json = discovered(&network().plays("autoconfig.firm.test", 443, web(OWN_HOST, file(&servers))).start(), &names);
    assert_proposes(&json, "autoconfig", "published.firm.test", 465, "tls");
    let sources = json["proposals"].as_array().unwrap().iter().map(|it| it["source"].as_str().unwrap());
    let ranks: Vec<_> = sources
        .map(|source| ["autoconfig", "srv", "mx", "probe"].iter().position(|known| *known == source).unwrap())
        .collect();
    assert!(ranks.is_sorted(), "{json:#}");
}

#[test]
fn where_nothing_answers_it_ends_soon() {
    assert_finds_nothing(Network::silent(), &NameServer::silent());
    assert_finds_nothing(Network::default(), &NameServer::silent());
    assert_finds_nothing(Network::silent(), &NameServer::empty());
    // What is known by then is told.
    let names = names(|question| submissions(question).then(|| vec![Record::srv(0, 0, 465, "srv.firm.test")]));
    assert_proposes(&discovered(&Network::silent().start(), &names), "srv", "srv.firm.test", 465, "tls");
    let network = Network::silent().plays("mail.firm.test", 465, tls).start();
    assert_proposes(&discovered(&network, &NameServer::silent()), "probe", "mail.firm.test", 465, "tls");
}

#[test]
fn the_time_is_the_programs_to_choose() {
    let (network, names) = (Network::silent().start(), NameServer::silent());
    let host = open(&network, &names);
    let began = Instant::now();
    let json = host.discover(&json!({"email_address": ADDRESS, "total_ms": 200})).wait();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(json["proposals"], json!([]), "{json:#}");
}

#[test]
fn what_is_no_service_or_no_host_is_not_proposed() {
    let names = names(|question| {
        if submissions(question) {
            // "There is no such service" (RFC 2782).
            Some(vec![Record::srv(0, 0, 465, ".")])
        } else if submission(question) {
            Some(vec![Record::srv(0, 0, 0, "zero.firm.test"), Record::srv(0, 0, 587, "localhost")])
        } else {
            // "This domain takes no emails" (RFC 7505).
            exchange(question).then(|| vec![Record::mx(0, ".")])
        }
    });
    assert_finds_nothing(Network::default(), &names);
}

type Lie = fn(&Question, Record) -> Vec<u8>;

/// Each makes SRV answers that must be taken for none.
#[test]
fn answers_to_another_question_are_not_believed() {
    let good = || Record::srv(0, 0, 465, "bad.firm.test");
    let lies: [Lie; 8] = [
        // Another number, another name, another kind; no answer at all, but a question.
        |question, record| {
            let mut message = question.answer(0, &[record]);
            message[0] ^= 1;
            message
        },
        |question, record| {
            let mut message = question.answer(0, &[record]);
            message[13] ^= 1;
            message
        },
        |question, record| {
            let mut message = question.answer(0, &[record]);
            let end = question.bytes.len();
            message[end - 3] = 16;
            message
        },
        |question, record| {
            let mut message = question.answer(0, &[record]);
            message[2] &= 0x7F;
            message
        },
        // The record is another name's.
        |question, record| question.answer(0, &[record.of("_submissions._tcp.other.test")]),
        // An alias that leads to itself.
        |question, _| question.answer(0, &[Record::alias(&question.name)]),
        // A name that points to itself, and one that is cut.
        |question, record| {
            let here = u16::try_from(question.bytes.len() + 12 + 6).unwrap() | 0xC000;
            let data = [&[0, 0, 0, 0, 1, 209][..], &here.to_be_bytes()].concat();
            question.answer(0, &[record.with_data(&data)])
        },
        |question, record| question.answer(0, &[record.with_data(&[0, 0, 0, 0, 1, 209, 40, b'x'])]),
    ];
    for lie in lies {
        let names = NameServer::start(move |question| match question.kind {
            SRV => vec![lie(question, good())],
            _ => vec![question.answer(3, &[])],
        });
        assert_finds_nothing(Network::default(), &names);
    }
    let garbage = NameServer::start(|_| vec![Vec::new(), vec![0; 5], vec![0xFF; 400], vec![0xC0; 400]]);
    assert_finds_nothing(Network::default(), &garbage);
}

#[test]
fn a_lie_does_not_keep_the_truth_away() {
    let names = NameServer::start(|question| {
        let records = if submissions(question) { vec![Record::srv(0, 0, 465, "good.firm.test")] } else { Vec::new() };
        let mut lie = question.answer(0, &[Record::srv(0, 0, 465, "bad.firm.test")]);
        lie[1] ^= 0x55;
        vec![lie, vec![0; 5], question.answer(0, &records)]
    });
    assert_proposes(&discovered(&Network::default().start(), &names), "srv", "good.firm.test", 465, "tls");
}

#[test]
fn aliases_are_followed_and_long_answers_come_by_tcp() {
    let names = NameServer::start(|question| match question.is_by_tcp {
        _ if !submissions(question) => vec![question.answer(3, &[])],
        false => vec![question.cut()],
        true => {
            let target = "_submissions._tcp.hoster.test";
            let mut records = vec![Record::alias(target)];
            records.extend((0..200).map(|at| Record::srv(10, 0, 465, &format!("s{at}.firm.test")).of(target)));
            records.insert(10, Record::srv(0, 0, 465, "first.firm.test").of(target));
            vec![question.answer(0, &records)]
        }
    });
    assert_proposes(&discovered(&Network::default().start(), &names), "srv", "first.firm.test", 465, "tls");
}

#[test]
fn a_question_that_was_lost_is_asked_again() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let asked = AtomicUsize::new(0);
    let names = NameServer::start(move |question| {
        if !submissions(question) {
            return vec![question.answer(3, &[])];
        }
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Vec::new(),
            // "Server failure": nothing is known from it.
            1 => vec![question.answer(2, &[])],
            _ => vec![question.answer(0, &[Record::srv(0, 0, 465, "srv.firm.test")])],
        }
    });
    assert_proposes(&discovered(&Network::default().start(), &names), "srv", "srv.firm.test", 465, "tls");
}

#[test]
fn cancelling_ends_it() {
    let (network, names) = (Network::silent().start(), NameServer::silent());
    let host = open(&network, &names);
    let pending = host.discover(&json!({"email_address": ADDRESS, "total_ms": 60_000}));
    assert!(pending.is_pending_after(Duration::from_millis(100)));
    let began = Instant::now();
    pending.cancel();
    let json = pending.wait();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!((&json["status_name"], &json["reason"]), (&"CANCELED".into(), &"canceled".into()), "{json:#}");
    assert!(json["message"].as_str().unwrap().ends_with('.'), "{json:#}");
}
