//! The login: over TLS, with every answer that a server may give, and with a password that must come back in no reply.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use support::promises::secret_forms;
use support::scram::{self, Scram, challenge};
use support::server::{Gone, Peer, Played};
use support::{PASSWORD, Session, USERNAME, certificates, together};

fn plain_line() -> String {
    format!("AUTH PLAIN {}", secret_forms()[2])
}

#[test]
fn plain_is_sent_in_one_command() {
    for offer in ["AUTH PLAIN", "auth plain login", "AUTH LOGIN PLAIN", "AUTH=PLAIN LOGIN", "Auth=LOGIN PLAIN"] {
        let ended = Session::tls().login().run(move |peer| {
            peer.open_tls(&[offer])?;
            peer.answer(&plain_line(), "235 2.7.0 welcome\r\n")?;
            peer.take_email()
        });
        ended.is_sent().commands(&["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]);
        assert_eq!(ended.step("login")["found"]["mechanism"], "PLAIN");
    }
}

#[test]
fn login_is_understood_however_the_server_words_its_prompts() {
    for [first, second] in [["VXNlcm5hbWU6", "UGFzc3dvcmQ6"], ["", ""], ["not base64!", "\u{e9}"]] {
        let ended = Session::starttls().login().run(move |peer| {
            peer.start_tls(&["AUTH=LOGIN"])?;
            peer.answer("AUTH LOGIN", format!("334 {first}\r\n"))?;
            peer.answer(&STANDARD.encode(USERNAME), format!("334 {second}\r\n"))?;
            peer.answer(&STANDARD.encode(PASSWORD), "235 ok\r\n")?;
            peer.take_email()
        });
        ended.is_sent();
        assert_eq!(ended.step("login")["found"]["mechanism"], "LOGIN");
    }
}

#[test]
fn a_refused_login_says_what_the_server_says() {
    for (reply, status, reason) in [
        ("535 5.7.8 bad\r\n", "LOGIN_REFUSED", "login_refused"),
        ("534 5.7.9 app password\r\n", "LOGIN_REFUSED", "login_refused"),
        ("530 5.7.0 no\r\n", "LOGIN_REFUSED", "login_refused"),
        ("454 4.7.0 later\r\n", "TRY_LATER", "login_deferred"),
        ("421 4.7.0 bye\r\n", "TRY_LATER", "login_deferred"),
        // None of these is a login.
        ("250 ok\r\n", "UNREACHABLE", "bad_reply"),
        ("334 more\r\n", "UNREACHABLE", "bad_reply"),
        ("235\n\r\n", "UNREACHABLE", "bad_reply"),
        ("welcome\r\n", "UNREACHABLE", "bad_reply"),
    ] {
        let ended = Session::tls().login().run(move |peer| {
            peer.open_tls(&["AUTH PLAIN"])?;
            peer.answer("AUTH PLAIN ", reply)
        });
        ended.is(status, reason, "login").outcomes(&["not_sent"]);
        if status == "UNREACHABLE" {
            ended.commands(&["EHLO", "AUTH"]);
        } else {
            ended.commands(&["EHLO", "AUTH", "QUIT"]);
            assert_eq!(ended.json["server"]["code"].to_string(), reply[..3], "{:#}", ended.json);
        }
    }
}

#[test]
fn a_password_is_never_left_out_where_no_login_is_offered() {
    for (offer, reason) in [
        ("SIZE 1000000", "login_not_offered"),
        ("AUTH", "login_not_offered"),
        ("AUTH GSSAPI NTLM", "login_unsupported"),
        ("AUTH PLAINX XLOGIN", "login_unsupported"),
    ] {
        let ended = Session::tls().login().run(move |peer| peer.open_tls(&[offer]));
        ended.is("LOGIN_REFUSED", reason, "login").commands(&["EHLO", "QUIT"]);
    }
}

#[test]
fn challenges_without_end_come_to_one() {
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH LOGIN"])?;
        loop {
            peer.line()?;
            peer.send("334 VXNlcm5hbWU6\r\n")?;
        }
    });
    ended.is("UNREACHABLE", "bad_reply", "login");
    assert_eq!(ended.record.commands.len(), 4, "{:?}", ended.record.commands);
    // The first answer is refused: the password stays here.
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH LOGIN"])?;
        peer.answer("AUTH LOGIN", "334 \r\n")?;
        peer.answer(&STANDARD.encode(USERNAME), "535 5.7.8 nobody\r\n")
    });
    ended.is("LOGIN_REFUSED", "login_refused", "login").says(535, Some("5.7.8"), "nobody");
    let received = String::from_utf8_lossy(&ended.record.secret).into_owned();
    assert!(secret_forms().iter().all(|form| !received.contains(form)), "{received}");
}

