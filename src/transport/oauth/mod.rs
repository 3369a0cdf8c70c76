//! OAuth 2.0 (RFC 6749) with a provider: codes with PKCE (RFC 7636) and the callback that brings them, device codes
//! (RFC 8628), client credentials, refreshing and revoking (RFC 7009).

mod answer;
mod callback;
mod listener;
mod request;

#[cfg(fuzzing)]
pub mod fuzzing;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::time::{Instant, sleep};
use url::{Host, Url};

use crate::secret::Secret;

use super::{Ending, Failure, Network};
use request::Asker;

pub use callback::{Callback, read_callback};
pub use listener::Listener;

/// RFC 8628 sections 3.4 and 3.5.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const SLOWER: Duration = Duration::from_secs(5);

/// Some tokens are thousands of letters long; the longest with which a login still fits into its lines.
pub const LONGEST_TOKEN: usize = 8000;

/// A web address to which secrets may go: encrypted, or no further than this machine.
pub fn address(text: &str) -> Option<Url> {
    let is_loopback = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let url = Url::parse(text).ok()?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    (is_safe && url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// Where a provider's sign-in is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    pub issuer: Option<String>,
    pub authorization: Option<Url>,
    pub token: Url,
    pub device: Option<Url>,
    pub revocation: Option<Url>,
    /// All of them, separated by blanks.
    pub scope: String,
    /// What the provider wants in the address of its page besides.
    pub parameters: Vec<(String, String)>,
}

/// The host's program, as it is registered with the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub endpoints: Endpoints,
    pub id: String,
    pub secret: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub access: Secret,
    pub refresh: Option<Secret>,
    pub expires_in: Option<Duration>,
    /// What the provider calls the account that signed in, if it says so.
    pub accounts: Vec<String>,
}

/// The page to open, and what its answer is checked with, which stands in its address, too.
#[derive(Clone)]
pub struct Page {
    pub url: Url,
    pub state: Secret,
    pub verifier: Secret,
}

/// What to show to a person who signs in on another device.
#[derive(Debug)]
pub struct Device {
    secret: Secret,
    pub code: String,
    pub url: String,
    /// With the code in it.
    pub whole_url: Option<String>,
    pub expires_in: Duration,
    interval: Duration,
}

impl Client {
    /// Of the provider's token endpoint, for messages.
    pub fn host(&self) -> &str {
        self.endpoints.token.host_str().unwrap_or_default()
    }

    /// `None`: the provider has no page, or the system no random numbers.
    pub fn page(&self, redirect: &Url, account: &str) -> Option<Page> {
        let (state, verifier) = (random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()));
        let mut url = self.endpoints.authorization.clone()?;
        url.query_pairs_mut()
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", &self.id),
                ("redirect_uri", redirect.as_str()),
                ("state", state.expose()),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
            ])
            .extend_pairs(self.scope())
            .extend_pairs(&self.endpoints.parameters)
            .extend_pairs((!account.is_empty()).then_some(("login_hint", account)));
        Some(Page { url, state, verifier })
    }

    /// The tokens for the code that a callback brought.
    pub async fn redeem(
        &self,
        code: &Secret,
        verifier: &Secret,
        redirect: &Url,
        network: &Network,
    ) -> Result<Tokens, Failure> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("code_verifier", verifier.expose()),
            ("redirect_uri", redirect.as_str()),
        ];
        self.tokens(&form, &[code, verifier], network).await
    }

    pub async fn refresh(&self, token: &Secret, network: &Network) -> Result<Tokens, Failure> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        self.tokens(&form, &[token], network).await
    }

    pub async fn client_credentials(&self, network: &Network) -> Result<Tokens, Failure> {
        let form: Vec<_> = [("grant_type", "client_credentials")].into_iter().chain(self.scope()).collect();
        self.tokens(&form, &[], network).await
    }

    async fn tokens(&self, form: &[(&str, &str)], secrets: &[&Secret], network: &Network) -> Result<Tokens, Failure> {
        let answer = Asker::new(self, network, secrets).ask(&self.endpoints.token, form).await?;
        answer::tokens(&answer)
    }

    /// A code for the user to type in on another device. `None`: the provider has none.
    pub async fn device(&self, network: &Network) -> Option<Result<Device, Failure>> {
        let url = self.endpoints.device.as_ref()?;
        let form: Vec<_> = self.scope().into_iter().collect();
        let answer = Asker::new(self, network, &[]).ask(url, &form).await;
        Some(answer.and_then(|answer| answer::device(&answer)))
    }

    /// Waits until the user has done what the device code is for, or it has expired.
    pub async fn await_device(&self, device: &Device, begun: Instant, network: &Network) -> Result<Tokens, Failure> {
        let form = [("grant_type", DEVICE_GRANT), ("device_code", device.secret.expose())];
        let mut interval = device.interval;
        while begun.elapsed() + interval < device.expires_in {
            sleep(interval).await;
            let failure = match self.tokens(&form, &[&device.secret], network).await {
                Ok(tokens) => return Ok(tokens),
                Err(failure) => failure,
            };
            let error = failure.detail.as_deref().and_then(|detail| detail.split(':').next());
            match (failure.ending, error) {
                (Ending::TokenRefused, Some("authorization_pending")) => {}
                // A provider that does not answer in time is asked less often (RFC 8628 section 3.5).
                (Ending::TokenRefused, Some("slow_down")) | (Ending::TimedOut | Ending::HttpBusy, _) => {
                    interval += SLOWER;
                }
                _ => return Err(failure),
            }
        }
        Err(Failure::new(Ending::TokenRefused).detail("expired_token"))
    }

    /// `None`: the provider takes no such wish.
    pub async fn revoke(&self, tokens: &Tokens, network: &Network) -> Option<Result<(), Failure>> {
        let url = self.endpoints.revocation.as_ref()?;
        let (kind, token) = match &tokens.refresh {
            Some(refresh) => ("refresh_token", refresh),
            None => ("access_token", &tokens.access),
        };
        let form = [("token", token.expose()), ("token_type_hint", kind)];
        Some(Asker::new(self, network, &[token]).tell(url, &form).await)
    }

    fn scope(&self) -> Option<(&str, &str)> {
        let scope = self.endpoints.scope.as_str();
        (!scope.is_empty()).then_some(("scope", scope))
    }
}

/// 256 bits, as RFC 7636 section 7.1 wants them.
pub fn random() -> Option<Secret> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut *bytes).ok()?;
    Some(Secret::new(URL_SAFE_NO_PAD.encode(*bytes)))
}
