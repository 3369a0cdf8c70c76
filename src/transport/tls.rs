//! TLS for both protocols: whom to trust, and why a handshake failed.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use once_cell::unsync::OnceCell;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, OtherError,
    RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Network;
use super::certificate::{CertificateFacts, Fingerprint};
use super::ending::{Ending, Failure, Step};
use super::journal::Journal;
use super::spoken::Listened;

/// Which certificate a server may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// One that the system's authorities vouch for, or the host's extra ones.
    Authorities,
    /// This one and no other.
    Pinned(Fingerprint),
}

/// Authorities that the host trusts besides the system's.
#[derive(Clone, Default)]
pub struct Roots(Vec<CertificateDer<'static>>);

/// Why a file of authorities cannot be used, in the library's words.
pub enum BadRoots {
    Unreadable(String),
    Empty,
    Invalid(String),
}

impl Roots {
    /// All the certificates of a PEM file.
    pub fn read(path: &str) -> Result<Self, BadRoots> {
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| BadRoots::Unreadable(error.to_string()))?;
        if certificates.is_empty() {
            return Err(BadRoots::Empty);
        }
        let mut roots = RootCertStore::empty();
        match certificates.iter().find_map(|der| roots.add(der.clone()).err()) {
            Some(error) => Err(BadRoots::Invalid(error.to_string())),
            None => Ok(Self(certificates)),
        }
    }
}

/// The client configurations of one account. They are made at the first use (reading the system's store costs
/// milliseconds) and kept, because session tickets live in them.
pub struct Tls {
    provider: Arc<CryptoProvider>,
    extra_roots: Vec<CertificateDer<'static>>,
    authorities: OnceCell<(Arc<ClientConfig>, bool)>,
    pinned: RefCell<Option<(Fingerprint, Arc<ClientConfig>)>>,
}

impl Tls {
    pub fn new(Roots(extra_roots): Roots) -> Self {
        Self {
            // Given to each configuration explicitly: the process-wide default is the host's to choose.
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            extra_roots,
            authorities: OnceCell::new(),
            pinned: RefCell::new(None),
        }
    }

    /// The configuration, and whether the built-in list of authorities stands in for a missing system store.
    pub fn config(&self, trust: Trust) -> Result<(Arc<ClientConfig>, bool), Failure> {
        match trust {
            Trust::Authorities => self
                .authorities
                .get_or_try_init(|| {
                    let (authorities, builtin) = self.authorities_verifier()?;
                    self.build(Rule::Authorities(authorities)).map(|config| (config, builtin))
                })
                .map(|(config, builtin)| (Arc::clone(config), *builtin)),
            Trust::Pinned(fingerprint) => {
                let mut pinned = self.pinned.borrow_mut();
                match &*pinned {
                    Some((kept, config)) if *kept == fingerprint => Ok((Arc::clone(config), false)),
                    _ => {
                        let config = self.build(Rule::Pinned(fingerprint))?;
                        *pinned = Some((fingerprint, Arc::clone(&config)));
                        Ok((config, false))
                    }
                }
            }
        }
    }

    fn authorities_verifier(&self) -> Result<(Arc<dyn ServerCertVerifier>, bool), Failure> {
        let provider = || Arc::clone(&self.provider);
        // It fails where the system has no store, as slim containers do not.
        if let Ok(system) = Verifier::new(provider()) {
            let verifier = if self.extra_roots.is_empty() {
                Ok(system)
            } else {
                Verifier::new_with_extra_roots(self.extra_roots.iter().cloned(), provider())
            };
            let verifier = verifier.map_err(|error| Failure::new(Ending::TlsFailed).detail(error.to_string()))?;
            return Ok((Arc::new(verifier), false));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
        roots.add_parsable_certificates(self.extra_roots.iter().cloned());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| Failure::new(Ending::TlsFailed).detail(error.to_string()))?;
        Ok((verifier, true))
    }

    fn build(&self, rule: Rule) -> Result<Arc<ClientConfig>, Failure> {
        let judge = Judge { rule, provider: Arc::clone(&self.provider) };
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new(Ending::TlsFailed).detail(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(judge))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// TLS with the server of this name, from end to end: whatever carries the stream has no part in it.
pub async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    host: &str,
    trust: Trust,
    network: &Network,
    journal: &Journal,
) -> Result<TlsStream<Listened<S>>, Failure> {
    journal.begin(Step::Tls);
    let (config, builtin_roots) = network.tls.config(trust)?;
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Failure::new(Ending::CertificateWrongName).detail(error.to_string()))?;
    let stream =
        timeout(network.deadlines.tls, TlsConnector::from(config).connect(name, Listened::new(stream)).into_fallible())
            .await
            .map_err(|_| Failure::new(Ending::TimedOut))?
            .map_err(|(error, stream)| Failure { spoken: stream.spoken(), ..handshake_failure(&error) })?;
    note(&stream, builtin_roots, journal);
    Ok(stream)
}

