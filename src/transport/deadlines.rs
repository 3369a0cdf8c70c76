use std::time::Duration;

/// How long each wait may last. Each bounds the whole of what is waited for, not the gap between two bytes.
#[derive(Clone, Debug)]
pub struct Deadlines {
    /// Name lookup, and then connecting to any of the addresses.
    pub connect: Duration,
    pub tls: Duration,
    /// The greeting, EHLO, and each command.
    pub command: Duration,
    /// The whole login.
    pub login: Duration,
    /// No byte of the content was taken for so long.
    pub upload: Duration,
    /// The verdict after the content (RFC 5321 section 4.5.3.2.6).
    pub verdict: Duration,
    /// A whole test.
    pub test: Duration,
    /// A whole send; none unless the caller says so.
    pub total: Option<Duration>,
}

/// QUIT is a courtesy: nobody waits for its answer.
pub const QUIT: Duration = Duration::from_secs(2);

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            tls: Duration::from_secs(30),
            command: Duration::from_secs(60),
            login: Duration::from_secs(60),
            upload: Duration::from_secs(60),
            verdict: Duration::from_secs(600),
            test: Duration::from_secs(90),
            total: None,
        }
    }
}
