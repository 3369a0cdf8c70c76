//! What a sign-in gave: kept in the store, and renewed when a piece of work needs it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use serde_json::{Value, json};
use tokio::task::{spawn_blocking, spawn_local};
use tokio::time::{Instant, sleep};

use crate::form::{self, Route, SIGN_IN, TokenLogin};
use crate::input::Fault;
use crate::secret::Secret;
use crate::store::{RenewalLock, Saved, Store, StoreError};
use crate::transport::oauth::{Client, Tokens};
use crate::transport::{Ending, Failure, Journal, Network, Step};

use super::{Account, saved, sign_in};

/// A token is renewed so long before it expires: the login with it may wait for its turn.
const MARGIN: u64 = 60;
/// For a token of which the provider does not say how long it lives.
const USUAL_LIFE: u64 = 3600;
/// What is said to live longer is asked for again all the same: the clock may have been wrong.
const LONGEST_LIFE: u64 = 24 * 3600;
/// Where a mail server takes no token at all, a thousand emails must not renew it a thousand times.
const BETWEEN_REFUSALS: Duration = Duration::from_secs(60);
/// Another process may be waiting for the provider for as long as its deadlines allow.
const LONGEST_WAIT: Duration = Duration::from_secs(150);
const LOCK_POLL: Duration = Duration::from_millis(20);

/// What the store keeps of a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    client_id: String,
    access: Secret,
    /// Since when, and from when on no more, in seconds since 1970.
    since: u64,
    expires: u64,
    refresh: Option<Secret>,
    /// It is the program's own, and not a person's.
    is_of_program: bool,
}

impl Kept {
    pub fn new(client: &Client, tokens: Tokens, before: Option<&Self>, is_of_program: bool) -> Self {
        let life = tokens.expires_in.map_or(USUAL_LIFE, |life| life.as_secs()).min(LONGEST_LIFE);
        let now = now();
        Self {
            client_id: client.id.clone(),
            access: tokens.access,
            since: now,
            expires: now.saturating_add(life),
            // A provider that does not rotate it says it once.
            refresh: tokens.refresh.or_else(|| before.and_then(|before| before.refresh.clone())),
            is_of_program,
        }
    }

    pub fn of(saved: &Saved) -> Option<Self> {
        let json: Value = serde_json::from_str(saved.secrets.get(SIGN_IN)?.expose()).ok()?;
        let text = |key: &str| json.get(key)?.as_str().map(str::to_owned);
        Some(Self {
            client_id: text("client_id")?,
            access: Secret::new(text("access")?),
            since: json.get("since")?.as_u64()?,
            expires: json.get("expires")?.as_u64()?,
            refresh: text("refresh").map(Secret::new),
            is_of_program: json.get("of_program").and_then(Value::as_bool).unwrap_or_default(),
        })
    }

    pub fn secret(&self) -> Secret {
        let json = json!({
            "client_id": self.client_id,
            "access": self.access.expose(),
            "since": self.since,
            "expires": self.expires,
            "refresh": self.refresh.as_ref().map(Secret::expose),
            "of_program": self.is_of_program,
        });
        Secret::new(json.to_string())
    }

    /// A clock that was put back since it came says nothing about it any more.
    fn is_fresh(&self) -> bool {
        let margin = MARGIN.min(self.expires.saturating_sub(self.since) / 2);
        (self.since..self.expires.saturating_sub(margin)).contains(&now())
    }

    /// Without asking a person.
    fn can_be_renewed(&self) -> bool {
        self.refresh.is_some() || self.is_of_program
    }

