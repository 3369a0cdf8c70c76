//! A bad server as a file: what the host is set to, how it has to end, and what the server says and hears. The format is
//! told in tests/bad-servers/README.md; a word that is not told there is an error here, with its file and line.

#![allow(dead_code)]

pub mod memory;
pub mod player;
mod scram;
mod text;
pub mod trial;

use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use crate::support::certificates::Kind;
pub use text::{Piece, Text};

pub struct Script {
    /// The folder and the file, without its ending.
    pub name: String,
    /// What the library does wrong as yet, so that it is read and not played.
    pub needs: Option<String>,
    pub host: HostSide,
    /// One for each email.
    pub ends: Vec<Ends>,
    pub delivered: usize,
    pub within: Duration,
    /// Of the heap, beyond what the document takes.
    pub memory: usize,
    pub connections: Vec<Vec<Line>>,
}

/// As the header of a file has it.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)]
pub struct HostSide {
    pub security: Security,
    pub has_login: bool,
    /// The host gives a token instead of a password.
    pub has_token: bool,
    pub to: Vec<String>,
    pub is_partial: bool,
    /// Of the document.
    pub bytes: usize,
    pub is_test: bool,
    pub deadlines: Vec<(String, u64)>,
    pub options: Vec<(String, Value)>,
    pub settings: Vec<(String, Value)>,
    pub are_together: bool,
    pub trusts: Option<Certificate>,
    /// The server's name, which only a proxy can look up.
    pub server: Option<String>,
    /// Without that proxy.
    pub is_direct: bool,
    pub port: Option<u16>,
    /// The port is there, and connections are not taken.
    pub is_deaf: bool,
    pub is_http: bool,
    /// Another one than in the other sessions.
    pub username: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    #[default]
    Plain,
    Tls,
    StartTls,
}

#[derive(Default)]
pub struct Ends {
    pub status: String,
    pub reason: String,
    pub step: String,
    /// Empty where the status says it all.
    pub recipients: Vec<String>,
    pub says: Option<Says>,
}

pub enum Says {
    Nothing,
    Words { code: u16, enhanced: Option<String>, text: String },
}

/// A certificate of one kind is the same one in a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Certificate {
    Good,
    Expired,
    NotYetValid,
    OtherHost,
    SelfSigned,
    /// Self-signed too, and not the same one.
    Another,
    Antivirus,
    Firewall,
    Portal,
    Stranger,
    ClientOnly,
}

impl Certificate {
    pub fn kind(self) -> Kind {
        match self {
            Self::Good => Kind::Good,
            Self::Expired => Kind::Expired,
            Self::NotYetValid => Kind::NotYetValid,
            Self::OtherHost => Kind::OtherName,
            Self::SelfSigned | Self::Another => Kind::SelfSigned,
            Self::Antivirus => Kind::Antivirus,
            Self::Firewall => Kind::Firewall,
            Self::Portal => Kind::Portal,
            Self::Stranger => Kind::Stranger,
            Self::ClientOnly => Kind::ClientOnly,
        }
    }
}

impl FromStr for Certificate {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ok(match word {
            "good" => Self::Good,
            "expired" => Self::Expired,
            "not-yet-valid" => Self::NotYetValid,
            "other-host" => Self::OtherHost,
            "self-signed" => Self::SelfSigned,
            "another" => Self::Another,
            "antivirus" => Self::Antivirus,
            "firewall" => Self::Firewall,
            "portal" => Self::Portal,
            "stranger" => Self::Stranger,
            "client-only" => Self::ClientOnly,
            _ => return Err(format!("no certificate is called {word:?}")),
        })
    }
}

pub struct Line {
    pub number: usize,
    pub act: Act,
}