#[test]
fn a_login_that_breaks_off_is_no_refusal() {
    let breaks: [fn(&mut Peer) -> Played; 3] = [
        |peer| {
            peer.close();
            Ok(())
        },
        |peer| {
            peer.send("535 5.7")?;
            peer.close();
            Ok(())
        },
        |peer| {
            peer.reset();
            Ok(())
        },
    ];
    for script in breaks {
        let ended = Session::tls().login().run(move |peer| {
            peer.open_tls(&["AUTH PLAIN"])?;
            peer.expect("AUTH PLAIN ")?;
            script(peer)
        });
        ended.is("UNREACHABLE", "disconnected", "login").says_nothing();
    }
    together([
        Box::new(|| {
            let ended = Session::tls().login().deadline("login_ms", 300).run(|peer| {
                peer.open_tls(&["AUTH PLAIN"])?;
                peer.expect("AUTH PLAIN ").map(drop)
            });
            ended.is("UNREACHABLE", "timed_out", "login").commands(&["EHLO", "AUTH"]);
        }),
        // The deadline is for the whole login.
        Box::new(|| {
            let ended = Session::tls().login().deadline("login_ms", 600).run(|peer| {
                peer.open_tls(&["AUTH LOGIN"])?;
                peer.expect("AUTH LOGIN")?;
                peer.send("334 ")?;
                peer.dribble_slowly(b'x', Duration::from_millis(20))
            });
            ended.is("UNREACHABLE", "timed_out", "login");
        }),
    ]);
}

#[test]
fn a_password_that_is_echoed_comes_back_in_no_reply() {
    let [clear, encoded, response] = secret_forms();
    for echo in [
        format!("535 5.7.8 {clear} is wrong\r\n"),
        format!("535-5.7.8 you said\r\n535-5.7.8 AUTH PLAIN {response}\r\n535 {encoded}\r\n"),
        format!("535 {clear}{clear}{encoded}\r\n"),
        format!("535 {}{clear}\r\n", "x".repeat(500)),
        format!("454 4.7.0 <{clear}>\r\n"),
        format!("334 {encoded}\r\n"),
        format!("{clear}\r\n"),
    ] {
        let ended = Session::tls().login().run(move |peer| {
            peer.open_tls(&["AUTH PLAIN"])?;
            peer.answer("AUTH PLAIN ", echo)
        });
        // `promises::kept` looks for the password in the whole reply.
        assert_ne!(ended.json["status"], 0);
    }
    let ended = Session::tls().login().run(move |peer| {
        peer.secure(&certificates::good())?;
        peer.send(format!("220 {clear}\r\n"))?;
        peer.ehlo(&["AUTH PLAIN", &format!("X-{clear} {encoded}")])?;
        peer.answer("AUTH PLAIN ", format!("235 {response}\r\n"))?;
        peer.answer("MAIL", format!("250 {clear}\r\n"))?;
        peer.answer("RCPT", format!("550 {encoded}\r\n"))
    });
    ended.is("REFUSED", "recipient_refused", "recipient").says(550, None, "[secret]");
}

