//! Through a proxy: good ones that lead to the server, and each way in which one can fail.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout)]

mod support;

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::certificates::{self, Kind};
use support::host::Host;
use support::proxy::{self, Asked, Client, Manner, Protocol, Proxy};
use support::server::{Peer, Server};
use support::{PASSWORD, Session, promises, together};

/// A name that nothing but the proxy knows.
const HOST: &str = "mail.invalid";

fn through(mut session: Session, address: &str) -> Session {
    session.options.insert("proxy".to_owned(), address.into());
    session
}

/// Neither the login of the proxy nor the user's own stands anywhere in a reply.
#[track_caller]
fn assert_no_secret(json: &Value) {
    let pair = STANDARD.encode(format!("{}:{}", proxy::USERNAME, proxy::PASSWORD));
    for secret in [proxy::USERNAME, proxy::PASSWORD, proxy::LOGIN, PASSWORD, pair.trim_end_matches('=')] {
        assert!(!json.to_string().contains(secret), "{secret}: {json:#}");
    }
}

/// How a session ends that never comes to a server.
fn ending(session: &Session) -> Value {
    let (host, pending) = session.begin(587);
    let json = pending.wait();
    drop((pending, host));
    promises::worded(&json);
    assert_no_secret(&json);
    json
}

/// How one ends with a proxy that plays this.
fn with_proxy(protocol: Protocol, play: impl FnOnce(&mut Client) -> Option<()> + Send + 'static) -> Value {
    let proxy = Proxy::start(|client| {
        if play(client).is_some() {
            client.until_gone();
        }
    });
    let session = Session::starttls().login().set("smtp_host", HOST);
    ending(&through(session, &proxy.address_with_login(protocol)))
}

#[track_caller]
fn assert_fails(json: &Value, reason: &str, step: &str) {
    let told = ["status_name", "reason", "step"].map(|key| json[key].as_str().unwrap());
    assert_eq!(told, ["UNREACHABLE", reason, step], "{json:#}");
    assert_eq!(json["recipients"][0]["outcome"], "not_sent", "{json:#}");
    // The sentence is about the proxy, not about the server.
    let last = json["steps"].as_array().unwrap().iter().rfind(|it| it["status"] != "skipped").unwrap();
    assert!(json["message"].as_str().unwrap().contains(last["found"]["proxy"].as_str().unwrap()), "{json:#}");
}

#[track_caller]
fn assert_asked(asked: &Asked, host: &str, port: u16, has_login: bool) {
    assert_eq!((asked.host.as_str(), asked.port), (host, port));
    let login = asked.login.as_ref().map(|(username, password)| (username.as_str(), password.as_str()));
    assert_eq!(login, has_login.then_some((proxy::USERNAME, proxy::PASSWORD)));
}

#[test]
fn an_email_goes_through_with_and_without_a_login_and_the_proxy_looks_up_the_name() {
    for protocol in Protocol::ALL {
        for wants_login in [false, true] {
            let proxy = Proxy::good(protocol, Manner { wants_login, ..Manner::default() });
            let address = if wants_login { proxy.address_with_login(protocol) } else { proxy.address(protocol) };
            let mut port = 0;
            let ended = through(Session::tls().login().set("smtp_host", HOST), &address).run_with(
                |peer| {
                    peer.open_tls(&["AUTH PLAIN"])?;
                    peer.answer("AUTH PLAIN ", "235 ok\r\n")?;
                    peer.take_email()
                },
                |_, server| port = server.port,
            );
            ended.is_sent();
            assert_asked(&proxy.asked(), HOST, port, wants_login);
            let steps: Vec<_> = ended.json["steps"].as_array().unwrap().iter().map(|it| &it["step"]).collect();
            assert_eq!(steps[..4], ["name", "connect", "proxy", "tls"]);
            let name = format!("127.0.0.1:{}", proxy.port);
            for step in ["name", "connect", "proxy"] {
                assert_eq!(ended.step(step)["found"]["proxy"], name, "{:#}", ended.json);
            }
            assert_eq!(ended.step("connect")["found"]["address"], name);
            assert_eq!(ended.step("tls")["found"]["proxy"], Value::Null);
            assert_no_secret(&ended.json);
        }
    }
}

#[test]
fn the_servers_first_words_right_behind_the_proxys_answer_are_not_lost() {
    for protocol in Protocol::ALL {
        for dribbles in [false, true] {
            let manner = Manner { waits_for_greeting: true, dribbles, ..Manner::default() };
            let proxy = Proxy::good(protocol, manner);
            let ended = through(Session::starttls(), &proxy.address(protocol)).run(|peer| {
                peer.start_tls(&[])?;
                peer.take_email()
            });
            ended.is_sent();
        }
    }
}