pub enum Act {
    /// In one write. Where it accepts, it is the good verdict on the last content.
    Send {
        text: Text,
        accepts: bool,
    },
    /// Single bytes.
    Dribble(Text),
    /// For ever, or so many times.
    Flood(Text, Option<usize>),
    /// For ever, one byte after the other.
    Trickle(Text, Duration),
    /// Past TLS, onto the wire itself.
    Raw(Text),
    Expect {
        text: Text,
        is_whole: bool,
    },
    /// Taken and answered with 250 if it comes.
    PerhapsReset,
    ClientHello,
    Tls(Certificate, Option<Version>),
    Content,
    SomeContent(usize),
    Chunk,
    /// Of HTTP, to its end.
    Request,
    /// To the empty line; what follows is not looked at.
    RequestHead,
    ScramProof,
    Goodbye,
    /// A goodbye where the client finds one fitting.
    PerhapsGoodbye,
    Pause(Duration),
    Idle,
    NextEmail,
    Silence,
    StopReading,
    Shutdown,
    Close,
    Cut,
    HangUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    Tls12,
    Tls13,
}

const STATUSES: [&str; 7] = ["OK", "UNREACHABLE", "NOT_SECURE", "LOGIN_REFUSED", "TRY_LATER", "REFUSED", "UNCERTAIN"];
/// Those of a session with a server of its own.
pub const STEPS: [&str; 8] = ["connect", "tls", "greeting", "login", "sender", "recipient", "content", "verdict"];
const OUTCOMES: [&str; 5] = ["accepted", "refused", "deferred", "not_sent", "uncertain"];
const DEADLINES: [&str; 8] = ["connect", "tls", "command", "login", "upload", "verdict", "test", "total"];

impl Script {
    /// `name` is for the errors.
    pub fn parse(name: &str, file: &str) -> Result<Self, String> {
        let at = |number: usize, problem: String| format!("{name}.smtp:{number}: {problem}");
        let mut lines = file.lines().enumerate().map(|(at, line)| (at + 1, line));
        let first = lines.next().map_or("", |(_, line)| line);
        if !first.starts_with("# ") {
            return Err(at(1, "the first line says in a comment what is bad about this server".to_owned()));
        }
        let mut draft = Draft::default();
        for (number, line) in lines.by_ref() {
            if line.is_empty() {
                break;
            }
            if !line.starts_with('#') {
                draft.header(line).map_err(|problem| at(number, problem))?;
            }
        }
        let mut connections = vec![Vec::new()];
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            if let Some(lines) = opening(line, &draft.host) {
                let dialogue = connections.last_mut().unwrap();
                lines
                    .into_iter()
                    .try_for_each(|line| add(dialogue, number, line))
                    .map_err(|problem| at(number, problem))?;
            } else if line == "connection" {
                connections.push(Vec::new());
            } else if let Some(dialogue) = connections.last_mut() {
                add(dialogue, number, line).map_err(|problem| at(number, problem))?;
            }
        }
        if connections.len() == 1 && connections[0].is_empty() {
            connections.clear();
        }
        draft.finish(name.to_owned(), connections).map_err(|problem| at(1, problem))
    }
}

/// The header as far as it was read.
#[derive(Default)]
struct Draft {
    seen: Vec<String>,
    needs: Option<String>,
    host: HostSide,
    emails: Option<usize>,
    ends: Vec<Ends>,
    delivered: Option<usize>,
    within: Option<Duration>,
    memory: Option<usize>,
}

