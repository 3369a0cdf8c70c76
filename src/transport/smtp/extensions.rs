//! What a server says of itself in its reply to EHLO (RFC 5321 section 4.1.1.1).

use super::super::words::Redactor;
use super::reply::Reply;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Keyword in upper case, and its parameters.
    list: Vec<(String, String)>,
    pub are_dovecots: bool,
}

impl Extensions {
    /// The first line is the server's name; each other one an extension. Keywords are case-insensitive.
    pub fn read(reply: &Reply) -> Self {
        let list: Vec<(String, String)> = reply
            .lines
            .iter()
            .skip(1)
            .filter_map(|line| std::str::from_utf8(line).ok())
            .map(|line| {
                let line = line.trim();
                // Old servers say "AUTH=LOGIN PLAIN" beside, or instead of, "AUTH LOGIN PLAIN".
                let (keyword, parameters) = line.split_once([' ', '=']).unwrap_or((line, ""));
                (keyword.to_ascii_uppercase(), parameters.trim().to_owned())
            })
            .filter(|(keyword, _)| !keyword.is_empty())
            .collect();
        // BURL is its mark where its greeting has another text.
        let are_dovecots = list.iter().any(|(keyword, _)| keyword == "BURL");
        Self { list, are_dovecots }
    }

    /// Whether an envelope may go out behind the content of the email before (RFC 2920). Dovecot's submission service (seen
    /// with 2.3.19) aborts with a failed assertion when a RCPT waits there: after it has passed the email on, and before it
    /// says so.
    pub fn takes_ahead(&self) -> bool {
        self.has("PIPELINING") && !self.are_dovecots
    }

    pub fn has(&self, keyword: &str) -> bool {
        self.list.iter().any(|(known, _)| known == keyword)
    }

    /// The largest message in bytes; `None` where it is not said, or said to be unlimited (RFC 1870 section 4).
    pub fn size_limit(&self) -> Option<u64> {
        let (_, limit) = self.list.iter().find(|(keyword, _)| keyword == "SIZE")?;
        limit.parse().ok().filter(|limit| *limit > 0)
    }

    /// The login mechanisms, in upper case.
    pub fn mechanisms(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (_, parameters) in self.list.iter().filter(|(keyword, _)| keyword == "AUTH") {
            for name in parameters.split([' ', '=']).filter(|name| !name.is_empty()) {
                let name = name.to_ascii_uppercase();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// For the report: as the server lists them, at most 40.
    pub fn names(&self, redactor: &Redactor) -> Vec<String> {
        self.list
            .iter()
            .take(40)
            .map(|(keyword, parameters)| redactor.clean(format!("{keyword} {parameters}").as_bytes()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_as_servers_write_them() {
        let lines = ["mail", "size 35882577", "Auth=LOGIN", "AUTH PLAIN LOGIN", "starttls", "", "\u{e9}"];
        let reply = Reply { code: 250, lines: lines.iter().map(|line| line.as_bytes().to_vec()).collect() };
        let extensions = Extensions::read(&reply);
        assert_eq!(extensions.size_limit(), Some(35_882_577));
        assert_eq!(extensions.mechanisms(), ["LOGIN", "PLAIN"]);
        assert!(extensions.has("STARTTLS") && !extensions.has("PIPELINING") && !extensions.has("MAIL"));
        assert!(!extensions.takes_ahead());
        let reply =
            |line: &str| Reply { code: 250, lines: vec![b"mail".to_vec(), b"PIPELINING".to_vec(), line.into()] };
        assert!(Extensions::read(&reply("SIZE")).takes_ahead() && !Extensions::read(&reply("BURL imap")).takes_ahead());
        let unlimited = Reply { code: 250, lines: vec![b"mail".to_vec(), b"SIZE 0".to_vec()] };
        assert_eq!(Extensions::read(&unlimited).size_limit(), None);
    }
}
