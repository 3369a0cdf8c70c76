//! What speaks at a port, told from the first bytes that come from there: the wrong kind of server, or the right one in
//! clear where TLS was wanted and the other way round.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// So many bytes are enough to tell.
const ENOUGH: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    Smtp,
    Imap,
    Pop3,
    Http,
    Ssh,
    Tls,
}

impl Spoken {
    /// `None` for anything else, and for too little to tell.
    pub fn of(first: &[u8]) -> Option<Self> {
        match first {
            // An alert or a handshake of any version.
            [0x15 | 0x16, 3, ..] => Some(Self::Tls),
            [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-', ..] => Some(Self::Smtp),
            [b'*', b' ', ..] => Some(Self::Imap),
            [b'+', b'O', b'K', ..] | [b'-', b'E', b'R', b'R', ..] => Some(Self::Pop3),
            [b'H', b'T', b'T', b'P', b'/', ..] => Some(Self::Http),
            [b'S', b'S', b'H', b'-', ..] => Some(Self::Ssh),
            _ => None,
        }
    }

    pub fn code(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Tls => "tls",
        }
    }
}

/// The first bytes of what came.
#[derive(Clone, Copy, Debug, Default)]
pub struct First {
    bytes: [u8; ENOUGH],
    length: usize,
}

impl First {
    pub fn note(&mut self, came: &[u8]) {
        for (slot, byte) in self.bytes.iter_mut().skip(self.length).zip(came) {
            *slot = *byte;
            self.length += 1;
        }
    }

    pub fn spoken(&self) -> Option<Spoken> {
        Spoken::of(self.bytes.get(..self.length).unwrap_or_default())
    }
}

/// A stream of which the first bytes are kept in mind.
pub struct Listened<S> {
    inner: S,
    first: First,
}

impl<S> Listened<S> {
    pub fn new(inner: S) -> Self {
        Self { inner, first: First::default() }
    }

    pub fn spoken(&self) -> Option<Spoken> {
        self.first.spoken()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Listened<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if self.first.length < ENOUGH {
            self.first.note(buffer.filled().get(before..).unwrap_or_default());
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listened<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    /// A whole flight's records go out in one write only where this is so.
    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_known_by_their_first_bytes() {
        for (bytes, spoken) in [
            (&b"220 mail.test ESMTP\r\n"[..], Some(Spoken::Smtp)),
            (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", Some(Spoken::Imap)),
            (b"+OK POP3 ready\r\n", Some(Spoken::Pop3)),
            (b"HTTP/1.1 400 Bad Request\r\n", Some(Spoken::Http)),
            (b"SSH-2.0-OpenSSH_9.6\r\n", Some(Spoken::Ssh)),
            (b"\x15\x03\x01\x00\x02\x02\x46", Some(Spoken::Tls)),
            (b"hello\r\n", None),
            (b"22", None),
            (b"", None),
        ] {
            let mut first = First::default();
            for byte in bytes {
                first.note(&[*byte]);
            }
            assert_eq!(first.spoken(), spoken, "{bytes:?}");
        }
    }
}