#[test]
fn without_a_login_a_server_that_wants_one_is_told_so() {
    let ended = Session::tls().run(|peer| {
        peer.open_tls(&["AUTH PLAIN"])?;
        peer.answer("MAIL", "530 5.7.0 Authentication required\r\n")
    });
    ended.is("LOGIN_REFUSED", "login_required", "sender").says(530, Some("5.7.0"), "Authentication required");
    ended.advises("enter_login").commands(&["EHLO", "MAIL", "QUIT"]);
}

const EVERYTHING: &str = "AUTH CRAM-MD5 LOGIN PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS SCRAM-SHA-1 XOAUTH2";

#[test]
fn the_best_mechanism_is_tied_to_the_connection() {
    let ended = Session::starttls().login().run(|peer| {
        peer.start_tls(&[EVERYTHING])?;
        let scram = Scram::begin(peer, "SCRAM-SHA-256-PLUS")?.welcome(peer)?;
        assert_eq!((scram.header.as_str(), scram.binding), ("p=tls-exporter,,", peer.exporter()));
        peer.take_email()
    });
    ended.is_sent();
    assert_eq!(ended.step("login")["found"]["mechanism"], "SCRAM-SHA-256-PLUS");
    assert_eq!(ended.step("login")["server"]["text"], "welcome");
    let ended = Session::tls().login().run(|peer| {
        let (config, certificate) = certificates::tls12();
        peer.secure(&config)?;
        peer.greet(&[EVERYTHING])?;
        let scram = Scram::begin(peer, "SCRAM-SHA-256-PLUS")?.welcome(peer)?;
        let hash = ring::digest::digest(&ring::digest::SHA256, &certificate);
        assert_eq!((scram.header.as_str(), &*scram.binding), ("p=tls-server-end-point,,", hash.as_ref()));
        peer.take_email()
    });
    ended.is_sent();
}

#[test]
fn a_server_learns_why_the_login_is_tied_to_nothing() {
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH PLAIN SCRAM-SHA-256 CRAM-MD5"])?;
        let scram = Scram::begin(peer, "SCRAM-SHA-256")?.welcome(peer)?;
        assert_eq!((scram.header.as_str(), scram.binding.len()), ("y,,", 0));
        peer.take_email()
    });
    ended.is_sent();
    assert_eq!(ended.step("login")["found"]["mechanism"], "SCRAM-SHA-256");
    let ended = Session::plain().login().run(|peer| {
        peer.greet(&[EVERYTHING])?;
        let scram = Scram::begin(peer, "SCRAM-SHA-256")?.welcome(peer)?;
        assert_eq!(scram.header, "n,,");
        peer.take_email()
    });
    ended.is_sent();
}

#[test]
fn cram_md5_is_for_servers_with_nothing_else_and_for_connections_in_clear() {
    fn cram(peer: &mut Peer) -> Played {
        peer.answer("AUTH CRAM-MD5", challenge("<1896.697170952@mail.test>"))?;
        // hmac.new(password, challenge, "md5").hexdigest()
        peer.answer(&STANDARD.encode(format!("{USERNAME} f62c9c0e48a0cc44810d53c2255a1998")), "235 ok\r\n")?;
        peer.take_email()
    }
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH CRAM-MD5 DIGEST-MD5"])?;
        cram(peer)
    });
    ended.is_sent();
    assert_eq!(ended.step("login")["found"]["mechanism"], "CRAM-MD5");
    let ended = Session::plain().login().run(|peer| {
        peer.greet(&["AUTH PLAIN LOGIN CRAM-MD5"])?;
        cram(peer)
    });
    ended.is_sent();
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH CRAM-MD5 LOGIN"])?;
        peer.answer("AUTH LOGIN", "535 5.7.8 no\r\n")
    });
    ended.is("LOGIN_REFUSED", "login_refused", "login").commands(&["EHLO", "AUTH", "QUIT"]);
}