#[test]
fn an_address_is_handed_over_as_one() {
    for protocol in Protocol::ALL {
        for (host, asked_for) in
            [("127.0.0.1", "127.0.0.1"), ("[::1]", "[::1]"), ("poștă.invalid", "xn--pot-cpa20l.invalid")]
        {
            let proxy = Proxy::good(protocol, Manner::default());
            let mut port = 0;
            let session = through(Session::plain().set("smtp_host", host), &proxy.address(protocol));
            let ended = session.run_with(
                |peer| {
                    peer.greet(&[])?;
                    peer.take_email()
                },
                |_, server| port = server.port,
            );
            ended.is_sent();
            assert_asked(&proxy.asked(), asked_for, port, false);
        }
    }
}

#[test]
fn the_certificate_is_the_servers_and_is_judged_as_ever() {
    for protocol in Protocol::ALL {
        for (kind, reason) in [(Kind::SelfSigned, "certificate_untrusted"), (Kind::OtherName, "certificate_wrong_name")]
        {
            let proxy = Proxy::good(protocol, Manner::default());
            let config = certificates::server(kind);
            let ended = through(Session::tls().login(), &proxy.address(protocol)).run(move |peer| {
                peer.secure(&config)?;
                peer.open_tls(&["AUTH PLAIN"])
            });
            ended.is("NOT_SECURE", reason, "tls").commands(&[]);
        }
    }
}

/// The connection's other end is on this machine, and says nothing of where the server is.
#[test]
fn a_proxy_on_this_machine_makes_no_server_a_local_one() {
    for protocol in Protocol::ALL {
        for host in ["127.0.0.1", "localhost"] {
            let login = |peer: &mut Peer| {
                peer.greet(&["AUTH PLAIN"])?;
                peer.answer("AUTH PLAIN ", "235 ok\r\n")?;
                peer.take_email()
            };
            let session = Session::plain().login().set("smtp_host", host);
            session.run(login).is_sent();
            let proxy = Proxy::good(protocol, Manner::default());
            let ended = through(session.clone(), &proxy.address(protocol)).run(|peer| peer.greet(&["AUTH PLAIN"]));
            ended.is("NOT_SECURE", "login_in_clear", "login");
            let clear = String::from_utf8_lossy(&ended.record.clear).into_owned();
            assert!(promises::secret_forms().iter().all(|form| !clear.contains(form)), "{clear}");
            let proxy = Proxy::good(protocol, Manner::default());
            let allowed = session.set("allow_insecure_login", true);
            through(allowed, &proxy.address(protocol)).run(login).is_sent();
        }
    }
}

fn relay(session: Session, url: &str) -> Session {
    let mut session = session;
    session.settings = support::object(json!({
        "protocol": "http", "http_server": url, "http_token": PASSWORD, "sender_name": "Ana SRL",
        "reply_to": "ana@example.test",
    }));
    session
}

#[test]
fn a_relay_without_tls_is_refused_before_anybody_is_asked() {
    for protocol in Protocol::ALL {
        let proxy = Proxy::good(protocol, Manner::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
        let json = ending(&through(relay(Session::plain(), &url), &proxy.address(protocol)));
        assert_eq!(
            (&json["status_name"], &json["reason"]),
            (&"NOT_SECURE".into(), &"tls_not_offered".into()),
            "{json:#}"
        );
        assert!(proxy.was_left_alone());
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err());
    }
}

#[test]
fn a_relay_is_reached_through_the_proxy() {
    for protocol in Protocol::ALL {
        let proxy = Proxy::good(protocol, Manner { wants_login: true, ..Manner::default() });
        let server = Server::start(|peer| {
            peer.secure(&certificates::good())?;
            while !peer.line()?.is_empty() {}
            peer.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        });
        let url = format!("https://{HOST}:{}/send", server.port);
        let session = relay(Session::plain().test(), &url);
        let json = ending(&through(session, &proxy.address_with_login(protocol)));
        assert_eq!(json["reason"], "accepted", "{json:#}");
        assert_asked(&proxy.asked(), HOST, server.port, true);
        let steps: Vec<_> = json["steps"].as_array().unwrap().iter().map(|it| &it["step"]).collect();
        assert_eq!(steps, ["name", "connect", "proxy", "tls", "content", "verdict"]);
        let record = server.record();
        assert_eq!(record.commands[0], "POST /send HTTP/1.1");
        assert!(!String::from_utf8_lossy(&record.clear).contains("POST"));
        // A failure of the proxy is told as with SMTP.
        let proxy = Proxy::start(|client| client.send("what?\r\n").unwrap_or_default());
        let json = ending(&through(relay(Session::plain(), &url), &proxy.address(protocol)));
        assert_fails(&json, "bad_reply", "proxy");
    }
}

