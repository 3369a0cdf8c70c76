//! SASL (RFC 4422): each mechanism is a machine that takes challenges and gives responses. It knows neither SMTP nor the
//! network, so that every one of its steps can be tried with the vectors of its RFC, and with any bytes at all.

mod cram_md5;
mod password;
mod prepare;
pub mod scram;
mod token;

use zeroize::Zeroizing;

use crate::secret::Secret;

use super::ChannelBinding;
use cram_md5::CramMd5;
use password::{Login as LoginExchange, Plain};
use scram::Scram;
use token::Token;

/// Who logs in, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub username: String,
    pub credential: Credential,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    Password(Secret),
    /// An access token of OAuth 2.0.
    Token(Secret),
}

impl Credential {
    pub fn secret(&self) -> &Secret {
        match self {
            Self::Password(secret) | Self::Token(secret) => secret,
        }
    }

    /// Stable; part of the settings.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Password(_) => "password",
            Self::Token(_) => "oauth2",
        }
    }

    /// The mechanisms that can prove that we have it, the one to prefer first.
    pub fn mechanisms(&self, is_secure: bool) -> &'static [Mechanism] {
        use Mechanism as M;
        match self {
            // A server of CRAM-MD5 keeps the password readable, and MD5 is what it is: for servers that have nothing else.
            Self::Password(_) if is_secure => &[M::ScramSha256Plus, M::ScramSha256, M::Plain, M::Login, M::CramMd5],
            // Where others listen, what does not show them the password goes first.
            Self::Password(_) => &[M::ScramSha256, M::CramMd5, M::Plain, M::Login],
            Self::Token(_) => &[M::OAuthBearer, M::XOAuth2],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    ScramSha256Plus,
    ScramSha256,
    Plain,
    Login,
    CramMd5,
    OAuthBearer,
    XOAuth2,
}

impl Mechanism {
    /// As it is registered (RFC 4422 section 3.1).
    pub fn name(self) -> &'static str {
        match self {
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// Whoever reads the exchange has the password.
    pub fn shows_password(self) -> bool {
        matches!(self, Self::Plain | Self::Login)
    }

    /// The server must fetch something of the user's before it can ask; where it has nothing, it refuses without a challenge,
    /// and the password has not been judged.
    pub fn needs_stored_keys(self) -> bool {
        matches!(self, Self::ScramSha256Plus | Self::ScramSha256)
    }

    /// The beginning of one login. It fails where the system has no random numbers.
    pub fn begin(self, login: &Login, site: Site<'_>, channel: Channel) -> Result<Box<dyn Exchange>, NoRandomness> {
        let (username, secret) = (&login.username, login.credential.secret());
        Ok(match self {
            Self::ScramSha256Plus | Self::ScramSha256 => {
                Box::new(Scram::new(username, secret, channel, &scram::nonce()?))
            }
            Self::Plain => Box::new(Plain::new(username, secret)),
            Self::Login => Box::new(LoginExchange::new(username, secret)),
            Self::CramMd5 => Box::new(CramMd5::new(username, secret)),
            Self::OAuthBearer => Box::new(Token::bearer(username, secret, site)),
            Self::XOAuth2 => Box::new(Token::xoauth2(username, secret)),
        })
    }
}

/// Where we log in.
#[derive(Clone, Copy, Debug)]
pub struct Site<'s> {
    pub host: &'s str,
    pub port: u16,
}

/// What a mechanism may tie itself to. The server learns it, and notices if somebody between us has struck the mechanisms
/// with channel binding from its list (RFC 5802 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Nothing that both sides could look at.
    Unbound,
    /// We could, and the server has not offered it.
    NotOffered,
    Bound(ChannelBinding),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness;

/// What goes to the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    pub bytes: Zeroizing<Vec<u8>>,
    /// What of it must be shown to nobody, though it is not the password itself.
    pub proof: Option<Secret>,
}

impl Response {
    fn open(text: impl Into<Vec<u8>>) -> Self {
        Self { bytes: Zeroizing::new(text.into()), proof: None }
    }

    fn with_proof(text: impl Into<Vec<u8>>, proof: String) -> Self {
        Self { bytes: Zeroizing::new(text.into()), proof: Some(Secret::new(proof)) }
    }
}

/// One login with one mechanism.
pub trait Exchange: Send {
    /// What we say unasked, where the mechanism begins with us.
    fn initial(&mut self) -> Option<Response>;

    /// `None` is a challenge that is no base64.
    fn respond(&mut self, challenge: Option<&[u8]>) -> Result<Response, BadChallenge>;

    /// The next response may take a second of computing.
    fn is_slow(&self) -> bool {
        false
    }

    /// The server has proved what the mechanism wants it to prove: only then is its "welcome" to be believed.
    fn is_proven(&self) -> bool {
        true
    }

    /// Why the server refuses, where it said so within the exchange. Its words are a stranger's.
    fn refusal(&self) -> Option<&str> {
        None
    }
}

/// Why an exchange cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadChallenge {
    NotBase64,
    Malformed,
    /// One more than the mechanism has.
    Unexpected,
    /// It does not continue what we said: it is for somebody else, or of another time.
    OtherNonce,
    TooFewIterations,
    TooManyIterations,
    /// The server does not know the password.
    WrongSignature,
}

impl BadChallenge {
    pub fn describe(self) -> &'static str {
        match self {
            Self::NotBase64 => "a challenge that is no base64",
            Self::Malformed => "a challenge that is not in the form of its mechanism",
            Self::Unexpected => "a challenge more than the mechanism has",
            Self::OtherNonce => "a challenge that does not continue this login",
            Self::TooFewIterations => "a challenge with fewer than 4,096 iterations, too few to keep the password safe",
            Self::TooManyIterations => "a challenge with more than 600,000 iterations",
            Self::WrongSignature => "the server's signature is wrong",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn password(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn names(credential: &Credential, is_secure: bool) -> Vec<&'static str> {
        credential.mechanisms(is_secure).iter().map(|mechanism| mechanism.name()).collect()
    }

    #[test]
    fn in_clear_the_mechanisms_that_show_the_password_come_last() {
        let password = Credential::Password(password("x"));
        assert_eq!(names(&password, true), ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5"]);
        assert_eq!(names(&password, false), ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"]);
    }

    #[test]
    fn a_token_goes_by_no_way_for_passwords() {
        assert_eq!(names(&Credential::Token(password("x")), true), ["OAUTHBEARER", "XOAUTH2"]);
    }
}
