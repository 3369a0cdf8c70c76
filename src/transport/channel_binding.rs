//! What a login can be tied to, so that whoever sits between the two ends of TLS cannot pass it on.

use ring::digest;
use rustls::ClientConnection;
use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::ObjectIdentifier;

#[derive(Clone, PartialEq, Eq)]
pub struct ChannelBinding {
    /// As it is registered.
    pub name: &'static str,
    pub data: Vec<u8>,
}

impl std::fmt::Debug for ChannelBinding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ChannelBinding({})", self.name)
    }
}

impl ChannelBinding {
    /// The one that belongs to the version of TLS. `tls-unique` is not among them: it is not safe without an extension that
    /// few servers insist on, and TLS 1.3 does not have it.
    pub fn of(connection: &ClientConnection) -> Option<Self> {
        match connection.protocol_version()? {
            TLSv1_3 => Self::exporter(connection),
            TLSv1_2 => Self::end_point(connection.peer_certificates()?.first()?),
            _ => None,
        }
    }

    /// RFC 9266.
    fn exporter(connection: &ClientConnection) -> Option<Self> {
        let data = connection.export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", Some(&[])).ok()?;
        Some(Self { name: "tls-exporter", data })
    }

    /// RFC 5929 section 4: the certificate's hash, by the function that its signature uses. A signature with a hash of its own
    /// (Ed25519), or that names it elsewhere (RSA-PSS), has none.
    fn end_point(certificate: &CertificateDer<'_>) -> Option<Self> {
        let signature = Certificate::from_der(certificate).ok()?.signature_algorithm().oid;
        let (_, hash) = HASHES.iter().find(|(algorithm, _)| *algorithm == signature)?;
        Some(Self { name: "tls-server-end-point", data: digest::digest(hash, certificate).as_ref().to_vec() })
    }
}

const HASHES: [(ObjectIdentifier, &digest::Algorithm); 9] = [
    // MD5 and SHA-1 are replaced by SHA-256, as the RFC wants.
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"), &digest::SHA256),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"), &digest::SHA256),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"), &digest::SHA256),
    // RSA, and ECDSA.
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"), &digest::SHA256),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"), &digest::SHA384),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"), &digest::SHA512),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"), &digest::SHA256),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"), &digest::SHA384),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"), &digest::SHA512),
];

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

    use super::*;

    fn end_point(algorithm: &'static SignatureAlgorithm) -> (Vec<u8>, Option<ChannelBinding>) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let made = CertificateParams::new(vec!["mail.example.test".to_owned()]).unwrap().self_signed(&key).unwrap();
        (made.der().to_vec(), ChannelBinding::end_point(made.der()))
    }

    #[test]
    fn a_certificate_is_hashed_as_its_signature_is() {
        for (algorithm, hash) in
            [(&rcgen::PKCS_ECDSA_P256_SHA256, &digest::SHA256), (&rcgen::PKCS_ECDSA_P384_SHA384, &digest::SHA384)]
        {
            let (der, binding) = end_point(algorithm);
            let data = digest::digest(hash, &der).as_ref().to_vec();
            assert_eq!(binding, Some(ChannelBinding { name: "tls-server-end-point", data }));
        }
        assert_eq!(end_point(&rcgen::PKCS_ED25519).1, None);
        assert_eq!(ChannelBinding::end_point(&CertificateDer::from(vec![1, 2, 3])), None);
    }
}
