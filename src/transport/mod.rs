//! Carries an email to a server and tells, step by step, what happened: SMTP (RFC 5321, 6409, 8314) and HTTP. It knows
//! nothing of JSON, forms or languages; what it gives back is typed, and the words for it are found elsewhere.

pub mod certificate;
mod channel_binding;
mod connect;
mod deadlines;
pub mod discovery;
mod ending;
pub mod http;
mod journal;
pub mod oauth;
mod proxy;
mod sasl;
pub mod smtp;
mod spoken;
mod tls;
mod transcript;
mod words;

pub use certificate::{CertificateFacts, Fingerprint};
pub use deadlines::Deadlines;
pub use ending::{Ending, Failure, Outcome, ServerWords, Step};
pub use journal::{Found, Journal, StepRecord};
pub use proxy::{Proxy, WhyBad};
pub use spoken::Spoken;
pub use tls::{BadRoots, Roots, Trust};

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, OwnedMutexGuard};

use channel_binding::ChannelBinding;
use smtp::{Permit, Place, Pool, Turn};
use tls::Tls;

/// How many connections an account has open at a time, unless the host says otherwise.
pub const CONNECTIONS: usize = 4;

/// A TCP stream, or TLS on one.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// What every session of an account shares.
pub struct Network {
    tls: Tls,
    deadlines: Deadlines,
    /// The name for EHLO, where the host wants one of its own.
    hello_name: Option<String>,
    proxy: Option<Proxy>,
    pool: Rc<Pool>,
    /// Whoever holds it renews a sign-in, and the others wait for that.
    renewing: Arc<Mutex<()>>,
}

impl Network {
    pub fn new(
        roots: Roots,
        deadlines: Deadlines,
        hello_name: Option<String>,
        proxy: Option<Proxy>,
        connections: usize,
    ) -> Self {
        Self {
            tls: Tls::new(roots),
            deadlines,
            hello_name,
            proxy,
            pool: Pool::new(connections),
            renewing: Arc::default(),
        }
    }

    /// The proxy that stands between us and this host.
    fn proxy_for(&self, host: &str) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|proxy| proxy.is_for(host))
    }

    /// One at a time renews a sign-in.
    pub async fn renewing(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.renewing).lock_owned().await
    }

    /// A connection that is not SMTP's.
    pub async fn turn(&self, journal: &Journal) -> Option<Rc<Permit>> {
        match self.pool.turn(None, Place::Last, journal).await {
            Some(Turn::Open(permit)) => Some(permit),
            Some(Turn::Reuse(_) | Turn::Ahead(_)) | None => None,
        }
    }

    /// The account is gone: what was begun goes on to its end, and no connection is kept.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// At least two labels of letters, digits and hyphens.
fn is_domain(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(is_label) && name.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_labels_of_letters_digits_and_hyphens() {
        for name in ["mail.example.com", "a-b.c", "xn--pot-cpa20l.example"] {
            assert!(is_domain(name), "{name}");
        }
        for name in ["", ".", "localhost", "pc", "a..b", "a.b.", "-a.b", "a_b.c", "10.0.0.1", "a b.c", "[::1]", "a.b/c"]
        {
            assert!(!is_domain(name), "{name}");
        }
    }
}