#[test]
fn a_server_that_does_not_know_the_password_is_not_believed() {
    let lies: [fn(&mut Peer, &Scram) -> Played; 4] = [
        |peer, _| peer.send("235 2.7.0 welcome\r\n"),
        |peer, scram| peer.send(challenge(&scram.last().replace("v=", "v=AAAA"))),
        |peer, scram| peer.send(challenge(&scram.last()[..10])),
        |peer, _| {
            peer.send(challenge("e=other-error"))?;
            peer.answer("", "235 2.7.0 welcome\r\n")
        },
    ];
    for lie in lies {
        let ended = Session::tls().login().run(move |peer| {
            peer.open_tls(&["AUTH SCRAM-SHA-256"])?;
            let mut scram = Scram::begin(peer, "SCRAM-SHA-256")?;
            scram.challenge(peer)?;
            lie(peer, &scram)
        });
        ended.is("NOT_SECURE", "login_server_unproven", "login").advises("other_network").delivered(0);
        assert!(!ended.record.commands.iter().any(|line| line == "QUIT"), "{:?}", ended.record.commands);
    }
    // Not even one that asks for nothing.
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH SCRAM-SHA-256"])?;
        peer.answer("AUTH SCRAM-SHA-256 ", "235 2.7.0 welcome\r\n")
    });
    ended.is("NOT_SECURE", "login_server_unproven", "login").says(235, Some("2.7.0"), "welcome");
}

#[test]
fn a_wrong_password_is_told_after_the_proof() {
    for goes_on in [false, true] {
        let ended = Session::tls().login().set("password", "another").run(move |peer| {
            peer.open_tls(&["AUTH SCRAM-SHA-256 PLAIN"])?;
            let mut scram = Scram::begin(peer, "SCRAM-SHA-256")?;
            assert!(!scram.challenge(peer)?);
            if goes_on {
                peer.send(challenge("e=invalid-proof"))?;
                peer.answer("", "535 5.7.8 no\r\n")
            } else {
                peer.send("535 5.7.8 no\r\n")
            }
        });
        ended.is("LOGIN_REFUSED", "login_refused", "login").says(535, Some("5.7.8"), "no");
        assert_eq!(ended.record.commands.last().map(String::as_str), Some("QUIT"));
    }
}

#[test]
fn a_challenge_that_is_none_ends_the_session() {
    let wrong: [fn(&Scram) -> String; 7] = [
        |_| "334 not base64!\r\n".to_owned(),
        |_| "334\r\n".to_owned(),
        |scram| format!("334-{0}\r\n334 {0}\r\n", STANDARD.encode(scram.first())),
        |scram| challenge(&scram.first().replace(scram.nonce(), "nonce")),
        |scram| challenge(&scram.first().replace("theirs", "")),
        |scram| challenge(&scram.first().replace("i=4096", "i=1")),
        |scram| challenge(&scram.first().replace("i=4096", "i=600001")),
    ];
    for wrong in wrong {
        let ended = Session::tls().login().run(move |peer| {
            peer.open_tls(&["AUTH SCRAM-SHA-256 PLAIN"])?;
            let scram = Scram::begin(peer, "SCRAM-SHA-256")?;
            peer.send(wrong(&scram))
        });
        ended.is("UNREACHABLE", "bad_reply", "login").commands(&["EHLO", "AUTH"]);
    }
    for text in ["334 not base64!\r\n", "334 \r\n"] {
        let ended = Session::tls().login().run(move |peer| {
            peer.open_tls(&["AUTH CRAM-MD5"])?;
            peer.answer("AUTH CRAM-MD5", text)
        });
        ended.is("UNREACHABLE", "bad_reply", "login").commands(&["EHLO", "AUTH"]);
    }
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH SCRAM-SHA-256"])?;
        let mut scram = Scram::begin(peer, "SCRAM-SHA-256")?;
        scram.challenge(peer)?;
        peer.send(challenge(&scram.last()))?;
        peer.answer("", challenge("and another"))
    });
    ended.is("UNREACHABLE", "bad_reply", "login");
}