#[test]
fn each_socks_reply_says_why() {
    for (code, meaning) in [
        (1, "general failure"),
        (2, "connection not allowed by ruleset"),
        (3, "network unreachable"),
        (4, "host unreachable"),
        (5, "connection refused"),
        (6, "TTL expired"),
        (7, "command not supported"),
        (8, "address type not supported"),
        (99, "unknown reason"),
    ] {
        // Some end with the code.
        for rest in [&[0, 1, 0, 0, 0, 0, 0, 0][..], &[]] {
            let json = with_proxy(Protocol::Socks5, move |client| {
                client.choose(0)?;
                client.socks5_request()?;
                client.send([&[5, code], rest].concat())
            });
            assert_fails(&json, "proxy_failed", "proxy");
            assert_eq!(json["detail"], format!("{meaning} (SOCKS reply {code})"));
            assert!(json["message"].as_str().unwrap().contains(HOST), "{json:#}");
        }
    }
}

#[test]
fn a_login_that_a_socks_proxy_refuses_is_told() {
    let json = with_proxy(Protocol::Socks5, |client| {
        assert_eq!(client.choose(2)?, [0, 2]);
        let (username, password) = client.socks5_login()?;
        assert_eq!((username.as_str(), password.as_str()), (proxy::USERNAME, proxy::PASSWORD));
        client.send([1, 1])
    });
    assert_fails(&json, "proxy_login_refused", "proxy");
    assert_eq!(json["advice"][0]["code"], "check_proxy_login");
    let json = with_proxy(Protocol::Socks5, |client| client.choose(0xFF).map(drop));
    assert_fails(&json, "proxy_login_refused", "proxy");
    // Without a login none is offered.
    let proxy = Proxy::start(|client| {
        assert_eq!(client.choose(0xFF), Some(vec![0]));
        client.until_gone();
    });
    let json = ending(&through(Session::tls(), &proxy.address(Protocol::Socks5)));
    assert_fails(&json, "proxy_login_refused", "proxy");
    assert_eq!(json["detail"], "the proxy wants a login");
}

#[test]
fn a_status_other_than_2xx_is_a_failure_with_its_words() {
    for (code, reason) in [
        (301, "proxy_failed"),
        (400, "proxy_failed"),
        (401, "proxy_login_refused"),
        (403, "proxy_failed"),
        (407, "proxy_login_refused"),
        (502, "proxy_failed"),
        (503, "proxy_failed"),
    ] {
        let json = with_proxy(Protocol::Http, move |client| {
            let head = client.head()?;
            let echo = head.last()?.strip_prefix("Proxy-Authorization: Basic ")?.to_owned();
            let (username, password) = (proxy::USERNAME, proxy::PASSWORD);
            client
                .send(format!("HTTP/1.1 {code} No {username} {password} {echo}\r\nContent-Length: 9\r\n\r\nBecause.\n"))
        });
        assert_fails(&json, reason, "proxy");
        assert_eq!(json["server"]["code"], code);
        assert!(json["server"]["text"].as_str().unwrap().starts_with("No [secret] [secret] [secret]"), "{json:#}");
    }
    for status in ["HTTP/1.0 403", "HTTP/1.1 403 ", "HTTP/1.1 403 \0\x1b[31m\u{202e}"] {
        let json = with_proxy(Protocol::Http, move |client| {
            client.head()?;
            client.send(format!("{status}\r\n\r\n"))
        });
        assert_fails(&json, "proxy_failed", "proxy");
        assert!(json["server"]["text"].as_str().unwrap().chars().all(|c| !c.is_control() && c != '\u{202e}'));
    }
}

#[test]
fn an_answer_of_2xx_is_one_and_1xx_is_not_the_last() {
    for answer in [
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.0 299 whatever\r\nX: y\r\n\r\n",
        "HTTP/1.1 200 bare line feeds\nX: y\n\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let json = with_proxy(Protocol::Http, move |client| {
            client.head()?;
            client.send(answer)?;
            client.send("554 5.7.1 go away\r\n")
        });
        assert_eq!(
            (&json["reason"], &json["step"]),
            (&"server_refused".into(), &"greeting".into()),
            "{answer}: {json:#}"
        );
    }
}

