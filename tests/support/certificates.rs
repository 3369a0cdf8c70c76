//! A certificate authority of this process, and server certificates of every kind of rightness.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Good,
    Expired,
    NotYetValid,
    OtherName,
    SelfSigned,
    /// Made on the way: by an antivirus program on this computer, or by the firewall of the network.
    Antivirus,
    Firewall,
    /// A device of the network answers in place of the server.
    Portal,
    /// Of an authority that nobody knows.
    Stranger,
    /// Not for servers.
    ClientOnly,
}

/// What the servers of the tests are called. The third is a name that only a proxy can look up, as are all behind it.
const NAMES: &[&str] = &[
    "localhost",
    "127.0.0.1",
    "mail.invalid",
    "firm.test",
    "*.firm.test",
    "smtp.example.com",
    "imap.example.com",
    "pop.example.com",
    "smtp.gmail.com",
    "smtp.mail.yahoo.com",
    "smtp.mail.me.com",
    "smtp.office365.com",
    "smtp-mail.outlook.com",
    "smtp.mail.ru",
    "mail.gmx.net",
    "smtp.zoho.com",
    "smtp-relay.brevo.com",
    "smtp.sendgrid.net",
    "smtp.postmarkapp.com",
    "smtp.mailgun.org",
    "email-smtp.us-east-1.amazonaws.com",
];

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
        Kind::Portal => vec!["login.hotspot.test".to_owned()],
        _ => NAMES.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "test server");
    (params.not_before, params.not_after) = match kind {
        Kind::Expired => (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1)),
        Kind::NotYetValid => (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1)),
        _ => (date_time_ymd(2020, 1, 1), date_time_ymd(2080, 1, 1)),
    };
    if matches!(kind, Kind::ClientOnly) {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    }
    let key = KeyPair::generate().unwrap();
    let certificate = match kind {
        Kind::SelfSigned | Kind::Portal => params.self_signed(&key),
        Kind::Antivirus => params.signed_by(&key, &stranger("Avast Web/Mail Shield Root")),
        Kind::Firewall => params.signed_by(&key, &stranger("FortiGate CA")),
        Kind::Stranger => params.signed_by(&key, &stranger("Somebody's authority")),
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

/// An authority that is not trusted.
fn stranger(name: &str) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    Issuer::new(params, KeyPair::generate().unwrap())
}

/// The good one, made once.
pub fn good() -> Arc<ServerConfig> {
    static GOOD: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    Arc::clone(GOOD.get_or_init(|| server(Kind::Good)))
}
