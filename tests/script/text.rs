//! A text of a script: bytes with escapes, and what only the session itself makes known.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::scram::{First, Last};

/// A part of what is sent or expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Bytes(Vec<u8>),
    /// As it is, and as it travels.
    Password,
    PasswordInBase64,
    /// The response of AUTH PLAIN.
    PlainResponse,
    ScramFirst(First),
    ScramLast(Last),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Vec<Piece>);

impl Text {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut bytes = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first == '{' {
                let (word, tail) =
                    rest[1..].split_once('}').ok_or_else(|| format!("{rest:?}: the brace has no end"))?;
                if !bytes.is_empty() {
                    pieces.push(Piece::Bytes(std::mem::take(&mut bytes)));
                }
                pieces.push(piece(word)?);
                rest = tail;
            } else if first == '\\' {
                let (byte, length) = escape(rest)?;
                bytes.push(byte);
                rest = &rest[length..];
            } else {
                bytes.extend_from_slice(first.to_string().as_bytes());
                rest = &rest[first.len_utf8()..];
            }
        }
        if !bytes.is_empty() {
            pieces.push(Piece::Bytes(bytes));
        }
        Ok(Self(pieces))
    }

    /// With the end of a line.
    pub fn line(mut self) -> Self {
        self.0.push(Piece::Bytes(b"\r\n".to_vec()));
        self
    }

    pub fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }
}

fn escape(rest: &str) -> Result<(u8, usize), String> {
    let wrong = || format!("no escape begins {:?}", rest.chars().take(4).collect::<String>());
    match rest.as_bytes().get(1) {
        Some(b'r') => Ok((b'\r', 2)),
        Some(b'n') => Ok((b'\n', 2)),
        Some(b't') => Ok((b'\t', 2)),
        Some(b'\\') => Ok((b'\\', 2)),
        Some(b'x') => {
            let digits = rest.get(2..4).ok_or_else(wrong)?;
            Ok((u8::from_str_radix(digits, 16).map_err(|_| wrong())?, 4))
        }
        _ => Err(wrong()),
    }
}

fn piece(word: &str) -> Result<Piece, String> {
    Ok(match word {
        "password" => Piece::Password,
        "password in base64" => Piece::PasswordInBase64,
        "plain response" => Piece::PlainResponse,
        "scram first" => Piece::ScramFirst(First::Right),
        "scram first, foreign nonce" => Piece::ScramFirst(First::ForeignNonce),
        "scram first, bare nonce" => Piece::ScramFirst(First::BareNonce),
        "scram first, no salt" => Piece::ScramFirst(First::NoSalt),
        "scram first, unknown extension" => Piece::ScramFirst(First::Mandatory),
        "scram last" => Piece::ScramLast(Last::Right),
        "scram last, wrong signature" => Piece::ScramLast(Last::WrongSignature),
        "scram last, other password" => Piece::ScramLast(Last::OtherPassword),
        _ if word.starts_with("base64 ") => Piece::Bytes(STANDARD.encode(&word["base64 ".len()..]).into_bytes()),
        _ => {
            let iterations = word.strip_prefix("scram first, iterations ").and_then(|count| count.parse().ok());
            Piece::ScramFirst(First::Iterations(iterations.ok_or_else(|| format!("{{{word}}} is not known"))?))
        }
    })
}
