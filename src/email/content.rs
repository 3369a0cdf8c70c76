//! The content of a message: text that is ready, and files that become base64, or go as they are, a slice at a time, when
//! they are sent. A document is held once, or stays on the disk, and is never encoded as a whole.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::PAD};
use bytes::Bytes;

use super::disk::{FileOnDisk, FileProblem, Reading};

const LINE_RAW: usize = 57;
const LINE_ENCODED: usize = 76;
const CRLF: &[u8] = b"\r\n";
const LINES_AT_ONCE: usize = 32;
/// The raw bytes of one slice of a file: 416 whole lines. They and what they become fit the nearest cache.
pub const SLICE_BYTES: usize = LINE_RAW * 416;
/// The same slice in base64.
pub const SLICE_ENCODED: usize = (LINE_ENCODED + CRLF.len()) * 416;

/// The vector units make the encoding a quarter as dear.
#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
fn engine() -> impl Engine {
    base64::engine::Simd::standard(PAD)
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
fn engine() -> impl Engine {
    base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, PAD)
}

/// How files travel (RFC 2045 section 6). Texts are quoted-printable or 7-bit either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// For every server: the whole content is lines of ASCII.
    Base64,
    /// For servers with BINARYMIME (RFC 3030): a file's bytes are in no lines, and nothing may be changed in them.
    Binary,
}

/// Where the bytes of a file are until they are sent.
#[derive(Clone, PartialEq, Eq)]
pub enum Data {
    Held(Bytes),
    OnDisk(Arc<FileOnDisk>),
}

impl Data {
    pub fn size(&self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::OnDisk(file) => file.size(),
        }
    }
}

/// Without the bytes: a document does not belong into a log.
impl fmt::Debug for Data {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if let Self::Held(_) = self { "held" } else { "on disk" };
        write!(formatter, "{} bytes {place}", self.size())
    }
}

pub enum Segment {
    /// As it is; ends in CRLF.
    Text(Vec<u8>),
    /// What differs between the encodings around a file.
    Either { base64: &'static str, binary: &'static str },
    /// Base64 goes in lines that all end in CRLF.
    File(Data),
}

impl Segment {
    /// The text of this segment; none of a file.
    fn text(&self, encoding: Encoding) -> Option<&[u8]> {
        match (self, encoding) {
            (Self::Text(text), _) => Some(text),
            (Self::Either { base64, .. }, Encoding::Base64) => Some(base64.as_bytes()),
            (Self::Either { binary, .. }, Encoding::Binary) => Some(binary.as_bytes()),
            (Self::File(_), _) => None,
        }
    }

    fn size(&self, encoding: Encoding) -> u64 {
        match self {
            Self::File(data) if encoding == Encoding::Base64 => encoded_size(data.size()),
            Self::File(data) => data.size(),
            text => text.text(encoding).unwrap_or_default().len() as u64,
        }
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "Text({} bytes)", text.len()),
            Self::Either { base64, binary } => write!(formatter, "Either({base64:?}, {binary:?})"),
            Self::File(data) => write!(formatter, "File({data:?})"),
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
    pub fn size(&self, encoding: Encoding) -> u64 {
        self.segments.iter().map(|segment| segment.size(encoding)).sum()
    }

    /// From the beginning. A file on the disk begins to be read at once, in the background of a tokio runtime; content
    /// that is all in memory needs no runtime, and each `next` is ready at once.
    pub fn reader(&self, encoding: Encoding) -> Reader<'_> {
        let on_disk = self.segments.iter().find_map(|segment| match segment {
            Segment::File(Data::OnDisk(file)) => Some(file.read()),
            Segment::File(Data::Held(_)) | Segment::Text(_) | Segment::Either { .. } => None,
        });
        Reader {
            segments: self.segments.iter(),
            encoding,
            left: self.size(encoding),
            ahead: on_disk,
            file: OpenFile::Held(&[]),
        }
    }
}

