//! Login (RFC 4954): the best mechanism that both sides have, and never a password where anyone could read it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::super::sasl::{BadChallenge, Channel, Credential, Exchange, Mechanism, Response, Site};
use super::super::words::Redactor;
use super::super::{Ending, Failure, Journal, Step};
use super::reply::{Class, Reply};
use super::session::{Session, refusal};
use super::wire::Wire;
use super::{Login, Security, Server};

/// An AUTH command that is longer with its initial response is sent without (RFC 4954 section 4). Its line end counts.
const LONGEST_COMMAND: usize = 12_288;
/// No mechanism of ours has more; a server with no end of them gets none.
const MOST_CHALLENGES: usize = 3;

pub async fn login(
    session: &mut Session,
    server: &Server,
    login: &Login,
    limit: Duration,
    journal: &Journal,
) -> Result<(), Failure> {
    journal.begin(Step::Login);
    let wire = &session.wire;
    if !(wire.is_secure || may_be_clear(server, login) || wire.peer.is_loopback) {
        return Err(Ending::LoginInClear.into());
    }
    let offered = session.extensions.mechanisms();
    let suitable = Suitable::of(login, Site { host: &server.host, port: server.port }, wire, &offered);
    if suitable.mechanisms.is_empty() {
        let ending = if offered.is_empty() { Ending::LoginNotOffered } else { Ending::LoginUnsupported };
        let clean = Redactor::new("", None);
        return Err(Failure::new(ending).detail(clean.clean(offered.join(" ").as_bytes())));
    }
    let (reply, told) = timeout(limit, suitable.log_in(&mut session.wire, login, limit, journal))
        .await
        .map_err(|_| Failure::new(Ending::TimedOut))??;
    if reply.code == 235 {
        session.is_logged_in = true;
        journal.server_said(session.wire.words(&reply));
        return Ok(());
    }
    let mut failure = refusal(&session.wire, &reply, [Ending::LoginDeferred, Ending::LoginRefused]);
    if let Some(told) = told {
        journal.note(&format!("the server does not take the token: {told}"));
        failure.detail = failure.detail.or(Some(told));
    }
    if failure.server.as_ref().is_some_and(|words| session.wants_encryption(words)) {
        failure.ending = Ending::EncryptionRequired;
    }
    Err(failure)
}

/// The user chose security `none` and insecure login besides, which is about passwords: a token is as good as one, for
/// whoever reads it, and is never sent in clear (RFC 7628 section 4).
fn may_be_clear(server: &Server, login: &Login) -> bool {
    match login.credential {
        Credential::Password(_) => server.security == Security::None && server.allow_insecure_login,
        Credential::Token(_) => false,
    }
}

/// The mechanisms that both sides have, the best first.
struct Suitable<'s> {
    site: Site<'s>,
    mechanisms: Vec<Mechanism>,
    offers_binding: bool,
}

impl<'s> Suitable<'s> {
    fn of(login: &Login, site: Site<'s>, wire: &Wire, offered: &[String]) -> Self {
        let is_offered = |mechanism: Mechanism| offered.iter().any(|name| name == mechanism.name());
        let can_bind = wire.channel_binding.is_some();
        let mechanisms = login.credential.mechanisms(wire.is_secure).iter().copied();
        Self {
            site,
            mechanisms: mechanisms
                .filter(|mechanism| is_offered(*mechanism) && (*mechanism != Mechanism::ScramSha256Plus || can_bind))
                .collect(),
            offers_binding: is_offered(Mechanism::ScramSha256Plus),
        }
    }

    fn channel(&self, mechanism: Mechanism, wire: &Wire) -> Channel {
        match &wire.channel_binding {
            Some(binding) if mechanism == Mechanism::ScramSha256Plus => Channel::Bound(binding.clone()),
            Some(_) if !self.offers_binding => Channel::NotOffered,
            _ => Channel::Unbound,
        }
    }

    /// The server's last word, and why it refuses if it said so before.
    ///
    /// A refusal before any challenge is no word on the password: the server has no keys of this user's for the mechanism,
    /// as where passwords are stored as hashes of another kind, or does not know our channel binding. The next mechanism
    /// may do, as it would if the server had offered only that. In clear the password itself is not the next thing to try.
    async fn log_in(
        &self,
        wire: &mut Wire,
        login: &Login,
        limit: Duration,
        journal: &Journal,
    ) -> Result<(Reply, Option<String>), Failure> {
        let mut refused = None;
        for &mechanism in &self.mechanisms {
            if refused.is_some() && mechanism.shows_password() && !wire.is_secure {
                break;
            }
            journal.found(|found| found.mechanism = Some(mechanism.name()));
            let exchange =
                mechanism.begin(login, self.site, self.channel(mechanism, wire)).map_err(|_| no_randomness())?;
            let ended = match (converse(wire, mechanism, exchange, limit).await, refused) {
                // It hung up behind its refusal.
                (Err(Failure { ending: Ending::Disconnected, .. }), Some(reply)) => return Ok((reply, None)),
                (ended, _) => ended?,
            };
            let may_be_unjudged = mechanism.needs_stored_keys() && ended.challenges == 0;
            if ended.reply.class() != Class::Refused || !may_be_unjudged {
                return ended.believed(wire);
            }
            refused = Some(ended.reply);
        }
        refused.map(|reply| (reply, None)).ok_or_else(|| Ending::LoginUnsupported.into())
    }
}

