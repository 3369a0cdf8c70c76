//! A checked email and its sender become a MIME message and the envelope that it travels in.

use std::{
    collections::HashSet,
    fmt::Write,
    time::{Duration, SystemTime},
};

use lettre::message::{
    MultiPart,
    header::{ContentDisposition, Date, Headers, MIME_VERSION_1_0},
};
use ring::rand::{SecureRandom, SystemRandom};

use super::{
    Address, Content, Email, File, Mailbox,
    content::Segment,
    header::{self, add},
    text::check_header_text,
};
use crate::input::Fault;

/// The last header field of a part, and the empty line behind it.
const BASE64: &str = "Content-Transfer-Encoding: base64\r\n\r\n";
const BINARY: &str = "Content-Transfer-Encoding: binary\r\n\r\n";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    pub from: Mailbox,
    pub copy_to: Vec<Address>,
    /// Used if the email has none of its own.
    pub reply_to: Vec<Mailbox>,
}

#[derive(Debug)]
#[allow(clippy::struct_field_names)] // Message-ID is what the RFCs call it.
pub struct Message {
    pub sender: Address,
    pub recipients: Vec<Recipient>,
    pub content: Content,
    /// A local part, in the envelope or in the header, is not ASCII; the header then holds it in UTF-8.
    pub needs_smtputf8: bool,
    /// With its angle brackets.
    pub message_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    pub address: Address,
    pub role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    To,
    Cc,
    Bcc,
    /// The copy that the settings ask for. Like a Bcc, it is in no header field.
    Copy,
}

pub fn compose(email: &Email, sender: &Sender) -> Result<Message, Fault> {
    let recipients = recipients(email, &sender.copy_to);
    let message_id = format!("<{}@{}>", identity(email)?, sender.from.address.domain());
    let needs_smtputf8 = recipients
        .iter()
        .map(|recipient| &recipient.address)
        .chain([&sender.from.address])
        .chain(reply_to(email, sender).iter().map(|mailbox| &mailbox.address))
        .any(|address| !address.is_ascii());
    let headers = headers(email, sender, &message_id)?;
    let content = content(email, headers)?;
    Ok(Message { sender: sender.from.address.clone(), recipients, content, needs_smtputf8, message_id })
}

/// Each address once, in the first role that it has.
pub fn recipients(email: &Email, copy_to: &[Address]) -> Vec<Recipient> {
    let roles = [(&email.to, Role::To), (&email.cc, Role::Cc), (&email.bcc, Role::Bcc)];
    let typed = roles.into_iter().flat_map(|(list, role)| list.iter().map(move |mailbox| (&mailbox.address, role)));
    let copies = copy_to.iter().map(|address| (address, Role::Copy));
    let mut seen = HashSet::new();
    typed
        .chain(copies)
        .filter(|(address, _)| seen.insert(*address))
        .map(|(address, role)| Recipient { address: address.clone(), role })
        .collect()
}

fn reply_to<'m>(email: &'m Email, sender: &'m Sender) -> &'m [Mailbox] {
    if email.reply_to.is_empty() { &sender.reply_to } else { &email.reply_to }
}

fn headers(email: &Email, sender: &Sender, message_id: &str) -> Result<Headers, Fault> {
    // The only text here that did not come through `Email::from_json`.
    check_header_text("sender_name", sender.from.name.as_deref().unwrap_or_default())?;
    let mut headers = Headers::new();
    add(&mut headers, "From", "sender_name", |writer| header::mailboxes([&sender.from], writer))?;
    if !email.to.is_empty() {
        add(&mut headers, "To", "to", |writer| header::mailboxes(&email.to, writer))?;
    } else if email.cc.is_empty() {
        // Some servers add an `Apparently-To` with the Bcc to a message that names nobody.
        add(&mut headers, "To", "to", |writer| writer.write_str("undisclosed-recipients:;"))?;
    }
    if !email.cc.is_empty() {
        add(&mut headers, "Cc", "cc", |writer| header::mailboxes(&email.cc, writer))?;
    }
    let reply_to = reply_to(email, sender);
    if !reply_to.is_empty() {
        add(&mut headers, "Reply-To", "reply_to", |writer| header::mailboxes(reply_to, writer))?;
    }
    add(&mut headers, "Subject", "subject", |writer| header::text(&email.subject, writer))?;
    headers.set(date());
    add(&mut headers, "Message-ID", "", |writer| writer.write_str(message_id))?;
    headers.set(MIME_VERSION_1_0);
    Ok(headers)
}

/// lettre panics on a clock that stands before 1970 or after 9999.
fn date() -> Date {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().min(LAST);
    Date::new(SystemTime::UNIX_EPOCH + now)
}

fn content(email: &Email, mut headers: Headers) -> Result<Content, Fault> {
    // `=_` is in no base64 and no quoted-printable text.
    let boundary = format!("=_{}", random()?);
    add(&mut headers, "Content-Type", "", |writer| {
        writer.write_str("multipart/mixed;")?;
        writer.new_line()?;
        write!(writer, " boundary=\"{boundary}\"")
    })?;
    let mut segments = Vec::with_capacity(email.files.len() * 4 + 3);
    segments.push(Segment::Text(headers.to_string().into_bytes()));
    // A multipart is at least what its parts are (RFC 2045 section 6.4).
    segments.push(Segment::Either { base64: "\r\n", binary: if email.files.is_empty() { "\r\n" } else { BINARY } });
    let mut text = format!("--{boundary}\r\n").into_bytes();
    text.extend(MultiPart::alternative_plain_html(email.text.clone(), email.html.clone()).formatted());
    for file in &email.files {
        text.extend(format!("--{boundary}\r\n{}", file_headers(file)?).into_bytes());
        segments.push(Segment::Text(std::mem::take(&mut text)));
        segments.push(Segment::Either { base64: BASE64, binary: BINARY });
        segments.push(Segment::File(file.data.clone()));
        // The boundary begins with a CRLF, which the last line of base64 brings, if there is one.
        let base64 = if file.data.size() == 0 { "\r\n" } else { "" };
        segments.push(Segment::Either { base64, binary: "\r\n" });
    }
    text.extend(format!("--{boundary}--\r\n").into_bytes());
    segments.push(Segment::Text(text));
    Ok(Content::new(segments))
}

/// Without how the file is encoded, which differs from server to server.
fn file_headers(file: &File) -> Result<Headers, Fault> {
    let mut headers = Headers::new();
    add(&mut headers, "Content-Type", "", |writer| header::content_type(&file.media_type, &file.name, writer))?;
    headers.set(ContentDisposition::attachment(&file.name));
    Ok(headers)
}

/// What makes this email this one, in 32 hexadecimal digits. The same idempotency key gives the same Message-ID: mailboxes
/// that drop doubles do it by that.
fn identity(email: &Email) -> Result<String, Fault> {
    let Some(key) = &email.idempotency_key else { return random() };
    let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
    Ok(digest.as_ref().iter().take(16).fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").ok();
        digits
    }))
}

/// 128 random bits in hexadecimal digits.
pub fn random() -> Result<String, Fault> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Fault::program("", "no_randomness"))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
