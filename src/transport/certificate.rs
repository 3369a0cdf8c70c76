//! What a certificate says of itself, for people to compare.

use ring::digest;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// SHA-256 over the DER encoding: what browsers and `openssl x509 -fingerprint -sha256` show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Self(bytes)
    }

    /// 64 hexadecimal digits in any case; colons and spaces between them are left out.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text
            .bytes()
            .filter(|byte| !matches!(byte, b':' | b' '))
            .map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        (rest.is_empty()).then_some(())?;
        bytes.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if at > 0 {
                formatter.write_str(":")?;
            }
            write!(formatter, "{byte:02X}")?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    pub fingerprint: Fingerprint,
    /// RFC 4514; empty if the certificate cannot be read, of which the fingerprint is all that is known.
    pub subject: String,
    pub issuer: String,
    /// RFC 3339, UTC.
    pub not_before: String,
    pub not_after: String,
    /// The host names and addresses that it is for.
    pub names: Vec<String>,
    pub self_signed: bool,
}

impl CertificateFacts {
    pub fn read(der: &CertificateDer<'_>) -> Self {
        let mut facts = Self {
            fingerprint: Fingerprint::of(der),
            subject: String::new(),
            issuer: String::new(),
            not_before: String::new(),
            not_after: String::new(),
            names: Vec::new(),
            self_signed: false,
        };
        if let Ok(certificate) = Certificate::from_der(der) {
            let body = certificate.tbs_certificate();
            facts.subject = visible(&body.subject().to_string());
            facts.issuer = visible(&body.issuer().to_string());
            facts.not_before = body.validity().not_before.to_date_time().to_string();
            facts.not_after = body.validity().not_after.to_date_time().to_string();
            facts.self_signed = body.subject() == body.issuer();
            if let Ok(Some((_, SubjectAltName(names)))) = body.get_extension::<SubjectAltName>() {
                facts.names = names.iter().filter_map(host_name).take(20).collect();
            }
        }
        facts
    }
}

/// A certificate is a stranger's text like any other.
fn visible(text: &str) -> String {
    super::words::Redactor::new("", None).clean(text.as_bytes())
}

fn host_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(visible(name.as_str())),
        GeneralName::IpAddress(bytes) => match *bytes.as_bytes() {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            ref long => <[u8; 16]>::try_from(long).ok().map(|octets| std::net::Ipv6Addr::from(octets).to_string()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_back_as_it_is_shown_and_as_people_copy_it() {
        let shown = Fingerprint([0xAB; 32]);
        assert_eq!(Fingerprint::parse(&shown.to_string()), Some(shown));
        assert_eq!(Fingerprint::parse(&"ab".repeat(32)), Some(shown));
        for wrong in ["", "ab", &"ab".repeat(31), &"ab".repeat(33), &"zz".repeat(32), &("a".repeat(63))] {
            assert_eq!(Fingerprint::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_facts_are_those_of_the_certificate() {
        let made =
            rcgen::generate_simple_self_signed(vec!["mail.example.test".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let facts = CertificateFacts::read(made.cert.der());
        assert!(facts.self_signed);
        assert_eq!(facts.names, ["mail.example.test", "127.0.0.1"]);
        assert!(facts.not_after.ends_with('Z') && facts.not_after > facts.not_before, "{facts:?}");
        assert!(facts.subject.contains("rcgen"), "{facts:?}");
    }
}
