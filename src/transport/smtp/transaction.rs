//! One email from MAIL to the verdict (RFC 5321 section 3.3). All recipients or none, unless partial delivery is allowed.

use tokio::time::timeout;

use crate::email::{Encoding, FileProblem, Message, Piece, Reader, encode_base64};

use super::super::{Deadlines, Ending, Failure, Journal, Outcome, Step};
use super::reply::{Class, Reply};
use super::session::{Session, refusal};

pub async fn transact(
    session: &mut Session,
    message: &Message,
    partial: bool,
    deadlines: &Deadlines,
    journal: &Journal,
) -> Result<Ending, Failure> {
    let mut transaction = Transaction { session, message, deadlines, journal };
    transaction.sender().await?;
    let all_taken = transaction.recipients(partial).await?;
    transaction.content().await?;
    transaction.verdict().await?;
    Ok(if all_taken { Ending::Accepted } else { Ending::AcceptedPartly })
}

struct Transaction<'t> {
    session: &'t mut Session,
    message: &'t Message,
    deadlines: &'t Deadlines,
    journal: &'t Journal,
}

impl Transaction<'_> {
    async fn command(&mut self, line: &str) -> Result<Reply, Failure> {
        self.session.wire.command(line.as_bytes(), self.deadlines.command).await
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
            failure.ending = Ending::TooLarge;
            failure.size = Some((
                self.message.content.size(Encoding::Base64),
                self.session.extensions.size_limit().unwrap_or_default(),
            ));
        } else if self.session.wants_encryption(words) {
            failure.ending = Ending::EncryptionRequired;
        } else if words.code == 530 && !self.session.is_logged_in {
            failure.ending = Ending::LoginRequired;
        }
        failure
    }

    async fn sender(&mut self) -> Result<(), Failure> {
        self.journal.begin(Step::Sender);
        let (message, size) = (self.message, self.message.content.size(Encoding::Base64));
        let mut line = format!("MAIL FROM:<{}>", message.sender.as_str());
        if let Some(limit) = self.session.extensions.size_limit()
            && size > limit
        {
            let mut failure = Failure::new(Ending::TooLarge);
            failure.size = Some((size, limit));
            return Err(failure);
        }
        if self.session.extensions.has("SIZE") {
            line.push_str(" SIZE=");
            line.push_str(&size.to_string());
        }
        if message.needs_smtputf8 {
            if !self.session.extensions.has("SMTPUTF8") {
                return Err(Ending::AddressNotSupported.into());
            }
            line.push_str(" SMTPUTF8");
        }
        line.push_str("\r\n");
        let reply = self.command(&line).await?;
        if !reply.is_success() {
            return Err(self.refusal(&reply, [Ending::SenderDeferred, Ending::SenderRefused]));
        }
        self.journal.server_said(self.session.wire.words(&reply));
        Ok(())
    }

    /// Every recipient is asked for, so that each one's outcome is known; then all or nothing.
    async fn recipients(&mut self, partial: bool) -> Result<bool, Failure> {
        self.journal.begin(Step::Recipient);
        let (mut taken, mut worst, mut hangs_up) = (0, None::<(Class, Failure)>, false);
        for (at, recipient) in self.message.recipients.iter().enumerate() {
            let reply = self.command(&format!("RCPT TO:<{}>\r\n", recipient.address.as_str())).await?;
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
            Some(_) if partial && taken > 0 && !hangs_up => Ok(false),
            Some((_, failure)) => Err(failure),
        }
    }

    async fn content(&mut self) -> Result<(), Failure> {
        self.journal.begin(Step::Content);
        let message = self.message;
        let mut reader = message.content.reader(Encoding::Base64);
        self.read_content(reader.ready()).await?;
        let reply = self.command("DATA\r\n").await?;
        if reply.code != 354 {
            return Err(self.refusal(&reply, [Ending::ContentDeferred, Ending::ContentRefused]));
        }
        self.session.in_content = true;
        self.upload(reader).await.map_err(|failure| self.judged(failure))
    }

    /// The server waits while the disk is waited for: it may take as long as the server itself.
    async fn read_content<T>(&self, read: impl Future<Output = Result<T, FileProblem>>) -> Result<T, Failure> {
        let read = timeout(self.deadlines.upload, read).await;
        Ok(read.unwrap_or_else(|_| Err(FileProblem::Unreadable("reading it took too long".to_owned())))?)
    }

    async fn upload(&mut self, mut reader: Reader<'_>) -> Result<(), Failure> {
        let total = reader.left();
        self.journal.found(|found| found.bytes = Some(total));
        let mut stuffing = Stuffing::default();
        let mut flight = Vec::with_capacity(FLIGHT);
        while let Some(piece) = self.read_content(reader.next()).await? {
            match piece {
                Piece::Text(text) => stuffing.stuff(text, &mut flight),
                // Base64 never begins a line with a dot, and a file's lines are whole.
                Piece::Lines(raw) => encode_base64(raw, &mut flight),
                Piece::Bytes(raw) => flight.extend_from_slice(raw),
            }
            let left = reader.left();
            if left == 0 {
                break;
            }
            // The end of a file, the boundary behind it and the dot travel in one write.
            if flight.len() >= FULL && left > SMALL {
                self.session.wire.upload(&flight, self.deadlines.upload).await?;
                flight.clear();
                self.journal.uploaded(total - left, total);
            }
        }
        flight.extend_from_slice(b".\r\n");
        // Nothing may have been said before the dot.
        self.session.wire.quiet().map_err(as_content)?;
        self.session.wire.upload(&flight, self.deadlines.upload).await?;
        self.journal.content_ended();
        self.journal.uploaded(total, total);
        // Bytes that the TLS layer still holds may be the dot: a flush that fails is as uncertain as a verdict that does not come.
        self.session.wire.flush(self.deadlines.upload).await.map_err(no_verdict)
    }

    async fn verdict(&mut self) -> Result<(), Failure> {
        self.journal.begin(Step::Verdict);
        let reply = self.session.wire.reply(self.deadlines.verdict).await.map_err(no_verdict)?;
        let words = self.session.wire.words(&reply);
        // A server that wants more would take a QUIT for a line of the email.
        self.session.in_content = reply.class() == Class::Continue;
        match reply.class() {
            Class::Continue => Err(no_verdict(Failure::new(Ending::BadReply).words(words))),
            Class::Success => {
                self.journal.verdict_came();
                self.journal.server_said(words);
                Ok(())
            }
            Class::Deferred | Class::Refused => {
                self.journal.verdict_came();
                Err(self.refusal(&reply, [Ending::ContentDeferred, Ending::ContentRefused]))
            }
        }
    }
}

