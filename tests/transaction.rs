//! From MAIL to the verdict: what is refused, what breaks off, and what may be said of it afterwards.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::Duration;

use serde_json::json;
use support::server::{Peer, Played};
use support::{Session, together};

fn three() -> Session {
    Session::plain().email("to", json!(["a@example.test", "b@example.test", "c@example.test"]))
}

const MEGABYTES: usize = 6 * 1024 * 1024;

#[test]
fn a_refused_sender_ends_the_session() {
    for (reply, status, reason, advice) in [
        ("451 4.7.1 greylisted\r\n", "TRY_LATER", "sender_deferred", "try_later"),
        ("452 4.3.1 full\r\n", "TRY_LATER", "sender_deferred", "try_later"),
        ("421 4.3.2 bye\r\n", "TRY_LATER", "sender_deferred", "try_later"),
        ("550 5.7.1 not yours\r\n", "REFUSED", "sender_refused", "check_sender"),
        ("501 5.1.7 bad\r\n", "REFUSED", "sender_refused", "check_sender"),
        ("530 5.7.0 login\r\n", "LOGIN_REFUSED", "login_required", "enter_login"),
        ("552 5.3.4 too big\r\n", "REFUSED", "too_large", "make_smaller"),
        ("554 5.3.4 too big\r\n", "REFUSED", "too_large", "make_smaller"),
        ("552 5.2.2 full\r\n", "REFUSED", "sender_refused", "free_space"),
        ("452 4.3.4 too big\r\n", "TRY_LATER", "sender_deferred", "try_later"),
    ] {
        let ended = Session::plain().run(move |peer| {
            peer.greet(&[])?;
            peer.answer("MAIL", reply)
        });
        ended.is(status, reason, "sender").outcomes(&["not_sent"]).commands(&["EHLO", "MAIL", "QUIT"]);
        ended.says(reply[..3].parse().unwrap(), Some(&reply[4..9]), reply[10..].trim_end()).advises(advice);
    }
    for odd in ["354 go\r\n", "ok\r\n"] {
        let ended = Session::plain().run(move |peer| {
            peer.greet(&[])?;
            peer.answer("MAIL", odd)
        });
        ended.is("UNREACHABLE", "bad_reply", "sender").commands(&["EHLO", "MAIL"]);
    }
}

#[test]
fn one_refused_recipient_keeps_the_email_from_all() {
    let ended = three().run(|peer| {
        peer.greet(&[])?;
        peer.answer("MAIL", "250 ok\r\n")?;
        peer.answer("RCPT TO:<a@example.test>", "250 ok\r\n")?;
        peer.answer("RCPT TO:<b@example.test>", "550 5.1.1 nobody\r\n")?;
        peer.answer("RCPT TO:<c@example.test>", "251 forwarded\r\n")
    });
    ended.is("REFUSED", "recipient_refused", "recipient").says(550, Some("5.1.1"), "nobody");
    ended.outcomes(&["not_sent", "refused", "not_sent"]).delivered(0);
    ended.commands(&["EHLO", "MAIL", "RCPT", "RCPT", "RCPT", "QUIT"]);
    assert_eq!(ended.json["recipients"][1]["server"]["text"], "nobody");
}

#[test]
fn a_refusal_outranks_a_deferral() {
    for (replies, status, reason, code) in [
        (["451 a\r\n", "550 b\r\n", "452 c\r\n"], "REFUSED", "recipient_refused", 550),
        (["451 a\r\n", "250 b\r\n", "452 c\r\n"], "TRY_LATER", "recipient_deferred", 451),
        (["550 a\r\n", "551 b\r\n", "553 c\r\n"], "REFUSED", "recipient_refused", 550),
    ] {
        for partial in [false, true] {
            if partial && replies[1].starts_with('2') {
                continue;
            }
            let ended = three().email("partial", partial).run(move |peer| {
                peer.greet(&[])?;
                peer.answer("MAIL", "250 ok\r\n")?;
                replies.into_iter().try_for_each(|reply| peer.answer("RCPT", reply))
            });
            ended.is(status, reason, "recipient").delivered(0);
            assert_eq!(ended.json["server"]["code"], code, "{:#}", ended.json);
            // The one who is named is the one whose words are told.
            let at = replies.iter().position(|reply| reply.starts_with(&code.to_string())).unwrap();
            let named = ["a@example.test", "b@example.test", "c@example.test"][at];
            assert!(ended.json["message"].as_str().unwrap().contains(named), "{:#}", ended.json);
        }
    }
}

