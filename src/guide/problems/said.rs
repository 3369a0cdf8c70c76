//! What can be read in the words of a server or a certificate, beyond recognising them.

use super::super::link::page;

/// How long a server asks to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub seconds: u64,
}

/// Nobody waits longer by a server's word than a day.
const LONGEST: u64 = 24 * 60 * 60;

impl Wait {
    pub fn of(seconds: u64) -> Self {
        Self { seconds: seconds.min(LONGEST) }
    }

    /// As it is told: the unit, and how many of them, rather too many than too few.
    pub fn unit(self) -> &'static str {
        match self.seconds {
            0..=90 => "seconds",
            91..=5400 => "minutes",
            _ => "hours",
        }
    }

    pub fn count(self) -> u64 {
        match self.unit() {
            "seconds" => self.seconds,
            "minutes" => self.seconds.div_ceil(60),
            _ => self.seconds.div_ceil(3600),
        }
    }
}

/// A number with a unit of time behind it: "greylisted for 60 seconds", "try again in 5 minutes". What stands behind a
/// "per" or "every" is a rate, and no time to wait; so is "in an hour" or "within" one, if it is not said to come again then.
pub fn wait(text: &str) -> Option<Wait> {
    let text = text.to_ascii_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.windows(3).enumerate().find_map(|(at, window)| {
        let &[before, number, unit] = window else { return None };
        let is_time_to_wait = match before {
            "for" | "after" | "wait" | "least" | "another" | "retry" => true,
            "in" | "within" => at.checked_sub(1).and_then(|at| words.get(at)).is_some_and(|word| is_return(word)),
            _ => false,
        };
        let seconds = is_time_to_wait.then(|| Some(number.parse::<u64>().ok()?.saturating_mul(seconds_of(unit)?)))?;
        seconds.filter(|seconds| *seconds > 0).map(Wait::of)
    })
}

fn is_return(word: &str) -> bool {
    let all = ["again", "back", "retry", "later", "available", "resume", "reconnect", "resend"];
    all.contains(&word)
        || ["reset", "expire", "unlock", "unblock", "lift", "release"].iter().any(|it| word.starts_with(it))
}

fn seconds_of(unit: &str) -> Option<u64> {
    match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some(3600),
        _ => None,
    }
}

/// The first https address that is whole. A stranger's text is no place for names and passwords in it, nor for an address
/// that was cut, or goes on in the next line.
pub fn link(text: &str) -> Option<String> {
    let mut begins = text.match_indices(':').filter_map(|(colon, _)| colon.checked_sub("https".len()));
    begins.find_map(|begin| link_at(text, begin))
}

fn link_at(text: &str, begin: usize) -> Option<String> {
    let rest = text.get(begin..).filter(|rest| has_scheme(rest))?;
    let end = rest.find(|c: char| {
        c.is_whitespace() || matches!(c, '"' | '<' | '>' | '|' | '\\' | '^' | '`' | '{' | '}' | '[' | ']')
    });
    let (address, behind) = rest.split_at(end.unwrap_or(rest.len()));
    let is_open = text.get(..begin)?.ends_with('<') && !behind.starts_with('>');
    let address = address.trim_end_matches(['.', ',', ';', ':', ')', '\'', '!', '?']);
    if is_open || address.contains('…') {
        return None;
    }
    page(address).map(String::from)
}

fn has_scheme(text: &str) -> bool {
    text.get(.."https://".len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

/// Without the addresses that it names, which are nobody's words: those of `helo@example.com` are not about HELO.
pub fn without_addresses(text: &str) -> String {
    text.split(' ').filter(|word| !word.contains('@')).collect::<Vec<_>>().join(" ")
}

/// A provider of web pages puts a hundred names into one certificate; a sentence has room for a few.
pub fn some_of(names: &[String]) -> String {
    const MOST: usize = 3;
    let more = if names.len() > MOST { ", …" } else { "" };
    names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ") + more
}

/// The CN of an RFC 4514 name; without one, its organisation, else the whole of it.
pub fn common_name(name: &str) -> String {
    let part = |key: &str| name.split(['+', ',']).find_map(|part| part.trim().strip_prefix(key)).map(str::to_owned);
    part("CN=").or_else(|| part("O=")).unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_found_as_servers_say_it() {
        for (text, seconds) in [
            ("Recipient address rejected: example.com greylisted for 60 seconds", 60),
            ("Greylisted for 5 minutes", 300),
            ("Greylisting in action, please come back in 00:04:59", 0),
            ("try again in 10 min.", 600),
            ("You must wait 2 hours", 7200),
            ("Retry after 300 seconds", 300),
            ("Wait at least 15 minutes", 900),
            ("Maximum 100 per 24 hours", 0),
            ("limit of 30 messages per minute", 0),
            ("again in 0 seconds", 0),
            ("again in 99999999999999999999 seconds", 0),
            ("again in 9999999999 hours", LONGEST),
            ("Try again later", 0),
            ("You sent 100 messages in 60 minutes", 0),
            ("limit of 500 recipients within 24 hours", 0),
            ("the limit resets in 2 hours", 7200),
        ] {
            assert_eq!(wait(text).map_or(0, |wait| wait.seconds), seconds, "{text}");
        }
        for (seconds, told) in
            [(60, (60, "seconds")), (300, (5, "minutes")), (301, (6, "minutes")), (7200, (2, "hours"))]
        {
            assert_eq!((Wait::of(seconds).count(), Wait::of(seconds).unit()), told);
        }
    }

    #[test]
    fn only_a_whole_https_address_is_a_link() {
        for (text, found) in [
            ("see https://postmaster.example.com/error-codes#x.", Some("https://postmaster.example.com/error-codes#x")),
            ("(https://example.com/a?b=1)", Some("https://example.com/a?b=1")),
            ("<a href=https://mail.example.com/UnblockMe target=_blank>", Some("https://mail.example.com/UnblockMe")),
            ("see http://example.com/", None),
            ("https://user:pass@example.com/", None),
            ("https://localhost/", None),
            ("https://192.0.2.1/", None),
            ("https://example.com/cut…", None),
            ("https://", None),
            ("https://ana:x@example.com/ or HTTPS://example.org/a", Some("https://example.org/a")),
            // A long address goes on in the next line of the reply.
            (
                "<https://example.com/signin?plt=AKgnsb x3> See https://example.com/help",
                Some("https://example.com/help"),
            ),
            ("<https://example.com/whole>: é:", Some("https://example.com/whole")),
            ("https://exam%00ple.com/ https://example.com:99999/ https://exa\u{202e}mple.com/", None),
            ("https://b\u{fc}cher.example/", Some("https://xn--bcher-kva.example/")),
            ("nothing", None),
        ] {
            assert_eq!(link(text).as_deref(), found, "{text}");
        }
    }

    #[test]
    fn of_many_names_the_first_are_told() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(|label| format!("{label}.example")).into();
        assert_eq!(some_of(&names[..3]), "a.example, b.example, c.example");
        assert_eq!(some_of(&names), "a.example, b.example, c.example, …");
        assert_eq!(some_of(&[]), "");
    }

    #[test]
    fn a_name_is_told_by_its_common_name() {
        assert_eq!(common_name("CN=Avast Web/Mail Shield Root,O=Avast,OU=x"), "Avast Web/Mail Shield Root");
        assert_eq!(common_name("O=AO Kaspersky Lab"), "AO Kaspersky Lab");
        assert_eq!(common_name("2.5.4.5=1"), "2.5.4.5=1");
    }
}
