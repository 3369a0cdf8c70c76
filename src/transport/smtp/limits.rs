//! When a server says "not so fast": its limits on connections and on emails in a time, as servers word them.

use super::super::{Ending, Failure, ServerWords};
use super::pool::Limit;

/// Words of the number of connections.
const CONNECTIONS: &[&str] = &["connections", "concurrent", "sessions"];
/// Words of the number of emails in a time.
const RATE: &[&str] =
    &["too many", "too much mail", "too fast", "rate limit", "ratelimit", "rate exceed", "throttl", "slow down"];
/// Words of one recipient's or one email's own limits, which no waiting for others helps.
const ITS_OWN: &[&str] = &["recipients", "quota", "mailbox", "storage", "greylist", "graylist"];

/// A limit that keeps a new connection from getting to its first email.
pub fn at_opening(failure: &Failure) -> Option<Limit> {
    let words = failure.server.as_ref()?;
    match failure.ending {
        Ending::ServerBusy | Ending::LoginDeferred => named(words),
        _ => None,
    }
}

/// A limit that an email met, of which nothing was accepted.
pub fn of_an_email(failure: &Failure) -> Option<Limit> {
    let words = failure.server.as_ref()?;
    let is_deferred = matches!(
        failure.ending,
        Ending::ServerBusy | Ending::SenderDeferred | Ending::RecipientDeferred | Ending::ContentDeferred
    );
    if is_deferred { named(words) } else { None }
}

/// The code alone does not tell a limit from a fault, and the text alone is never believed: both must say so.
fn named(words: &ServerWords) -> Option<Limit> {
    // RFC 3463: x.1 and x.2 are about one mailbox, x.5.3 is "too many recipients".
    let is_about_one = words
        .enhanced
        .as_deref()
        .is_some_and(|code| code.starts_with("4.1.") || code.starts_with("4.2.") || code == "4.5.3");
    if !matches!(words.code, 421 | 450 | 451 | 452 | 454) || is_about_one {
        return None;
    }
    let text = words.text.to_ascii_lowercase();
    let has = |list: &[&str]| list.iter().any(|word| text.contains(word));
    if has(ITS_OWN) {
        None
    } else if has(CONNECTIONS) {
        Some(Limit::Connections)
    } else {
        has(RATE).then_some(Limit::Rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(code: u16, enhanced: Option<&str>, text: &str) -> Option<Limit> {
        named(&ServerWords { code, enhanced: enhanced.map(str::to_owned), text: text.to_owned() })
    }

    #[test]
    fn limits_are_known_as_servers_word_them() {
        for text in ["Too many concurrent SMTP connections", "Error: too many connections from 192.0.2.1"] {
            assert_eq!(limit(421, Some("4.7.0"), text), Some(Limit::Connections), "{text}");
        }
        for text in [
            "Our system has detected an unusual rate of mail. Messages are rate limited",
            "Error: too much mail from 192.0.2.1",
            "Message throttled, try again later",
            "Slow down",
        ] {
            assert_eq!(limit(450, Some("4.7.1"), text), Some(Limit::Rate), "{text}");
        }
    }

    #[test]
    fn what_waiting_for_others_does_not_help_is_no_limit() {
        assert_eq!(limit(452, Some("4.5.3"), "Too many recipients"), None);
        assert_eq!(limit(452, None, "too many recipients"), None);
        assert_eq!(limit(452, Some("4.2.2"), "Mailbox full, too many messages"), None);
        assert_eq!(limit(450, Some("4.2.0"), "Greylisted, too many unknown senders"), None);
        assert_eq!(limit(451, Some("4.3.0"), "Temporary failure"), None);
        assert_eq!(limit(550, Some("5.7.1"), "Too many connections"), None);
    }
}