impl Draft {
    fn header(&mut self, line: &str) -> Result<(), String> {
        let (key, value) = line.split_once(": ").ok_or_else(|| format!("{line:?} is no \"key: value\""))?;
        let may_repeat = ["deadline", "option", "setting", "ends", "recipients", "says"].contains(&key);
        if !may_repeat && self.seen.iter().any(|known| known == key) {
            return Err(format!("{key} stands here twice"));
        }
        self.seen.push(key.to_owned());
        match key {
            "needs" => self.needs = Some(one_of(value, &["fix"])?),
            "security" => {
                self.host.security = match value {
                    "plain" => Security::Plain,
                    "tls" => Security::Tls,
                    "starttls" => Security::StartTls,
                    _ => return Err(format!("no security is called {value:?}")),
                };
            }
            "login" => self.host.has_login = yes(value)?,
            "token" => self.host.has_token = yes(value)?,
            "partial" => self.host.is_partial = yes(value)?,
            "test" => self.host.is_test = yes(value)?,
            "to" => self.host.to = value.split(' ').map(|name| format!("{name}@example.test")).collect(),
            "pdf" => self.host.bytes = size(value)?,
            "emails" => {
                let count = value.strip_suffix(" together");
                self.host.are_together = count.is_some();
                self.emails = Some(number(count.unwrap_or(value))?);
            }
            "host" => self.host.server = Some(value.to_owned()),
            "direct" => self.host.is_direct = yes(value)?,
            "port" => self.host.port = Some(value.parse().map_err(|_| format!("{value:?} is no port"))?),
            "deaf" => self.host.is_deaf = yes(value)?,
            "protocol" => self.host.is_http = one_of(value, &["http"])? == "http",
            "username" => self.host.username = Some(value.to_owned()),
            "trusts" => self.host.trusts = Some(value.parse()?),
            "deadline" => {
                let (which, time) = two(value)?;
                let milliseconds = duration(time)?.as_millis();
                let key = format!("{}_ms", one_of(which, &DEADLINES)?);
                self.host.deadlines.push((key, u64::try_from(milliseconds).unwrap()));
            }
            "option" => self.host.options.push(json(value)?),
            "setting" => self.host.settings.push(json(value)?),
            "ends" => self.ends.push(ends(value)?),
            "recipients" => {
                let outcomes: Result<_, _> = value.split(' ').map(|word| one_of(word, &OUTCOMES)).collect();
                self.last_end()?.recipients = outcomes?;
            }
            "says" => self.last_end()?.says = Some(says(value)?),
            "delivered" => self.delivered = Some(number(value)?),
            "within" => self.within = Some(duration(value)?),
            "memory" => self.memory = Some(size(value)?),
            _ => return Err(format!("the word {key:?} is not known")),
        }
        Ok(())
    }

    fn last_end(&mut self) -> Result<&mut Ends, String> {
        self.ends.last_mut().ok_or_else(|| "first of all \"ends\" says how the email ends".to_owned())
    }

    fn finish(self, name: String, connections: Vec<Vec<Line>>) -> Result<Script, String> {
        let emails = self.emails.unwrap_or(1);
        if self.ends.len() != emails {
            return Err(format!("{emails} \"ends\" are needed, one for each email, and {} are there", self.ends.len()));
        }
        let lines = || connections.iter().flatten();
        let told = lines().filter(|line| matches!(line.act, Act::NextEmail)).count();
        if told != 0 && (told + 1 != emails || self.host.are_together) {
            return Err(format!("\"next email\" stands here {told} times, for {emails} emails"));
        }
        if lines().any(|line| matches!(line.act, Act::Idle)) && told == 0 {
            return Err("behind \"idle\" a \"next email\" is needed".to_owned());
        }
        let delivered = self.delivered.unwrap_or_else(|| self.ends.iter().filter(|end| end.status == "OK").count());
        let mut host = self.host;
        if host.to.is_empty() {
            host.to.push("ion@example.test".to_owned());
        }
        Ok(Script {
            name,
            needs: self.needs,
            host,
            ends: self.ends,
            delivered,
            within: self.within.unwrap_or(Duration::from_secs(20)),
            memory: self.memory.unwrap_or(MEMORY),
            connections,
        })
    }
}

/// What one email may take besides its document: its flights, the TLS library's buffers and lists of authorities.
const MEMORY: usize = 2 * 1024 * 1024;

