//! SMTP submission: one session from the name lookup to the verdict, and the next emails on the same connection.

mod envelope;
mod extensions;
#[cfg(fuzzing)]
pub mod fuzzing;
mod limits;
mod login;
mod pool;
mod probe;
mod reply;
mod session;
mod transaction;
mod upload;
mod wire;

#[cfg(test)]
mod faults;

use std::rc::Rc;
use std::sync::Arc;

use crate::email::Message;

use super::{Ending, Failure, Journal, Network, Trust};
use session::Session;
use transaction::{End, Transaction};

pub use pool::{Permit, Place, Pool, Turn};
pub use probe::{Mode, Probe, Tried, probe};
pub use reply::Reply;

pub use super::sasl::{Credential, Login};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// STARTTLS, required: no session goes on without it.
    StartTls,
    None,
}

impl Security {
    /// What `auto` stands for: 465 is TLS from the first byte (RFC 8314), every other port is STARTTLS, required.
    pub fn automatic(port: u16) -> Self {
        if port == 465 { Self::Tls } else { Self::StartTls }
    }

    /// Stable; part of the settings and the replies.
    pub fn code(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::StartTls => "starttls",
            Self::None => "none",
        }
    }
}

/// The server of an account. Connections are shared between emails for equal servers only: the same trust, login and
/// secret, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// An A-label or an IP address.
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub trust: Trust,
    pub login: Option<Login>,
    pub allow_insecure_login: bool,
    /// It is known to do CHUNKING and BINARYMIME well (RFC 3030). Many servers offer them and break.
    pub chunks_well: bool,
}

/// One email for one server.
#[derive(Clone, Debug)]
pub struct Submission {
    pub server: Arc<Server>,
    pub message: Arc<Message>,
    /// Deliver to the recipients that the server takes although it refuses another.
    pub partial: bool,
}

/// Sends one email on a connection of the account, new or not. What happened on the way stands in the journal, also when
/// this future is dropped midway.
pub async fn send(submission: &Submission, network: &Network, journal: &Journal) -> Result<Ending, Failure> {
    let (mut place, mut kept) = (Place::Last, None);
    loop {
        let turn = match kept.take() {
            Some(permit) => Some(Turn::Open(permit)),
            None => network.pool.turn(Some(submission), place, journal).await,
        };
        let Some(turn) = turn else { return Err(Ending::Internal.into()) };
        let Attempt { result, again } = attempt(turn, submission, network, journal).await;
        let failure = match (result, again) {
            (Ok(ending), _) => {
                network.pool.accepted();
                return Ok(ending);
            }
            (Err(failure), Again::No) => return Err(failure),
            (Err(failure), Again::InLine) => failure,
            (Err(failure), Again::OnNew(permit)) => {
                kept = Some(permit);
                failure
            }
        };
        journal.note(&format!("again, after: {}", failure.ending.reason()));
        journal.start_over();
        place = Place::First;
    }
}

/// Sends one email on a connection of its own, which walks every step, whatever else is under way.
pub async fn test(submission: &Submission, network: &Network, journal: &Journal) -> Result<Ending, Failure> {
    let mut session = Session::open(&submission.server, network, None, journal).await?;
    let mut transaction = Transaction::new(&mut session, submission, network, journal);
    let result = transaction.run(false).await;
    let ending = ending_of(&result);
    if session.can_go_on(ending) {
        session.quit();
    }
    result
}

/// Whether an email of which nothing was accepted is tried once more.
enum Again {
    No,
    /// When its turn comes again.
    InLine,
    /// At once, on a new connection in place of this one: another that was used before could be as bad.
    OnNew(Rc<Permit>),
}

struct Attempt {
    result: Result<Ending, Failure>,
    again: Again,
}

async fn attempt(turn: Turn, submission: &Submission, network: &Network, journal: &Journal) -> Attempt {
    let (is_used, is_ahead) = match &turn {
        Turn::Open(_) => (false, false),
        Turn::Reuse(_) => (true, false),
        Turn::Ahead(_) => (true, true),
    };
    let mut session = match turn {
        Turn::Open(permit) => match Session::open(&submission.server, network, Some(&permit), journal).await {
            Ok(session) => session,
            Err(failure) => {
                let again = in_line(limits::at_opening(&failure), network);
                return Attempt { result: Err(failure), again };
            }
        },
        Turn::Reuse(session) | Turn::Ahead(session) => session,
    };
    if is_used {
        journal.reused(&session.wire.peer);
    }
    let mut transaction = Transaction::new(&mut session, submission, network, journal);
    let result = transaction.run(is_ahead).await;
    let end = transaction.end();
    // Decided before the connection, and with it its place, goes to another.
    let again = match &result {
        Ok(_) => Again::No,
        Err(failure) if is_used && !end.is_answered && was_unfit(&session, failure) => on_new(&session),
        Err(_) if end.breaks_chunks => {
            network.pool.forget_chunking(&submission.server);
            on_new(&session)
        }
        Err(failure) => in_line(limits::of_an_email(failure), network),
    };
    if let Again::OnNew(_) = &again {
        // No goodbye, which would be a connection more than there may be.
        drop(session);
        drop(end.claim);
    } else {
        release(session, end, ending_of(&result), submission, network);
    }
    Attempt { result, again }
}

fn on_new(session: &Session) -> Again {
    session.permit.clone().map_or(Again::InLine, Again::OnNew)
}

fn in_line(limit: Option<pool::Limit>, network: &Network) -> Again {
    if limit.is_some_and(|limit| network.pool.slow_down(limit)) { Again::InLine } else { Again::No }
}

/// Before the first reply: the server had gone, or was about to, or had said what nobody asked for.
fn was_unfit(session: &Session, failure: &Failure) -> bool {
    session.wire.has_spoken_unasked()
        || match failure.ending {
            Ending::Disconnected => true,
            Ending::ServerBusy | Ending::SenderDeferred => {
                failure.server.as_ref().is_some_and(|words| words.code == 421)
            }
            _ => false,
        }
}

fn ending_of(result: &Result<Ending, Failure>) -> Ending {
    match result {
        Ok(ending) => *ending,
        Err(failure) => failure.ending,
    }
}

/// The connection goes to the email whose envelope is on its way on it, else back to the others, else away.
fn release(session: Session, end: End, ending: Ending, submission: &Submission, network: &Network) {
    let is_staying = !session.wire.is_leaving() && !session.wire.is_broken();
    match end.claim {
        Some(claim) if is_staying && end.is_over => claim.hand_over(session),
        Some(claim) => {
            // First the connection and its place among the others, then the line moves on.
            drop(session);
            drop(claim);
        }
        None if !session.can_go_on(ending) => drop(session),
        None if is_staying => network.pool.give_back(&submission.server, session),
        None => session.quit(),
    }
}