#[test]
fn partial_delivery_reaches_the_others() {
    let ended = three().email("partial", true).run(|peer| {
        peer.greet(&[])?;
        peer.answer("MAIL", "250 ok\r\n")?;
        peer.answer("RCPT", "250 ok\r\n")?;
        peer.answer("RCPT", "550 5.1.1 nobody\r\n")?;
        peer.answer("RCPT", "452 4.5.3 too many\r\n")?;
        peer.data()?;
        peer.content()?;
        peer.accept()
    });
    ended.is("OK", "accepted_partly", "verdict").outcomes(&["accepted", "refused", "deferred"]).delivered(1);
    // What becomes of the content becomes of those who were taken.
    let ended = three().email("partial", true).run(|peer| {
        peer.greet(&[])?;
        peer.answer("MAIL", "250 ok\r\n")?;
        peer.answer("RCPT", "550 5.1.1 nobody\r\n")?;
        peer.answer("RCPT", "250 ok\r\n")?;
        peer.answer("RCPT", "250 ok\r\n")?;
        peer.data()?;
        peer.content()?;
        peer.close();
        Ok(())
    });
    ended.is("UNCERTAIN", "no_verdict", "verdict").outcomes(&["refused", "uncertain", "uncertain"]);
}

#[test]
fn after_a_421_nothing_more_is_asked_for() {
    for partial in [false, true] {
        let ended = three().email("partial", partial).run(|peer| {
            peer.greet(&[])?;
            peer.answer("MAIL", "250 ok\r\n")?;
            peer.answer("RCPT", "250 ok\r\n")?;
            peer.answer("RCPT", "421 4.3.2 shutting down\r\n")
        });
        ended.is("TRY_LATER", "recipient_deferred", "recipient").says(421, Some("4.3.2"), "shutting down");
        ended.outcomes(&["not_sent", "deferred", "not_sent"]).delivered(0);
        ended.commands(&["EHLO", "MAIL", "RCPT", "RCPT", "QUIT"]);
    }
}

#[test]
fn only_354_begins_the_content() {
    for (reply, status, reason, quits) in [
        ("250 ok\r\n", "UNREACHABLE", "bad_reply", false),
        ("334 more\r\n", "UNREACHABLE", "bad_reply", false),
        ("451 4.3.0 later\r\n", "TRY_LATER", "content_deferred", true),
        ("554 5.5.1 no valid recipients\r\n", "REFUSED", "content_refused", true),
        ("552 big\r\n", "REFUSED", "too_large", true),
    ] {
        let ended = Session::plain().run(move |peer| {
            peer.greet(&[])?;
            peer.answer("MAIL", "250 ok\r\n")?;
            peer.answer("RCPT", "250 ok\r\n")?;
            peer.answer("DATA", reply)
        });
        ended.is(status, reason, "content").outcomes(&["not_sent"]).delivered(0);
        let mut verbs = vec!["EHLO", "MAIL", "RCPT", "DATA"];
        verbs.extend(quits.then_some("QUIT"));
        ended.commands(&verbs);
    }
}

