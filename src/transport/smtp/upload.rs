//! An email's content on its way out: encoded a slice at a time, its end and what follows it in one write.

use std::time::Duration;

use tokio::time::timeout;

use crate::email::{FileProblem, Piece, Reader, encode_base64};

use super::super::{Ending, Failure, Journal};
use super::envelope::{Envelope, Transfer};
use super::pool::Claim;
use super::wire::Wire;

/// As much as goes out in one write, but for the last one. A write that is too short costs as much as a full one.
const FULL: usize = 32 * 1024;
/// The end of a file, the boundary behind it and the dot travel in one write, if this holds them.
const SMALL: u64 = 4096;
/// Room for what is written at once: a full slice of a file in base64 behind what was not yet enough.
const FLIGHT: usize = 32_760 + FULL;

pub struct Upload<'u> {
    pub wire: &'u mut Wire,
    pub reader: Reader<'u>,
    pub transfer: Transfer,
    /// For no byte being taken, and for no byte being read from the disk.
    pub limit: Duration,
    pub journal: &'u Journal,
}

impl Upload<'_> {
    /// With an `envelope` in front of it, and behind it that of the email that `next` finds, if there is one.
    pub async fn run(
        self,
        envelope: Option<&Envelope>,
        next: Option<impl FnOnce() -> Option<Claim>>,
    ) -> Result<Option<Claim>, Failure> {
        let Self { wire, mut reader, transfer, limit, journal } = self;
        let total = reader.left();
        journal.found(|found| found.bytes = Some(total));
        let mut flight = Vec::with_capacity(FLIGHT);
        if let Some(envelope) = envelope {
            wire.quiet()?;
            let before = envelope.flight();
            wire.expect(before.count);
            wire.note_commands(&before.commands);
            flight.extend_from_slice(&before.commands);
        } else if transfer != Transfer::Data {
            // What was said behind the envelope's answers would be taken for the verdict.
            wire.quiet().map_err(as_content)?;
        }
        if transfer != Transfer::Data {
            let line = format!("BDAT {total} LAST\r\n");
            wire.note_commands(line.as_bytes());
            flight.extend_from_slice(line.as_bytes());
        }
        let mut stuffing = Stuffing { is_on: transfer == Transfer::Data, at_line_start: true };
        loop {
            match read(reader.next(), limit).await? {
                Some(Piece::Text(text)) => stuffing.stuff(text, &mut flight),
                // Base64 never begins a line with a dot, and a file's lines are whole.
                Some(Piece::Lines(raw)) => encode_base64(raw, &mut flight),
                Some(Piece::Bytes(bytes)) => flight.extend_from_slice(bytes),
                None => {}
            }
            let left = reader.left();
            if left == 0 {
                break;
            }
            if flight.len() >= FULL && left > SMALL {
                wire.upload(&flight, limit).await?;
                flight.clear();
                journal.uploaded(total - left, total);
            }
        }
        if transfer == Transfer::Data {
            flight.extend_from_slice(b".\r\n");
            // Nothing may have been said before the dot.
            wire.quiet().map_err(as_content)?;
        }
        wire.note(&format!("{total} bytes of content"));
        let end = flight.len();
        let claim = next.and_then(|next| next());
        if let Some(claim) = &claim {
            wire.note_commands(&claim.envelope.commands);
            flight.extend_from_slice(&claim.envelope.commands);
        }
        wire.upload_to(&flight, end, || journal.content_ended(), limit).await?;
        // Bytes that the TLS layer still holds may be the dot.
        wire.flush(limit).await?;
        wire.expect(1 + claim.as_ref().map_or(0, |claim| claim.envelope.count));
        journal.uploaded(total, total);
        Ok(claim)
    }
}

/// The server waits while the disk is waited for: it may take as long as the server itself.
pub async fn read<T>(reading: impl Future<Output = Result<T, FileProblem>>, limit: Duration) -> Result<T, FileProblem> {
    let read = timeout(limit, reading).await;
    read.unwrap_or_else(|_| Err(FileProblem::Unreadable("reading it took too long".to_owned())))
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
    is_on: bool,
    at_line_start: bool,
}

impl Stuffing {
    fn stuff(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if !self.is_on {
            return out.extend_from_slice(text);
        }
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
            let (mut stuffing, mut out) = (Stuffing { is_on: true, at_line_start: true }, Vec::new());
            stuffing.stuff(&text[..cut], &mut out);
            stuffing.stuff(&text[cut..], &mut out);
            assert_eq!(out, b"..a\r\n...b\r\nc.d\r\n..\r\n", "cut at {cut}");
        }
    }
}
