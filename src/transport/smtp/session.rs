//! From a socket to a server that listens: TLS, greeting, EHLO, STARTTLS (RFC 5321, 3207, 8314).

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use once_cell::unsync::OnceCell;

use super::super::connect::{self, Connected, Peer};
use super::super::tls;
use super::super::words::Redactor;
use super::super::{ChannelBinding, Ending, Failure, Journal, Network, ServerWords, Step, Stream, is_domain};
use super::envelope::Transfer;
use super::extensions::Extensions;
use super::pool::Permit;
use super::reply::{Class, Reply};
use super::wire::Wire;
use super::{Security, Server, login};

/// How much the TLS library holds of what is being written.
const MOST_BUFFERED: usize = 256 * 1024;
/// A server that speaks first does so at once where its port is not meant for that.
const LONGEST_SILENCE: Duration = Duration::from_secs(5);

pub struct Session {
    pub wire: Wire,
    pub extensions: Extensions,
    /// Between the 354 of DATA and the verdict: what is written now is content, never a command.
    pub in_content: bool,
    pub is_logged_in: bool,
    /// A transaction was begun and not ended: RSET comes before the next MAIL.
    pub must_reset: bool,
    /// How emails travel on this connection; decided with the first one.
    pub transfer: OnceCell<Transfer>,
    /// How long the connection was idle before this email.
    pub rested: Duration,
    /// The place among the account's connections; a test has none.
    pub permit: Option<Rc<Permit>>,
}

impl Session {
    /// Up to the point where the first email can follow.
    pub async fn open(
        server: &Server,
        network: &Network,
        permit: Option<&Rc<Permit>>,
        journal: &Journal,
    ) -> Result<Self, Failure> {
        let Connected { stream, local, peer } = connect::open(&server.host, server.port, network, journal).await?;
        Self::over(Box::new(stream), local.ip(), peer, server, network, permit, journal).await
    }

    /// On a stream that leads to the server; `local` is our side of it.
    pub async fn over(
        stream: Box<dyn Stream>,
        local: IpAddr,
        peer: Peer,
        server: &Server,
        network: &Network,
        permit: Option<&Rc<Permit>>,
        journal: &Journal,
    ) -> Result<Self, Failure> {
        let mut session = Self::greet(stream, local, peer, server, network, journal).await?;
        session.permit = permit.cloned();
        if let Some(login) = &server.login
            && let Err(failure) = login::login(&mut session, server, login, network.deadlines.login, journal).await
        {
            if session.can_go_on(failure.ending) {
                session.quit();
            }
            return Err(failure);
        }
        Ok(session)
    }

    /// Up to the point where a login can follow.
    async fn greet(
        stream: Box<dyn Stream>,
        local: IpAddr,
        peer: Peer,
        server: &Server,
        network: &Network,
        journal: &Journal,
    ) -> Result<Self, Failure> {
        let redactor = Rc::new(match &server.login {
            Some(login) => Redactor::new(&login.username, Some(login.credential.secret())),
            None => Redactor::new("", None),
        });
        let hello = network.hello_name.clone().unwrap_or_else(|| hello_name(local));
        let opening = Opening { server, network, journal, hello, redactor, is_dovecot: Cell::new(false) };
        let transcript = journal.transcript();
        let plain = |redactor| Wire::new(stream, peer, false, redactor).with_transcript(transcript);
        match server.security {
            Security::Tls => {
                let wire = opening.secure(plain(Rc::clone(&opening.redactor))).await?;
                opening.greet(wire).await
            }
            Security::StartTls => {
                let session = opening.greet(plain(Rc::clone(&opening.redactor))).await?;
                opening.start_tls(session).await
            }
            Security::None => opening.greet(plain(Rc::clone(&opening.redactor))).await,
        }
    }
}

impl Session {
    /// After an email that ended so: every command has had its reply, and a command that follows is understood as one.
    pub fn can_go_on(&self, ending: Ending) -> bool {
        !is_lost(ending) && !self.in_content && !self.wire.is_broken() && self.wire.is_in_step()
    }

    /// "Must issue a STARTTLS command first" (RFC 3207 section 4), 538 or X.7.11 "encryption required" (RFC 4954 section 6).
    pub fn wants_encryption(&self, words: &ServerWords) -> bool {
        let says_so = words.code == 538 || words.enhanced.as_deref() == Some("5.7.11");
        let may_mean_it = words.code == 530 && self.extensions.has("STARTTLS");
        !self.wire.is_secure && (says_so || may_mean_it)
    }
}

/// After this ending nothing more is to be expected of the connection.
pub fn is_lost(ending: Ending) -> bool {
    matches!(
        ending,
        Ending::TimedOut | Ending::Disconnected | Ending::BadReply | Ending::LoginServerUnproven | Ending::NoVerdict
    )
}

struct Opening<'s> {
    server: &'s Server,
    network: &'s Network,
    journal: &'s Journal,
    hello: String,
    redactor: Rc<Redactor>,
    /// By its greeting.
    is_dovecot: Cell<bool>,
}

