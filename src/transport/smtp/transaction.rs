//! One email from MAIL to the verdict (RFC 5321 section 3.3), in as few round trips as the server safely allows. All
//! recipients or none, unless partial delivery is allowed.

use std::rc::Rc;
use std::time::Duration;

use crate::email::{Message, Reader};

use super::super::{Deadlines, Ending, Failure, Journal, Network, Outcome, Step};
use super::Submission;
use super::envelope::{self, Envelope, Transfer};
use super::pool::{Claim, Pool};
use super::reply::{BadReply, Class, Reply};
use super::session::{Session, is_lost, refusal};
use super::upload::{Upload, read};

/// How long the rest of a refused flight's replies is waited for, so that the connection can be used again.
const SETTLE: Duration = Duration::from_secs(5);

/// Content up to this size goes out together with its envelope where CHUNKING allows it. To more of it, one round trip
/// matters little, and a refused recipient would cost it all.
const AT_ONCE: u64 = 1 << 20;

/// A connection that rested longer may be dead without our knowing it: content that goes out before the first reply would
/// then be uncertain for nothing.
const FRESH: Duration = Duration::from_secs(2);

pub struct Transaction<'t> {
    session: &'t mut Session,
    submission: &'t Submission,
    deadlines: &'t Deadlines,
    journal: &'t Journal,
    /// For a test there is no next email.
    pool: Option<&'t Rc<Pool>>,
    transfer: Transfer,
    is_pipelined: bool,
    end: End,
}

/// What decides over the connection, and over another try.
#[derive(Default)]
pub struct End {
    /// The email whose envelope went out behind this one's content.
    pub claim: Option<Claim>,
    /// The server answered a command of this email with something else than its leaving.
    pub is_answered: bool,
    /// Its verdict was read: what comes next is for the next email.
    pub is_over: bool,
    /// The server offers CHUNKING and does not take it.
    pub breaks_chunks: bool,
}

impl<'t> Transaction<'t> {
    pub fn new(
        session: &'t mut Session,
        submission: &'t Submission,
        network: &'t Network,
        journal: &'t Journal,
    ) -> Self {
        // Once for a connection: what is ahead on it was made for the same.
        let decide = || envelope::transfer(&session.extensions, &submission.server, &network.pool);
        let transfer = *session.transfer.get_or_init(decide);
        let is_pipelined = session.extensions.has("PIPELINING");
        let pool = session.permit.is_some().then_some(&network.pool);
        Self {
            session,
            submission,
            deadlines: &network.deadlines,
            journal,
            pool,
            transfer,
            is_pipelined,
            end: End::default(),
        }
    }

    /// `is_ahead`: the envelope was written behind the content of the email before, and is being answered.
    pub async fn run(&mut self, is_ahead: bool) -> Result<Ending, Failure> {
        self.journal.begin(Step::Sender);
        let result = self.transact(is_ahead).await;
        let failure = match result {
            Ok(ending) => return Ok(ending),
            // After the end of the content, whatever goes wrong leaves open what the server did with it.
            Err(failure) if self.journal.has_content_ended() => return Err(no_verdict(failure)),
            Err(failure) => failure,
        };
        if !is_lost(failure.ending) {
            self.settle().await;
        }
        Err(failure)
    }

    pub fn end(self) -> End {
        self.end
    }

    async fn transact(&mut self, is_ahead: bool) -> Result<Ending, Failure> {
        let envelope = self.envelope()?;
        let reader = self.reader().await?;
        if !is_ahead && self.goes_at_once() {
            self.journal.outcome(0, Outcome::Taken);
            self.upload(reader, Some(&envelope)).await?;
            let all_taken = self.answers(&envelope).await?;
            self.journal.begin(Step::Content);
            self.verdict().await?;
            return Ok(accepted(all_taken));
        }
        if self.is_pipelined && !is_ahead {
            let flight = envelope.flight();
            self.session.wire.flight(&flight.commands, flight.count, self.deadlines.command).await?;
        }
        let all_taken = self.answers(&envelope).await?;
        self.content(reader).await?;
        self.verdict().await?;
        Ok(accepted(all_taken))
    }

    /// To the envelope; whether every recipient was taken.
    async fn answers(&mut self, envelope: &Envelope) -> Result<bool, Failure> {
        self.reset(envelope).await?;
        self.sender(envelope).await?;
        self.recipients(envelope).await
    }