#[test]
fn a_refusal_in_the_middle_of_the_content_is_heard() {
    for session in [Session::plain(), Session::tls()] {
        let secure = session.settings["smtp_security"] == "tls";
        for (reply, status, reason) in [
            ("552 5.3.4 that is enough\r\n", "REFUSED", "too_large"),
            ("554 5.7.1 that is enough\r\n", "REFUSED", "content_refused"),
            ("451 4.3.0 that is enough\r\n", "TRY_LATER", "content_deferred"),
            ("421 4.3.2 that is enough\r\n", "TRY_LATER", "content_deferred"),
        ] {
            for _ in 0..3 {
                let ended = session.clone().pdf_of(MEGABYTES).run(move |peer| {
                    if secure {
                        peer.open_tls(&[])?;
                    } else {
                        peer.greet(&[])?;
                    }
                    peer.envelope()?;
                    peer.some_content(300_000)?;
                    peer.send(reply)?;
                    peer.hang_up_reading();
                    Ok(())
                });
                ended.is(status, reason, "content").outcomes(&["not_sent"]).delivered(0);
                ended.says(reply[..3].parse().unwrap(), Some(&reply[4..9]), "that is enough");
                ended.commands(&["EHLO", "MAIL", "RCPT", "DATA"]);
            }
        }
    }
}

#[test]
fn words_said_right_before_a_reset_are_heard() {
    // The reset may overtake the words, but it may not make a refusal of an email that was not refused.
    for _ in 0..5 {
        let ended = Session::plain().pdf_of(MEGABYTES).run(|peer| {
            peer.greet(&[])?;
            peer.envelope()?;
            peer.some_content(300_000)?;
            peer.send("552 5.3.4 enough\r\n")?;
            peer.close();
            Ok(())
        });
        ended.is("REFUSED", "too_large", "content").says(552, Some("5.3.4"), "enough");
    }
}

#[test]
fn a_connection_that_breaks_in_the_content_delivers_nothing() {
    let breaks: [fn(&mut Peer) -> Played; 3] = [
        |peer| {
            peer.close();
            Ok(())
        },
        |peer| {
            peer.reset();
            Ok(())
        },
        |peer| {
            peer.send("552 5.3")?;
            peer.close();
            Ok(())
        },
    ];
    for script in breaks {
        let ended = Session::plain().pdf_of(MEGABYTES).run(move |peer| {
            peer.greet(&[])?;
            peer.envelope()?;
            peer.some_content(300_000)?;
            script(peer)
        });
        ended.is("UNREACHABLE", "disconnected", "content").says_nothing().outcomes(&["not_sent"]);
    }
}

#[test]
fn a_server_that_wants_to_be_read_before_it_reads_does_not_block_us() {
    let ended = Session::plain().pdf_of(MEGABYTES).run(|peer| {
        peer.greet(&[])?;
        peer.envelope()?;
        peer.some_content(1)?;
        // More than fits between us, and not a byte is read meanwhile.
        loop {
            peer.send("250 still here\r\n".repeat(1000))?;
        }
    });
    ended.is("UNREACHABLE", "bad_reply", "content").outcomes(&["not_sent"]);
}

#[test]
fn a_server_that_stops_reading_is_a_stall() {
    let ended = Session::plain().pdf_of(4 * MEGABYTES).deadline("upload_ms", 500).run_with(
        |peer| {
            peer.greet(&[])?;
            peer.envelope()?;
            peer.wait_for_release();
            Ok(())
        },
        |pending, server| {
            while pending.is_pending_after(Duration::from_millis(50)) {}
            server.release();
        },
    );
    ended.is("UNREACHABLE", "timed_out", "content").outcomes(&["not_sent"]);
}

#[test]
fn a_reply_before_the_dot_is_not_taken_for_the_verdict() {
    for (reply, status, reason) in [
        ("250 2.0.0 queued\r\n", "UNREACHABLE", "bad_reply"),
        ("554 5.7.1 no\r\n", "REFUSED", "content_refused"),
        ("451 later\r\n", "TRY_LATER", "content_deferred"),
    ] {
        let ended = Session::plain().run(move |peer| {
            peer.greet(&[])?;
            peer.answer("MAIL", "250 ok\r\n")?;
            peer.answer("RCPT", "250 ok\r\n")?;
            peer.expect("DATA")?;
            peer.send(format!("354 go\r\n{reply}"))?;
            peer.some_content(1)
        });
        ended.is(status, reason, "content").delivered(0);
    }
}

