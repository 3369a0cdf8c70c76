//! A certificate authority of this process, and server certificates of every kind of rightness.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Good,
    Expired,
    NotYetValid,
    OtherName,
    SelfSigned,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "mailbutton test authority");
        let key = KeyPair::generate().unwrap();
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("ca-{}.pem", std::process::id()));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Authority { issuer: Issuer::new(params, key), file }
    })
}

pub fn ca_file() -> String {
    authority().file.to_str().unwrap().to_owned()
}

/// A server's configuration, made anew: two calls give two certificates.
pub fn server(kind: Kind) -> Arc<ServerConfig> {
    server_of(kind, rustls::DEFAULT_VERSIONS).0
}

/// A good one that does not know TLS 1.3, and its certificate.
pub fn tls12() -> (Arc<ServerConfig>, CertificateDer<'static>) {
    server_of(Kind::Good, &[&rustls::version::TLS12])
}

/// With the versions of TLS that it speaks, and the certificate that it shows.
pub fn server_of(
    kind: Kind,
    versions: &[&'static SupportedProtocolVersion],
) -> (Arc<ServerConfig>, CertificateDer<'static>) {
    let names = match kind {
        Kind::OtherName => vec!["mail.other.test".to_owned()],
        // The last is a name that only a proxy can look up.
        _ => vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "mail.invalid".to_owned()],
    };
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "test server");
    (params.not_before, params.not_after) = match kind {
        Kind::Expired => (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1)),
        Kind::NotYetValid => (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1)),
        _ => (date_time_ymd(2020, 1, 1), date_time_ymd(2080, 1, 1)),
    };
    let key = KeyPair::generate().unwrap();
    let certificate = match kind {
        Kind::SelfSigned => params.self_signed(&key),
        _ => params.signed_by(&key, &authority().issuer),
    };
    let certificate = certificate.unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key);
    (Arc::new(config.unwrap()), certificate)
}

/// The good one, made once.
pub fn good() -> Arc<ServerConfig> {
    static GOOD: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    Arc::clone(GOOD.get_or_init(|| server(Kind::Good)))
}