    /// A file that is gone, or another one by now, is found before the server hears of the email.
    async fn reader(&self) -> Result<Reader<'t>, Failure> {
        let mut reader = self.message().content.reader(self.transfer.encoding());
        read(reader.ready(), self.deadlines.upload).await.inspect_err(|_| self.journal.begin(Step::Content))?;
        Ok(reader)
    }

    fn message(&self) -> &'t Message {
        &self.submission.message
    }

    /// What keeps the email from being sent is found here, before its first byte goes out.
    fn envelope(&self) -> Result<Envelope, Failure> {
        envelope::compose(self.submission, &self.session.extensions, self.transfer, self.session.must_reset)
    }

    /// Content that is on its way before the recipients are known to be taken reaches those who are: with one recipient,
    /// and where partial delivery is allowed, that is what is wanted.
    fn goes_at_once(&self) -> bool {
        let Transfer::Chunk(encoding) = self.transfer else { return false };
        let message = self.message();
        self.is_pipelined
            && (message.recipients.len() == 1 || self.submission.partial)
            && message.content.size(encoding) <= AT_ONCE
            && self.session.rested < FRESH
    }

    /// The reply to a command, which is sent now unless it went out with the flight.
    async fn ask(&mut self, line: &str) -> Result<Reply, Failure> {
        let limit = self.deadlines.command;
        let reply = if self.is_pipelined {
            self.session.wire.reply(limit).await?
        } else {
            self.session.wire.command(line.as_bytes(), limit).await?
        };
        // Whoever asks for more where there is none to come would take the next command for it.
        self.session.in_content |= reply.class() == Class::Continue;
        self.end.is_answered |= reply.code != 421;
        Ok(reply)
    }

    fn refusal(&self, reply: &Reply, endings: [Ending; 2]) -> Failure {
        self.judged(refusal(&self.session.wire, reply, endings))
    }

    /// Some codes say more than the step at which they came.
    fn judged(&self, mut failure: Failure) -> Failure {
        let Some(words) = &failure.server else { return failure };
        let is_too_large = match words.enhanced.as_deref() {
            // RFC 3463: longer than the administrator allows, too big for the system.
            Some("5.2.3" | "5.3.4") => true,
            // It says what it is: a full mailbox, an attachment of a kind that is blocked.
            Some(_) => false,
            // RFC 1870 section 6. To a recipient it is the older "mailbox full" (RFC 5321 section 4.2.3).
            None => words.code == 552 && failure.ending != Ending::RecipientRefused,
        };
        if is_too_large {
            let size = self.message().content.size(self.transfer.encoding());
            failure.ending = Ending::TooLarge;
            // It has another limit than the one that it announced, if the email is below that.
            let limit = self.session.extensions.size_limit().filter(|limit| size > *limit);
            failure.size = Some((size, limit.unwrap_or_default()));
        } else if self.session.wants_encryption(words) {
            failure.ending = Ending::EncryptionRequired;
        } else if words.code == 530 && !self.session.is_logged_in {
            failure.ending = Ending::LoginRequired;
        }
        failure
    }

    async fn reset(&mut self, envelope: &Envelope) -> Result<(), Failure> {
        let Some(line) = &envelope.reset else { return Ok(()) };
        let reply = self.ask(line).await?;
        if reply.is_success() {
            return Ok(());
        }
        Err(self.refusal(&reply, [Ending::ServerBusy, Ending::ServerRefused]))
    }

    async fn sender(&mut self, envelope: &Envelope) -> Result<(), Failure> {
        let reply = self.ask(&envelope.mail).await?;
        if !reply.is_success() {
            return Err(self.refused(&reply, [Ending::SenderDeferred, Ending::SenderRefused]));
        }
        self.session.must_reset = true;
        self.journal.server_said(self.session.wire.words(&reply));
        Ok(())
    }

    /// A refusal of the envelope: whatever content went out with it comes to nothing.
    fn refused(&self, reply: &Reply, endings: [Ending; 2]) -> Failure {
        if matches!(reply.class(), Class::Deferred | Class::Refused) {
            self.journal.verdict_came();
        }
        self.refusal(reply, endings)
    }

    /// Every recipient is asked for, so that each one's outcome is known; then all or nothing.
    async fn recipients(&mut self, envelope: &Envelope) -> Result<bool, Failure> {
        self.journal.begin(Step::Recipient);
        let (mut taken, mut worst, mut hangs_up) = (0, None::<(Class, Failure)>, false);
        for (at, line) in envelope.recipients.iter().enumerate() {
            let reply = self.ask(line).await?;
            let words = self.session.wire.words(&reply);
            let outcome = match reply.class() {
                Class::Success => {
                    taken += 1;
                    Outcome::Taken
                }
                Class::Deferred => Outcome::Deferred(words.clone()),
                Class::Refused => Outcome::Refused(words.clone()),
                Class::Continue => return Err(self.refusal(&reply, [Ending::BadReply; 2])),
            };
            self.journal.server_said(words);
            self.journal.outcome(at, outcome);
            let class = reply.class();
            if class != Class::Success && !matches!(worst, Some((Class::Refused, _))) {
                let failure = self.refusal(&reply, [Ending::RecipientDeferred, Ending::RecipientRefused]);
                // The first refusal is told; a refusal outranks a deferral, as it will not go away by waiting.
                if worst.is_none() || class == Class::Refused {
                    worst = Some((class, failure));
                }
            }
            // It would not answer the next one, nor take the content for those before.
            hangs_up = reply.code == 421;
            if hangs_up {
                break;
            }
        }
        match worst {
            None => Ok(true),
            Some(_) if self.submission.partial && taken > 0 && !hangs_up => Ok(false),
            Some((_, failure)) => {
                if taken == 0 {
                    self.journal.verdict_came();
                }
                Err(failure)
            }
        }
    }

    async fn content(&mut self, reader: Reader<'t>) -> Result<(), Failure> {
        self.journal.begin(Step::Content);
        if self.transfer == Transfer::Data {
            let reply = self.ask("DATA\r\n").await?;
            if reply.code != 354 {
                return Err(self.refusal(&reply, [Ending::ContentDeferred, Ending::ContentRefused]));
            }
        }
        self.upload(reader, None).await.map_err(|failure| self.judged(failure))
    }

    /// With an `envelope`, it goes out in the same write.
    async fn upload(&mut self, reader: Reader<'t>, envelope: Option<&Envelope>) -> Result<(), Failure> {
        let Self { session, submission, deadlines, journal, pool, transfer, .. } = self;
        let Session { wire, extensions, in_content, .. } = &mut **session;
        let upload = Upload { wire, reader, transfer: *transfer, limit: deadlines.upload, journal };
        let next = |pool: &Rc<Pool>| {
            let ahead = |next: &Submission| envelope::compose(next, extensions, *transfer, false).ok();
            pool.claim(&submission.server, |next| ahead(next).map(|envelope| envelope.flight()))
        };
        // The dot of this email and the envelope of the next travel in one write.
        let claim = pool.filter(|_| extensions.takes_ahead()).map(|pool| move || next(pool));
        *in_content = true;
        self.end.claim = upload.run(envelope, claim).await?;
        // A chunk's end is known from its length; what follows a dot that was not taken as one would be content.
        *in_content = *transfer == Transfer::Data;
        Ok(())
    }

    async fn verdict(&mut self) -> Result<(), Failure> {
        self.journal.begin(Step::Verdict);
        let reply = self.session.wire.reply(self.deadlines.verdict).await?;
        let words = self.session.wire.words(&reply);
        // A server that wants more would take a QUIT for a line of the email.
        self.session.in_content = reply.class() == Class::Continue;
        self.session.must_reset = false;
        self.end.is_over = reply.class() != Class::Continue;
        match reply.class() {
            Class::Continue => Err(Failure::new(Ending::BadReply).words(words)),
            // Whatever it says yes to, it is not the content, which it does not have.
            Class::Success if !self.journal.has_content_ended() => {
                Err(Failure::new(Ending::BadReply).detail(BadReply::Unasked.describe()))
            }
            Class::Success => {
                self.journal.verdict_came();
                self.journal.server_said(words);
                Ok(())
            }
            Class::Deferred | Class::Refused => {
                self.journal.verdict_came();
                // RFC 3030 section 2: what answers BDAT like this does not know it, or does not want it.
                self.end.breaks_chunks = self.transfer != Transfer::Data && matches!(reply.code, 500 | 502 | 503 | 504);
                Err(self.refusal(&reply, [Ending::ContentDeferred, Ending::ContentRefused]))
            }
        }
    }

    /// A refused flight's other replies: only when all of them are known can the connection go on.
    async fn settle(&mut self) {
        let Session { wire, in_content, must_reset, .. } = &mut *self.session;
        let ahead = self.end.claim.as_ref().map_or(0, |claim| claim.envelope.count);
        while wire.unanswered() > ahead && !wire.is_leaving() && !*in_content {
            let Ok(reply) = wire.reply(SETTLE.min(self.deadlines.command)).await else { return };
            // DATA was taken all the same: an email to nobody, or to half of them, must not follow.
            *in_content |= reply.class() == Class::Continue;
            // It may be the reply to MAIL, of an email that was given up before.
            *must_reset |= reply.is_success();
        }
    }
}

fn accepted(all_taken: bool) -> Ending {
    if all_taken { Ending::Accepted } else { Ending::AcceptedPartly }
}

/// After the end of the content, whatever goes wrong leaves open what the server did with it.
fn no_verdict(failure: Failure) -> Failure {
    Failure { ending: Ending::NoVerdict, ..failure }
}
