//! Carries an email to a server and tells, step by step, what happened: SMTP (RFC 5321, 6409, 8314) and HTTP. It knows
//! nothing of JSON, forms or languages; what it gives back is typed, and the words for it are found elsewhere.

pub mod certificate;
mod connect;
mod deadlines;
mod ending;
pub mod http;
mod journal;
pub mod smtp;
mod tls;
mod words;

pub use certificate::{CertificateFacts, Fingerprint};
pub use deadlines::Deadlines;
pub use ending::{Ending, Failure, Outcome, ServerWords, Step};
pub use journal::{Found, Journal, StepRecord};
pub use tls::{Tls, Trust};
use tokio::sync::Semaphore;

/// What every session of an account shares.
pub struct Network {
    pub tls: Tls,
    pub deadlines: Deadlines,
    /// The name for EHLO, where the host wants one of its own.
    pub hello_name: Option<String>,
    /// Turns for sending: providers refuse who comes with many connections at once.
    pub connections: Semaphore,
}

/// How many connections an account has open for sending.
pub const CONNECTIONS: usize = 4;