#[test]
fn the_verdict_decides() {
    for (reply, status, reason, quits) in [
        ("250 ok\r\n", "OK", "accepted", true),
        ("250-2.0.0 ok\r\n250 2.0.0 ok\r\n", "OK", "accepted", true),
        ("250\r\n", "OK", "accepted", true),
        ("250 \x00\x01\u{202e}\r\n", "OK", "accepted", true),
        ("451 4.3.0 later\r\n", "TRY_LATER", "content_deferred", true),
        ("421 4.3.0 bye\r\n", "TRY_LATER", "content_deferred", true),
        ("554 5.7.1 spam\r\n", "REFUSED", "content_refused", true),
        ("552 5.3.4 big\r\n", "REFUSED", "too_large", true),
        // Whether the email was taken, these do not say.
        ("354 go on\r\n", "UNCERTAIN", "no_verdict", false),
        ("garbage\r\n", "UNCERTAIN", "no_verdict", false),
        ("250-ok\r\n251 ok\r\n", "UNCERTAIN", "no_verdict", false),
        ("199 ok\r\n", "UNCERTAIN", "no_verdict", false),
    ] {
        let ended = Session::plain().run(move |peer| {
            peer.greet(&[])?;
            peer.envelope()?;
            peer.content()?;
            if status == "OK" { peer.accept_with(reply) } else { peer.send(reply) }
        });
        ended.is(status, reason, "verdict").delivered(1);
        ended.outcomes(&[match status {
            "OK" => "accepted",
            "UNCERTAIN" => "uncertain",
            _ => "not_sent",
        }]);
        let mut verbs = vec!["EHLO", "MAIL", "RCPT", "DATA"];
        verbs.extend(quits.then_some("QUIT"));
        ended.commands(&verbs);
    }
}

#[test]
fn without_a_verdict_it_is_uncertain() {
    let breaks: [fn(&mut Peer) -> Played; 5] = [
        |peer| {
            peer.close();
            Ok(())
        },
        |peer| {
            peer.reset();
            Ok(())
        },
        |peer| {
            peer.send("250 o")?;
            peer.close();
            Ok(())
        },
        |peer| {
            peer.send("250-ok\r\n")?;
            peer.close();
            Ok(())
        },
        |peer| {
            peer.send("554 5.7.1 sp")?;
            peer.reset();
            Ok(())
        },
    ];
    for script in breaks {
        for secure in [false, true] {
            let session = if secure { Session::tls() } else { Session::plain() };
            let ended = session.run(move |peer| {
                if secure {
                    peer.open_tls(&[])?;
                } else {
                    peer.greet(&[])?;
                }
                peer.envelope()?;
                peer.content()?;
                script(peer)
            });
            ended.is("UNCERTAIN", "no_verdict", "verdict").outcomes(&["uncertain"]).delivered(1);
            ended.advises("ask_recipient").commands(&["EHLO", "MAIL", "RCPT", "DATA"]);
        }
    }
    together([
        Box::new(|| {
            let ended = Session::plain().deadline("verdict_ms", 300).run(|peer| {
                peer.greet(&[])?;
                peer.envelope()?;
                peer.content()
            });
            ended.is("UNCERTAIN", "no_verdict", "verdict").outcomes(&["uncertain"]);
        }),
        Box::new(|| {
            let ended = Session::plain().deadline("verdict_ms", 500).run(|peer| {
                peer.greet(&[])?;
                peer.envelope()?;
                peer.content()?;
                peer.send("250 ")?;
                peer.dribble_slowly(b'.', Duration::from_millis(20))
            });
            ended.is("UNCERTAIN", "no_verdict", "verdict");
        }),
    ]);
}