fn note<S>(stream: &TlsStream<S>, builtin_roots: bool, journal: &Journal) {
    let (_, connection) = stream.get_ref();
    journal.found(|found| {
        found.builtin_roots = builtin_roots;
        found.tls_version = connection.protocol_version().map(|version| match version {
            rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
            _ => "TLS 1.2",
        });
        found.cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).map(str::to_owned);
        found.certificate = connection
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|certificate| Box::new(CertificateFacts::read(certificate)));
        let [version, cipher] = [found.tls_version, found.cipher.as_deref()].map(Option::unwrap_or_default);
        journal.note(&format!("encrypted: {version}, {cipher}"));
    });
}

/// Carries a refused certificate inside rustls' error, so that the one that was refused can be shown.
#[derive(Debug)]
struct RefusedCertificate {
    ending: Ending,
    facts: CertificateFacts,
    detail: String,
}

impl std::fmt::Display for RefusedCertificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.detail)
    }
}

impl std::error::Error for RefusedCertificate {}

fn refused(ending: Ending, certificate: &CertificateDer<'_>, detail: String) -> TlsError {
    let facts = CertificateFacts::read(certificate);
    let refused = RefusedCertificate { ending, facts, detail };
    TlsError::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused))))
}

/// Judges the certificate that a server shows, and keeps the one that is refused. The signatures of the handshake are
/// checked alike, whoever is trusted.
#[derive(Debug)]
struct Judge {
    rule: Rule,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Rule {
    Authorities(Arc<dyn ServerCertVerifier>),
    /// One certificate, whatever its issuer, names and dates say: a person compared its fingerprint.
    Pinned(Fingerprint),
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        match &self.rule {
            Rule::Authorities(authorities) => authorities
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map_err(|error| refused(certificate_ending(&error, end_entity), end_entity, error.to_string())),
            Rule::Pinned(fingerprint) if Fingerprint::of(end_entity) == *fingerprint => {
                Ok(ServerCertVerified::assertion())
            }
            Rule::Pinned(fingerprint) => {
                let detail = format!("expected the certificate {fingerprint}");
                Err(refused(Ending::CertificateChanged, end_entity, detail))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn certificate_ending(error: &TlsError, certificate: &CertificateDer<'_>) -> Ending {
    use CertificateError as C;
    let TlsError::InvalidCertificate(why) = error else { return Ending::CertificateInvalid };
    match why {
        C::Expired | C::ExpiredContext { .. } => Ending::CertificateExpired,
        C::NotValidYet | C::NotValidYetContext { .. } => Ending::CertificateNotYetValid,
        C::NotValidForName | C::NotValidForNameContext { .. } => Ending::CertificateWrongName,
        C::UnknownIssuer => Ending::CertificateUntrusted,
        // A self-signed certificate fails as "CA used as end entity" before anyone asks who signed it.
        _ if CertificateFacts::read(certificate).self_signed => Ending::CertificateUntrusted,
        _ => Ending::CertificateInvalid,
    }
}

/// What a failed handshake means.
fn handshake_failure(error: &io::Error) -> Failure {
    match tls_error(error) {
        Some(error) => tls_failure(error),
        None if error.kind() == io::ErrorKind::TimedOut => Failure::new(Ending::TimedOut),
        None => Failure::new(Ending::Disconnected).detail(error.to_string()),
    }
}

/// The TLS library's error inside an I/O error, if there is one.
fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>())
}

fn tls_failure(error: &TlsError) -> Failure {
    let ending = match error {
        TlsError::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
            if let Some(refused) = other.downcast_ref::<RefusedCertificate>() {
                let mut failure = Failure::new(refused.ending).detail(refused.detail.clone());
                failure.certificate = Some(Box::new(refused.facts.clone()));
                return failure;
            }
            Ending::CertificateInvalid
        }
        TlsError::InvalidCertificate(_) => Ending::CertificateInvalid,
        TlsError::InvalidMessage(_) => Ending::TlsNotSpoken,
        TlsError::AlertReceived(AlertDescription::ProtocolVersion) | TlsError::PeerIncompatible(_) => Ending::TlsTooOld,
        _ => Ending::TlsFailed,
    };
    Failure::new(ending).detail(error.to_string())
}