#[test]
fn what_is_no_proxy_is_told_so() {
    for garbage in [
        &b"220 mail.test ESMTP\r\n"[..],
        b"\0\0\0\0",
        b"\x04\x5a\0\0\0\0\0\0",
        b"HTTP/2 200\r\n\r\n",
        b"\r\n",
        b"\x05\x07",
    ] {
        for protocol in Protocol::ALL {
            if protocol == Protocol::Http && !garbage.ends_with(b"\n") {
                continue;
            }
            let json = with_proxy(protocol, move |client| client.send(garbage));
            assert_fails(&json, "bad_reply", "proxy");
        }
    }
    let after_the_choice: [&[u8]; 3] = [b"\x05\0", b"\x02\0", b"HTTP"];
    for answer in after_the_choice {
        let json = with_proxy(Protocol::Socks5, move |client| {
            client.choose(2)?;
            client.socks5_login()?;
            client.send(answer)
        });
        assert_fails(&json, "bad_reply", "proxy");
    }
    let replies: [&[u8]; 3] = [b"\x04\0\0\x01", b"\x05\0\0\x02", b"220 mail"];
    for reply in replies {
        let json = with_proxy(Protocol::Socks5, move |client| {
            client.choose(0)?;
            client.socks5_request()?;
            client.send(reply)
        });
        assert_fails(&json, "bad_reply", "proxy");
    }
}

#[test]
fn an_answer_without_end_is_cut() {
    for piece in ["x", "HTTP/1.1 200 ", "HTTP/1.1 200 OK\r\nX: y\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let json = with_proxy(Protocol::Http, move |client| {
            client.head()?;
            let block = piece.repeat(1024);
            client.send(piece)?;
            while client.send(&block).is_some() {}
            None
        });
        assert_fails(&json, "bad_reply", "proxy");
    }
}

#[test]
fn one_byte_at_a_time_is_an_answer_too() {
    for protocol in Protocol::ALL {
        let manner = Manner { dribbles: true, wants_login: true, ..Manner::default() };
        let proxy = Proxy::good(protocol, manner);
        let session = through(Session::plain().set("smtp_host", HOST), &proxy.address_with_login(protocol));
        let ended = session.run(|peer| {
            peer.greet(&[])?;
            peer.take_email()
        });
        ended.is_sent();
    }
}

#[test]
fn a_proxy_that_goes_away_at_any_byte_is_a_disconnection() {
    // The choice of a login, its success, and the answer.
    let ends = [(Protocol::Socks5, 2 + 2 + proxy::SOCKS5_ANSWER.len()), (Protocol::Http, proxy::HTTP_ANSWER.len())];
    for (protocol, length) in ends {
        for cut in 0..length {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let manner = Manner { wants_login: true, cut: Some(cut), ..Manner::default() };
            let proxy = Proxy::good(protocol, manner);
            let session =
                Session::starttls().set("smtp_host", HOST).set("smtp_port", server.local_addr().unwrap().port());
            let json = ending(&through(session, &proxy.address_with_login(protocol)));
            assert_fails(&json, "disconnected", "proxy");
        }
    }
}

