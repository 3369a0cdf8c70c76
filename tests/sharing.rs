//! Emails that share the connections of an account: whose turn it is, and what one suffers from another.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use serde_json::json;
use support::host::{Host, Pending};
use support::server::{Script, Server};
use support::{PDF, Session};

fn one_connection() -> Session {
    let mut session = Session::plain();
    session.options.insert("connections".to_owned(), json!(1));
    session
}

fn send(host: &Host, to: &str) -> Pending {
    host.send_document(&json!({"to": to, "subject": "Invoice 7", "body": "Hello"}), PDF)
}

#[test]
fn a_dead_connection_costs_nobody_their_place() {
    let scripts: Vec<Script> = vec![
        Box::new(|peer| {
            peer.greet(&[])?;
            peer.envelope()?;
            peer.content()?;
            peer.wait_for_release();
            peer.accept()?;
            // The connection ends before the second email's first reply.
            peer.expect("MAIL")?;
            peer.close();
            Ok(())
        }),
        Box::new(|peer| {
            peer.greet(&[])?;
            peer.take_email()?;
            peer.take_email()
        }),
    ];
    let (_listener, servers) = Server::start_each(scripts);
    let host = one_connection().open(servers[0].port);
    let first = send(&host, "first@example.test");
    servers[0].wait_until(|record| record.delivered.len() == 1);
    let others = [send(&host, "second@example.test"), send(&host, "third@example.test")];
    for waiting in &others {
        waiting.wait_for("turn", 0);
    }
    servers[0].release();
    for pending in [&first].into_iter().chain(&others) {
        assert_eq!(pending.wait()["reason"], "accepted");
    }
    drop(host);
    let commands = servers[1].record().commands;
    let recipients: Vec<_> = commands.iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(recipients, ["RCPT TO:<second@example.test>", "RCPT TO:<third@example.test>"]);
}

#[test]
fn an_email_that_is_given_up_leaves_no_transaction_to_the_next() {
    let (listener, servers) = Server::start_each(vec![Box::new(|peer| {
        peer.greet(&["PIPELINING"])?;
        for command in ["MAIL", "RCPT", "DATA"] {
            peer.expect(command)?;
        }
        peer.wait_for_release();
        peer.send("250 ok\r\n250 ok\r\n354 go\r\n")?;
        peer.content()?;
        // The second email's commands came with the dot; its document is gone by now.
        for command in ["MAIL", "RCPT", "DATA"] {
            peer.expect(command)?;
        }
        peer.accept_with("250 queued\r\n")?;
        peer.send("250 ok\r\n550 5.1.1 nobody\r\n503 5.5.1 no recipients\r\n")?;
        for command in ["RSET", "MAIL", "RCPT", "DATA"] {
            peer.expect(command)?;
        }
        peer.send("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")?;
        peer.content()?;
        peer.accept()
    })]);
    let document = std::env::temp_dir().join(format!("mailbutton-given-up-{}.pdf", std::process::id()));
    std::fs::write(&document, PDF).unwrap();
    let host = one_connection().open(servers[0].port);
    let first = send(&host, "first@example.test");
    servers[0].wait_until(|record| record.commands.len() == 4);
    let email = json!({"to": "second@example.test", "subject": "x", "body": "x", "document": {"path": &document}});
    let second = host.send_file(&email);
    second.wait_for("turn", 0);
    let third = send(&host, "third@example.test");
    std::fs::remove_file(&document).unwrap();
    servers[0].release();
    assert_eq!(first.wait()["reason"], "accepted");
    assert_eq!(second.wait()["reason"], "file_changed");
    let told = third.wait();
    assert_eq!(told["reason"], "accepted", "{told:#}");
    drop((host, listener));
    assert_eq!(servers[0].record().problem, None);
}
