//! The commands that come before an email's content, and how the content follows them.

use crate::email::{Encoding, Message};

use super::super::{Ending, Failure};
use super::extensions::Extensions;
use super::pool::{Flight, Pool};
use super::{Server, Submission};

/// How the content travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// DATA: lines, and a dot at their end (RFC 5321).
    Data,
    /// BDAT: as many bytes as are announced (RFC 3030).
    Chunk(Encoding),
}

impl Transfer {
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Data => Encoding::Base64,
            Self::Chunk(encoding) => encoding,
        }
    }
}

/// CHUNKING is offered by many servers that break on it, so that it is used with those only that are known to be good.
pub fn transfer(extensions: &Extensions, server: &Server, pool: &Pool) -> Transfer {
    if !(server.chunks_well && extensions.has("CHUNKING") && pool.may_chunk(server)) {
        Transfer::Data
    } else if extensions.has("BINARYMIME") {
        Transfer::Chunk(Encoding::Binary)
    } else {
        Transfer::Chunk(Encoding::Base64)
    }
}

/// One email's commands up to its content, each a line with its CRLF.
pub struct Envelope {
    /// Ends what an email before has begun and not ended.
    pub reset: Option<&'static str>,
    pub mail: String,
    pub recipients: Vec<String>,
    /// DATA; with BDAT the content itself comes next.
    data: Option<&'static str>,
}

impl Envelope {
    /// All of them, for one write (RFC 2920).
    pub fn flight(&self) -> Flight {
        let lines = || {
            let recipients = self.recipients.iter().map(String::as_str);
            self.reset.into_iter().chain([self.mail.as_str()]).chain(recipients).chain(self.data)
        };
        Flight { commands: lines().collect::<String>().into_bytes(), count: lines().count() }
    }
}

/// What keeps the email from this server is found here, before its first byte goes out.
pub fn compose(
    submission: &Submission,
    extensions: &Extensions,
    transfer: Transfer,
    must_reset: bool,
) -> Result<Envelope, Failure> {
    let message: &Message = &submission.message;
    let recipients = message.recipients.iter().map(|recipient| format!("RCPT TO:<{}>\r\n", recipient.address.as_str()));
    Ok(Envelope {
        reset: must_reset.then_some("RSET\r\n"),
        mail: mail(message, extensions, transfer)?,
        recipients: recipients.collect(),
        data: (transfer == Transfer::Data).then_some("DATA\r\n"),
    })
}

fn mail(message: &Message, extensions: &Extensions, transfer: Transfer) -> Result<String, Failure> {
    let size = message.content.size(transfer.encoding());
    if let Some(limit) = extensions.size_limit()
        && size > limit
    {
        let mut failure = Failure::new(Ending::TooLarge);
        failure.size = Some((size, limit));
        return Err(failure);
    }
    let mut line = format!("MAIL FROM:<{}>", message.sender.as_str());
    if extensions.has("SIZE") {
        line.push_str(" SIZE=");
        line.push_str(&size.to_string());
    }
    if transfer.encoding() == Encoding::Binary {
        line.push_str(" BODY=BINARYMIME");
    }
    if message.needs_smtputf8 {
        if !extensions.has("SMTPUTF8") {
            return Err(Ending::AddressNotSupported.into());
        }
        line.push_str(" SMTPUTF8");
    }
    line.push_str("\r\n");
    Ok(line)
}
