use percent_encoding::percent_decode_str;
use url::Host;

use crate::secret::Secret;

use super::exceptions::Exceptions;
use super::{Login, Protocol, Proxy};

/// curl's, for both protocols.
const DEFAULT_PORT: u16 = 1080;
/// RFC 1929 has one byte for each length.
const LONGEST_LOGIN: usize = 255;

/// Whose proxy's address it is, the first that is there; and the protocol of an address that names none.
const VARIABLES: &[(&str, &str)] =
    &[("socks5_proxy", "socks5"), ("SOCKS5_PROXY", "socks5"), ("all_proxy", "http"), ("ALL_PROXY", "http")];
const EXCEPTIONS: &[&str] = &["no_proxy", "NO_PROXY"];

/// Nothing of the address itself: there may be a password in it.
#[derive(Debug, PartialEq, Eq)]
pub struct BadProxy {
    pub why: WhyBad,
    /// The environment's, if it is not the host's own text.
    pub variable: Option<&'static str>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum WhyBad {
    NotAnAddress,
    /// The protocol that it names is none of ours.
    Protocol(&'static str),
    Login,
}

impl Proxy {
    /// `socks5://user:password@host:port` or `http://…`.
    pub fn parse(address: &Secret) -> Result<Self, BadProxy> {
        parse(address.expose()).map_err(|why| BadProxy { why, variable: None })
    }

    /// The one that the environment names, as curl reads it; none if it names none.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, BadProxy> {
        let first = |name: &str| variable(name).filter(|value| !value.is_empty());
        let named = VARIABLES.iter().find_map(|(name, protocol)| Some((*name, *protocol, Secret::new(first(name)?))));
        let Some((name, protocol, address)) = named else { return Ok(None) };
        let whole = if address.expose().contains("://") {
            address
        } else {
            Secret::new(format!("{protocol}://{}", address.expose()))
        };
        let mut proxy = parse(whole.expose()).map_err(|why| BadProxy { why, variable: Some(name) })?;
        let exceptions = EXCEPTIONS.iter().find_map(|name| first(name)).unwrap_or_default();
        proxy.exceptions = Exceptions::parse(&exceptions);
        Ok(Some(proxy))
    }
}

fn parse(address: &str) -> Result<Proxy, WhyBad> {
    let (scheme, rest) = address.split_once("://").ok_or(WhyBad::NotAnAddress)?;
    let protocol = match scheme.to_ascii_lowercase().as_str() {
        // curl's name for leaving the lookup of names to the proxy, which is what is done with every proxy here.
        "socks5" | "socks5h" => Protocol::Socks5,
        "http" => Protocol::Http,
        other => return Err(not_ours(other)),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    // A character that must be written as %XX in a password would otherwise decide where the host begins.
    if authority.contains(['/', '?', '#', '\\']) {
        return Err(WhyBad::NotAnAddress);
    }
    let (login, place) = authority.rsplit_once('@').map_or((None, authority), |(login, place)| (Some(login), place));
    let (host, port) = host_and_port(place).ok_or(WhyBad::NotAnAddress)?;
    let login = match login {
        Some(login) if !login.is_empty() => Some(parse_login(login, protocol).ok_or(WhyBad::Login)?),
        _ => None,
    };
    Ok(Proxy { protocol, host, port, login, exceptions: Exceptions::default() })
}

/// What proxies are addressed by elsewhere has its own fault. Anything else is not repeated to anybody.
fn not_ours(scheme: &str) -> WhyBad {
    let known = ["https", "socks", "socks4", "socks4a"].into_iter().find(|known| *known == scheme);
    known.map_or(WhyBad::NotAnAddress, WhyBad::Protocol)
}

fn host_and_port(place: &str) -> Option<(String, u16)> {
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (place, None),
    };
    let port = match port {
        None => DEFAULT_PORT,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port > 0)?
        }
        Some(_) => return None,
    };
    let host = match Host::parse(host).ok()? {
        Host::Domain(name) => name,
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Some((host, port))
}

fn parse_login(login: &str, protocol: Protocol) -> Option<Login> {
    let (username, password) = login.split_once(':').unwrap_or((login, ""));
    let login = Login { username: decoded(username)?, password: decoded(password)? };
    // RFC 7617 section 2: the first colon ends the username.
    let is_ambiguous = protocol == Protocol::Http && login.username.expose().contains(':');
    (!is_ambiguous).then_some(login)
}