impl Opening<'_> {
    /// For the greeting. On the port where TLS is spoken from the start, a server that is spoken to in clear waits for us:
    /// both would be silent until the deadline, with a person in front of it.
    fn patience(&self) -> Duration {
        let limit = self.network.deadlines.command;
        let is_awaited =
            Security::automatic(self.server.port) == Security::Tls && self.server.security != Security::Tls;
        if is_awaited { limit.min(LONGEST_SILENCE) } else { limit }
    }

    async fn greet(&self, mut wire: Wire) -> Result<Session, Failure> {
        self.journal.begin(Step::Greeting);
        let greeting = wire.greeting(self.patience()).await?;
        if greeting.code != 220 {
            return Err(refusal(&wire, &greeting, [Ending::ServerBusy, Ending::ServerRefused]));
        }
        let words = wire.words(&greeting);
        self.is_dovecot.set(words.text.to_ascii_lowercase().contains("dovecot"));
        self.journal.server_said(words);
        self.hello(wire).await
    }

    /// EHLO, or HELO where EHLO is not known. What an earlier one told is forgotten (RFC 3207 section 4.2).
    async fn hello(&self, mut wire: Wire) -> Result<Session, Failure> {
        let limit = self.network.deadlines.command;
        let mut reply = wire.command(format!("EHLO {}\r\n", self.hello).as_bytes(), limit).await?;
        let knows_extensions = !matches!(reply.code, 500 | 502 | 504 | 550);
        if !knows_extensions {
            reply = wire.command(format!("HELO {}\r\n", self.hello).as_bytes(), limit).await?;
        }
        // Not any success: a greeting that comes once more inside TLS is no answer.
        if reply.code != 250 {
            return Err(refusal(&wire, &reply, [Ending::ServerBusy, Ending::ServerRefused]));
        }
        let mut extensions = if knows_extensions { Extensions::read(&reply) } else { Extensions::default() };
        extensions.are_dovecots |= self.is_dovecot.get();
        self.journal.found(|found| {
            found.extensions = extensions.names(&self.redactor);
            found.size_limit = extensions.size_limit();
        });
        Ok(Session {
            wire,
            extensions,
            in_content: false,
            is_logged_in: false,
            must_reset: false,
            transfer: OnceCell::new(),
            rested: Duration::ZERO,
            permit: None,
        })
    }

    async fn start_tls(&self, session: Session) -> Result<Session, Failure> {
        let Session { mut wire, extensions, .. } = session;
        self.journal.begin(Step::Tls);
        if !extensions.has("STARTTLS") {
            let offered = extensions.names(&self.redactor).join(" ");
            return Err(Failure::new(Ending::TlsNotOffered).detail(offered));
        }
        let reply = match wire.command(b"STARTTLS\r\n", self.network.deadlines.command).await {
            Err(failure) if failure.ending == Ending::BadReply => return Err(Ending::BytesBeforeTls.into()),
            other => other?,
        };
        if reply.code != 220 {
            return Err(refusal(&wire, &reply, [Ending::TlsRefused, Ending::TlsRefused]));
        }
        // What came in clear could have been put there by anyone on the way (RFC 3207 section 6).
        match wire.quiet() {
            Ok(()) => {}
            Err(failure) if failure.ending == Ending::Disconnected => return Err(failure),
            Err(_) => return Err(Ending::BytesBeforeTls.into()),
        }
        let wire = self.secure(wire).await?;
        self.hello(wire).await
    }

    async fn secure(&self, wire: Wire) -> Result<Wire, Failure> {
        let peer = wire.peer.clone();
        let Server { host, trust, .. } = self.server;
        let mut stream = tls::secure(wire.into_stream(), host, *trust, self.network, self.journal).await?;
        // A whole flight's records in one write: the TLS library would cut it in two.
        stream.get_mut().1.set_buffer_limit(Some(MOST_BUFFERED));
        let binding = ChannelBinding::of(stream.get_ref().1);
        let mut wire = Wire::new(Box::new(stream), peer, true, Rc::clone(&self.redactor));
        wire.channel_binding = binding;
        Ok(wire.with_transcript(self.journal.transcript()))
    }
}

/// The failure that a reply other than the hoped-for one means.
pub fn refusal(wire: &Wire, reply: &Reply, [deferred, refused]: [Ending; 2]) -> Failure {
    let words = wire.words(reply);
    match reply.class() {
        Class::Deferred => Failure::new(deferred).words(words),
        Class::Refused => Failure::new(refused).words(words),
        Class::Success | Class::Continue => {
            Failure::new(Ending::BadReply).words(words).detail(super::reply::BadReply::Unexpected.describe())
        }
    }
}

/// The machine's name if it is a domain, else the address literal of our side (RFC 5321 section 4.1.4).
fn hello_name(local: IpAddr) -> String {
    let machine = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    if is_domain(&machine) && !machine.to_ascii_lowercase().ends_with(".localdomain") {
        return machine;
    }
    match local {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_domain_gives_its_address() {
        if !is_domain(&nix::unistd::gethostname().unwrap().into_string().unwrap()) {
            assert_eq!(hello_name("127.0.0.1".parse().unwrap()), "[127.0.0.1]");
            assert_eq!(hello_name("::1".parse().unwrap()), "[IPv6:::1]");
        }
    }
}
