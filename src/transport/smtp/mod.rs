//! SMTP submission: one session from the name lookup to the verdict.

mod extensions;
mod login;
mod reply;
mod session;
mod transaction;
mod wire;

use crate::email::Message;
use crate::secret::Secret;

use super::{Ending, Failure, Journal, Network, Trust, deadlines};
use session::Session;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// STARTTLS, required: no session goes on without it.
    StartTls,
    None,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}

/// The server of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// An A-label or an IP address.
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub trust: Trust,
    pub login: Option<Login>,
    pub allow_insecure_login: bool,
}

/// Sends one email. What happened on the way stands in the journal, also when this future is dropped midway.
pub async fn send(
    server: &Server,
    network: &Network,
    message: &Message,
    partial: bool,
    journal: &Journal,
) -> Result<Ending, Failure> {
    let mut session = Session::open(server, network, journal).await?;
    let result = async {
        if let Some(login) = &server.login {
            let may_be_clear = server.security == Security::None && server.allow_insecure_login;
            login::login(&mut session, login, may_be_clear, network.deadlines.login, journal).await?;
        }
        transaction::transact(&mut session, message, partial, &network.deadlines, journal).await
    }
    .await;
    if !session.in_content && is_in_step(&result) {
        tokio::task::spawn_local(session.wire.quit(deadlines::QUIT));
    }
    result
}

/// Each command has had its reply, so that QUIT is understood as one.
fn is_in_step(result: &Result<Ending, Failure>) -> bool {
    !matches!(result, Err(Failure { ending: Ending::TimedOut | Ending::Disconnected | Ending::BadReply, .. }))
}