/// What stands for a few lines that are the same in many sessions: everything up to where the login follows, or what comes
/// after it.
fn opening(word: &str, host: &HostSide) -> Option<Vec<&'static str>> {
    let has_login = host.has_login && matches!(word, "logged in");
    if !matches!(word, "opening" | "logged in") {
        return None;
    }
    let mut lines = match host.security {
        Security::Plain => vec!["S: 220 mail.test ESMTP", "C: EHLO"],
        Security::Tls => vec!["tls good", "S: 220 mail.test ESMTP", "C: EHLO"],
        Security::StartTls => vec![
            "S: 220 mail.test ESMTP",
            "C: EHLO",
            "S: 250-mail.test",
            "S: 250 STARTTLS",
            "C= STARTTLS",
            "S: 220 2.0.0 Ready to start TLS",
            "tls good",
            "C: EHLO",
        ],
    };
    lines.push("S: 250-mail.test");
    lines.push(if host.has_login { "S: 250 AUTH PLAIN LOGIN" } else { "S: 250 8BITMIME" });
    if has_login {
        lines.extend(["C: AUTH PLAIN", "S: 235 2.7.0 Authentication successful"]);
    }
    Some(lines)
}

fn add(dialogue: &mut Vec<Line>, number: usize, line: &str) -> Result<(), String> {
    if let Some(Line { act: last, .. }) = dialogue.last_mut() {
        if last.ends_the_connection() {
            return Err("nothing can follow the line before".to_owned());
        }
        let more = line.strip_prefix("S: ").map(|text| (text, false));
        let more = more.or_else(|| line.strip_prefix("accept: ").map(|text| (text, true)));
        if let (Act::Send { text, accepts }, Some((more, accepts_too))) = (last, more) {
            text.extend(Text::parse(more)?.line());
            *accepts |= accepts_too;
            return Ok(());
        }
    }
    let act = Act::parse(line)?;
    dialogue.push(Line { number, act });
    Ok(())
}

impl Act {
    fn parse(line: &str) -> Result<Self, String> {
        let known = match line {
            "perhaps RSET" => Some(Self::PerhapsReset),
            "client hello" => Some(Self::ClientHello),
            "content" => Some(Self::Content),
            "chunk" => Some(Self::Chunk),
            "request" => Some(Self::Request),
            "request head" => Some(Self::RequestHead),
            "scram proof" => Some(Self::ScramProof),
            "goodbye" => Some(Self::Goodbye),
            "perhaps goodbye" => Some(Self::PerhapsGoodbye),
            "idle" => Some(Self::Idle),
            "next email" => Some(Self::NextEmail),
            "silence" => Some(Self::Silence),
            "stop reading" => Some(Self::StopReading),
            "shut down" => Some(Self::Shutdown),
            "close" => Some(Self::Close),
            "cut" => Some(Self::Cut),
            "reset" => Some(Self::HangUp),
            // An empty line of the client.
            "C=" => Some(Self::Expect { text: Text::default(), is_whole: true }),
            _ => None,
        };
        if let Some(act) = known {
            return Ok(act);
        }
        if let Some(words) = line.strip_prefix("tls ") {
            let (certificate, version) = words.split_once(' ').unwrap_or((words, ""));
            let version = match version {
                "" => None,
                "1.2" => Some(Version::Tls12),
                "1.3" => Some(Version::Tls13),
                _ => return Err(format!("no version of TLS is {version:?} here")),
            };
            return Ok(Self::Tls(certificate.parse()?, version));
        }
        if let Some(time) = line.strip_prefix("pause ") {
            return Ok(Self::Pause(duration(time)?));
        }
        if let Some(bytes) = line.strip_prefix("some content ") {
            return Ok(Self::SomeContent(size(bytes)?));
        }
        if let Some(text) = line.strip_prefix("C= ") {
            return Ok(Self::Expect { text: Text::parse(text)?, is_whole: true });
        }
        let (word, text) = line.split_once(": ").ok_or_else(|| format!("the word {line:?} is not known"))?;
        Self::with_text(word, Text::parse(text)?)
    }

