//! One email address, checked, in the form that goes on the wire.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::{
    mailbox::unquoted,
    text::{code_point, is_control, is_invisible, shown},
};
use crate::input::Fault;

/// RFC 5321, 4.5.3.1.1.
const MAX_LOCAL_BYTES: usize = 64;
/// RFC 5321, 4.5.3.1.3: a path has 256 octets, its angle brackets among them.
const MAX_BYTES: usize = 254;

/// Its domain is in A-labels and lower case, so that two spellings of one domain are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    wire: String,
    at: usize,
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressProblem {
    /// Stable; one of the fault codes that begin with `address_`, or `control_character`.
    pub code: &'static str,
    words: Vec<(&'static str, String)>,
}

impl AddressProblem {
    fn new(code: &'static str, name: &'static str, value: &str) -> Self {
        Self { code, words: vec![(name, shown(value))] }
    }

    fn over(code: &'static str, bytes: usize, limit: usize) -> Self {
        Self { code, words: vec![("bytes", bytes.to_string()), ("limit", limit.to_string())] }
    }

    pub fn at(self, place: impl Into<String>) -> Fault {
        Fault { words: self.words, ..Fault::input(place, self.code) }
    }
}

impl Address {
    pub fn parse(text: &str) -> Result<Self, AddressProblem> {
        if let Some(control) = text.chars().find(|character| is_control(*character)) {
            return Err(AddressProblem::new("control_character", "character", &code_point(control)));
        }
        let text = text.trim();
        let (local, domain) = halves(text)?;
        check_spaces(text, local, domain)?;
        if local.len() > MAX_LOCAL_BYTES {
            return Err(AddressProblem::over("address_local_too_long", local.len(), MAX_LOCAL_BYTES));
        }
        let bad_domain = || AddressProblem::new("address_bad_domain", "domain", domain);
        let domain = wire_domain(domain).ok_or_else(bad_domain)?;
        let wire = format!("{local}@{domain}");
        if wire.len() > MAX_BYTES {
            return Err(AddressProblem::over("address_too_long", wire.len(), MAX_BYTES));
        }
        match lettre::Address::new(local, &domain) {
            Ok(_) => Ok(Self { wire, at: local.len() }),
            Err(lettre::address::AddressError::InvalidDomain) => Err(bad_domain()),
            Err(_) => Err(AddressProblem::new("address_bad_local", "local", local)),
        }
    }

    /// As it goes into the envelope and the header: the domain is ASCII.
    pub fn as_str(&self) -> &str {
        &self.wire
    }

    /// The domain in ASCII; a domain literal has its brackets.
    pub fn domain(&self) -> &str {
        self.wire.get(self.at + 1..).unwrap_or_default()
    }

    pub fn local(&self) -> &str {
        self.wire.get(..self.at).unwrap_or_default()
    }

    /// The same person elsewhere.
    pub fn at_domain(&self, domain: &str) -> Option<Self> {
        Self::parse(&format!("{}@{domain}", self.local())).ok()
    }

    /// False only for a local part that is not ASCII: such an address needs SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.wire.is_ascii()
    }
}

/// For people: `ion@exämple.ro` and not `ion@xn--exmple-cua.ro`.
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match idna::domain_to_unicode(self.domain()) {
            (domain, Ok(())) if !domain.starts_with('[') => write!(formatter, "{}@{domain}", self.local()),
            _ => formatter.write_str(&self.wire),
        }
    }
}

pub fn looks_like_address(text: &str) -> bool {
    Address::parse(text).is_ok()
}

fn halves(text: &str) -> Result<(&str, &str), AddressProblem> {
    if text.is_empty() {
        return Err(AddressProblem { code: "address_empty", words: Vec::new() });
    }
    let Some((local, domain)) = text.rsplit_once('@') else {
        return Err(AddressProblem::new("address_no_at", "address", text));
    };
    if unquoted(text).filter(|(_, character)| *character == '@').count() > 1 {
        let apart = text.contains(|character: char| character.is_whitespace() || matches!(character, ',' | ';'));
        let code = if apart { "address_missing_separator" } else { "address_several_at" };
        return Err(AddressProblem::new(code, "address", text));
    }
    match (local, domain) {
        ("", _) => Err(AddressProblem::new("address_no_local", "address", text)),
        (_, "") => Err(AddressProblem::new("address_no_domain", "address", text)),
        halves => Ok(halves),
    }
}

/// A space in the middle is a name without angle brackets, or a typing mistake. An invisible character is worse:
/// nobody would see why the address fails.
fn check_spaces(text: &str, local: &str, domain: &str) -> Result<(), AddressProblem> {
    if let Some(unseen) = local.chars().chain(domain.chars()).find(|character| is_invisible(*character)) {
        return Err(AddressProblem::new("address_invisible_character", "character", &code_point(unseen)));
    }
    if unquoted(text).any(|(_, character)| character == ' ') {
        return Err(AddressProblem::new("address_space", "address", text));
    }
    Ok(())
}

fn wire_domain(domain: &str) -> Option<String> {
    if let Some(literal) = domain.strip_prefix('[') {
        return wire_literal(literal.strip_suffix(']')?);
    }
    // The rules of host names: letters, digits, hyphens inside. An underscore is no domain that mail goes to.
    let domain = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .ok()?
        .into_owned();
    // No top-level domain is a number: this is an IP address without its brackets.
    let numeric = domain.rsplit('.').next()?.bytes().all(|byte| byte.is_ascii_digit());
    (!numeric).then_some(domain)
}

