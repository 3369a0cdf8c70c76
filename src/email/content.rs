//! The content of a message: text that is ready, and files that become base64 a slice at a time, when they are sent.
//! A document is held once and never encoded as a whole.

use std::fmt;

use base64::{Engine, engine::general_purpose::PAD};
use bytes::Bytes;

const LINE_RAW: usize = 57;
const LINE_ENCODED: usize = 76;
const CRLF: usize = 2;
/// The raw bytes of one slice of a file: 840 whole lines, 65,520 bytes when they are encoded.
pub const SLICE_BYTES: usize = LINE_RAW * 840;

/// The vector units make the encoding a quarter as dear.
#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
fn engine() -> impl Engine {
    base64::engine::Simd::standard(PAD)
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
fn engine() -> impl Engine {
    base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, PAD)
}

pub enum Segment {
    /// As it is; ends in CRLF.
    Text(Vec<u8>),
    /// Goes out in base64, in lines that all end in CRLF.
    Base64(Bytes),
}

/// Without the bytes: a document does not belong into a log.
impl fmt::Debug for Segment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "Text({} bytes)", text.len()),
            Self::Base64(bytes) => write!(formatter, "Base64({} bytes)", bytes.len()),
        }
    }
}

#[derive(Debug)]
pub struct Content {
    segments: Vec<Segment>,
}

impl Content {
    pub(super) fn new(segments: Vec<Segment>) -> Self {
        Self { segments }
    }

    /// For SIZE=: every byte of the content with its CRLFs, without dots that are stuffed.
    pub fn size(&self) -> u64 {
        let size = |segment: &Segment| match segment {
            Segment::Text(text) => text.len(),
            Segment::Base64(bytes) => encoded_size(bytes.len()),
        };
        self.segments.iter().map(|segment| size(segment) as u64).sum()
    }

    pub fn slices(&self) -> Slices<'_> {
        Slices { segments: self.segments.iter(), file: &[] }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice<'c> {
    /// To be written as it is; the only kind that can have a line that begins with a dot.
    Text(&'c [u8]),
    /// At most [`SLICE_BYTES`], for [`encode_base64`].
    File(&'c [u8]),
}

#[derive(Debug)]
pub struct Slices<'c> {
    segments: std::slice::Iter<'c, Segment>,
    /// What is left of the file that was begun.
    file: &'c [u8],
}

impl<'c> Iterator for Slices<'c> {
    type Item = Slice<'c>;

    fn next(&mut self) -> Option<Slice<'c>> {
        while self.file.is_empty() {
            match self.segments.next()? {
                Segment::Text(text) => return Some(Slice::Text(text)),
                Segment::Base64(bytes) => self.file = bytes,
            }
        }
        let (slice, rest) = self.file.split_at_checked(SLICE_BYTES).unwrap_or((self.file, &[]));
        self.file = rest;
        Some(Slice::File(slice))
    }
}

/// Appends the bytes in base64, in lines of 76 with CRLF after each. Unless it is a file's last, `raw` is whole lines.
pub fn encode_base64(raw: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + encoded_size(raw.len()), 0);
    let Some(lines) = out.get_mut(start..) else { return };
    // Encoded in one go (line by line, the vector units would not start), at the end of its place; then each line moves
    // forward to leave room for the CRLFs before it. No line overtakes what has not moved yet.
    let breaks = raw.len().div_ceil(LINE_RAW) * CRLF;
    let Some(encoded) = lines.get_mut(breaks..) else { return };
    let Ok(length) = engine().encode_slice(raw, encoded) else { return };
    let end = breaks + length;
    let mut to = 0;
    for from in (breaks..end).step_by(LINE_ENCODED) {
        let line_end = end.min(from + LINE_ENCODED);
        lines.copy_within(from..line_end, to);
        to += line_end - from;
        if let Some(line_break) = lines.get_mut(to..to + CRLF) {
            line_break.copy_from_slice(b"\r\n");
        }
        to += CRLF;
    }
}

fn encoded_size(raw: usize) -> usize {
    raw.div_ceil(3) * 4 + raw.div_ceil(LINE_RAW) * CRLF
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|index| u8::try_from(index * 31 % 251).unwrap()).collect()
    }

    fn slowly(raw: &[u8]) -> Vec<u8> {
        raw.chunks(LINE_RAW).flat_map(|line| (STANDARD.encode(line) + "\r\n").into_bytes()).collect()
    }

    #[test]
    fn the_fast_encoder_agrees_with_the_slow_one() {
        for length in (0..700).chain([SLICE_BYTES - 1, SLICE_BYTES]) {
            let raw = bytes(length);
            let mut out = b"before".to_vec();
            encode_base64(&raw, &mut out);
            assert_eq!(out.strip_prefix(b"before").unwrap(), slowly(&raw), "{length}");
        }
        let mut full = Vec::new();
        encode_base64(&bytes(SLICE_BYTES), &mut full);
        assert_eq!(full.len(), 65_520);
    }

    #[test]
    fn slices_are_the_whole_content_and_size_is_its_length() {
        for length in [0, 1, 56, 57, 58, SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + 1, 3 * SLICE_BYTES + 100] {
            let raw = bytes(length);
            let content = Content::new(vec![
                Segment::Text(b"a\r\n".to_vec()),
                Segment::Base64(raw.clone().into()),
                Segment::Base64(Bytes::new()),
                Segment::Text(b"b\r\n".to_vec()),
            ]);
            let mut out = Vec::new();
            for slice in content.slices() {
                match slice {
                    Slice::Text(text) => out.extend_from_slice(text),
                    Slice::File(raw) => {
                        assert!((1..=SLICE_BYTES).contains(&raw.len()));
                        encode_base64(raw, &mut out);
                    }
                }
            }
            assert_eq!(out, [b"a\r\n", &slowly(&raw)[..], b"b\r\n"].concat(), "{length}");
            assert_eq!(content.size(), out.len() as u64);
        }
    }
}
