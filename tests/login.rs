//! The login: over TLS, with every answer that a server may give, and with a password that must come back in no reply.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use support::promises::secret_forms;
use support::server::{Peer, Played};
use support::{PASSWORD, Session, USERNAME, together};

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
        peer.secure(&support::certificates::good())?;
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