fn no_randomness() -> Failure {
    Failure::new(Ending::Internal).detail("the system gave no random numbers")
}

/// How the server ended an exchange.
struct Ended {
    reply: Reply,
    challenges: usize,
    is_proven: bool,
    refusal: Option<String>,
}

impl Ended {
    fn believed(self, wire: &Wire) -> Result<(Reply, Option<String>), Failure> {
        if self.reply.code == 235 && !self.is_proven {
            let words = wire.words(&self.reply);
            return Err(Failure::new(Ending::LoginServerUnproven).words(words).detail("the server gave no signature"));
        }
        Ok((self.reply, self.refusal))
    }
}

async fn converse(
    wire: &mut Wire,
    mechanism: Mechanism,
    mut exchange: Box<dyn Exchange>,
    limit: Duration,
) -> Result<Ended, Failure> {
    let name = mechanism.name();
    let mut initial = exchange.initial();
    let mut reply = match initial.take_if(|response| fits(name, response)) {
        Some(response) => say(wire, &format!("AUTH {name} "), &response, limit).await?,
        None => wire.command(format!("AUTH {name}\r\n").as_bytes(), limit).await?,
    };
    let mut challenges = 0;
    while reply.code == 334 {
        challenges += 1;
        if challenges > MOST_CHALLENGES {
            return Err(broken(BadChallenge::Unexpected));
        }
        let response;
        (exchange, response) = match initial.take() {
            Some(response) => (exchange, response),
            None => respond(exchange, challenge(&reply)).await?,
        };
        reply = say(wire, "", &response, limit).await?;
    }
    let refusal = exchange.refusal().map(|text| wire.clean(text.as_bytes()));
    Ok(Ended { reply, challenges, is_proven: exchange.is_proven(), refusal })
}

fn fits(mechanism: &str, response: &Response) -> bool {
    let length = base64::encoded_len(response.bytes.len(), true);
    length.is_some_and(|length| "AUTH  \r\n".len() + mechanism.len() + length <= LONGEST_COMMAND)
}

async fn say(wire: &mut Wire, before: &str, response: &Response, limit: Duration) -> Result<Reply, Failure> {
    let text = Zeroizing::new(STANDARD.encode(&*response.bytes));
    if let Some(proof) = &response.proof {
        wire.hide(proof.expose());
        wire.hide(&text);
    }
    let line = Zeroizing::new(format!("{before}{}\r\n", *text));
    wire.command(line.as_bytes(), limit).await
}

/// A challenge is one line.
pub fn challenge(reply: &Reply) -> Option<Vec<u8>> {
    match reply.lines.as_slice() {
        [line] => STANDARD.decode(line.trim_ascii()).ok(),
        _ => None,
    }
}

/// Deriving a key takes long: the account's other sessions go on meanwhile.
async fn respond(
    mut exchange: Box<dyn Exchange>,
    challenge: Option<Vec<u8>>,
) -> Result<(Box<dyn Exchange>, Response), Failure> {
    let is_slow = exchange.is_slow();
    let work = move || exchange.respond(challenge.as_deref()).map(|response| (exchange, response));
    let responded =
        if is_slow { spawn_blocking(work).await.map_err(|_| Failure::new(Ending::Internal))? } else { work() };
    responded.map_err(broken)
}

fn broken(bad: BadChallenge) -> Failure {
    let ending = match bad {
        BadChallenge::WrongSignature => Ending::LoginServerUnproven,
        BadChallenge::NotBase64
        | BadChallenge::Malformed
        | BadChallenge::Unexpected
        | BadChallenge::OtherNonce
        | BadChallenge::TooFewIterations
        | BadChallenge::TooManyIterations => Ending::BadReply,
    };
    Failure::new(ending).detail(bad.describe())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Answers when somebody else on this thread has had their turn.
    struct Waiting(Receiver<()>);

    impl Exchange for Waiting {
        fn initial(&mut self) -> Option<Response> {
            None
        }

        fn respond(&mut self, _: Option<&[u8]>) -> Result<Response, BadChallenge> {
            self.0.recv_timeout(Duration::from_secs(60)).map_err(|_| BadChallenge::Unexpected)?;
            Ok(Response { bytes: Zeroizing::default(), proof: None })
        }

        fn is_slow(&self) -> bool {
            true
        }
    }

    #[test]
    fn other_sessions_go_on_while_a_key_is_derived() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (other, waiting) = channel();
        let responded = runtime
            .block_on(async { tokio::join!(respond(Box::new(Waiting(waiting)), None), async { other.send(()) }).0 });
        assert!(responded.is_ok());
    }
}
