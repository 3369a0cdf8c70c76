//! The conditions under which a row of the catalogue fits a situation.

use serde_json::{Map, Value};

use super::Situation;
use super::said::without_addresses;

/// What a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The ending's reason.
    Reason,
    Step,
    /// `smtp` or `http`.
    Protocol,
    /// `true`: it is about the proxy.
    Proxy,
    /// Of the server's reply, or the HTTP status.
    Code,
    /// `5.7.*` stands for all that begin so.
    Enhanced,
    /// An id, `known` or `unknown`.
    Provider,
    /// The provider's rule, in the words of the data file.
    AppPassword,
    /// In the server's text, the addresses in it left out.
    Words,
    Port,
    Security,
    /// In the name of the certificate's issuer.
    Issuer,
    /// In the certificate's own name, or in a name that it is for.
    Subject,
    /// `self_signed` or not (`signed`); `other_name`: it is for other hosts.
    Certificate,
    /// `empty`, `address` or `name`.
    Username,
    /// How the login goes: `password` or `oauth2`.
    Auth,
    /// Whether the user could sign in with the provider: `registered`, `unregistered` or `not_offered`.
    SignIn,
    /// `true`: the recipient is the settings' address for copies.
    Copy,
    /// The protocol of the first bytes, where another one was expected.
    Spoken,
    /// The unit in which the server says how long to wait; `known` or `unknown`.
    Wait,
    /// An https address in the server's text: `known` or `unknown`.
    Link,
    /// In what the system or the TLS library says, or the server of a token that it does not take.
    Detail,
    /// `true`: the server is a known provider's for receiving.
    Receiving,
}

impl Fact {
    pub const ALL: [(&'static str, Self); 23] = [
        ("reason", Self::Reason),
        ("step", Self::Step),
        ("protocol", Self::Protocol),
        ("proxy", Self::Proxy),
        ("code", Self::Code),
        ("enhanced", Self::Enhanced),
        ("provider", Self::Provider),
        ("app_password", Self::AppPassword),
        ("words", Self::Words),
        ("port", Self::Port),
        ("security", Self::Security),
        ("issuer", Self::Issuer),
        ("subject", Self::Subject),
        ("certificate", Self::Certificate),
        ("username", Self::Username),
        ("auth", Self::Auth),
        ("sign_in", Self::SignIn),
        ("copy", Self::Copy),
        ("spoken", Self::Spoken),
        ("wait", Self::Wait),
        ("link", Self::Link),
        ("detail", Self::Detail),
        ("receiving", Self::Receiving),
    ];

    fn holds(self, value: &str, situation: &Situation<'_>) -> bool {
        let failure = situation.failure;
        let server = failure.server.as_ref();
        let certificate = failure.certificate.as_deref();
        match self {
            Self::Reason => failure.ending.reason() == value,
            Self::Step => situation.step.is_some_and(|step| step.code() == value),
            Self::Protocol => value == if situation.security.is_empty() { "http" } else { "smtp" },
            Self::Proxy => value == situation.proxy.is_some().to_string(),
            Self::Code => server.is_some_and(|words| words.code.to_string() == value),
            Self::Enhanced => {
                let code = server.and_then(|words| words.enhanced.as_deref());
                code.is_some_and(|code| match value.strip_suffix('*') {
                    Some(begin) => code.starts_with(begin),
                    None => code == value,
                })
            }
            Self::Provider => match situation.provider {
                Some(provider) => value == "known" || value == provider.id,
                None => value == "unknown",
            },
            Self::AppPassword => situation.provider.is_some_and(|provider| provider.app_password.code() == value),
            Self::Words => server.is_some_and(|words| is_in(&without_addresses(&words.text), value)),
            Self::Port => situation.port.to_string() == value,
            Self::Security => situation.security == value,
            Self::Issuer => certificate.is_some_and(|facts| is_in(&facts.issuer, value)),
            Self::Subject => certificate
                .is_some_and(|facts| is_in(&facts.subject, value) || facts.names.iter().any(|name| is_in(name, value))),
            Self::Certificate => certificate.is_some_and(|facts| match value {
                "self_signed" => facts.self_signed,
                "signed" => !facts.self_signed,
                _ => !facts.names.iter().any(|name| is_for(name, situation.host)),
            }),
            Self::Username => value == kind_of_username(situation.username),
            Self::Auth => situation.auth == value,
            Self::SignIn => situation.sign_in.code() == value,
            Self::Copy => value == situation.refused.is_some_and(|refused| refused.is_copy).to_string(),
            Self::Spoken => failure.spoken.is_some_and(|spoken| spoken.code() == value),
            Self::Wait => match situation.wait() {
                Some(wait) => value == "known" || value == wait.unit(),
                None => value == "unknown",
            },
            Self::Link => value == if situation.link("$server_link").is_some() { "known" } else { "unknown" },
            Self::Receiving => value == situation.sending().is_some().to_string(),
            Self::Detail => failure.detail.as_deref().is_some_and(|detail| is_in(detail, value)),
        }
    }
}

/// All of its conditions hold.
#[derive(Clone, Debug)]
pub struct When(Vec<Condition>);

/// One of the values does.
#[derive(Clone, Debug)]
struct Condition {
    fact: Fact,
    values: Vec<String>,
}

impl When {
    pub fn read(value: &Value) -> Result<Self, String> {
        let members = value.as_object().ok_or_else(|| format!("{value} is no object"))?;
        members.iter().map(|(key, value)| Condition::read(key, value)).collect::<Result<_, _>>().map(Self)
    }

