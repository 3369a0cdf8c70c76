//! The two fields that name a server. Each way in which people get them wrong has its own sentence.

use std::net::{IpAddr, Ipv6Addr};

use url::{Host, Url};

use crate::input::Fault;

/// The host as it is looked up: an A-label name or an IP address.
pub fn host(key: &str, text: &str) -> Result<String, Fault> {
    let fault = |code| Err(Fault::input(key, code));
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(Fault::input(key, "host_has_scheme").with("scheme", format!("{scheme}://")));
    }
    if text.contains('@') {
        return fault("host_is_address");
    }
    if text.contains(char::is_whitespace) {
        return fault("host_has_space");
    }
    if text.contains(['/', '\\']) {
        return fault("host_has_path");
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return Ok(address.to_string());
    }
    if let Some((_, port)) = text.rsplit_once(':') {
        if port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::input(key, "host_has_port").with("port", port));
        }
        return fault("host_invalid");
    }
    match idna::domain_to_ascii(text.trim_end_matches('.')) {
        Ok(name) if is_host_name(&name) => Ok(name),
        _ => fault("host_invalid"),
    }
}

/// An IPv4 address passes as well: its labels are digits.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            // Names with underscores are no host names (RFC 952), but private networks have them.
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let looks_numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(is_label) && (!looks_numeric || name.parse::<IpAddr>().is_ok())
}

/// `email.example.com` means `https://email.example.com/`; http:// is for this machine only.
pub fn url(key: &'static str, text: &str) -> Result<Url, Fault> {
    let fault = |code| Err(Fault::input(key, code));
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    if text.contains(char::is_whitespace) || text.chars().any(char::is_control) {
        return fault("url_invalid");
    }
    let Ok(mut url) = Url::parse(&whole) else { return fault("url_invalid") };
    if !url.username().is_empty() || url.password().is_some() {
        return fault("url_has_login");
    }
    url.set_fragment(None);
    let is_loopback = match url.host() {
        None => return fault("url_invalid"),
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        "http" => fault("url_not_secure"),
        _ => fault("url_not_web"),
    }
}

/// Whether a password may travel in clear to it: it never leaves this machine.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrong_host_has_its_own_fault() {
        for (text, code) in [
            ("https://smtp.example.com", "host_has_scheme"),
            ("smtp.example.com:587", "host_has_port"),
            ("smtp.example.com/mail", "host_has_path"),
            ("smtp example.com", "host_has_space"),
            ("ana@example.com", "host_is_address"),
            ("smtp..example.com", "host_invalid"),
            ("-smtp.example.com", "host_invalid"),
            ("smtp.example.com:tls", "host_invalid"),
            ("999.1.1.1", "host_invalid"),
            ("smtp!", "host_invalid"),
        ] {
            assert_eq!(host("smtp_host", text).unwrap_err().code, code, "{text}");
        }
    }

    #[test]
    fn right_hosts_come_out_as_they_are_looked_up() {
        for (text, wire) in [
            ("smtp.gmail.com", "smtp.gmail.com"),
            ("SMTP.Gmail.com.", "smtp.gmail.com"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "::1"),
            ("fe80::1", "fe80::1"),
            ("poștă.example", "xn--pot-cpa20l.example"),
            ("mail_1.lan", "mail_1.lan"),
        ] {
            assert_eq!(host("smtp_host", text).as_deref(), Ok(wire), "{text}");
        }
    }

    #[test]
    fn web_addresses_are_completed_and_kept_secure() {
        for (text, whole) in [
            ("email.example.com", "https://email.example.com/"),
            ("email.example.com:8443/send", "https://email.example.com:8443/send"),
            ("http://127.0.0.1:8025/", "http://127.0.0.1:8025/"),
            ("http://localhost:8025", "http://localhost:8025/"),
            ("http://[::1]:1/", "http://[::1]:1/"),
        ] {
            assert_eq!(url("http_server", text).unwrap().as_str(), whole, "{text}");
        }
        for (text, code) in [
            ("http://email.example.com/", "url_not_secure"),
            ("ftp://email.example.com/", "url_not_web"),
            ("https://ana:secret@email.example.com/", "url_has_login"),
            ("https://", "url_invalid"),
            ("my relay", "url_invalid"),
        ] {
            assert_eq!(url("http_server", text).unwrap_err().code, code, "{text}");
        }
    }
}
