//! OAuth 2.0 (RFC 6749) with a provider: codes with PKCE (RFC 7636) and the callback that brings them, device codes
//! (RFC 8628), client credentials, refreshing and revoking (RFC 7009). The protocol and its parsing are the oauth2 crate's;
//! its requests go out on connections of ours.

mod callback;
mod listener;
mod request;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth2::basic::{BasicClient, BasicTokenResponse, BasicTokenType};
use oauth2::{
    AccessToken, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DeviceAuthorizationUrl,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RevocationUrl, Scope,
    StandardDeviceAuthorizationResponse, StandardRevocableToken, TokenResponse as _, TokenUrl,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::secret::Secret;

use super::{Ending, Failure, Network};
use request::{Sender, refused};

pub use callback::{Callback, read_callback};
pub use listener::{Listener, Pages};

/// Where a provider's sign-in is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    pub issuer: Option<String>,
    pub authorization: Option<Url>,
    pub token: Url,
    pub device: Option<Url>,
    pub revocation: Option<Url>,
    pub scopes: Vec<String>,
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
}

/// The page to open, and what its answer is checked with.
#[derive(Clone, Debug)]
pub struct Page {
    pub url: Url,
    pub state: Secret,
    pub verifier: Secret,
}

pub struct Device(StandardDeviceAuthorizationResponse);

impl Device {
    pub fn code(&self) -> &str {
        self.0.user_code().secret()
    }

    pub fn url(&self) -> &str {
        self.0.verification_uri()
    }

    /// With the code in it.
    pub fn whole_url(&self) -> Option<&str> {
        self.0.verification_uri_complete().map(|url| url.secret().as_str())
    }

    pub fn expires_in(&self) -> Duration {
        self.0.expires_in()
    }
}

impl Client {
    /// `None`: the provider has no page, or the system no random numbers.
    pub fn page(&self, redirect: &Url, account: &str) -> Option<Page> {
        let (state, verifier) = (random()?, random()?);
        let challenge =
            PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.expose().to_owned()));
        let client = BasicClient::new(ClientId::new(self.id.clone()))
            .set_auth_uri(AuthUrl::from_url(self.endpoints.authorization.clone()?))
            .set_redirect_uri(RedirectUrl::from_url(redirect.clone()));
        let mut request = client
            .authorize_url(|| CsrfToken::new(state.expose().to_owned()))
            .add_scopes(self.scopes())
            .set_pkce_challenge(challenge);
        for (name, value) in &self.endpoints.parameters {
            request = request.add_extra_param(name, value);
        }
        if !account.is_empty() {
            request = request.add_extra_param("login_hint", account);
        }
        let (url, _) = request.url();
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
        let sender = Sender::new(self, network, &[code, verifier]);
        let client = self.client();
        let request = client
            .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()))
            .set_redirect_uri(std::borrow::Cow::Owned(RedirectUrl::from_url(redirect.clone())));
        let response = request.request_async(&|request| sender.send(request)).await;
        tokens(&response.map_err(|error| refused(&sender, error))?)
    }

    pub async fn refresh(&self, token: &Secret, network: &Network) -> Result<Tokens, Failure> {
        let sender = Sender::new(self, network, &[token]);
        let client = self.client();
        let token = RefreshToken::new(token.expose().to_owned());
        let response = client.exchange_refresh_token(&token).request_async(&|request| sender.send(request)).await;
        tokens(&response.map_err(|error| refused(&sender, error))?)
    }

    pub async fn client_credentials(&self, network: &Network) -> Result<Tokens, Failure> {
        let sender = Sender::new(self, network, &[]);
        let client = self.client();
        let request = client.exchange_client_credentials().add_scopes(self.scopes());
        let response = request.request_async(&|request| sender.send(request)).await;
        tokens(&response.map_err(|error| refused(&sender, error))?)
    }

    /// A code for the user to type in on another device. `None`: the provider has none.
    pub async fn device(&self, network: &Network) -> Option<Result<Device, Failure>> {
        let url = DeviceAuthorizationUrl::from_url(self.endpoints.device.clone()?);
        let sender = Sender::new(self, network, &[]);
        let client = self.client().set_device_authorization_url(url);
        let request = client.exchange_device_code().add_scopes(self.scopes());
        let response = request.request_async(&|request| sender.send(request)).await;
        Some(response.map(Device).map_err(|error| refused(&sender, error)))
    }

    /// Waits until the user has done what the device code is for, or it has expired.
    pub async fn await_device(&self, device: &Device, begun: Instant, network: &Network) -> Result<Tokens, Failure> {
        let sender = Sender::new(self, network, &[]);
        let client = self.client();
        let left = device.expires_in().saturating_sub(begun.elapsed());
        let request = client.exchange_device_access_token(&device.0);
        let response = request.request_async(&|request| sender.send(request), sleep, Some(left)).await;
        tokens(&response.map_err(|error| refused(&sender, error))?)
    }

    /// `None`: the provider takes no such wish.
    pub async fn revoke(&self, tokens: &Tokens, network: &Network) -> Option<Result<(), Failure>> {
        let address = self.endpoints.revocation.as_ref()?;
        // The crate asks nobody without https; whose address may be without is decided where it is read.
        let mut url = address.clone();
        url.set_scheme("https").ok()?;
        let target: hyper::Uri = address.as_str().parse().ok()?;
        let secret = tokens.refresh.as_ref().unwrap_or(&tokens.access);
        let sender = Sender::new(self, network, &[secret]);
        let client = self.client().set_revocation_url(RevocationUrl::from_url(url));
        let text = secret.expose().to_owned();
        let token = match tokens.refresh {
            Some(_) => StandardRevocableToken::RefreshToken(RefreshToken::new(text)),
            None => StandardRevocableToken::AccessToken(AccessToken::new(text)),
        };
        let request = client.revoke_token(token).ok()?;
        let send = |mut request: oauth2::HttpRequest| {
            *request.uri_mut() = target.clone();
            sender.send(request)
        };
        let response = request.request_async(&send).await;
        Some(response.map_err(|error| refused(&sender, error)))
    }

    fn client(
        &self,
    ) -> BasicClient<
        oauth2::EndpointNotSet,
        oauth2::EndpointNotSet,
        oauth2::EndpointNotSet,
        oauth2::EndpointNotSet,
        oauth2::EndpointSet,
    > {
        let client = BasicClient::new(ClientId::new(self.id.clone()))
            .set_token_uri(TokenUrl::from_url(self.endpoints.token.clone()));
        match &self.secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
            None => client,
        }
    }

    fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.endpoints.scopes.iter().cloned().map(Scope::new)
    }
}

fn tokens(response: &BasicTokenResponse) -> Result<Tokens, Failure> {
    if *response.token_type() != BasicTokenType::Bearer {
        return Err(Failure::new(Ending::BadReply).detail("a token of another type than Bearer"));
    }
    let access = response.access_token().secret();
    if access.is_empty() || !access.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::new(Ending::BadReply).detail("a token that cannot be sent"));
    }
    Ok(Tokens {
        access: Secret::new(access.clone()),
        refresh: response.refresh_token().map(|token| Secret::new(token.secret().clone())),
        expires_in: response.expires_in(),
    })
}

/// 256 bits, as RFC 7636 section 7.1 wants them.
pub fn random() -> Option<Secret> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut *bytes).ok()?;
    Some(Secret::new(URL_SAFE_NO_PAD.encode(*bytes)))
}
