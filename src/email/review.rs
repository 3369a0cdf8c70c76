//! What can be seen of an email that could be sent, and is probably not what was meant. A warning on a good email costs
//! more than a missed one: people stop reading them. So each of these looks for what is hardly ever meant.

use std::collections::HashSet;

use super::{Address, Email, MAX_FAULTS, Mailbox, placeholder};

/// Something to look at again; it keeps nothing from being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// As a fault's: a key, or a path into the JSON.
    pub place: String,
    /// Stable; the sentence is the text `check-<code>` of the catalogue.
    pub code: &'static str,
    /// What the sentence names, by placeholder.
    pub words: Vec<(&'static str, String)>,
    /// What to put at the place instead.
    pub proposal: Option<String>,
}

impl Warning {
    pub fn new(place: impl Into<String>, code: &'static str) -> Self {
        Self { place: place.into(), code, words: Vec::new(), proposal: None }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.words.push((name, value.into()));
        self
    }
}

/// The email by itself. `meant` gives the domain that a mistyped one stands for.
pub fn review(email: &Email, meant: impl Fn(&str) -> Option<String>) -> Vec<Warning> {
    let mut warnings: Vec<_> =
        addresses(email).filter_map(|(place, mailbox)| mistyped(&place, mailbox, &meant)).collect();
    warnings.extend(twice(email));
    warnings.extend(without_subject(email));
    warnings.extend(without_text(email));
    for (key, text) in [("subject", &email.subject), ("body", &email.text)] {
        let found = placeholder::find(text);
        warnings.extend(found.map(|found| Warning::new(key, "placeholder").with("placeholder", found)));
    }
    warnings.truncate(MAX_FAULTS);
    warnings
}

/// Each address that a person gave, with its place.
fn addresses(email: &Email) -> impl Iterator<Item = (String, &Mailbox)> {
    recipients(email).chain(placed("reply_to", &email.reply_to))
}

fn recipients(email: &Email) -> impl Iterator<Item = (String, &Mailbox)> {
    [("to", &email.to), ("cc", &email.cc), ("bcc", &email.bcc)].into_iter().flat_map(|(key, list)| placed(key, list))
}

fn placed<'m>(key: &'static str, list: &'m [Mailbox]) -> impl Iterator<Item = (String, &'m Mailbox)> {
    list.iter().enumerate().map(move |(index, mailbox)| (format!("{key}[{index}]"), mailbox))
}

fn mistyped(place: &str, mailbox: &Mailbox, meant: impl Fn(&str) -> Option<String>) -> Option<Warning> {
    let address = mailbox.address.at_domain(&meant(mailbox.address.domain())?)?;
    let warning = Warning::new(place, "address_mistyped")
        .with("address", mailbox.address.to_string())
        .with("meant", address.to_string());
    let meant = Mailbox { name: mailbox.name.clone(), address };
    Some(Warning { proposal: Some(meant.to_string()), ..warning })
}

/// Told once of each address. Hardly any server takes `Ana@` and `ana@` for two people.
fn twice(email: &Email) -> impl Iterator<Item = Warning> {
    let (mut seen, mut told) = (HashSet::new(), HashSet::new());
    recipients(email).filter_map(move |(place, mailbox)| {
        let key = mailbox.address.as_str().to_lowercase();
        let is_news = !seen.insert(key.clone()) && told.insert(key);
        is_news.then(|| Warning::new(place, "recipient_twice").with("address", mailbox.address.to_string()))
    })
}

/// The document's name says what the email is about, where the program has given one.
fn without_subject(email: &Email) -> Option<Warning> {
    if !email.subject.trim().is_empty() {
        return None;
    }
    let name = email.files.first().map(|document| document.name.as_str()).unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem).trim();
    let proposal = (!stem.is_empty() && !stem.eq_ignore_ascii_case("document")).then(|| stem.to_owned());
    Some(Warning { proposal, ..Warning::new("subject", "no_subject") })
}

fn without_text(email: &Email) -> Option<Warning> {
    let is_blank = email.text.trim().is_empty() && shows_nothing(&email.html);
    is_blank.then(|| Warning::new("body", "no_body"))
}

/// HTML of tags and blanks only; a picture is something to see.
fn shows_nothing(html: &str) -> bool {
    let mut pieces = html.split('<');
    let is_blank = |text: &str| text.replace("&nbsp;", "").trim().is_empty();
    pieces.next().is_none_or(is_blank)
        && pieces.all(|piece| {
            let (tag, text) = piece.split_once('>').unwrap_or((piece, ""));
            !tag.get(..3).is_some_and(|name| name.eq_ignore_ascii_case("img")) && is_blank(text)
        })
}

/// An address that says itself that nobody reads what comes back: `no-reply@`, in the languages that people use.
pub fn is_unread(address: &Address) -> bool {
    const NAMES: &[&str] = &[
        "noreply",
        "donotreply",
        "dontreply",
        "nuraspunde",
        "nuraspundeti",
        "nichtantworten",
        "keineantwort",
        "nepasrepondre",
        "noresponder",
        "nonrispondere",
        "naoresponda",
        "naoresponder",
        "nietantwoorden",
        "nieodpowiadaj",
    ];
    // What follows a `+` is a mark for filters, and the mailbox is the same.
    let local = address.local().split('+').next().unwrap_or_default();
    let name: String = local.chars().filter(|c| !matches!(c, '-' | '_' | '.')).flat_map(char::to_lowercase).collect();
    NAMES.contains(&name.as_str())
}
