//! Replies of a server, read from bytes (RFC 5321 section 4.2). The code alone decides; the text is for people.

use super::super::ServerWords;
use super::super::spoken::First;
use super::super::words::Redactor;

const LONGEST_LINE: usize = 64 * 1024;
const LONGEST_REPLY: usize = 64 * 1024;
const MOST_LINES: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// The text of each line, without the code.
    pub lines: Vec<Vec<u8>>,
}

/// The first digit of a reply code (RFC 5321 section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Success,
    Continue,
    Deferred,
    Refused,
}

impl Reply {
    pub fn class(&self) -> Class {
        match self.code / 100 {
            2 => Class::Success,
            3 => Class::Continue,
            4 => Class::Deferred,
            _ => Class::Refused,
        }
    }

    pub fn is_success(&self) -> bool {
        self.class() == Class::Success
    }

    /// The enhanced status code (RFC 3463), where the first line begins with one of the reply's own class.
    pub fn enhanced(&self) -> Option<String> {
        let line = std::str::from_utf8(self.lines.first()?).ok()?;
        let word = line.split(' ').next()?;
        let mut numbers = word.split('.');
        let class = numbers.next()?;
        let is_number = |part: Option<&str>| {
            part.is_some_and(|text| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let fits = matches!(class, "2" | "4" | "5") && class.parse() == Ok(self.code / 100);
        (fits && is_number(numbers.next()) && is_number(numbers.next()) && numbers.next().is_none())
            .then(|| word.to_owned())
    }

    /// The reply as a person may see it.
    pub fn words(&self, redactor: &Redactor) -> ServerWords {
        let enhanced = self.enhanced();
        let mut text = Vec::new();
        for line in &self.lines {
            let line = enhanced.as_ref().and_then(|code| line.strip_prefix(code.as_bytes())).unwrap_or(line);
            text.extend_from_slice(line);
            text.push(b' ');
        }
        ServerWords { code: self.code, enhanced, text: redactor.clean(&text) }
    }
}

/// How bytes can fail to be a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadReply {
    LineTooLong,
    ReplyTooLong,
    NoCode,
    CodesDisagree,
    /// It came before it was asked for.
    Unasked,
    /// A code that this command cannot be answered with.
    Unexpected,
}

impl BadReply {
    pub fn describe(self) -> &'static str {
        match self {
            Self::LineTooLong => "a line of more than 64 KiB",
            Self::ReplyTooLong => "a reply of more than 64 KiB or 128 lines",
            Self::NoCode => "a line that does not begin with a reply code",
            Self::CodesDisagree => "a reply whose lines have different codes",
            Self::Unasked => "a reply that came before it was asked for",
            Self::Unexpected => "a reply code that does not answer the command",
        }
    }
}

/// Takes bytes as they come and gives replies. Each byte is looked at once, however small the pieces.
#[derive(Debug, Default)]
pub struct ReplyParser {
    input: Vec<u8>,
    /// Where the lines begin that no reply has taken yet.
    start: usize,
    /// How far behind `start` no line ends.
    scanned: usize,
    lines: Vec<Vec<u8>>,
    code: Option<u16>,
    length: usize,
    first: First,
}

impl ReplyParser {
    pub fn feed(&mut self, bytes: &[u8]) {
        self.first.note(bytes);
        self.input.drain(..self.start);
        self.start = 0;
        self.input.extend_from_slice(bytes);
    }

    /// What the very first bytes were.
    pub fn first(&self) -> First {
        self.first
    }

    /// How many bytes no reply has taken yet.
    pub fn waiting(&self) -> usize {
        self.input.len() - self.start
    }

    /// Nothing of a reply is here.
    pub fn is_empty(&self) -> bool {
        self.waiting() == 0 && self.lines.is_empty()
    }

    /// The next whole reply, or `None` while it is not all here.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, BadReply> {
        while let Some(line) = self.next_line()? {
            self.length += line.len();
            if self.length > LONGEST_REPLY || self.lines.len() >= MOST_LINES {
                return Err(BadReply::ReplyTooLong);
            }
            let (code, is_last, text) = split_line(&line)?;
            if *self.code.get_or_insert(code) != code {
                return Err(BadReply::CodesDisagree);
            }
            self.lines.push(text);
            if is_last {
                self.code = None;
                self.length = 0;
                return Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines) }));
            }
        }
        Ok(None)
    }

    /// A line ends in CRLF and nothing else: a bare LF is a character of the line, so that no text can pose as a reply.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, BadReply> {
        let waiting = self.input.get(self.start..).unwrap_or_default();
        let from = self.scanned.saturating_sub(1);
        let found = waiting.get(from..).and_then(|rest| rest.windows(2).position(|pair| pair == b"\r\n"));
        match found.map(|at| from + at) {
            Some(end) if end <= LONGEST_LINE => {
                let line = waiting.get(..end).unwrap_or_default().to_vec();
                self.start += end + 2;
                self.scanned = 0;
                Ok(Some(line))
            }
            Some(_) => Err(BadReply::LineTooLong),
            // The last byte may be the first one of its end.
            None if waiting.len() > LONGEST_LINE + 1 => Err(BadReply::LineTooLong),
            None => {
                self.scanned = waiting.len();
                Ok(None)
            }
        }
    }
}