#[test]
fn a_refusal_before_any_challenge_is_no_word_on_the_password() {
    // The user's password is stored in another form than SCRAM needs.
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&[EVERYTHING])?;
        peer.answer("AUTH SCRAM-SHA-256-PLUS ", "535 5.7.8 no\r\n")?;
        peer.answer("AUTH SCRAM-SHA-256 ", "535 5.7.8 no\r\n")?;
        peer.answer(&plain_line(), "235 2.7.0 welcome\r\n")?;
        peer.take_email()
    });
    ended.is_sent();
    assert_eq!(ended.step("login")["found"]["mechanism"], "PLAIN");
    // Another binding than ours: the server is told that we have none, not that it offered none.
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&[EVERYTHING])?;
        peer.answer("AUTH SCRAM-SHA-256-PLUS ", "501 5.5.4 unsupported-channel-binding-type\r\n")?;
        let scram = Scram::begin(peer, "SCRAM-SHA-256")?.welcome(peer)?;
        assert_eq!(scram.header, "n,,");
        peer.take_email()
    });
    ended.is_sent();
    // It hangs up behind its refusal.
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH SCRAM-SHA-256 PLAIN"])?;
        peer.answer("AUTH SCRAM-SHA-256 ", "535 5.7.8 no\r\n")?;
        peer.close();
        Err(Gone)
    });
    ended.is("LOGIN_REFUSED", "login_refused", "login").says(535, Some("5.7.8"), "no");
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH SCRAM-SHA-256 PLAIN"])?;
        peer.answer("AUTH SCRAM-SHA-256 ", "454 4.7.0 later\r\n")
    });
    ended.is("TRY_LATER", "login_deferred", "login").commands(&["EHLO", "AUTH", "QUIT"]);
    // Where others listen, the password stays here.
    let ended = Session::plain().login().run(|peer| {
        peer.greet(&["AUTH SCRAM-SHA-256 PLAIN LOGIN"])?;
        peer.answer("AUTH SCRAM-SHA-256 ", "535 5.7.8 no\r\n")
    });
    ended.is("LOGIN_REFUSED", "login_refused", "login").commands(&["EHLO", "AUTH", "QUIT"]);
}

#[test]
fn what_was_made_from_the_password_comes_back_in_no_reply() {
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH SCRAM-SHA-256"])?;
        let mut scram = Scram::begin(peer, "SCRAM-SHA-256")?;
        scram.challenge(peer)?;
        peer.send(format!("535 5.7.8 <{}> <{}>\r\n", scram.whole_proof(), scram.proof()))
    });
    assert!(ended.json["server"]["text"].as_str().unwrap().starts_with("<[secret]"), "{:#}", ended.json);
    assert!(ended.json["server"]["text"].as_str().unwrap().contains("> <[secret]"), "{:#}", ended.json);
    let ended = Session::tls().login().run(|peer| {
        peer.open_tls(&["AUTH CRAM-MD5"])?;
        peer.answer("AUTH CRAM-MD5", challenge("<1@mail.test>"))?;
        let line = peer.line()?;
        let answer = scram::decoded(&line);
        let (_, digest) = answer.split_once(' ').unwrap();
        peer.send(format!("535 5.7.8 {line} {digest}\r\n"))
    });
    ended.says(535, Some("5.7.8"), "[secret]== [secret]");
}

#[test]
fn a_command_that_would_be_too_long_goes_without_its_response() {
    for (letters, is_short) in [(5, false), (0, true)] {
        let username = "\u{1f600}".repeat(300) + &"u".repeat(letters);
        let password = "\u{1f511}".repeat(2000);
        let response = STANDARD.encode(format!("\0{username}\0{password}"));
        let session = Session::tls().login().set("username", username).set("password", password);
        let ended = session.set("email_address", USERNAME).run(move |peer| {
            peer.open_tls(&["AUTH PLAIN"])?;
            if is_short {
                peer.answer(&format!("AUTH PLAIN {response}"), "235 ok\r\n")?;
            } else {
                let line = peer.expect("AUTH PLAIN")?;
                assert_eq!(line, "AUTH PLAIN");
                peer.send("334 \r\n")?;
                peer.answer(&response, "235 ok\r\n")?;
            }
            peer.take_email()
        });
        ended.is_sent();
    }
}