/// What is to be written next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'p> {
    /// To be written as it is; the only kind that can have a line that begins with a dot. It ends in CRLF.
    Text(&'p [u8]),
    /// A file's bytes for [`encode_base64`]: whole lines, but for the file's last; at most [`SLICE_BYTES`].
    Lines(&'p [u8]),
    /// A file's bytes to be written as they are; at most [`SLICE_BYTES`].
    Bytes(&'p [u8]),
}

/// The content, piece by piece. After a problem with a file nothing more comes: the content must then not be ended.
#[derive(Debug)]
pub struct Reader<'c> {
    segments: std::slice::Iter<'c, Segment>,
    encoding: Encoding,
    left: u64,
    /// The first file on the disk, whose turn has not come yet.
    ahead: Option<Reading>,
    /// What is left of the file that was begun.
    file: OpenFile<'c>,
}

#[derive(Debug)]
enum OpenFile<'c> {
    Held(&'c [u8]),
    OnDisk(BlockReader),
}

impl Reader<'_> {
    /// Waits until the first bytes of a file on the disk are here, so that one that was changed or is gone is known before
    /// the server hears of the email.
    pub async fn ready(&mut self) -> Result<(), FileProblem> {
        match &mut self.ahead {
            Some(reading) => reading.ready().await,
            None => Ok(()),
        }
    }

    /// None at the end. A future that is dropped loses nothing. The last piece of a file on the disk comes only when the
    /// file was found to be the same after reading it as before.
    pub async fn next(&mut self) -> Result<Option<Piece<'_>>, FileProblem> {
        while self.file.is_over() {
            let Some(segment) = self.segments.next() else { return Ok(None) };
            match (segment, segment.text(self.encoding)) {
                (Segment::File(Data::Held(bytes)), _) => self.file = OpenFile::Held(bytes),
                (Segment::File(Data::OnDisk(file)), _) => {
                    let reading = self.ahead.take().unwrap_or_else(|| file.read());
                    self.file = OpenFile::OnDisk(BlockReader::new(reading, file.size()));
                }
                (_, None | Some([])) => {}
                (_, Some(text)) => {
                    self.left -= text.len() as u64;
                    return Ok(Some(Piece::Text(text)));
                }
            }
        }
        let slice = match &mut self.file {
            OpenFile::Held(rest) => cut(rest),
            OpenFile::OnDisk(blocks) => blocks.next().await?,
        };
        Ok(Some(match self.encoding {
            Encoding::Base64 => {
                self.left -= encoded_size(slice.len() as u64);
                Piece::Lines(slice)
            }
            Encoding::Binary => {
                self.left -= slice.len() as u64;
                Piece::Bytes(slice)
            }
        }))
    }

    /// How many bytes of the content follow the last piece, in this encoding: 0 if there is no other.
    pub fn left(&self) -> u64 {
        self.left
    }
}

impl OpenFile<'_> {
    fn is_over(&self) -> bool {
        match self {
            Self::Held(rest) => rest.is_empty(),
            Self::OnDisk(blocks) => blocks.left == 0,
        }
    }
}

fn cut<'b>(rest: &mut &'b [u8]) -> &'b [u8] {
    let (slice, after) = rest.split_at_checked(SLICE_BYTES).unwrap_or((rest, &[]));
    *rest = after;
    slice
}

/// A file on the disk in slices.
#[derive(Debug)]
struct BlockReader {
    reading: Reading,
    block: Vec<u8>,
    /// How much of the block was given.
    given: usize,
    /// How much of the file was not.
    left: u64,
}

impl BlockReader {
    fn new(reading: Reading, size: u64) -> Self {
        Self { reading, block: Vec::new(), given: 0, left: size }
    }

    async fn next(&mut self) -> Result<&[u8], FileProblem> {
        if self.given == self.block.len() {
            // Before the used block is handed over: whoever drops this future here can go on with another one.
            self.reading.ready().await?;
            let block = self.reading.next(std::mem::take(&mut self.block)).await?;
            self.block = block.ok_or_else(|| FileProblem::Unreadable("it is over".to_owned()))?;
            self.given = 0;
        }
        let slice = cut(&mut self.block.get(self.given..).unwrap_or_default());
        self.given += slice.len();
        self.left -= slice.len() as u64;
        Ok(slice)
    }
}