/// The code, whether this line is the reply's last, and its text.
fn split_line(line: &[u8]) -> Result<(u16, bool, Vec<u8>), BadReply> {
    let [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = line else {
        return Err(BadReply::NoCode);
    };
    let digit = |byte: &u8| u16::from(byte - b'0');
    let code = digit(a) * 100 + digit(b) * 10 + digit(c);
    match rest {
        [] => Ok((code, true, Vec::new())),
        [b' ', text @ ..] => Ok((code, true, text.to_vec())),
        [b'-', text @ ..] => Ok((code, false, text.to_vec())),
        _ => Err(BadReply::NoCode),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<Option<Reply>, BadReply> {
        let mut parser = ReplyParser::default();
        parser.feed(bytes);
        parser.next_reply()
    }

    #[test]
    fn replies_of_all_forms_are_read() {
        let reply = parse(b"250-one\r\n250-\r\n250 three\r\n").unwrap().unwrap();
        assert_eq!((reply.code, reply.lines), (250, vec![b"one".to_vec(), vec![], b"three".to_vec()]));
        assert_eq!(parse(b"354\r\n").unwrap().unwrap().code, 354);
        assert_eq!(parse(b"220 caf\xe9 \0\r\n").unwrap().unwrap().lines, [b"caf\xe9 \0"]);
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for (bytes, why) in [
            (&b"hello\r\n"[..], BadReply::NoCode),
            (b"25 x\r\n", BadReply::NoCode),
            (b"2500 x\r\n", BadReply::NoCode),
            (b"199 x\r\n", BadReply::NoCode),
            (b"600 x\r\n", BadReply::NoCode),
            ("２50 x\r\n".as_bytes(), BadReply::NoCode),
            (b"\r\n", BadReply::NoCode),
            (b"250-a\r\n251 b\r\n", BadReply::CodesDisagree),
        ] {
            assert_eq!(parse(bytes), Err(why), "{:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(parse(&b"2".repeat(LONGEST_LINE + 2)), Err(BadReply::LineTooLong));
        let longest = [b"250 ".to_vec(), vec![b'x'; LONGEST_LINE - 4], b"\r\n".to_vec()].concat();
        let mut parser = ReplyParser::default();
        parser.feed(&longest[..longest.len() - 1]);
        assert_eq!(parser.next_reply(), Ok(None));
        parser.feed(b"\n");
        assert_eq!(parser.next_reply(), parse(&longest));
        assert_eq!(parse(&b"250-x\r\n".repeat(200)), Err(BadReply::ReplyTooLong));
        let long = [b"250-".to_vec(), vec![b'x'; 40_000], b"\r\n".to_vec()].concat().repeat(2);
        assert_eq!(parse(&long), Err(BadReply::ReplyTooLong));
    }

    #[test]
    fn a_bare_line_feed_is_not_the_end_of_a_line() {
        let reply = parse(b"550 no\n250 yes\r\n").unwrap().unwrap();
        assert_eq!(reply.code, 550);
        assert_eq!(parse(b"250 half\n"), Ok(None));
    }

    #[test]
    fn the_enhanced_code_counts_only_in_its_own_class() {
        let enhanced = |line: &[u8]| parse(line).unwrap().unwrap().enhanced();
        assert_eq!(enhanced(b"535 5.7.8 no\r\n").as_deref(), Some("5.7.8"));
        assert_eq!(enhanced(b"535 5.7.139\r\n").as_deref(), Some("5.7.139"));
        for line in
            [&b"535 2.7.8 no\r\n"[..], b"535 5.7 no\r\n", b"535 5.7.8.1 x\r\n", b"535 5.7.1234 x\r\n", b"535\r\n"]
        {
            assert_eq!(enhanced(line), None);
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_replies(pieces in prop::collection::vec(0usize..9, 1..60)) {
            let stream = b"220-a\r\n220 b\r\n250 c\r\n354\r\n550-5.1.1 x\r\n550 5.1.1 y\r\n";
            let mut parser = ReplyParser::default();
            let (mut at, mut codes) = (0, Vec::new());
            for piece in pieces.into_iter().chain([stream.len()]) {
                let end = (at + piece).min(stream.len());
                parser.feed(&stream[at..end]);
                at = end;
                while let Some(reply) = parser.next_reply().unwrap() {
                    codes.push(reply.code);
                }
            }
            prop_assert_eq!(codes, [220, 250, 354, 550]);
            prop_assert!(parser.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut parser = ReplyParser::default();
            parser.feed(&bytes);
            while let Ok(Some(_)) = parser.next_reply() {}
        }
    }
}
