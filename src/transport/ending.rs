//! Every way that a piece of work can end, and what was learnt on the way to it.

use crate::email::FileProblem;

use super::certificate::CertificateFacts;
use super::spoken::Spoken;

/// A step of a session, in the words of the report. The order of a report is the order in which they happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Waiting for one of the connections that an account has at a time, or for as long as the server wants.
    Turn,
    /// A token is fetched for the login.
    SignIn,
    Name,
    Connect,
    /// The proxy is asked for the server. The steps before it are then about the proxy's own host.
    Proxy,
    Tls,
    Greeting,
    Login,
    Sender,
    Recipient,
    Content,
    Verdict,
    /// After a failure, other ports and encryptions are tried. Progress tells of it; it is none of the report's own steps.
    Repair,
}

impl Step {
    pub const ALL: [Self; 13] = [
        Self::Turn,
        Self::SignIn,
        Self::Name,
        Self::Connect,
        Self::Proxy,
        Self::Tls,
        Self::Greeting,
        Self::Login,
        Self::Sender,
        Self::Recipient,
        Self::Content,
        Self::Verdict,
        Self::Repair,
    ];

    /// What happens once for a connection, however many emails it carries.
    pub fn is_of_the_opening(self) -> bool {
        match self {
            Self::Name | Self::Connect | Self::Proxy | Self::Tls | Self::Greeting | Self::Login => true,
            Self::Turn
            | Self::SignIn
            | Self::Sender
            | Self::Recipient
            | Self::Content
            | Self::Verdict
            | Self::Repair => false,
        }
    }

    /// Stable; part of the replies.
    pub fn code(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::SignIn => "sign_in",
            Self::Name => "name",
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Greeting => "greeting",
            Self::Login => "login",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Content => "content",
            Self::Verdict => "verdict",
            Self::Repair => "repair",
        }
    }
}

/// One type for all endings. A match that says what each of them means has no `_` arm: who adds an ending decides it
/// everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server accepted the email for every recipient.
    Accepted,
    /// The server accepted it for some recipients, and the caller had allowed that.
    AcceptedPartly,

    NameNotFound,
    NameLookupFailed,
    NoRoute,
    ConnectionRefused,
    ConnectionFailed,
    TimedOut,
    /// The time that the caller allowed for the whole ran out.
    OutOfTime,
    Disconnected,
    /// What came back breaks the protocol.
    BadReply,
    /// The proxy wants a login, or another one.
    ProxyLoginRefused,
    /// The proxy answers, and did not connect to the server.
    ProxyFailed,

    TlsFailed,
    /// The first bytes that came back are not TLS: the port speaks in clear.
    TlsNotSpoken,
    TlsTooOld,
    /// STARTTLS is not among the server's extensions.
    TlsNotOffered,
    TlsRefused,
    /// Bytes in clear around STARTTLS (RFC 3207 section 6).
    BytesBeforeTls,
    CertificateUntrusted,
    CertificateExpired,
    CertificateNotYetValid,
    CertificateWrongName,
    CertificateInvalid,
    /// Another certificate than the one that was accepted.
    CertificateChanged,
    /// The password would have travelled in clear.
    LoginInClear,
    /// The server did not prove that it knows the password, as its mechanism demands.
    LoginServerUnproven,
    /// The settings have no encryption, and the server wants it.
    EncryptionRequired,

    LoginRefused,
    LoginNotOffered,
    LoginUnsupported,
    /// The server wants a login and the settings have none (530).
    LoginRequired,
    /// The provider of a sign-in gave no token.
    TokenRefused,
    /// Somebody else signed in than the settings are for; the detail is the account.
    OtherAccount,
    /// This computer lets us listen for the end of a sign-in at no port.
    NoListener,
    HttpUnauthorized,

    ServerBusy,
    LoginDeferred,
    SenderDeferred,
    RecipientDeferred,
    ContentDeferred,
    HttpBusy,

    ServerRefused,
    SenderRefused,
    RecipientRefused,
    ContentRefused,
    TooLarge,
    /// An address needs SMTPUTF8 and the server does not have it.
    AddressNotSupported,
    HttpRefused,
    HttpNotFound,
    HttpRedirected,

    /// The document's file is not the one that was given any more.
    FileChanged,
    FileUnreadable,

    /// The content was sent to its end and no verdict came.
    NoVerdict,
    Canceled,
    /// A caught bug of ours.
    Internal,
}

