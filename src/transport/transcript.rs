//! What was said on a connection, for a person who helps: each line with its time, without secrets, without the content.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use super::smtp::Reply;
use super::words::Redactor;

/// A transcript is pasted into messages between people; more lines than this help nobody.
const MOST_LINES: usize = 500;

/// What stands for everything that a login says: some of it would give the password away, and all of it is of no use.
const HIDDEN: &str = "[login]";

pub struct Transcript {
    began: Instant,
    lines: RefCell<Vec<String>>,
    /// From AUTH to the reply that ends it, nothing that is said is written down.
    is_in_login: Cell<bool>,
}

impl Transcript {
    pub fn new() -> Self {
        Self { began: Instant::now(), lines: RefCell::default(), is_in_login: Cell::new(false) }
    }

    /// Whole lines, as they are written.
    pub fn client(&self, commands: &[u8], redactor: &Redactor) {
        for line in commands.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let mechanism = line.strip_prefix(b"AUTH ").map(|rest| rest.trim_ascii().split(|byte| *byte == b' '));
            let shown = if let Some(mut words) = mechanism {
                self.is_in_login.set(true);
                format!("AUTH {} {HIDDEN}", redactor.clean(words.next().unwrap_or_default()))
            } else if self.is_in_login.get() {
                HIDDEN.to_owned()
            } else {
                redactor.clean(line)
            };
            self.add("C:", &shown);
        }
    }

    pub fn server(&self, reply: &Reply, redactor: &Redactor) {
        let is_challenge = self.is_in_login.get() && reply.code == 334;
        if !is_challenge {
            self.is_in_login.set(false);
        }
        for (at, line) in reply.lines.iter().enumerate() {
            let mark = if at + 1 < reply.lines.len() { '-' } else { ' ' };
            let shown = if is_challenge { HIDDEN.to_owned() } else { redactor.clean(line) };
            self.add("S:", format!("{}{mark}{shown}", reply.code).trim_end());
        }
    }

    /// What is no line of the protocol, but belongs to the story.
    pub fn note(&self, text: &str) {
        self.add("*", text);
    }

    fn add(&self, who: &str, text: &str) {
        let mut lines = self.lines.borrow_mut();
        if lines.len() < MOST_LINES {
            lines.push(format!("{:9.3} {who} {text}", self.began.elapsed().as_secs_f64()));
        } else if lines.len() == MOST_LINES {
            lines.push("... and so on".to_owned());
        }
    }

    /// Seconds since the beginning, who (C: us, S: the server, *: remarks), and what, in lines.
    pub fn text(&self) -> String {
        self.lines.borrow().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn reply(code: u16, lines: &[&str]) -> Reply {
        Reply { code, lines: lines.iter().map(|line| line.as_bytes().to_vec()).collect() }
    }

    /// Without the times, which are no one's to foretell.
    fn told(transcript: &Transcript) -> Vec<String> {
        transcript.text().lines().map(|line| line.get(10..).unwrap_or(line).to_owned()).collect()
    }

    #[test]
    fn a_login_is_not_written_down_and_what_comes_after_it_is() {
        let redactor = Redactor::new("ana", Some(&Secret::new("hunter2".to_owned())));
        let transcript = Transcript::new();
        transcript.client(b"EHLO [127.0.0.1]\r\n", &redactor);
        transcript.server(&reply(250, &["mail", "AUTH LOGIN"]), &redactor);
        transcript.client(b"AUTH LOGIN\r\n", &redactor);
        transcript.server(&reply(334, &["VXNlcm5hbWU6"]), &redactor);
        transcript.client(b"YW5h\r\n", &redactor);
        transcript.server(&reply(334, &["UGFzc3dvcmQ6"]), &redactor);
        transcript.client(b"aHVudGVyMg==\r\n", &redactor);
        transcript.server(&reply(235, &["hunter2 is fine"]), &redactor);
        transcript.client(b"MAIL FROM:<a@b.c>\r\nDATA\r\n", &redactor);
        let expected = [
            "C: EHLO [127.0.0.1]",
            "S: 250-mail",
            "S: 250 AUTH LOGIN",
            "C: AUTH LOGIN [login]",
            "S: 334 [login]",
            "C: [login]",
            "S: 334 [login]",
            "C: [login]",
            "S: 235 [secret] is fine",
            "C: MAIL FROM:<a@b.c>",
            "C: DATA",
        ];
        assert_eq!(told(&transcript), expected);
    }

    #[test]
    fn a_long_story_is_cut() {
        let transcript = Transcript::new();
        (0..2 * MOST_LINES).for_each(|_| transcript.note("again"));
        assert_eq!(transcript.text().lines().count(), MOST_LINES + 1);
    }
}
