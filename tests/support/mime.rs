//! As much of a MIME reader as shows that what arrived is what was given. It knows the library's messages only from the
//! RFCs, and shares no code with what wrote them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// An entity: its headers, unfolded, and its body, undecoded.
pub struct Entity {
    pub headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What travelled, without the dots that were doubled.
pub fn unstuffed(wire: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(wire.len());
    for line in wire.split_inclusive(|byte| *byte == b'\n') {
        out.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    out
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

impl Entity {
    pub fn parse(bytes: &[u8]) -> Self {
        let end = find(bytes, b"\r\n\r\n").expect("no end of the headers");
        let head = std::str::from_utf8(&bytes[..end]).expect("headers are UTF-8");
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let headers = head
            .split("\r\n")
            .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no header field: {line:?}")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { headers, body: bytes[end + 4..].to_vec() }
    }

    pub fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let (_, value) = found.next().unwrap_or_else(|| panic!("no {name} in {:?}", self.headers));
        assert!(found.next().is_none(), "{name} twice");
        value
    }

    pub fn parts(&self) -> Vec<Self> {
        let (_, boundary) = self.header("content-type").split_once("boundary=\"").expect("a multipart");
        let delimiter = format!("\r\n--{}", boundary.split('"').next().unwrap());
        let body = [b"\r\n", &self.body[..]].concat();
        let mut parts = Vec::new();
        let mut rest = &body[find(&body, delimiter.as_bytes()).unwrap() + delimiter.len()..];
        while let Some(part) = rest.strip_prefix(b"\r\n") {
            let end = find(part, delimiter.as_bytes()).expect("a part ends");
            parts.push(Self::parse(&part[..end]));
            rest = &part[end + delimiter.len()..];
        }
        assert!(rest.starts_with(b"--"), "the last boundary");
        parts
    }

    pub fn decoded(&self) -> Vec<u8> {
        match self.header("content-transfer-encoding") {
            "base64" => {
                let digits: Vec<u8> = self.body.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
                STANDARD.decode(digits).unwrap()
            }
            "quoted-printable" => quoted_printable(&self.body),
            "7bit" | "8bit" | "binary" => self.body.clone(),
            other => panic!("encoding {other}"),
        }
    }
}

fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = body;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'=' {
            out.push(byte);
        } else if let Some(tail) = tail.strip_prefix(b"\r\n") {
            rest = tail;
        } else {
            out.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        }
    }
    out
}

/// A header value without its encoded-words.
pub fn decoded_words(value: &str) -> String {
    let (mut out, mut rest, mut was_word) = (Vec::new(), value, false);
    while let Some(at) = rest.find("=?utf-8?b?") {
        let between = &rest[..at];
        if !(was_word && between.trim().is_empty()) {
            out.extend_from_slice(between.as_bytes());
        }
        let (word, tail) = rest[at + 10..].split_once("?=").unwrap();
        out.extend(STANDARD.decode(word).unwrap());
        (rest, was_word) = (tail, true);
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).unwrap()
}