#[test]
fn silence_at_each_command_ends_at_its_deadline() {
    fn silent_at(verb: &'static str, step: &'static str) -> Box<dyn FnOnce() + Send> {
        Box::new(move || {
            let ended = Session::plain().deadline("command_ms", 1500).run(move |peer| {
                peer.greet(&[])?;
                for known in ["MAIL", "RCPT", "DATA"] {
                    peer.expect(known)?;
                    if known == verb {
                        return Ok(());
                    }
                    peer.send("250 ok\r\n")?;
                }
                Ok(())
            });
            ended.is("UNREACHABLE", "timed_out", step).outcomes(&["not_sent"]).delivered(0);
            assert_eq!(ended.record.commands.last().map(|line| &line[..4]), Some(verb));
        })
    }
    together([silent_at("MAIL", "sender"), silent_at("RCPT", "recipient"), silent_at("DATA", "content")]);
}

#[test]
fn cancelling_says_what_became_of_the_email() {
    // At the greeting.
    let ended = Session::plain().run_with(
        |_| Ok(()),
        |pending, server| {
            server.wait_until(|record| record.has_connected);
            pending.cancel();
        },
    );
    ended.delivered(0).commands(&[]);
    assert_eq!(ended.json["status_name"], "CANCELED", "{:#}", ended.json);
    // After MAIL.
    let ended = Session::plain().run_with(
        |peer| {
            peer.greet(&[])?;
            peer.expect("MAIL").map(drop)
        },
        |pending, server| {
            server.wait_until(|record| record.commands.len() == 2);
            pending.cancel();
        },
    );
    ended.is("CANCELED", "canceled", "sender").delivered(0).commands(&["EHLO", "MAIL"]).outcomes(&["not_sent"]);
    // In the content.
    let ended = Session::plain().pdf_of(4 * MEGABYTES).run_with(
        |peer| {
            peer.greet(&[])?;
            peer.envelope()?;
            peer.some_content(100_000)?;
            peer.wait_for_release();
            Ok(())
        },
        |pending, server| {
            server.wait_until(|record| record.received > 100_000);
            pending.cancel();
            pending.wait();
            server.release();
        },
    );
    ended.is("CANCELED", "canceled", "content").delivered(0).outcomes(&["not_sent"]);
    // After the content.
    let ended = Session::plain().run_with(
        |peer| {
            peer.greet(&[])?;
            peer.envelope()?;
            peer.content()
        },
        |pending, server| {
            server.wait_until(|record| !record.delivered.is_empty());
            pending.cancel();
        },
    );
    ended.is("UNCERTAIN", "no_verdict", "verdict").outcomes(&["uncertain"]).delivered(1);
    // After the end: nothing changes any more.
    let ended = Session::plain().run_with(
        |peer| {
            peer.greet(&[])?;
            peer.take_email()
        },
        |pending, _| {
            pending.wait();
            pending.cancel();
        },
    );
    ended.is_sent();
}