fn decoded(text: &str) -> Option<Secret> {
    // Where a percent sign is no escape, half a password would be sent.
    let is_escape = |rest: &str| rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(is_escape) {
        return None;
    }
    let secret = Secret::new(percent_decode_str(text).decode_utf8().ok()?.into_owned());
    let is_fine = secret.expose().len() <= LONGEST_LOGIN && !secret.expose().contains(char::is_control);
    is_fine.then_some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Proxy, BadProxy> {
        Proxy::parse(&Secret::new(text.to_owned()))
    }

    #[test]
    fn an_address_has_protocol_login_host_and_port() {
        for (text, protocol, name, login) in [
            ("socks5://proxy.example.test", Protocol::Socks5, "proxy.example.test:1080", None),
            ("SOCKS5H://127.0.0.1:9050/", Protocol::Socks5, "127.0.0.1:9050", None),
            ("http://[::1]", Protocol::Http, "[::1]:1080", None),
            ("http://[::1]:80", Protocol::Http, "[::1]:80", None),
            ("http://ana:s3cret@Proxy.LAN:3128", Protocol::Http, "proxy.lan:3128", Some(("ana", "s3cret"))),
            ("socks5://ana@h", Protocol::Socks5, "h:1080", Some(("ana", ""))),
            ("socks5://a:b:c@h:1", Protocol::Socks5, "h:1", Some(("a", "b:c"))),
            ("socks5://a%3Ab:%C8%98@%2Fx@h:1", Protocol::Socks5, "h:1", Some(("a:b", "Ș@/x"))),
            ("socks5://@poștă.example", Protocol::Socks5, "xn--pot-cpa20l.example:1080", None),
        ] {
            let proxy = parsed(text).unwrap();
            assert_eq!((proxy.protocol, proxy.name().as_str()), (protocol, name), "{text}");
            let told = proxy.login.as_ref().map(|login| (login.username.expose(), login.password.expose()));
            assert_eq!(told, login, "{text}");
            assert!(!format!("{proxy:?}").contains("cret@") && !format!("{proxy:?}").contains("s3cret"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "proxy.example.test:1080",
            "://h",
            "p@ss://h",
            "hunter2://h",
            "socks5://",
            "socks5://:1080",
            "socks5://h:0",
            "socks5://h:65536",
            "socks5://h:+80",
            "socks5://h:x",
            "socks5://h:",
            "socks5://a b",
            "socks5://::1",
            "socks5://[::1]x",
            "socks5://h/path",
            "socks5://h?x",
            "socks5://ana:12#x@h",
            "socks5://ana:p/w@h:1",
        ] {
            assert_eq!(parsed(text).unwrap_err().why, WhyBad::NotAnAddress, "{text}");
        }
        for scheme in ["https", "socks4", "socks4a", "socks"] {
            assert_eq!(parsed(&format!("{scheme}://h")).unwrap_err().why, WhyBad::Protocol(scheme));
        }
        let long = "x".repeat(256);
        for login in ["a:100%", "a:%zz", "a:%0D%0A", "a:%ff", &format!("{long}:x"), &format!("x:{long}")] {
            assert_eq!(parsed(&format!("socks5://{login}@h")).unwrap_err().why, WhyBad::Login, "{login}");
        }
        assert_eq!(parsed("http://a%3Ab:c@h").unwrap_err().why, WhyBad::Login);
        assert!(parsed(&format!("socks5://{0}:{0}@h", "x".repeat(255))).is_ok());
    }

    #[test]
    fn the_environment_names_the_proxy_in_curls_order() {
        let environment = |variables: &'static [(&str, &str)]| {
            Proxy::from_environment(move |name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let name =
            |variables| environment(variables).unwrap().map(|proxy| format!("{:?} {}", proxy.protocol, proxy.name()));
        assert_eq!(name(&[("http_proxy", "http://a"), ("HTTPS_PROXY", "http://b")]), None);
        assert_eq!(name(&[("ALL_PROXY", "")]), None);
        assert_eq!(name(&[("ALL_PROXY", "a:8080")]).unwrap(), "Http a:8080");
        assert_eq!(name(&[("ALL_PROXY", "socks5h://a"), ("all_proxy", "b")]).unwrap(), "Http b:1080");
        assert_eq!(name(&[("ALL_PROXY", "a"), ("SOCKS5_PROXY", "b")]).unwrap(), "Socks5 b:1080");
        let bad = environment(&[("ALL_PROXY", "https://a")]).unwrap_err();
        assert_eq!(bad, BadProxy { why: WhyBad::Protocol("https"), variable: Some("ALL_PROXY") });
        let proxy = environment(&[("ALL_PROXY", "a"), ("NO_PROXY", "example.test")]).unwrap().unwrap();
        assert!(!proxy.is_for("smtp.example.test") && proxy.is_for("smtp.example.com"));
    }
}
