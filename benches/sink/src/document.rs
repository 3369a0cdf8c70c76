//! Finds the PDF in an email, and says what it is by its SHA-256.

use std::fmt::Write as _;

use memchr::memmem;
use ring::digest::{SHA256, digest as hash};

/// The document is decoded in place.
pub fn digest(content: &mut [u8]) -> Result<String, &'static str> {
    let part = find(content).ok_or("no application/pdf part")?;
    let body = content.get_mut(part.start..part.end).ok_or("a part without an end")?;
    let document = match part.encoding {
        Encoding::Base64 => base64_simd::forgiving_decode_inplace(body).map_err(|_| "bad base64")?,
        Encoding::None => body,
    };
    Ok(hash(&SHA256, document).as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

enum Encoding {
    Base64,
    None,
}

struct Part {
    start: usize,
    end: usize,
    encoding: Encoding,
}

fn find(content: &[u8]) -> Option<Part> {
    let kind = memmem::find(content, b"application/pdf")?;
    let before = content.get(..kind)?;
    let boundary = memmem::rfind(before, b"\r\n--")?;
    let header_end = kind + memmem::find(content.get(kind..)?, b"\r\n\r\n")?;
    let header = content.get(boundary + 2..header_end)?;
    let line = header.get(..memmem::find(header, b"\r\n")?)?;
    let start = header_end + 4;
    let mut closing = b"\r\n".to_vec();
    closing.extend_from_slice(line);
    let end = start + memmem::find(content.get(start..)?, &closing)?;
    let is_base64 = memmem::find(&header.to_ascii_lowercase(), b"content-transfer-encoding: base64").is_some();
    Some(Part { start, end, encoding: if is_base64 { Encoding::Base64 } else { Encoding::None } })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn email(encoding: &str, body: &str) -> Vec<u8> {
        format!(
            "Subject: x\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\r\nHello\r\n--b\r\n\
             Content-Type: application/pdf\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n--b--\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn base64_is_decoded() {
        assert_eq!(digest(&mut email("base64", "YW\r\nJj")), Ok(ABC.to_owned()));
    }

    #[test]
    fn bytes_are_taken_as_they_are() {
        assert_eq!(digest(&mut email("binary", "abc")), Ok(ABC.to_owned()));
    }

    #[test]
    fn another_byte_is_another_digest() {
        assert_ne!(digest(&mut email("binary", "abd")), Ok(ABC.to_owned()));
    }

    #[test]
    fn damage_is_told() {
        assert_eq!(digest(&mut email("base64", "YW*Jj")), Err("bad base64"));
        assert_eq!(digest(&mut b"Subject: x\r\n\r\nHello\r\n".to_vec()), Err("no application/pdf part"));
    }
}
