//! An email's content on its way out: encoded a slice at a time, its end and what follows it in one write.

use std::time::Duration;

use tokio::time::timeout;

use crate::email::{FileProblem, Piece, Reader, SLICE_ENCODED, encode_base64, encoded_size};

use super::super::{Ending, Failure, Journal};
use super::envelope::{Envelope, Transfer};
use super::pool::Claim;
use super::wire::Wire;

/// The most that goes out in one write: with the headers of its TLS records just below 64 KiB, which the kernel takes as one
/// piece. A write that is a little more costs as much as two.
const MOST: usize = 2 * SLICE_ENCODED + 256;
/// The end of a file, the boundary behind it and the dot travel in one write, if this holds them.
const SMALL: u64 = 4096;

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
        let mut flight = Flight::new();
        if let Some(envelope) = envelope {
            wire.quiet()?;
            let before = envelope.flight();
            wire.expect(before.count);
            wire.note_commands(&before.commands);
            flight.extend(&before.commands);
        } else if transfer != Transfer::Data {
            // What was said behind the envelope's answers would be taken for the verdict.
            wire.quiet().map_err(as_content)?;
        }
        if transfer != Transfer::Data {
            let line = format!("BDAT {total} LAST\r\n");
            wire.note_commands(line.as_bytes());
            flight.extend(line.as_bytes());
        }
        let mut stuffing = Stuffing { is_on: transfer == Transfer::Data, at_line_start: true };
        loop {
            match read(reader.next(), limit).await? {
                Some(Piece::Text(text)) => stuffing.stuff(text, &mut flight),
                // Base64 never begins a line with a dot, and a file's lines are whole.
                Some(Piece::Lines(raw)) => encode_base64(raw, flight.room(encoded_size(raw.len() as u64))),
                Some(Piece::Bytes(bytes)) => flight.extend(bytes),
                None => {}
            }
            let left = reader.left();
            if left == 0 {
                break;
            }
            if flight.bytes().len() > MOST - SLICE_ENCODED && left > SMALL {
                wire.upload(flight.bytes(), limit).await?;
                flight.clear();
                journal.uploaded(total - left, total);
            }
        }
        if transfer == Transfer::Data {
            flight.extend(b".\r\n");
            // Nothing may have been said before the dot.
            wire.quiet().map_err(as_content)?;
        }
        wire.note(&format!("{total} bytes of content"));
        let end = flight.bytes().len();
        let claim = next.and_then(|next| next());
        if let Some(claim) = &claim {
            wire.note_commands(&claim.envelope.commands);
            flight.extend(&claim.envelope.commands);
        }
        wire.upload_to(flight.bytes(), end, || journal.content_ended(), limit).await?;
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

/// What goes out in the next write. Its buffer is used again, so that room for base64 is cleared once and not for each slice.
struct Flight {
    buffer: Vec<u8>,
    used: usize,
}

impl Flight {
    fn new() -> Self {
        Self { buffer: Vec::with_capacity(MOST), used: 0 }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.used).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.used = 0;
    }

    /// Room for so many bytes behind the others, to be filled.
    fn room(&mut self, size: u64) -> &mut [u8] {
        let start = self.used;
        self.used += usize::try_from(size).unwrap_or_default();
        if self.buffer.len() < self.used {
            self.buffer.resize(self.used, 0);
        }
        self.buffer.get_mut(start..self.used).unwrap_or_default()
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.room(bytes.len() as u64).copy_from_slice(bytes);
    }
}

/// A dot that begins a line is doubled (RFC 5321 section 4.5.2), also where a line begins in one slice and the last one ended in CRLF.
struct Stuffing {
    is_on: bool,
    at_line_start: bool,
}

impl Stuffing {
    fn stuff(&mut self, text: &[u8], out: &mut Flight) {
        if !self.is_on {
            return out.extend(text);
        }
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if self.at_line_start && line.first() == Some(&b'.') {
                out.extend(b".");
            }
            out.extend(line);
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
            let (mut stuffing, mut out) = (Stuffing { is_on: true, at_line_start: true }, Flight::new());
            stuffing.stuff(&text[..cut], &mut out);
            stuffing.stuff(&text[cut..], &mut out);
            assert_eq!(out.bytes(), b"..a\r\n...b\r\nc.d\r\n..\r\n", "cut at {cut}");
        }
    }
}