#[test]
fn silence_and_slowness_end_at_one_deadline() {
    let silent = |protocol, play: fn(&mut Client)| {
        let proxy = Proxy::start(play);
        let session = Session::tls().set("smtp_host", HOST).deadline("connect_ms", 1000);
        let json = ending(&through(session, &proxy.address(protocol)));
        assert_fails(&json, "timed_out", "proxy");
        assert_eq!(json["advice"][0]["code"], "check_proxy");
    };
    together([
        Box::new(move || silent(Protocol::Socks5, Client::until_gone)),
        Box::new(move || silent(Protocol::Http, Client::until_gone)),
        Box::new(move || {
            silent(Protocol::Socks5, |client| {
                client.choose(0);
                client.until_gone();
            });
        }),
        // The deadline is for the whole, not for the gap between two bytes.
        Box::new(move || {
            silent(Protocol::Http, |client| {
                while client.send("HTTP/1.1 100 X\r\n\r\n").is_some() {
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
        }),
    ]);
}

#[test]
fn a_proxy_that_cannot_be_reached_is_told_as_the_proxy() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let json = ending(&through(Session::tls(), &format!("http://127.0.0.1:{port}")));
    assert_fails(&json, "connection_refused", "connect");
    assert!(json["message"].as_str().unwrap().contains(&format!("proxy 127.0.0.1:{port}")), "{json:#}");
    assert_eq!(json["advice"][0]["code"], "check_proxy");
    let skipped = json["steps"].as_array().unwrap().iter().find(|step| step["step"] == "proxy").unwrap();
    assert_eq!(skipped["status"], "skipped");
    // RFC 6761: no resolver has an answer for it; one that cannot be asked says so.
    let session = Session::tls().deadline("connect_ms", 5000);
    let json = ending(&through(session, "socks5://no-such-proxy.invalid"));
    assert_eq!((&json["status_name"], &json["step"]), (&"UNREACHABLE".into(), &"name".into()), "{json:#}");
    assert!(json["message"].as_str().unwrap().contains("proxy no-such-proxy.invalid:1080"), "{json:#}");
}

#[test]
fn a_bad_address_is_a_fault_that_does_not_repeat_it() {
    for (address, code) in [
        ("", "proxy_invalid"),
        ("proxy.example.test:1080", "proxy_invalid"),
        ("socks5://ana:S3cret-Horse-77@", "proxy_invalid"),
        ("socks5://ana:S3cret-Horse-77/@proxy.example.test", "proxy_invalid"),
        ("S3cret-Horse-77://proxy.example.test", "proxy_invalid"),
        ("https://ana:S3cret-Horse-77@proxy.example.test", "proxy_unsupported"),
        ("socks4://proxy.example.test", "proxy_unsupported"),
        ("socks5://ana:S3cret-Horse-77%@proxy.example.test", "proxy_login_invalid"),
    ] {
        let json = Host::refused(&json!({"proxy": address}));
        assert_eq!((&json["status_name"], &json["errors"][0]["code"]), (&"BAD_CALL".into(), &code.into()), "{json:#}");
        assert_eq!(json["errors"][0]["key"], "proxy");
        promises::worded(&json);
        assert_no_secret(&json);
    }
}

/// In the test's own process, which is started again for it, as no other has an environment that is the test's to set.
const ENVIRONMENT_TEST: &str = "the_environment_counts_only_where_the_host_says_so";
const GIVEN: &str = "MAILBUTTON_TEST_SESSION";

fn in_environment(variables: &[(&str, String)], given: &Value) -> Value {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", ENVIRONMENT_TEST, "--nocapture"]).env(GIVEN, given.to_string());
    for name in ["SOCKS5_PROXY", "ALL_PROXY", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"] {
        child.env_remove(name).env_remove(name.to_lowercase());
    }
    child.envs(variables.iter().map(|(name, value)| (*name, value)));
    let output = String::from_utf8(child.output().unwrap().stdout).unwrap();
    let reply = output.lines().find_map(|line| line.strip_prefix("reply: ")).unwrap_or_else(|| panic!("{output}"));
    serde_json::from_str(reply).unwrap()
}

fn play_host(given: &str) {
    let given: Value = serde_json::from_str(given).unwrap();
    let mut session = Session::plain();
    session.options.extend(support::object(given["options"].clone()));
    let (host, pending) = session.begin(u16::try_from(given["port"].as_u64().unwrap()).unwrap());
    println!("\nreply: {}", pending.wait());
    drop((pending, host));
}

#[test]
fn the_environment_counts_only_where_the_host_says_so() {
    if let Ok(given) = std::env::var(GIVEN) {
        return play_host(&given);
    }
    for (options, exceptions, goes_through) in [
        (json!({"proxy": "environment"}), "", true),
        (json!({"proxy": "environment"}), "example.test", true),
        (json!({"proxy": "environment"}), "example.test, 127.0.0.0/8", false),
        (json!({}), "", false),
    ] {
        let server = Server::start(|peer| {
            peer.greet(&[])?;
            peer.take_email()
        });
        let proxy = Proxy::good(Protocol::Socks5, Manner::default());
        let variables = [
            ("ALL_PROXY", proxy.address(Protocol::Socks5)),
            ("HTTP_PROXY", "http://127.0.0.1:1".to_owned()),
            ("NO_PROXY", exceptions.to_owned()),
        ];
        let json = in_environment(&variables, &json!({"options": options, "port": server.port}));
        assert_eq!(json["reason"], "accepted", "{json:#}");
        assert_eq!(!proxy.was_left_alone(), goes_through, "{options} {exceptions:?}");
    }
}