/// Fills `places`, which has the room of [`encoded_size`], with the bytes in base64, in lines of 76 with CRLF after each. Unless it
/// is a file's last, `raw` is whole lines.
pub fn encode_base64(raw: &[u8], mut places: &mut [u8]) {
    // Several lines at once, as the vector units do not start for one; then each goes to its place while it is still in the
    // nearest cache, by a move of a known length. On a busy machine this halves what one pass over the whole slice costs.
    let mut encoded = [0; LINE_ENCODED * LINES_AT_ONCE];
    fetch(raw);
    let engine = engine();
    for batch in raw.chunks(LINE_RAW * LINES_AT_ONCE) {
        let Ok(length) = engine.encode_slice(batch, &mut encoded) else { return };
        let (lines, last) = encoded.get(..length).unwrap_or_default().as_chunks::<LINE_ENCODED>();
        let (whole, rest) = places.split_at_mut(lines.len() * (LINE_ENCODED + CRLF.len()));
        for (line, place) in lines.iter().zip(whole.as_chunks_mut::<{ LINE_ENCODED + CRLF.len() }>().0) {
            let (text, line_break) = place.split_at_mut(LINE_ENCODED);
            text.copy_from_slice(line);
            line_break.copy_from_slice(CRLF);
        }
        if !last.is_empty() {
            let (text, line_break) = rest.split_at_mut(last.len());
            text.copy_from_slice(last);
            line_break.copy_from_slice(CRLF);
            return;
        }
        places = rest;
    }
}

/// Brings the bytes into the cache, one from each of its lines. A document of megabytes is not in it any more, and the encoder,
/// which looks only a few lines ahead, would wait for each: this waits for many at a time.
fn fetch(raw: &[u8]) {
    const CACHE_LINE: usize = 64;
    std::hint::black_box(raw.iter().step_by(CACHE_LINE).fold(0, |all, byte| all ^ byte));
}

/// The bytes of base64, with its line breaks, that a file of this size becomes.
pub fn encoded_size(raw: u64) -> u64 {
    raw.div_ceil(3) * 4 + raw.div_ceil(LINE_RAW as u64) * CRLF.len() as u64
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::super::tests::{encoded, written};
    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|index| u8::try_from(index * 31 % 251).unwrap()).collect()
    }

    fn slowly(raw: &[u8]) -> Vec<u8> {
        raw.chunks(LINE_RAW).flat_map(|line| (STANDARD.encode(line) + "\r\n").into_bytes()).collect()
    }

    fn around(data: Data) -> Content {
        Content::new(vec![
            Segment::Text(b"a\r\n".to_vec()),
            Segment::Either { base64: "", binary: "c" },
            Segment::File(data),
            Segment::File(Data::Held(Bytes::new())),
            Segment::Either { base64: "", binary: "\r\n" },
            Segment::Text(b"b\r\n".to_vec()),
        ])
    }

    #[test]
    fn the_fast_encoder_agrees_with_the_slow_one() {
        for length in (0..700).chain([SLICE_BYTES - 1, SLICE_BYTES]) {
            let raw = bytes(length);
            assert_eq!(encoded(&raw), slowly(&raw), "{length}");
        }
        assert_eq!(encoded(&bytes(SLICE_BYTES)).len(), SLICE_ENCODED);
    }

    #[test]
    fn pieces_are_the_whole_content_and_size_is_its_length() {
        for length in [0, 1, 56, 57, 58, SLICE_BYTES - 1, SLICE_BYTES, SLICE_BYTES + 1, 3 * SLICE_BYTES + 100] {
            let raw = bytes(length);
            let content = around(Data::Held(raw.clone().into()));
            assert_eq!(
                written(&content, Encoding::Base64),
                [b"a\r\n", &slowly(&raw)[..], b"b\r\n"].concat(),
                "{length}"
            );
            assert_eq!(written(&content, Encoding::Binary), [b"a\r\nc", &raw[..], b"\r\nb\r\n"].concat(), "{length}");
        }
    }
}
