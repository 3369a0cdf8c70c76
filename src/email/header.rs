//! Header fields whose value a person chose. The encoding itself is the `email-encoding` crate's; what is here decides
//! when it is needed. lettre's own fields are not used for these: they leave `=?` in a subject to be decoded by the
//! reader, put any number of addresses into one line, and panic on control characters.

use std::fmt::{self, Write};

use email_encoding::headers::{quoted_string, rfc2047, writer::EmailWriter};
use lettre::message::header::{HeaderName, HeaderValue, Headers};

use super::mailbox::Mailbox;
use crate::input::Fault;

/// RFC 5322 asks for lines of at most 78; an encoded-word may not reach beyond 76.
const LINE: usize = 76;
/// Postfix cuts a field off at 102,400 bytes and delivers the rest (`header_size_limit`).
const MAX_FIELD_BYTES: usize = 100_000;

/// Adds one field. `place` is what a fault names should it be too long.
pub(super) fn add(
    headers: &mut Headers,
    name: &'static str,
    place: &str,
    write: impl FnOnce(&mut EmailWriter<'_>) -> fmt::Result,
) -> Result<(), Fault> {
    let mut value = String::new();
    let written = write(&mut EmailWriter::new(&mut value, name.len() + ": ".len(), 0, false));
    // Writing to a String does not fail; should it ever, half a field must not go out.
    if written.is_err() || value.len() > MAX_FIELD_BYTES {
        return Err(Fault::input(place, "header_too_long")
            .with("bytes", value.len().to_string())
            .with("limit", MAX_FIELD_BYTES.to_string()));
    }
    let name = HeaderName::new_from_ascii_str(name);
    headers.insert_raw(HeaderValue::dangerous_new_pre_encoded(name, String::new(), value));
    Ok(())
}

/// Subject.
pub(super) fn text(value: &str, writer: &mut EmailWriter<'_>) -> fmt::Result {
    if folds_as_it_is(value) { writer.folding().write_str(value) } else { rfc2047::encode(value, writer) }
}

/// From, To, Cc, Reply-To.
pub(super) fn mailboxes<'m>(
    mailboxes: impl IntoIterator<Item = &'m Mailbox>,
    writer: &mut EmailWriter<'_>,
) -> fmt::Result {
    for (index, mailbox) in mailboxes.into_iter().enumerate() {
        let address = mailbox.address.as_str();
        if index > 0 {
            writer.write_char(',')?;
            writer.space();
        }
        match mailbox.name.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
            Some(name) => {
                display_name(name, writer)?;
                writer.space();
                fold_before(address.len() + 2, writer)?;
                write!(writer, "<{address}>")?;
            }
            None if index > 0 => {
                fold_before(address.len(), writer)?;
                writer.write_str(address)?;
            }
            None => writer.write_str(address)?,
        }
    }
    Ok(())
}

/// Content-Type of a file. RFC 2047 forbids encoded-words in a quoted string, and RFC 2231 is the way (it is what
/// Content-Disposition has), but Outlook reads only this and says ATT00001.dat otherwise.
pub(super) fn content_type(media_type: &str, file_name: &str, writer: &mut EmailWriter<'_>) -> fmt::Result {
    write!(writer, "{media_type};")?;
    writer.new_line()?;
    writer.write_str(" name=\"")?;
    if file_name.is_ascii() {
        escaped(file_name, writer)?;
    } else {
        rfc2047::encode(file_name, writer)?;
    }
    writer.write_char('"')
}

fn display_name(name: &str, writer: &mut EmailWriter<'_>) -> fmt::Result {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && name.len() <= LINE {
        return quoted_string::encode(name, writer);
    }
    if !folds_as_it_is(name) {
        return rfc2047::encode(name, writer);
    }
    writer.write_char('"')?;
    escaped(name, &mut writer.folding())?;
    writer.write_char('"')
}

fn escaped(text: &str, writer: &mut dyn Write) -> fmt::Result {
    writer.write_str(&text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether it arrives as it is when it is written without encoding: ASCII that nobody takes for an encoded-word, single
/// spaces to fold at, and no word so long that it could not stand on a line.
fn folds_as_it_is(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !text.contains("=?")
        && (text.is_empty() || text.split(' ').all(|word| (1..=LINE).contains(&word.len())))
}

/// There is a space to fold at, and an address is never cut in two.
fn fold_before(length: usize, writer: &mut EmailWriter<'_>) -> fmt::Result {
    if writer.projected_line_len() + length > LINE { writer.new_line() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(write: impl FnOnce(&mut EmailWriter<'_>) -> fmt::Result) -> String {
        let mut headers = Headers::new();
        add(&mut headers, "X", "x", write).unwrap();
        headers.to_string().strip_prefix("X: ").unwrap().trim_end_matches("\r\n").to_owned()
    }

    fn named(name: &str) -> String {
        let mailbox = Mailbox { name: Some(name.to_owned()), address: super::super::Address::parse("a@b.ro").unwrap() };
        value(|writer| mailboxes([&mailbox], writer))
    }

    #[test]
    fn only_what_needs_it_is_encoded() {
        assert_eq!(value(|writer| text("Invoice 7 (\"copy\")", writer)), "Invoice 7 (\"copy\")");
        assert_eq!(value(|writer| text("Factură", writer)), "=?utf-8?b?RmFjdHVyxIM=?=");
        assert_eq!(value(|writer| text("=?utf-8?q?a?=", writer)), "=?utf-8?b?PT91dGYtOD9xP2E/PQ==?=");
        assert_eq!(value(|writer| text("", writer)), "");
        assert_eq!(named("Ion"), "Ion <a@b.ro>");
        assert_eq!(named("O'Brien & Sons, \"Ltd.\" \\"), "\"O'Brien & Sons, \\\"Ltd.\\\" \\\\\" <a@b.ro>");
        assert_eq!(named("K."), "\"K.\" <a@b.ro>");
        assert_eq!(named("  "), "a@b.ro");
        assert_eq!(named("Ștefan"), "=?utf-8?b?yJh0ZWZhbg==?= <a@b.ro>");
    }

    #[test]
    fn what_got_past_the_checks_still_cannot_end_a_line() {
        for bad in ["a\r\nBcc: x@y.ro", "a\nb", "\0"] {
            assert!(!value(|writer| text(bad, writer)).contains(['\r', '\n', '\0']));
            assert!(!named(bad).contains(['\r', '\n', '\0']));
        }
    }

    #[test]
    fn a_field_that_a_server_would_cut_is_refused() {
        let fault =
            add(&mut Headers::new(), "Subject", "subject", |writer| text(&"x".repeat(90_000), writer)).unwrap_err();
        assert_eq!((fault.place.as_str(), fault.code), ("subject", "header_too_long"));
    }
}
