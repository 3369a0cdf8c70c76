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
pub use tls::{BadRoots, Roots, Trust};

use tls::Tls;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many emails of an account are on their way at a time: providers refuse who comes with many connections at once.
const AT_A_TIME: usize = 4;

/// What every session of an account shares.
pub struct Network {
    tls: Tls,
    deadlines: Deadlines,
    /// The name for EHLO, where the host wants one of its own.
    hello_name: Option<String>,
    turns: Semaphore,
}

impl Network {
    pub fn new(roots: Roots, deadlines: Deadlines, hello_name: Option<String>) -> Self {
        Self { tls: Tls::new(roots), deadlines, hello_name, turns: Semaphore::new(AT_A_TIME) }
    }

    /// Waits, where others are before us; the journal then says so.
    pub async fn turn(&self, journal: &Journal) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Some(turn);
        }
        journal.begin(Step::Turn);
        self.turns.acquire().await.ok()
    }
}
