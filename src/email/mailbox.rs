//! Addresses as people type them: `Name <address>`, and lists of them.

use std::fmt;

use super::{
    MAX_FAULTS,
    address::{Address, AddressProblem},
    text::{check_header_text, shown},
};
use crate::input::{Fault, Faults};

/// More is a mailing, and no server takes it in one email.
pub const MAX_ADDRESSES: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    pub name: Option<String>,
    pub address: Address,
}

/// As a person would type it, and as it is read again.
impl fmt::Display for Mailbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            None => write!(formatter, "{}", self.address),
            Some(name) if name.contains(['"', '\\', ',', ';', '<', '>']) => {
                let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
                write!(formatter, "\"{escaped}\" <{}>", self.address)
            }
            Some(name) => write!(formatter, "{name} <{}>", self.address),
        }
    }
}

/// `Name <address>`, `"Name" <address>` or the address alone.
pub fn parse_mailbox(place: &str, text: &str) -> Result<Mailbox, Fault> {
    check_header_text(place, text)?;
    let (name, address) = halves(text).map_err(|code| Fault::input(place, code).with("text", shown(text.trim())))?;
    let address = Address::parse(address).map_err(|problem: AddressProblem| problem.at(place))?;
    Ok(Mailbox { name: display_name(name), address })
}

/// A list as it is typed, with `,` or `;` between. One more at its end is no fault, an empty item elsewhere is.
pub fn parse_mailboxes(place: &str, text: &str, faults: &mut Faults) -> Vec<Mailbox> {
    read_each(place, split(text), faults, parse_mailbox)
}

/// Reads the items of a list, each with its place, and stops when there are faults enough.
pub(super) fn read_each<T>(
    place: &str,
    items: Vec<T>,
    faults: &mut Faults,
    read: impl Fn(&str, T) -> Result<Mailbox, Fault>,
) -> Vec<Mailbox> {
    if items.len() > MAX_ADDRESSES {
        faults.push(too_many(place, items.len()));
        return Vec::new();
    }
    let mut mailboxes = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        if faults.len() >= MAX_FAULTS {
            break;
        }
        match read(&format!("{place}[{index}]"), item) {
            Ok(mailbox) => mailboxes.push(mailbox),
            Err(fault) => faults.push(fault),
        }
    }
    mailboxes
}

pub(super) fn too_many(place: &str, number: usize) -> Fault {
    Fault::input(place, "too_many_recipients")
        .with("number", number.to_string())
        .with("limit", MAX_ADDRESSES.to_string())
}

/// The items of a list, not yet looked at.
pub(super) fn split(text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let mut start = 0;
    for (at, _) in unquoted(text).filter(|(_, character)| matches!(character, ',' | ';')) {
        items.push(text.get(start..at).unwrap_or_default());
        start = at + 1;
    }
    let last = text.get(start..).unwrap_or_default();
    if !last.trim().is_empty() {
        items.push(last);
    }
    items
}

/// Where in a text the quoted strings are; inside one, a backslash takes the next character's meaning away.
#[derive(Default)]
struct Quotes {
    open: bool,
    escaped: bool,
    closed: usize,
}

impl Quotes {
    fn over(text: &str) -> Self {
        let mut quotes = Self::default();
        for character in text.chars() {
            quotes.step(character);
        }
        quotes
    }

    /// Whether the character stands outside every quoted string; a quote itself does not.
    fn step(&mut self, character: char) -> bool {
        let outside = !self.open && character != '"';
        if self.escaped {
            self.escaped = false;
        } else if character == '"' {
            self.closed += usize::from(self.open);
            self.open = !self.open;
        } else {
            self.escaped = self.open && character == '\\';
        }
        outside
    }
}

/// The characters that stand outside quoted strings.
pub(super) fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quotes = Quotes::default();
    text.char_indices().filter(move |(_, character)| quotes.step(*character))
}

/// The name and the address, neither checked.
fn halves(text: &str) -> Result<(&str, &str), &'static str> {
    // Whatever follows the odd quote would be swallowed.
    if Quotes::over(text).open {
        return Err("mailbox_quote");
    }
    let found = |wanted| unquoted(text).find(move |(_, character)| *character == wanted).map(|(at, _)| at);
    match (found('<'), found('>')) {
        (None, None) => Ok(("", text)),
        (Some(open), Some(close)) if open < close => {
            let after = text.get(close + 1..).unwrap_or_default();
            if after.contains('@') {
                return Err("mailbox_missing_separator");
            }
            if !after.trim().is_empty() {
                return Err("mailbox_text_after_address");
            }
            Ok((text.get(..open).unwrap_or_default(), text.get(open + 1..close).unwrap_or_default()))
        }
        _ => Err("mailbox_bracket"),
    }
}

