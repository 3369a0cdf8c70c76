//! From JSON and the bytes of a PDF to a checked email, and from that to a MIME message with its envelope.
//! It knows nothing of SMTP sessions, forms and settings, nor of the words that people read: faults are codes.

mod address;
mod content;
mod disk;
mod files;
mod header;
mod mailbox;
mod markdown;
mod media_types;
mod message;
mod placeholder;
mod request;
mod review;
mod text;

#[cfg(test)]
mod tests;

pub use address::{Address, looks_like_address};
pub use content::{Content, Data, Encoding, Piece, Reader, SLICE_ENCODED, encode_base64, encoded_size};
pub use disk::{FileOnDisk, FileProblem, Reading};
pub use files::{File, check_pdf, check_size};
pub use mailbox::{Mailbox, parse_mailboxes};
pub use message::{Message, Recipient, Role, Sender, compose, random, recipients};
pub use request::{Email, preview};
pub use review::{Warning, is_unread, review};
pub use text::{check_header_text, file_name_for};

/// More faults than this help nobody to mend an email, and a hostile list could make a fault of each of its items.
const MAX_FAULTS: usize = 20;
