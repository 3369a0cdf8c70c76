//! From the name lookup to where a login can follow: each way in which a server, or something on the way to it, can fail.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::net::TcpListener;
use std::time::Duration;

use support::certificates::{self, Kind};
use support::server::{Peer, Played};
use support::{Session, together};

#[test]
fn a_good_session_of_each_security_delivers() {
    let ended = Session::plain().run(|peer| {
        peer.greet(&[])?;
        peer.take_email()
    });
    ended.is_sent().outcomes(&["accepted"]).commands(&["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]);
    let ended = Session::tls().run(|peer| {
        peer.open_tls(&[])?;
        peer.take_email()
    });
    ended.is_sent().commands(&["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]);
    assert_eq!(ended.step("tls")["found"]["tls_version"], "TLS 1.3");
    let ended = Session::starttls().run(|peer| {
        peer.start_tls(&[])?;
        peer.take_email()
    });
    ended.is_sent().commands(&["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]);
    assert!(!String::from_utf8_lossy(&ended.record.clear).contains("MAIL"));
}

#[test]
fn a_test_of_the_settings_goes_to_the_sender() {
    let ended = Session::plain().test().run(|peer| {
        peer.greet(&[])?;
        peer.take_email()
    });
    ended.is_sent();
    assert_eq!(ended.json["recipients"][0]["address"], "ana@example.test");
    assert!(ended.record.commands.contains(&"RCPT TO:<ana@example.test>".to_owned()));
}

#[test]
fn a_greeting_other_than_220_ends_the_session_with_its_words() {
    for (greeting, status, reason, code, text) in [
        ("421 4.3.2 too many\r\n", "TRY_LATER", "server_busy", 421, "too many"),
        ("450 later\r\n", "TRY_LATER", "server_busy", 450, "later"),
        ("554 5.7.1 go away\r\n", "REFUSED", "server_refused", 554, "go away"),
        ("554-go\r\n554 away\r\n", "REFUSED", "server_refused", 554, "go away"),
    ] {
        let ended = Session::plain().run(move |peer| peer.send(greeting));
        ended.is(status, reason, "greeting").outcomes(&["not_sent"]).commands(&[]);
        assert_eq!(ended.json["server"]["code"], code, "{:#}", ended.json);
        assert_eq!(ended.json["server"]["text"], text, "{:#}", ended.json);
    }
}

#[test]
fn what_is_no_greeting_is_not_answered() {
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.9\r\n"[..],
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\r\n",
        b"\0\0\0\0\r\n",
        b"220\tmail\r\n",
        b"22 mail\r\n",
        b"999 mail\r\n",
        b"\xff\xfe2\x002\x000\x00\r\n",
        b"220-a\r\n250 b\r\n",
        b"250 mail\r\n",
        b"354 mail\r\n",
        b"220 a\r\n220 b\r\n",
    ] {
        let ended = Session::plain().run(move |peer| peer.send(garbage));
        ended.is("UNREACHABLE", "bad_reply", "greeting").commands(&[]);
    }
}

#[test]
fn a_connection_that_ends_before_the_greeting_is_a_disconnection() {
    for half in ["", "220 mail", "220-mail\r\n", "220-mail\r\n220 mail\r"] {
        let ended = Session::plain().run(move |peer| {
            peer.send(half)?;
            peer.close();
            Ok(())
        });
        ended.is("UNREACHABLE", "disconnected", "greeting").commands(&[]);
        let ended = Session::tls().run(move |peer| {
            peer.secure(&certificates::good())?;
            peer.send(half)?;
            peer.reset();
            Ok(())
        });
        ended.is("UNREACHABLE", "disconnected", "greeting").commands(&[]);
    }
}

#[test]
fn silence_ends_at_the_deadline_of_its_step() {
    let nothing: fn(&mut Peer) -> Played = |_| Ok(());
    together([
        Box::new(move || {
            let ended = Session::plain().deadline("command_ms", 1000).run(nothing);
            ended.is("UNREACHABLE", "timed_out", "greeting").commands(&[]);
        }),
        Box::new(|| {
            let ended = Session::plain().deadline("command_ms", 1000).run(|peer| peer.send("220 mail\r\n"));
            ended.is("UNREACHABLE", "timed_out", "greeting").commands(&["EHLO"]);
        }),
        Box::new(|| {
            let ended = Session::starttls().deadline("command_ms", 1000).run(|peer| peer.greet(&["STARTTLS"]));
            ended.is("UNREACHABLE", "timed_out", "tls").commands(&["EHLO", "STARTTLS"]);
        }),
        Box::new(move || {
            let ended = Session::tls().deadline("tls_ms", 1000).run(nothing);
            ended.is("UNREACHABLE", "timed_out", "tls");
        }),
        Box::new(|| {
            let ended = Session::starttls().deadline("tls_ms", 1000).run(|peer| {
                peer.greet(&["STARTTLS"])?;
                peer.answer("STARTTLS", "220 go\r\n")
            });
            ended.is("UNREACHABLE", "timed_out", "tls");
        }),
        // The deadline is for the whole reply, not for the gap between two bytes.
        Box::new(|| {
            let ended = Session::plain()
                .deadline("command_ms", 1000)
                .run(|peer| peer.dribble_slowly(b'2', Duration::from_millis(20)));
            ended.is("UNREACHABLE", "timed_out", "greeting");
        }),
        Box::new(|| {
            let ended = Session::plain().deadline("command_ms", 1000).run(|peer| {
                loop {
                    peer.dribble("220-hello\r\n")?;
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
            ended.is("UNREACHABLE", "timed_out", "greeting");
        }),
    ]);
}

#[test]
fn a_server_that_knows_no_ehlo_is_greeted_with_helo() {
    for refusal in ["500 what\r\n", "502 5.5.1 no\r\n"] {
        let ended = Session::plain().run(move |peer| {
            peer.send("220 mail\r\n")?;
            peer.answer("EHLO ", refusal)?;
            peer.answer("HELO ", "250 mail\r\n")?;
            peer.take_email()
        });
        ended.is_sent().commands(&["EHLO", "HELO", "MAIL", "RCPT", "DATA", "QUIT"]);
    }
    let ended = Session::plain().run(|peer| {
        peer.send("220 mail\r\n")?;
        peer.answer("EHLO ", "502 no\r\n")?;
        peer.answer("HELO ", "554 5.7.1 no either\r\n")
    });
    ended.is("REFUSED", "server_refused", "greeting").says(554, Some("5.7.1"), "no either");
    // What would need an extension does not go on without: neither encryption nor a login.
    let old = |peer: &mut Peer| {
        peer.send("220 mail\r\n")?;
        peer.answer("EHLO ", "502 no\r\n")?;
        peer.answer("HELO ", "250 mail\r\n")
    };
    Session::starttls().login().run(old).is("NOT_SECURE", "tls_not_offered", "tls").commands(&["EHLO", "HELO"]);
}

#[test]
fn a_refused_ehlo_ends_the_session() {
    for (reply, status, reason) in [
        ("421 4.3.2 shutting down\r\n", "TRY_LATER", "server_busy"),
        ("451 later\r\n", "TRY_LATER", "server_busy"),
        ("501 bad name\r\n", "REFUSED", "server_refused"),
        ("554 no\r\n", "REFUSED", "server_refused"),
        ("354 go\r\n", "UNREACHABLE", "bad_reply"),
        ("250-a\r\n251 b\r\n", "UNREACHABLE", "bad_reply"),
        ("hello\r\n", "UNREACHABLE", "bad_reply"),
    ] {
        let ended = Session::plain().run(move |peer| {
            peer.send("220 mail\r\n")?;
            peer.answer("EHLO ", reply)
        });
        ended.is(status, reason, "greeting").commands(&["EHLO"]);
    }
}

#[test]
fn without_starttls_nothing_goes_on_in_clear() {
    let ended = Session::starttls().login().run(|peer| peer.greet(&["AUTH PLAIN", "SIZE 1000"]));
    ended.is("NOT_SECURE", "tls_not_offered", "tls").commands(&["EHLO"]).says_nothing();
    for reply in ["454 4.7.0 not now\r\n", "502 5.5.1 no\r\n"] {
        let ended = Session::starttls().login().run(move |peer| {
            peer.greet(&["STARTTLS", "AUTH PLAIN"])?;
            peer.answer("STARTTLS", reply)
        });
        ended.is("NOT_SECURE", "tls_refused", "tls").commands(&["EHLO", "STARTTLS"]);
        assert_eq!(ended.json["server"]["code"].to_string(), reply[..3]);
    }
    let ended = Session::starttls().run(|peer| {
        peer.greet(&["STARTTLS"])?;
        peer.answer("STARTTLS", "250 fine\r\n")
    });
    ended.is("UNREACHABLE", "bad_reply", "tls");
}

#[test]
fn bytes_in_clear_around_starttls_end_the_session() {
    let around: [fn(&mut Peer) -> Played; 3] = [
        |peer| {
            peer.greet(&["STARTTLS"])?;
            peer.answer("STARTTLS", "220 go\r\n250 injected\r\n")
        },
        |peer| {
            peer.greet(&["STARTTLS"])?;
            peer.answer("STARTTLS", "220 go\r\nx")
        },
        |peer| {
            peer.send("220 mail\r\n")?;
            peer.answer("EHLO ", "250-mail\r\n250 STARTTLS\r\n220 go\r\n")?;
            peer.expect("STARTTLS")?;
            peer.send("220 go\r\n")
        },
    ];
    for script in around {
        Session::starttls().login().run(script).is("NOT_SECURE", "bytes_before_tls", "tls");
    }
}

#[test]
fn a_close_around_starttls_is_a_disconnection_and_no_attack() {
    let closes: [fn(&mut Peer) -> Played; 4] = [
        |peer| {
            peer.greet(&["STARTTLS"])?;
            peer.answer("STARTTLS", "220 go\r\n")?;
            peer.close();
            Ok(())
        },
        |peer| {
            peer.greet(&["STARTTLS"])?;
            peer.expect("STARTTLS")?;
            peer.close();
            Ok(())
        },
        |peer| {
            peer.greet(&["STARTTLS"])?;
            peer.expect("STARTTLS")?;
            peer.reset();
            Ok(())
        },
        |peer| {
            peer.greet(&["STARTTLS"])?;
            peer.answer("STARTTLS", "220 go\r\n")?;
            peer.some_bytes(1)?;
            peer.close();
            Ok(())
        },
    ];
    for script in closes {
        for _ in 0..5 {
            Session::starttls().login().run(script).is("UNREACHABLE", "disconnected", "tls");
        }
    }
}

#[test]
fn what_was_said_before_tls_is_forgotten() {
    let ended = Session::starttls().run(|peer| {
        peer.greet(&["STARTTLS", "SIZE 10", "SMTPUTF8"])?;
        peer.answer("STARTTLS", "220 go\r\n")?;
        peer.secure(&certificates::good())?;
        peer.ehlo(&[])?;
        peer.take_email()
    });
    ended.is_sent();
    assert!(ended.record.commands.contains(&"MAIL FROM:<ana@example.test>".to_owned()), "{:?}", ended.record);
}

#[test]
fn a_port_that_speaks_in_clear_is_told_so() {
    let ended = Session::tls().login().run(|peer| peer.send("220 mail.test ESMTP\r\n"));
    ended.is("NOT_SECURE", "tls_not_spoken", "tls").advises("try_auto");
    assert_eq!(ended.json["advice"][0]["patch"]["smtp_security"], "auto");
    let ended = Session::starttls().login().run(|peer| {
        peer.greet(&["STARTTLS"])?;
        peer.answer("STARTTLS", "220 go\r\n")?;
        peer.some_bytes(1)?;
        peer.send("220 still in clear\r\n")
    });
    ended.is("NOT_SECURE", "tls_not_spoken", "tls");
}

#[test]
fn a_server_with_old_tls_only_is_told_so() {
    let ended = Session::tls().login().run(|peer| {
        peer.some_bytes(1)?;
        // The alert protocol_version in a record of TLS 1.1.
        peer.send([0x15, 0x03, 0x02, 0x00, 0x02, 0x02, 70])
    });
    ended.is("NOT_SECURE", "tls_too_old", "tls").advises("server_must_update");
    let ended = Session::tls().login().run(|peer| {
        peer.some_bytes(1)?;
        // handshake_failure
        peer.send([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 40])
    });
    ended.is("NOT_SECURE", "tls_failed", "tls");
}

#[test]
fn a_wrong_certificate_ends_the_session_and_is_shown() {
    for (kind, reason) in [
        (Kind::SelfSigned, "certificate_untrusted"),
        (Kind::Expired, "certificate_expired"),
        (Kind::NotYetValid, "certificate_not_yet_valid"),
        (Kind::OtherName, "certificate_wrong_name"),
    ] {
        let config = certificates::server(kind);
        let ended = Session::tls().login().run(move |peer| {
            peer.secure(&config)?;
            peer.open_tls(&["AUTH PLAIN"])
        });
        ended.is("NOT_SECURE", reason, "tls").commands(&[]);
        let shown = &ended.json["certificate"];
        assert_eq!(shown["fingerprint"].as_str().unwrap().len(), 95, "{:#}", ended.json);
        let patch = ended.json["advice"].as_array().unwrap().iter().find(|it| it["code"] == "accept_certificate");
        // One click accepts only what looks like one's own server: an authority's certificate for another is not that.
        let offered = patch.map(|advice| &advice["patch"]["trusted_certificate"]);
        let expected = matches!(kind, Kind::SelfSigned).then_some(&shown["fingerprint"]);
        assert_eq!(offered, expected, "{:#}", ended.json);
        if matches!(kind, Kind::OtherName) {
            assert_eq!(shown["names"][0], "mail.other.test");
        }
    }
}

#[test]
fn one_accepted_certificate_is_trusted_and_no_other() {
    let config = certificates::server(Kind::SelfSigned);
    let theirs = config.clone();
    let shown = Session::tls().run(move |peer| peer.secure(&theirs));
    let fingerprint = shown.is("NOT_SECURE", "certificate_untrusted", "tls").json["certificate"]["fingerprint"].clone();
    let trusting = |session: Session| {
        session.login().set("allow_untrusted_certificate", true).set("trusted_certificate", fingerprint.clone())
    };
    let ended = trusting(Session::tls()).run(move |peer| {
        peer.secure(&config)?;
        peer.greet(&["AUTH PLAIN"])?;
        peer.answer("AUTH PLAIN ", "235 ok\r\n")?;
        peer.take_email()
    });
    ended.is_sent();
    // A renewed one, and also one that an authority vouches for.
    for kind in [Kind::SelfSigned, Kind::Good] {
        let config = certificates::server(kind);
        let ended = trusting(Session::starttls()).run(move |peer| {
            peer.greet(&["STARTTLS"])?;
            peer.answer("STARTTLS", "220 go\r\n")?;
            peer.secure(&config)
        });
        ended.is("NOT_SECURE", "certificate_changed", "tls").advises("compare_certificate");
        assert_ne!(ended.json["certificate"]["fingerprint"], fingerprint);
    }
}

#[test]
fn a_connection_that_breaks_inside_tls_is_a_disconnection() {
    // After the handshake there was a safe connection: "no password was sent" cannot be said any more.
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH PLAIN"])?;
        peer.answer("AUTH PLAIN ", "235 ok\r\n")?;
        peer.expect("MAIL")?;
        peer.send_raw(b"\x17\x03\x03\x00\x20this is not what was agreed upon")
    });
    ended.is("UNREACHABLE", "disconnected", "sender");
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH PLAIN"])?;
        peer.expect("AUTH PLAIN ")?;
        peer.reset();
        Ok(())
    });
    ended.is("UNREACHABLE", "disconnected", "login");
}

#[test]
fn where_nobody_listens_the_connection_is_refused() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (_host, pending) = Session::plain().begin(port);
    let json = pending.wait();
    support::promises::worded(&json);
    assert_eq!(
        (&json["status_name"], &json["reason"]),
        (&"UNREACHABLE".into(), &"connection_refused".into()),
        "{json:#}"
    );
    assert_eq!((&json["step"], &json["advice"][0]["code"]), (&"connect".into(), &"check_host_and_port".into()));
}

#[test]
fn a_name_that_does_not_exist_is_told_so() {
    // RFC 6761: no resolver has an answer for it; one that cannot be asked says so.
    let (_host, pending) =
        Session::plain().set("smtp_host", "no-such-host.invalid").deadline("connect_ms", 5000).begin(25);
    let json = pending.wait();
    support::promises::worded(&json);
    assert_eq!((&json["status_name"], &json["step"]), (&"UNREACHABLE".into(), &"name".into()), "{json:#}");
    assert!(["name_not_found", "name_lookup_failed"].contains(&json["reason"].as_str().unwrap()), "{json:#}");
}
