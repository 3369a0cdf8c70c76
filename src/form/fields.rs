//! The one table. A new setting is a row here, its texts in the catalogue, and its place in `settings`.

use super::values::Values;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Choice(&'static [&'static str]),
    Url,
    Secret,
    Host,
    Port,
    Text,
    Email,
    EmailList,
    Checkbox,
    Fingerprint,
}

impl Kind {
    /// Stable; part of the replies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Choice(_) => "choice",
            Self::Url => "url",
            Self::Secret => "secret",
            Self::Host => "host",
            Self::Port => "port",
            Self::Text => "text",
            Self::Email => "email",
            Self::EmailList => "email_list",
            Self::Checkbox => "checkbox",
            Self::Fingerprint => "fingerprint",
        }
    }
}

/// A condition over other fields, as data: the form, the checks and the JSON schemas all read the same one.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    Always,
    Never,
    Is(&'static str, &'static str),
    On(&'static str),
    Filled(&'static str),
    NotAnAddress(&'static str),
    All(&'static [Rule]),
    Any(&'static [Rule]),
}

impl Rule {
    pub fn holds(&self, values: &Values) -> bool {
        match *self {
            Self::Always => true,
            Self::Never => false,
            Self::Is(key, value) => values.text(key) == value,
            Self::On(key) => values.flag(key),
            Self::Filled(key) => !values.text(key).is_empty(),
            Self::NotAnAddress(key) => !crate::email::looks_like_address(values.text(key)),
            Self::All(rules) => rules.iter().all(|rule| rule.holds(values)),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(values)),
        }
    }
}

#[derive(Debug)]
pub struct Field {
    pub key: &'static str,
    pub kind: Kind,
    /// The value of a field that was never touched; empty (or unticked) if there is none.
    pub default: &'static str,
    pub shown: Rule,
    /// Where it is shown.
    pub required: Rule,
}

const SMTP: Rule = Rule::Is("protocol", "smtp");
const HTTP: Rule = Rule::Is("protocol", "http");
const WITH_PASSWORD: Rule = Rule::All(&[SMTP, Rule::Is("auth", "password")]);
const WITH_TOKEN: Rule = Rule::All(&[SMTP, Rule::Is("auth", "oauth2")]);

const fn field(key: &'static str, kind: Kind, shown: Rule, required: Rule) -> Field {
    Field { key, kind, default: "", shown, required }
}

/// In the order in which people read them.
pub static FIELDS: &[Field] = &[
    Field { default: "smtp", ..field("protocol", Kind::Choice(&["smtp", "http"]), Rule::Always, Rule::Always) },
    field("http_server", Kind::Url, HTTP, Rule::Always),
    field("http_token", Kind::Secret, HTTP, Rule::Never),
    field("smtp_host", Kind::Host, SMTP, Rule::Always),
    field("smtp_port", Kind::Port, SMTP, Rule::Always),
    Field {
        default: "auto",
        ..field("smtp_security", Kind::Choice(&["auto", "tls", "starttls", "none"]), SMTP, Rule::Always)
    },
    field(
        "allow_insecure_login",
        Kind::Checkbox,
        Rule::All(&[WITH_PASSWORD, Rule::Is("smtp_security", "none"), Rule::Filled("username")]),
        Rule::Never,
    ),
    Field { default: "password", ..field("auth", Kind::Choice(&["password", "oauth2"]), SMTP, Rule::Always) },
    field("username", Kind::Text, SMTP, WITH_TOKEN),
    field("mailbox", Kind::Email, WITH_TOKEN, Rule::Never),
    field("email_address", Kind::Email, Rule::All(&[SMTP, Rule::NotAnAddress("username")]), Rule::Always),
    field("password", Kind::Secret, WITH_PASSWORD, Rule::Filled("username")),
    field("sender_name", Kind::Text, Rule::Always, Rule::Never),
    field("send_copy", Kind::Checkbox, Rule::Always, Rule::Never),
    field("copy_to", Kind::EmailList, Rule::On("send_copy"), Rule::Always),
    field("different_reply_to", Kind::Checkbox, SMTP, Rule::Never),
    field(
        "reply_to",
        Kind::EmailList,
        Rule::Any(&[HTTP, Rule::All(&[SMTP, Rule::On("different_reply_to")])]),
        Rule::Always,
    ),
    field("allow_untrusted_certificate", Kind::Checkbox, SMTP, Rule::Never),
    field(
        "trusted_certificate",
        Kind::Fingerprint,
        Rule::All(&[SMTP, Rule::On("allow_untrusted_certificate")]),
        Rule::Always,
    ),
];

pub fn field_of(key: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(rule: &Rule, out: &mut Vec<&'static str>) {
        match *rule {
            Rule::Always | Rule::Never => {}
            Rule::Is(key, _) | Rule::On(key) | Rule::Filled(key) | Rule::NotAnAddress(key) => out.push(key),
            Rule::All(rules) | Rule::Any(rules) => rules.iter().for_each(|rule| keys(rule, out)),
        }
    }

    #[test]
    fn keys_are_unique_and_rules_name_fields_that_exist() {
        for (at, field) in FIELDS.iter().enumerate() {
            assert!(FIELDS[at + 1..].iter().all(|other| other.key != field.key), "{}", field.key);
            let mut named = Vec::new();
            keys(&field.shown, &mut named);
            keys(&field.required, &mut named);
            for key in named {
                assert!(field_of(key).is_some(), "{} names {key}", field.key);
            }
        }
    }
}