    fn with_text(word: &str, text: Text) -> Result<Self, String> {
        Ok(match word {
            "S" => Self::Send { text: text.line(), accepts: false },
            "accept" => Self::Send { text: text.line(), accepts: true },
            "C" => Self::Expect { text, is_whole: false },
            "send" => Self::Send { text, accepts: false },
            "raw" => Self::Raw(text),
            "dribble" => Self::Dribble(text.line()),
            "flood" => Self::Flood(text, None),
            _ => {
                if let Some(times) = word.strip_prefix("repeat ") {
                    Self::Flood(text, Some(number(times)?))
                } else if let Some(every) = word.strip_prefix("trickle ") {
                    Self::Trickle(text, duration(every)?)
                } else {
                    return Err(format!("the word {word:?} is not known"));
                }
            }
        })
    }

    fn ends_the_connection(&self) -> bool {
        matches!(
            self,
            Self::Silence
                | Self::StopReading
                | Self::Goodbye
                | Self::PerhapsGoodbye
                | Self::Close
                | Self::Cut
                | Self::HangUp
                | Self::Flood(_, None)
                | Self::Trickle(..)
        )
    }
}

fn ends(value: &str) -> Result<Ends, String> {
    let words: Vec<_> = value.split(' ').collect();
    let &[status, reason, step] = &words[..] else {
        return Err("a status, a reason and a step are needed".to_owned());
    };
    let status = one_of(status, &STATUSES)?;
    let step = if matches!(step, "turn" | "name" | "proxy") { step.to_owned() } else { one_of(step, &STEPS)? };
    Ok(Ends { status, reason: reason.to_owned(), step, recipients: Vec::new(), says: None })
}

fn says(value: &str) -> Result<Says, String> {
    if value == "nothing" {
        return Ok(Says::Nothing);
    }
    let (code, rest) = value.split_once(' ').unwrap_or((value, ""));
    let code = number(code)?.try_into().map_err(|_| format!("{code} is no reply code"))?;
    let is_enhanced = |word: &str| word.split('.').filter(|part| part.parse::<u16>().is_ok()).count() == 3;
    let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
    Ok(if is_enhanced(word) {
        Says::Words { code, enhanced: Some(word.to_owned()), text: text.to_owned() }
    } else {
        Says::Words { code, enhanced: None, text: rest.to_owned() }
    })
}

fn one_of(word: &str, known: &[&str]) -> Result<String, String> {
    if known.contains(&word) { Ok(word.to_owned()) } else { Err(format!("{word:?} is none of {}", known.join(", "))) }
}

fn yes(value: &str) -> Result<bool, String> {
    if value == "yes" { Ok(true) } else { Err(format!("{value:?}: say \"yes\", or leave the line out")) }
}

fn number(word: &str) -> Result<usize, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

fn two(value: &str) -> Result<(&str, &str), String> {
    value.split_once(' ').ok_or_else(|| format!("{value:?}: two words are needed"))
}

fn json(value: &str) -> Result<(String, Value), String> {
    let (key, value) = two(value)?;
    let value = serde_json::from_str(value).map_err(|error| format!("{value:?} is no JSON: {error}"))?;
    Ok((key.to_owned(), value))
}

fn duration(value: &str) -> Result<Duration, String> {
    match two(value)? {
        (count, "ms") => Ok(Duration::from_millis(number(count)? as u64)),
        (count, "s") => Ok(Duration::from_secs(number(count)? as u64)),
        (_, unit) => Err(format!("{unit:?}: say \"ms\" or \"s\"")),
    }
}

fn size(value: &str) -> Result<usize, String> {
    match two(value)? {
        (count, "bytes") => number(count),
        (count, "KB") => Ok(number(count)? * 1024),
        (count, "MB") => Ok(number(count)? * 1024 * 1024),
        (_, unit) => Err(format!("{unit:?}: say \"bytes\", \"KB\" or \"MB\"")),
    }
}
