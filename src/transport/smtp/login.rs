//! Login (RFC 4954, 4616): the strongest mechanism that both sides have, and never a password where anyone could read it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::super::{Ending, Failure, Journal, Step};
use super::Login;
use super::reply::Reply;
use super::session::{Session, refusal};

/// What we can speak, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    Plain,
    Login,
}

impl Mechanism {
    const ALL: [Self; 2] = [Self::Plain, Self::Login];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }
}

/// `may_be_clear`: the user chose security `none` and insecure login besides.
pub async fn login(
    session: &mut Session,
    login: &Login,
    may_be_clear: bool,
    limit: Duration,
    journal: &Journal,
) -> Result<(), Failure> {
    journal.begin(Step::Login);
    let wire = &session.wire;
    if !(wire.is_secure || may_be_clear || wire.peer.is_loopback) {
        return Err(Ending::LoginInClear.into());
    }
    let offered = session.extensions.mechanisms();
    let chosen = Mechanism::ALL.into_iter().find(|mechanism| offered.iter().any(|name| name == mechanism.name()));
    let Some(mechanism) = chosen else {
        let ending = if offered.is_empty() { Ending::LoginNotOffered } else { Ending::LoginUnsupported };
        let clean = super::super::words::Redactor::new("", None);
        return Err(Failure::new(ending).detail(clean.clean(offered.join(" ").as_bytes())));
    };
    journal.found(|found| found.mechanism = Some(mechanism.name()));
    let reply = timeout(limit, exchange(session, mechanism, login, limit))
        .await
        .map_err(|_| Failure::new(Ending::TimedOut))??;
    if reply.code == 235 {
        session.is_logged_in = true;
        journal.server_said(session.wire.words(&reply));
        return Ok(());
    }
    let mut failure = refusal(&session.wire, &reply, [Ending::LoginDeferred, Ending::LoginRefused]);
    if failure.server.as_ref().is_some_and(|words| session.wants_encryption(words)) {
        failure.ending = Ending::EncryptionRequired;
    }
    Err(failure)
}

async fn exchange(
    session: &mut Session,
    mechanism: Mechanism,
    login: &Login,
    limit: Duration,
) -> Result<Reply, Failure> {
    let Login { username, password } = login;
    match mechanism {
        Mechanism::Plain => {
            let response = Zeroizing::new(format!("\0{username}\0{}", password.expose()));
            let line = Zeroizing::new(format!("AUTH PLAIN {}\r\n", STANDARD.encode(response.as_bytes())));
            session.wire.command(line.as_bytes(), limit).await
        }
        Mechanism::Login => {
            // The prompts are "Username:" and "Password:" in base64, but servers word them as they like: their order is the protocol.
            let mut reply = session.wire.command(b"AUTH LOGIN\r\n", limit).await?;
            for answer in [username, password.expose()] {
                if reply.code != 334 {
                    return Ok(reply);
                }
                let line = Zeroizing::new(format!("{}\r\n", STANDARD.encode(answer)));
                reply = session.wire.command(line.as_bytes(), limit).await?;
            }
            Ok(reply)
        }
    }
}