/// RFC 5321, 4.1.3.
fn wire_literal(literal: &str) -> Option<String> {
    let (prefix, ip): (_, IpAddr) = match literal.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => ("IPv6:", literal.get(5..)?.parse::<Ipv6Addr>().ok()?.into()),
        _ => ("", literal.parse::<Ipv4Addr>().ok()?.into()),
    };
    Some(format!("[{prefix}{ip}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        Address::parse(text).map_or_else(|problem| problem.code, |_| "ok")
    }

    #[test]
    fn the_wire_form_has_an_ascii_domain() {
        let table = [
            ("ion@example.ro", "ion@example.ro", "ion@example.ro", true),
            (" Ion.Pop+x@EXAMPLE.ro ", "Ion.Pop+x@example.ro", "Ion.Pop+x@example.ro", true),
            ("ion@bücher.example", "ion@xn--bcher-kva.example", "ion@bücher.example", true),
            ("ion@xn--bcher-kva.example", "ion@xn--bcher-kva.example", "ion@bücher.example", true),
            ("ștefan@țară.ro", "ștefan@xn--ar-kla13i.ro", "ștefan@țară.ro", false),
            ("\"ion pop\"@example.ro", "\"ion pop\"@example.ro", "\"ion pop\"@example.ro", true),
            ("\"a@b>\\\"\"@example.ro", "\"a@b>\\\"\"@example.ro", "\"a@b>\\\"\"@example.ro", true),
            ("ion@[127.0.0.1]", "ion@[127.0.0.1]", "ion@[127.0.0.1]", true),
            ("ion@[ipv6:::1]", "ion@[IPv6:::1]", "ion@[IPv6:::1]", true),
            ("root@localhost", "root@localhost", "root@localhost", true),
        ];
        for (typed, wire, displayed, ascii) in table {
            let address = Address::parse(typed).unwrap_or_else(|problem| panic!("{typed}: {problem:?}"));
            assert_eq!((address.as_str(), address.is_ascii()), (wire, ascii), "{typed}");
            assert_eq!(address.to_string(), displayed);
            assert_eq!(format!("{}@{}", address.local(), address.domain()), wire);
        }
        assert_eq!(Address::parse("ion@BÜCHER.example"), Address::parse("ion@xn--bcher-kva.example"));
    }

    #[test]
    fn each_mistake_has_its_code() {
        let table = [
            ("", "address_empty"),
            ("   ", "address_empty"),
            ("ion", "address_no_at"),
            ("@example.ro", "address_no_local"),
            ("ion@", "address_no_domain"),
            ("a@b.ro c@d.ro", "address_missing_separator"),
            ("a@b.ro,c@d.ro", "address_missing_separator"),
            ("a@b@c.ro", "address_several_at"),
            ("ion pop@example.ro", "address_space"),
            ("ion@exam ple.ro", "address_space"),
            ("ion\u{200B}@example.ro", "address_invisible_character"),
            ("ion\u{A0}pop@example.ro", "address_invisible_character"),
            ("ion@exam\u{AD}ple.ro", "address_invisible_character"),
            ("ion\r\n@example.ro", "control_character"),
            ("ion@example.ro\n", "control_character"),
            ("ion\u{85}@example.ro", "control_character"),
            ("ion\u{2028}@example.ro", "control_character"),
            (".ion@example.ro", "address_bad_local"),
            ("i..on@example.ro", "address_bad_local"),
            ("i(on)@example.ro", "address_bad_local"),
            ("i\"on@example.ro", "address_bad_local"),
            ("\"ion\\\"@example.ro", "address_bad_local"),
            ("<ion@example.ro>", "address_bad_domain"),
            ("ion@exam_ple.ro", "address_bad_domain"),
            ("ion@-example.ro", "address_bad_domain"),
            ("ion@example..ro", "address_bad_domain"),
            ("ion@.ro", "address_bad_domain"),
            ("ion@example.ro.", "address_bad_domain"),
            ("ion@example.ro;", "address_bad_domain"),
            ("ion@127.0.0.1", "address_bad_domain"),
            ("ion@[127.0.0.1", "address_bad_domain"),
            ("ion@[example.ro]", "address_bad_domain"),
            ("ion@[IPv6:127.0.0.1]", "address_bad_domain"),
            ("ion@[ă]", "address_bad_domain"),
            ("ion@xn--a.ro", "address_bad_domain"),
        ];
        for (typed, expected) in table {
            assert_eq!(code(typed), expected, "{typed:?}");
        }
    }

    #[test]
    fn lengths_are_counted_in_octets() {
        assert_eq!(code(&format!("{}@example.ro", "a".repeat(64))), "ok");
        assert_eq!(code(&format!("{}@example.ro", "a".repeat(65))), "address_local_too_long");
        assert_eq!(code(&format!("{}@example.ro", "ă".repeat(33))), "address_local_too_long");
        let label = "a".repeat(61);
        assert_eq!(code(&format!("{}@{label}.{label}.{label}.ro", "a".repeat(64))), "ok");
        assert_eq!(code(&format!("{}@{label}.{label}.{label}.info", "a".repeat(64))), "address_too_long");
        assert_eq!(code(&format!("a@{}.ro", "a".repeat(64))), "address_bad_domain");
        let fault = Address::parse(&format!("{}@x.ro", "a".repeat(70))).unwrap_err().at("to[1]");
        assert_eq!(fault.words, [("bytes", "70".to_owned()), ("limit", "64".to_owned())]);
    }
}