    pub fn tokens(&self) -> Tokens {
        Tokens { access: self.access.clone(), refresh: self.refresh.clone(), expires_in: None, accounts: Vec::new() }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Why there is no token, or no sign-in: of the provider, or of the store.
#[derive(Clone)]
pub enum Stop {
    Failure(Failure),
    Store(StoreError),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// No renewing helps: a person must sign in again.
fn again(detail: &str) -> Stop {
    Failure::new(Ending::TokenRefused).detail(detail).into()
}

/// What is remembered of an account's renewals. Lock-free: a child after `fork()` may find it in any state.
#[derive(Default)]
pub struct Renewals {
    /// A renewed sign-in that could not be saved, behind the one that it replaces, which is used up: it is saved when that
    /// is possible again.
    unsaved: ArcSwapOption<(Kept, Kept)>,
    /// The last one that failed: for those who waited for it.
    failed: ArcSwapOption<Failed>,
    /// When one was made because the mail server did not take a token that had not expired.
    refused: ArcSwapOption<Instant>,
}

struct Failed {
    ended: Instant,
    belongs_to: String,
    stop: Stop,
}

/// Gets the token for a piece of work, new or not.
#[derive(Clone)]
pub struct Authorizer {
    pub client: Client,
    pub login: TokenLogin,
    /// The server that the sign-in is for.
    pub host: String,
    /// What the sign-in in the store has to belong to: it may be replaced by another one while an email waits.
    belongs_to: String,
    store: Arc<Store>,
    renewals: Arc<Renewals>,
}

impl Authorizer {
    /// For settings with a sign-in that is there; why not else.
    pub fn new(account: &Account, settings: &form::Settings) -> Result<Self, Fault> {
        let not_signed_in = || Fault::input("auth", "not_signed_in");
        let Route::Smtp { server, token_login: Some(login), .. } = &settings.route else { return Err(not_signed_in()) };
        let belongs_to = settings.sign_in_of.clone().ok_or_else(not_signed_in)?;
        let (client, _) = sign_in::client(account, &server.host, &login.account)?;
        Ok(Self {
            client,
            login: login.clone(),
            host: server.host.clone(),
            belongs_to,
            store: Arc::clone(&account.store),
            renewals: Arc::clone(&account.renewals),
        })
    }

    pub async fn token(&self, network: &Rc<Network>, journal: &Journal) -> Result<Secret, Stop> {
        match self.load().await? {
            Some(kept) if kept.is_fresh() => Ok(kept.access),
            _ => {
                journal.begin(Step::SignIn);
                // Only one that was refused may not be renewed.
                self.renewed(None, network).await?.ok_or_else(|| Failure::new(Ending::Internal).into())
            }
        }
    }

    /// In place of one that the mail server did not take. `None`: none would be any better.
    pub async fn another(&self, refused: &Secret, network: &Rc<Network>) -> Result<Option<Secret>, Stop> {
        match self.load().await? {
            Some(kept) if kept.access != *refused && kept.is_fresh() => Ok(Some(kept.access)),
            Some(kept) if kept.access == *refused && kept.can_be_renewed() => {
                self.renewed(Some(refused), network).await
            }
            _ => Ok(None),
        }
    }

    async fn renewed(&self, refused: Option<&Secret>, network: &Rc<Network>) -> Result<Option<Secret>, Stop> {
        let came = Instant::now();
        // The first one fetches it for all who wait here.
        let turn = network.renewing().await;
        // What failed meanwhile would fail once more, for each of a thousand emails.
        let is_shared = |failed: &&Failed| failed.ended >= came && failed.belongs_to == self.belongs_to;
        if let Some(failed) = self.renewals.failed.load().as_deref().filter(is_shared) {
            return Err(failed.stop.clone());
        }
        // Whoever cancels an email meanwhile must not have a rotated token thrown away with it.
        let (this, network, refused) = (self.clone(), Rc::clone(network), refused.cloned());
        let renewing = spawn_local(async move {
            let renewed = this.renew(refused.as_ref(), &network).await;
            let failed =
                |stop: &Stop| Failed { ended: Instant::now(), belongs_to: this.belongs_to.clone(), stop: stop.clone() };
            this.renewals.failed.store(renewed.as_ref().err().map(failed).map(Arc::new));
            drop(turn);
            renewed
        });
        renewing.await.map_err(|_| Failure::new(Ending::Internal))?
    }

    async fn renew(&self, refused: Option<&Secret>, network: &Network) -> Result<Option<Secret>, Stop> {
        let _lock = self.lock().await?;
        let mut before = self.load().await?.ok_or_else(|| again("no sign-in is there"))?;
        if let Some(unsaved) = self.renewals.unsaved.load_full().filter(|unsaved| unsaved.0 == before) {
            before = self.replace(before, unsaved.1.clone(), network).await?;
        }
        if refused == Some(&before.access) {
            let is_again = |at: Arc<Instant>| at.elapsed() < BETWEEN_REFUSALS;
            if self.renewals.refused.load_full().is_some_and(is_again) {
                return Ok(None);
            }
            self.renewals.refused.store(Some(Arc::new(Instant::now())));
        } else if before.is_fresh() {
            return Ok(Some(before.access));
        }
        let tokens = match &before.refresh {
            _ if before.client_id != self.client.id => return Err(again("the sign-in is of another client id")),
            Some(refresh) => self.client.refresh(refresh, network).await?,
            None if before.is_of_program => self.client.client_credentials(network).await?,
            None => return Err(again("it has expired, and there is no refresh token")),
        };
        let kept = Kept::new(&self.client, tokens, Some(&before), before.is_of_program);
        // Before it is used: the one that it replaces may be worth nothing any more.
        Ok(Some(self.replace(before, kept, network).await?.access))
    }

    /// Other accounts and processes may share the store, and a refresh token that is used twice may cost the whole sign-in.
    async fn lock(&self) -> Result<RenewalLock, Stop> {
        let end = Instant::now() + LONGEST_WAIT;
        loop {
            if let Some(lock) = self.with_store(Store::try_lock_renewal).await? {
                return Ok(lock);
            }
            if Instant::now() >= end {
                return Err(Failure::new(Ending::TimedOut).detail("another program is renewing this sign-in").into());
            }
            sleep(LOCK_POLL).await;
        }
    }

    async fn load(&self) -> Result<Option<Kept>, Stop> {
        let belongs_to = self.belongs_to.clone();
        self.with_store(move |store| Ok(store.load()?.and_then(|saved| kept_of(&saved, &belongs_to)))).await
    }

    /// Unless there is another sign-in meanwhile, or none: then it is the provider's to forget it, too.
    async fn replace(&self, before: Kept, kept: Kept, network: &Network) -> Result<Kept, Stop> {
        let (belongs_to, old, new) = (self.belongs_to.clone(), before.clone(), kept.clone());
        let replaced = self.with_store(move |store| {
            let updated = store.update(|saved: Option<Saved>| {
                let is_same = |saved: &Saved| kept_of(saved, &belongs_to).as_ref() == Some(&old);
                let mut saved = saved.filter(is_same).ok_or(NotReplaced::Gone)?;
                saved.secrets.insert(SIGN_IN.to_owned(), new.secret());
                Ok(saved)
            });
            match updated {
                Ok(_) => Ok(true),
                Err(NotReplaced::Gone) => Ok(false),
                Err(NotReplaced::Store(error)) => Err(error),
            }
        });
        match replaced.await {
            Ok(true) => {
                self.renewals.unsaved.store(None);
                Ok(kept)
            }
            Ok(false) => {
                self.renewals.unsaved.store(None);
                let _ = self.client.revoke(&kept.tokens(), network).await;
                Err(again("no sign-in is there"))
            }
            Err(stop) => {
                self.renewals.unsaved.store(Some(Arc::new((before, kept))));
                Err(stop)
            }
        }
    }

    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Stop> {
        let store = Arc::clone(&self.store);
        Ok(spawn_blocking(move || work(&store)).await.map_err(|_| Failure::new(Ending::Internal))??)
    }
}

enum NotReplaced {
    Gone,
    Store(StoreError),
}

impl From<StoreError> for NotReplaced {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn kept_of(saved: &Saved, belongs_to: &str) -> Option<Kept> {
    Kept::of(saved).filter(|_| saved::stored(saved).belongs_to.sign_in == belongs_to)
}