#[test]
fn the_time_for_the_whole_runs_out_in_every_phase() {
    fn overdue(
        script: fn(&mut Peer) -> Played,
        status: &'static str,
        reason: &'static str,
        step: &'static str,
    ) -> Box<dyn FnOnce() + Send> {
        Box::new(move || {
            // Once for all sends, and once for this one, which comes first.
            Session::plain().deadline("total_ms", 2000).run(script).is(status, reason, step);
            Session::plain().deadline("total_ms", 50_000).email("total_ms", 2000).run(script).is(status, reason, step);
        })
    }
    together([
        overdue(|_| Ok(()), "UNREACHABLE", "out_of_time", "greeting"),
        overdue(
            |peer| {
                peer.greet(&[])?;
                peer.expect("MAIL").map(drop)
            },
            "UNREACHABLE",
            "out_of_time",
            "sender",
        ),
        overdue(
            |peer| {
                peer.greet(&[])?;
                peer.answer("MAIL", "250 ok\r\n")?;
                peer.answer("RCPT", "250 ok\r\n")?;
                peer.expect("DATA").map(drop)
            },
            "UNREACHABLE",
            "out_of_time",
            "content",
        ),
        overdue(
            |peer| {
                peer.greet(&[])?;
                peer.envelope()?;
                peer.content()
            },
            "UNCERTAIN",
            "no_verdict",
            "verdict",
        ),
        Box::new(|| {
            let ended = Session::plain().pdf_of(4 * MEGABYTES).email("total_ms", 2000).run_with(
                |peer| {
                    peer.greet(&[])?;
                    peer.envelope()?;
                    peer.wait_for_release();
                    Ok(())
                },
                |pending, server| {
                    pending.wait();
                    server.release();
                },
            );
            ended.is("UNREACHABLE", "out_of_time", "content");
        }),
        Box::new(|| {
            let ended = Session::tls().login().email("total_ms", 3000).run(|peer| {
                peer.open_tls(&["AUTH PLAIN"])?;
                peer.expect("AUTH PLAIN").map(drop)
            });
            ended.is("UNREACHABLE", "out_of_time", "login");
        }),
    ]);
}

#[test]
fn a_limit_that_the_email_keeps_is_not_told_as_the_one_that_it_breaks() {
    let ended = Session::plain().run(|peer| {
        peer.greet(&["SIZE 35000000"])?;
        peer.envelope()?;
        peer.content()?;
        peer.send("552 5.3.4 Message size exceeds fixed limit\r\n")
    });
    ended.is("REFUSED", "too_large", "verdict");
    assert!(ended.json["size"]["limit"].is_null(), "{}", ended.json);
    let message = ended.json["message"].as_str().unwrap();
    assert!(!message.contains("35"), "{message}");
}

#[test]
fn an_email_over_the_servers_size_is_refused_before_a_byte_of_it_is_sent() {
    let ended = Session::plain().run(|peer| peer.greet(&["SIZE 1000"]));
    ended.is("REFUSED", "too_large", "sender").says_nothing().commands(&["EHLO", "QUIT"]);
    assert_eq!(ended.json["size"]["limit"], 1000);
    assert!(ended.json["size"]["bytes"].as_u64().unwrap() > 1000);
    let message = ended.json["message"].as_str().unwrap();
    assert!(message.contains(" kB, and ") && message.contains("takes 1 kB"), "{message}");
    // The size that is announced is the size that travels.
    let ended = Session::plain().run(|peer| {
        peer.greet(&["size 0"])?;
        peer.take_email()
    });
    let mail = ended.is_sent().record.commands[1].clone();
    let announced: usize = mail.split("SIZE=").nth(1).unwrap().parse().unwrap();
    assert_eq!(announced, support::mime::unstuffed(&ended.record.delivered[0]).len());
}

#[test]
fn an_address_with_other_letters_needs_smtputf8() {
    let session = Session::plain().email("to", "ștefan@example.test");
    let ended = session.run(|peer| peer.greet(&["8BITMIME"]));
    ended.is("REFUSED", "address_not_supported", "sender").commands(&["EHLO", "QUIT"]).advises("plain_address");
    let ended = session.run(|peer| {
        peer.greet(&["smtputf8", "8bitmime"])?;
        peer.take_email()
    });
    ended.is_sent();
    assert!(ended.record.commands[1].ends_with(" SMTPUTF8"), "{:?}", ended.record.commands);
    assert_eq!(ended.record.commands[2], "RCPT TO:<ștefan@example.test>");
    // A domain alone needs none.
    let ended = Session::plain().email("to", "ion@poștă.test").run(|peer| {
        peer.greet(&[])?;
        peer.take_email()
    });
    ended.is_sent();
    assert_eq!(ended.record.commands[2], "RCPT TO:<ion@xn--pot-cpa20l.test>");
}
