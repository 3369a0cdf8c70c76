//! A mail server on loopback that counts, delays, and checks what arrives: the far end of every benchmark.
//!
//!     sink CA_FILE
//!
//! writes the certificate of its authority to the file, prints one line of JSON with its ports and login, and then answers
//! each line of its standard input with one line of JSON:
//!
//!     {"rtt_ms": 50, "chunking": false, "pipelining": true}   how it treats the connections that come from now on
//!     settle                                                  waits until no connection is open
//!     reset                                                   forgets its counts
//!     counts                                                  gives them, when all that has arrived is checked
//!
//! It ends with its standard input.

mod certificate;
mod check;
mod document;
mod server;
mod session;
mod timer;
mod wire;

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::rc::Rc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use server::{Door, PASSWORD, Server, Settings, USER};

type Failed = Box<dyn Error>;

fn main() -> Result<(), Failed> {
    let ca_file = std::env::args_os().nth(1).ok_or("usage: sink CA_FILE")?;
    let (acceptor, ca) = certificate::acceptor()?;
    std::fs::write(ca_file, ca)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, serve(Rc::new(Server::new(acceptor))))
}

async fn serve(server: Rc<Server>) -> Result<(), Failed> {
    let [tls, clear] = [TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?];
    answer(&json!({
        "tls_port": tls.local_addr()?.port(), "starttls_port": clear.local_addr()?.port(),
        "user": USER, "password": PASSWORD,
    }))?;
    tokio::task::spawn_local(Rc::clone(&server).accept(tls, Door::Tls));
    tokio::task::spawn_local(Rc::clone(&server).accept(clear, Door::Clear));
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        answer(&obey(&server, line.trim()).await)?;
    }
    Ok(())
}

async fn obey(server: &Server, line: &str) -> Value {
    match line {
        "counts" => server.report().await,
        "settle" => {
            server.settle().await;
            json!({})
        }
        "reset" => {
            server.reset();
            json!({})
        }
        settings => match serde_json::from_str(settings).ok().as_ref().and_then(Settings::read) {
            Some(settings) => {
                server.set(settings);
                json!({})
            }
            None => json!({"problem": format!("cannot read {settings:?}")}),
        },
    }
}

/// Standard input has no readiness to wait for, so that a thread of its own reads it.
fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn answer(value: &Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}