    pub fn holds(&self, situation: &Situation<'_>) -> bool {
        self.0.iter().all(|condition| condition.values.iter().any(|value| condition.fact.holds(value, situation)))
    }

    /// What a condition names, for those who look at the catalogue.
    #[cfg(test)]
    pub fn values(&self, fact: Fact) -> &[String] {
        self.0.iter().find(|condition| condition.fact == fact).map_or(&[], |condition| &condition.values)
    }
}

impl Condition {
    fn read(key: &str, value: &Value) -> Result<Self, String> {
        let known = Fact::ALL.iter().find(|(name, _)| *name == key);
        let (_, fact) = *known.ok_or_else(|| format!("there is no condition {key}"))?;
        let values = match value {
            Value::Array(values) => values.iter().map(text).collect::<Result<Vec<_>, _>>()?,
            value => vec![text(value)?],
        };
        if values.is_empty() { Err(format!("{key} has no value")) } else { Ok(Self { fact, values }) }
    }
}

/// A member that is an object or a list of them; nothing where it is left out.
pub fn alternatives(members: &mut Map<String, Value>, key: &str) -> Result<Vec<When>, String> {
    match members.remove(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) => values.iter().map(When::read).collect(),
        Some(value) => When::read(&value).map(|when| vec![when]),
    }
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.to_lowercase()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err(format!("{value} is no text, number or flag")),
    }
}

/// `value` is lower case.
fn is_in(text: &str, value: &str) -> bool {
    text.to_lowercase().contains(value)
}

/// Whether a name in a certificate is this host's (RFC 9525: a star stands for one label).
fn is_for(name: &str, host: &str) -> bool {
    let (name, host) = (name.to_lowercase(), host.to_lowercase());
    match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest == domain),
        None => name == host,
    }
}

fn kind_of_username(username: &str) -> &'static str {
    match username {
        "" => "empty",
        _ if username.contains('@') => "address",
        _ => "name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_condition_is_refused() {
        for wrong in
            [r#"{"raeson": "x"}"#, r#"{"reason": []}"#, r#"{"reason": {}}"#, r#"["reason"]"#, r#"{"port": null}"#]
        {
            assert!(When::read(&serde_json::from_str(wrong).unwrap()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_star_stands_for_one_label() {
        assert!(is_for("*.Example.com", "smtp.example.com") && is_for("smtp.example.com", "SMTP.example.com"));
        assert!(!is_for("*.example.com", "a.b.example.com") && !is_for("*.example.com", "example.com"));
    }
}