/// A name that is one quoted string loses its quotes. In any other, quotes are part of the name: `SC "Alfa" SRL`.
fn display_name(typed: &str) -> Option<String> {
    let typed = typed.trim();
    let whole = unquoted(typed).next().is_none() && Quotes::over(typed).closed == 1;
    let name = if whole { unescaped(typed) } else { typed.to_owned() };
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn unescaped(quoted: &str) -> String {
    let mut name = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {}
            '\\' => name.extend(characters.next()),
            other => name.push(other),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (Option<String>, String) {
        let mailbox = parse_mailbox("to", text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
        (mailbox.name, mailbox.address.as_str().to_owned())
    }

    #[test]
    fn names_are_taken_as_they_are_meant() {
        let table = [
            ("a@b.ro", None),
            ("<a@b.ro>", None),
            (" < a@b.ro > ", None),
            ("\"\" <a@b.ro>", None),
            ("Ion Popescu <a@b.ro>", Some("Ion Popescu")),
            ("Ion<a@b.ro>", Some("Ion")),
            ("Ștefan Țuțea <a@b.ro>", Some("Ștefan Țuțea")),
            ("Γιώργος <a@b.ro>", Some("Γιώργος")),
            ("\"Popescu, Ion; fiul\" <a@b.ro>", Some("Popescu, Ion; fiul")),
            (r#""Ion \"Nelu\" \\ Pop" <a@b.ro>"#, Some(r#"Ion "Nelu" \ Pop"#)),
            (r#"SC "Alfa, Beta" SRL <a@b.ro>"#, Some(r#"SC "Alfa, Beta" SRL"#)),
            (r#""SC" "Alfa" <a@b.ro>"#, Some(r#""SC" "Alfa""#)),
            (r#""SC""Alfa" <a@b.ro>"#, Some(r#""SC""Alfa""#)),
            (r#""a <x@y.ro>" <a@b.ro>"#, Some("a <x@y.ro>")),
            ("O'Brien & Sons (Ltd.) <a@b.ro>", Some("O'Brien & Sons (Ltd.)")),
        ];
        for (typed, name) in table {
            assert_eq!(one(typed), (name.map(str::to_owned), "a@b.ro".to_owned()), "{typed}");
            let mailbox = parse_mailbox("to", typed).unwrap();
            assert_eq!(parse_mailbox("to", &mailbox.to_string()), Ok(mailbox), "{typed}");
        }
        assert_eq!(one("\"a>b\"@x.ro").1, "\"a>b\"@x.ro");
        assert_eq!(one("N <\"a>b\"@x.ro>").1, "\"a>b\"@x.ro");
    }

    #[test]
    fn what_cannot_be_read_has_its_code() {
        let table = [
            ("", "address_empty"),
            ("Ion <>", "address_empty"),
            ("Ion <a@b.ro", "mailbox_bracket"),
            ("Ion a@b.ro>", "mailbox_bracket"),
            ("Ion >a@b.ro<", "mailbox_bracket"),
            ("\"Ion <a@b.ro>", "mailbox_quote"),
            ("\"Ion\\\" <a@b.ro>", "mailbox_quote"),
            ("15\" monitor <a@b.ro>", "mailbox_quote"),
            ("Ion <a@b.ro> Pop", "mailbox_text_after_address"),
            ("Ion <a@b.ro> Ana <c@d.ro>", "mailbox_missing_separator"),
            ("Ion a@b.ro", "address_space"),
            ("a@b.ro c@d.ro", "address_missing_separator"),
            ("Ion\r\nBcc: x@y.ro <a@b.ro>", "control_character"),
            ("Ion\u{202E} <a@b.ro>", "bidi_character"),
            ("a@b.ro\n", "control_character"),
        ];
        for (typed, code) in table {
            assert_eq!(parse_mailbox("to", typed).unwrap_err().code, code, "{typed:?}");
        }
    }

    #[test]
    fn lists_are_split_outside_quotes() {
        type Case = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);
        let table: [Case; 14] = [
            ("", &[], &[]),
            ("  ", &[], &[]),
            ("a@b.ro", &["a@b.ro"], &[]),
            ("a@b.ro;", &["a@b.ro"], &[]),
            ("a@b.ro, ", &["a@b.ro"], &[]),
            ("a@b.ro;c@d.ro, e@f.ro", &["a@b.ro", "c@d.ro", "e@f.ro"], &[]),
            ("\"P, I;\" <a@b.ro>, c@d.ro", &["a@b.ro", "c@d.ro"], &[]),
            ("a@b.ro,,c@d.ro", &["a@b.ro", "c@d.ro"], &[("to[1]", "address_empty")]),
            (",a@b.ro", &["a@b.ro"], &[("to[0]", "address_empty")]),
            ("a@b.ro;;", &["a@b.ro"], &[("to[1]", "address_empty")]),
            (";", &[], &[("to[0]", "address_empty")]),
            ("x, a@b.ro, y@", &["a@b.ro"], &[("to[0]", "address_no_at"), ("to[2]", "address_no_domain")]),
            ("A <a@b.ro, c@d.ro", &["c@d.ro"], &[("to[0]", "mailbox_bracket")]),
            ("a@b.ro, \"C <c@d.ro>, e@f.ro", &["a@b.ro"], &[("to[1]", "mailbox_quote")]),
        ];
        for (typed, addresses, expected) in table {
            let mut faults = Faults::new();
            let read = parse_mailboxes("to", typed, &mut faults);
            assert_eq!(read.iter().map(|read| read.address.as_str()).collect::<Vec<_>>(), addresses, "{typed:?}");
            let told: Vec<_> = faults.iter().map(|fault| (fault.place.as_str(), fault.code)).collect();
            assert_eq!(told, expected, "{typed:?}");
        }
    }

    #[test]
    fn a_hostile_list_makes_few_faults() {
        let mut faults = Faults::new();
        assert!(parse_mailboxes("to", &"x,".repeat(10_000), &mut faults).is_empty());
        assert_eq!(faults, [too_many("to", 10_000)]);
        faults.clear();
        parse_mailboxes("to", &"x,".repeat(1000), &mut faults);
        assert_eq!(faults.len(), MAX_FAULTS);
        faults.clear();
        assert_eq!(parse_mailboxes("to", &"a@b.ro,".repeat(1000), &mut faults).len(), 1000);
    }
}
