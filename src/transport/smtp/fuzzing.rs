//! What the targets in `fuzz` reach: the readers of what servers send. Only there does this module exist.

pub use super::super::sasl::scram::{ServerFinal, ServerFirst};
pub use super::super::sasl::{BadChallenge, Channel, Credential, Exchange, Login, Mechanism, Response, Site};
pub use super::super::words::Redactor;
pub use super::extensions::Extensions;
pub use super::login::challenge;
pub use super::reply::{BadReply, Reply, ReplyParser};
pub use crate::secret::Secret;