impl Ending {
    /// Stable; part of the replies.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::AcceptedPartly => "accepted_partly",
            Self::NameNotFound => "name_not_found",
            Self::NameLookupFailed => "name_lookup_failed",
            Self::NoRoute => "no_route",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionFailed => "connection_failed",
            Self::TimedOut => "timed_out",
            Self::OutOfTime => "out_of_time",
            Self::Disconnected => "disconnected",
            Self::BadReply => "bad_reply",
            Self::ProxyLoginRefused => "proxy_login_refused",
            Self::ProxyFailed => "proxy_failed",
            Self::TlsFailed => "tls_failed",
            Self::TlsNotSpoken => "tls_not_spoken",
            Self::TlsTooOld => "tls_too_old",
            Self::TlsNotOffered => "tls_not_offered",
            Self::TlsRefused => "tls_refused",
            Self::BytesBeforeTls => "bytes_before_tls",
            Self::CertificateUntrusted => "certificate_untrusted",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYetValid => "certificate_not_yet_valid",
            Self::CertificateWrongName => "certificate_wrong_name",
            Self::CertificateInvalid => "certificate_invalid",
            Self::CertificateChanged => "certificate_changed",
            Self::LoginInClear => "login_in_clear",
            Self::LoginServerUnproven => "login_server_unproven",
            Self::EncryptionRequired => "encryption_required",
            Self::LoginRefused => "login_refused",
            Self::LoginNotOffered => "login_not_offered",
            Self::LoginUnsupported => "login_unsupported",
            Self::LoginRequired => "login_required",
            Self::TokenRefused => "token_refused",
            Self::OtherAccount => "sign_in_other_account",
            Self::NoListener => "sign_in_no_listener",
            Self::HttpUnauthorized => "http_unauthorized",
            Self::ServerBusy => "server_busy",
            Self::LoginDeferred => "login_deferred",
            Self::SenderDeferred => "sender_deferred",
            Self::RecipientDeferred => "recipient_deferred",
            Self::ContentDeferred => "content_deferred",
            Self::HttpBusy => "http_busy",
            Self::ServerRefused => "server_refused",
            Self::SenderRefused => "sender_refused",
            Self::RecipientRefused => "recipient_refused",
            Self::ContentRefused => "content_refused",
            Self::TooLarge => "too_large",
            Self::AddressNotSupported => "address_not_supported",
            Self::HttpRefused => "http_refused",
            Self::HttpNotFound => "http_not_found",
            Self::HttpRedirected => "http_redirected",
            Self::FileChanged => "file_changed",
            Self::FileUnreadable => "file_unreadable",
            Self::NoVerdict => "no_verdict",
            Self::Canceled => "canceled",
            Self::Internal => "internal",
        }
    }
}

/// The server's own words, safe to show: cut, without control characters, without our secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerWords {
    /// The SMTP reply code or the HTTP status.
    pub code: u16,
    /// RFC 3463, for example `5.7.8`.
    pub enhanced: Option<String>,
    pub text: String,
}

/// A piece of work that did not end in acceptance. Which step it was, the journal knows.
#[derive(Clone, Debug)]
pub struct Failure {
    pub ending: Ending,
    pub server: Option<ServerWords>,
    /// What the system or the TLS library said, or the server elsewhere than in a reply's text, for the person who helps.
    /// Cleaned, and never what the user typed.
    pub detail: Option<String>,
    pub certificate: Option<Box<CertificateFacts>>,
    /// The email's size and the server's limit, in bytes, where that is the problem.
    pub size: Option<(u64, u64)>,
    /// What the first bytes told that came, where something else was expected.
    pub spoken: Option<Spoken>,
    /// How long to wait before another try, in seconds, where a header says so. What words say of it is not looked at here.
    pub retry_after: Option<u16>,
}

impl Failure {
    pub fn new(ending: Ending) -> Self {
        Self { ending, server: None, detail: None, certificate: None, size: None, spoken: None, retry_after: None }
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn words(mut self, words: ServerWords) -> Self {
        self.server = Some(words);
        self
    }
}

impl From<FileProblem> for Failure {
    fn from(problem: FileProblem) -> Self {
        let ending = match problem {
            FileProblem::Changed(_) => Ending::FileChanged,
            FileProblem::Unreadable(_) => Ending::FileUnreadable,
        };
        Self::new(ending).detail(problem.to_string())
    }
}

impl From<Ending> for Failure {
    fn from(ending: Ending) -> Self {
        Self::new(ending)
    }
}

/// What happened to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was sent to it, because the work ended before.
    NotSent,
    /// The server took the address; whether the email follows, the verdict says.
    Taken,
    Accepted,
    Deferred(ServerWords),
    Refused(ServerWords),
    Uncertain,
}

impl Outcome {
    /// Stable; part of the replies.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSent | Self::Taken => "not_sent",
            Self::Accepted => "accepted",
            Self::Deferred(_) => "deferred",
            Self::Refused(_) => "refused",
            Self::Uncertain => "uncertain",
        }
    }
}