/// What is collected before it is written: one slice of a file is enough, a few lines of header are not.
const FULL: usize = 16 * 1024;
/// An end that goes into the same write as what is before it.
const SMALL: u64 = 4096;
/// Texts that are not full, a slice of a file in base64, and an end.
const FLIGHT: usize = FULL + 65_520 + 4096;

/// After the end of the content, whatever goes wrong leaves open what the server did with it.
fn no_verdict(failure: Failure) -> Failure {
    Failure { ending: Ending::NoVerdict, ..failure }
}

/// A refusal before the dot is about the content.
fn as_content(failure: Failure) -> Failure {
    let ending = match failure.ending {
        Ending::ServerBusy => Ending::ContentDeferred,
        Ending::ServerRefused => Ending::ContentRefused,
        other => other,
    };
    Failure { ending, ..failure }
}

/// A dot that begins a line is doubled (RFC 5321 section 4.5.2), also where a line begins in one slice and the last one ended in CRLF.
struct Stuffing {
    at_line_start: bool,
}

impl Default for Stuffing {
    fn default() -> Self {
        Self { at_line_start: true }
    }
}

impl Stuffing {
    fn stuff(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if self.at_line_start && line.first() == Some(&b'.') {
                out.push(b'.');
            }
            out.extend_from_slice(line);
            self.at_line_start = line.last() == Some(&b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_doubled_at_line_starts_only_whatever_the_slices() {
        let text = b".a\r\n..b\r\nc.d\r\n.\r\n";
        for cut in 0..=text.len() {
            let (mut stuffing, mut out) = (Stuffing::default(), Vec::new());
            stuffing.stuff(&text[..cut], &mut out);
            stuffing.stuff(&text[cut..], &mut out);
            assert_eq!(out, b"..a\r\n...b\r\nc.d\r\n..\r\n", "cut at {cut}");
        }
    }
}
