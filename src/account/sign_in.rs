//! Signing in with a provider: begun by one call, finished by another, kept in the store, and renewed when it is needed.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use serde_json::{Map, Value, json};
use tokio::task::{spawn_blocking, spawn_local};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::form::{self, Purpose, Route, SIGN_IN, Values};
use crate::guide::{Provider, Texts};
use crate::input::{Fault, Faults, Object};
use crate::reply::{Answer, Job, Reply, Status, pending};
use crate::secret::Secret;
use crate::store::{Saved, Store, StoreError};
use crate::transport::oauth::{Callback, Client, Device, Listener, Page, Pages, Tokens, random, read_callback};
use crate::transport::{Ending, Failure, Journal, Network, Step};

use super::{Account, fault, report, saved, send};

/// A token is renewed so long before it expires: the login with it may wait for its turn.
const MARGIN: u64 = 60;
/// For a token of which the provider does not say how long it lives.
const USUAL_LIFE: u64 = 3600;
/// A person may have to look for a password meanwhile.
const LONGEST_SIGN_IN: Duration = Duration::from_secs(15 * 60);
/// More at a time are mistakes; the oldest is forgotten.
const MOST_SIGN_INS: usize = 16;

/// Begun, and not finished. Lock-free: a child after `fork()` may find it in any state.
#[derive(Default)]
pub struct SignIns(ArcSwap<Vec<Arc<SignIn>>>);

impl SignIns {
    fn add(&self, sign_in: SignIn) {
        let sign_in = Arc::new(sign_in);
        self.0.rcu(|list| {
            let kept = list.iter().rev().take(MOST_SIGN_INS - 1).rev();
            kept.chain([&sign_in]).cloned().collect::<Vec<_>>()
        });
    }

    fn find(&self, id: &str) -> Option<Arc<SignIn>> {
        self.0.load().iter().find(|sign_in| sign_in.id == id).cloned()
    }

    /// Only one of those who finish the same sign-in gets it.
    fn take(&self, id: &str) -> Option<Arc<SignIn>> {
        let mut taken = None;
        self.0.rcu(|list| {
            taken = list.iter().find(|sign_in| sign_in.id == id).cloned();
            list.iter().filter(|sign_in| sign_in.id != id).cloned().collect::<Vec<_>>()
        });
        taken
    }
}

struct SignIn {
    /// By which the host finishes it. Nobody else learns it.
    id: String,
    subject: Subject,
    way: Way,
}

enum Way {
    /// The answer comes to a listener of ours, or to the host's own web server.
    Page {
        page: Page,
        redirect: Url,
        listener: Option<Listener>,
    },
    Device {
        device: Device,
        begun: Instant,
    },
}

/// Who signs in, and what is saved when that is done.
#[derive(Clone)]
struct Subject {
    client: Client,
    username: String,
    provider: Provider,
    settings: Map<String, Value>,
}

/// What the store keeps of a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    client_id: String,
    access: Secret,
    /// In seconds since 1970, by this computer's clock, which may be put right meanwhile.
    fetched: u64,
    expires: u64,
    refresh: Option<Secret>,
    /// It is the program's own, and not a person's.
    is_of_program: bool,
}

impl Kept {
    fn new(client: &Client, tokens: Tokens, before: Option<&Self>, is_of_program: bool) -> Self {
        let life = tokens.expires_in.map_or(USUAL_LIFE, |life| life.as_secs());
        Self {
            client_id: client.id.clone(),
            access: tokens.access,
            fetched: now(),
            expires: now().saturating_add(life),
            // A provider that does not rotate it says it once.
            refresh: tokens.refresh.or_else(|| before.and_then(|before| before.refresh.clone())),
            is_of_program,
        }
    }

    fn read(secret: &Secret) -> Option<Self> {
        let json: Value = serde_json::from_str(secret.expose()).ok()?;
        let text = |key: &str| json.get(key)?.as_str().map(str::to_owned);
        Some(Self {
            client_id: text("client_id")?,
            access: Secret::new(text("access")?),
            fetched: json.get("fetched")?.as_u64()?,
            expires: json.get("expires")?.as_u64()?,
            refresh: text("refresh").map(Secret::new),
            is_of_program: json.get("of_program").and_then(Value::as_bool).unwrap_or_default(),
        })
    }

    fn secret(&self) -> Secret {
        let json = json!({
            "client_id": self.client_id,
            "access": self.access.expose(),
            "fetched": self.fetched,
            "expires": self.expires,
            "refresh": self.refresh.as_ref().map(Secret::expose),
            "of_program": self.is_of_program,
        });
        Secret::new(json.to_string())
    }

    fn is_fresh(&self) -> bool {
        let now = now();
        self.fetched <= now && self.expires > now.saturating_add(MARGIN)
    }

    fn tokens(&self) -> Tokens {
        Tokens { access: self.access.clone(), refresh: self.refresh.clone(), expires_in: None, accounts: Vec::new() }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Gets the token for a piece of work, new or not.
#[derive(Clone)]
pub struct Authorizer {
    client: Client,
    /// Of the login.
    pub user: String,
    store: Arc<Store>,
}

impl Authorizer {
    pub async fn token(&self, network: &Rc<Network>, journal: &Journal) -> Result<Secret, Failure> {
        if let Some(kept) = self.load().await?.filter(Kept::is_fresh) {
            return Ok(kept.access);
        }
        journal.begin(Step::SignIn);
        // Whoever cancels an email meanwhile must not have a rotated token thrown away with it.
        let (this, network) = (self.clone(), Rc::clone(network));
        let renewing = spawn_local(async move { this.renew(&network).await });
        renewing.await.map_err(|_| Failure::new(Ending::Internal))?
    }

    async fn renew(&self, network: &Network) -> Result<Secret, Failure> {
        // The first one fetches it for all who wait here.
        let _turn = network.refreshing().await;
        let before = self.load().await?.ok_or_else(|| again("no sign-in is there"))?;
        if before.is_fresh() {
            return Ok(before.access);
        }
        let fetched = match &before.refresh {
            _ if before.client_id != self.client.id => return Err(again("the sign-in is of another client id")),
            Some(refresh) => self.client.refresh(refresh, network).await,
            None if before.is_of_program => self.client.client_credentials(network).await,
            None => return Err(again("it has expired, and there is no refresh token")),
        };
        let tokens = match fetched {
            Ok(tokens) => tokens,
            // Another process may have been faster: the refresh token that it used up is no longer the one.
            Err(failure) => {
                let other = self.load().await?.filter(|kept| *kept != before && kept.is_fresh());
                return other.map(|kept| kept.access).ok_or(failure);
            }
        };
        let kept = Kept::new(&self.client, tokens, Some(&before), before.is_of_program);
        // Before it is used: the one that it replaces may be worth nothing any more.
        self.replace(before, kept.clone()).await?;
        Ok(kept.access)
    }

    async fn load(&self) -> Result<Option<Kept>, Failure> {
        let store = Arc::clone(&self.store);
        let load = move || {
            let saved = store.load().map_err(|error| not_stored(&error))?;
            Ok(saved.and_then(|saved| Kept::read(saved.secrets.get(SIGN_IN)?)))
        };
        spawn_blocking(load).await.map_err(|_| Failure::new(Ending::Internal))?
    }

    /// Unless there is another sign-in meanwhile, or none.
    async fn replace(&self, before: Kept, kept: Kept) -> Result<(), Failure> {
        let store = Arc::clone(&self.store);
        let update = move || {
            let is_same = |saved: &Saved| saved.secrets.get(SIGN_IN).and_then(Kept::read).as_ref() == Some(&before);
            let updated = store.update(|saved: Option<Saved>| {
                let mut saved = saved.filter(is_same).ok_or(NotReplaced::Gone)?;
                saved.secrets.insert(SIGN_IN.to_owned(), kept.secret());
                Ok(saved)
            });
            match updated {
                Ok(_) | Err(NotReplaced::Gone) => Ok(()),
                Err(NotReplaced::Store(error)) => Err(not_stored(&error)),
            }
        };
        spawn_blocking(update).await.map_err(|_| Failure::new(Ending::Internal))?
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

fn not_stored(error: &StoreError) -> Failure {
    Failure::new(Ending::Internal).detail(error.detail.clone())
}

/// No renewing helps: a person must sign in again.
fn again(detail: &str) -> Failure {
    Failure::new(Ending::TokenRefused).detail(detail)
}

/// For settings with a sign-in that is there; why not else.
pub fn authorizer(account: &Account, settings: &form::Settings) -> Result<Authorizer, Fault> {
    let Route::Smtp { server, token_user: Some(user), .. } = &settings.route else {
        return Err(Fault::input("auth", "not_signed_in"));
    };
    if !settings.is_signed_in {
        return Err(Fault::input("auth", "not_signed_in"));
    }
    let (client, _) = client(account, &server.host, user)?;
    Ok(Authorizer { client, user: user.clone(), store: Arc::clone(&account.store) })
}

/// Nobody has signed in yet, and somebody could. A program that is not registered may have tokens of its own.
pub fn missing(account: &Account, settings: &form::Settings) -> Option<Fault> {
    let Route::Smtp { server, token_user: Some(user), .. } = &settings.route else { return None };
    let is_missing = !settings.is_signed_in && client(account, &server.host, user).is_ok();
    is_missing.then(|| Fault::input("auth", "not_signed_in"))
}

/// The host's program at the provider of a server.
fn client<'a>(account: &'a Account, host: &str, username: &str) -> Result<(Client, &'a Provider), Fault> {
    let provider = account.providers.of_login(host, username);
    let offered = provider.and_then(|provider| Some((provider, provider.oauth.clone()?)));
    let (provider, mut endpoints) = offered.ok_or_else(|| Fault::input("smtp_host", "no_sign_in_here"))?;
    let Some(program) = account.programs.get(&provider.id) else {
        return Err(Fault::input("auth", "no_client").with("provider", &provider.name));
    };
    if !program.scopes.is_empty() {
        endpoints.scope = program.scopes.join(" ");
    }
    Ok((Client { endpoints, id: program.id.clone(), secret: program.secret.clone() }, provider))
}

pub fn begin(account: &Account, json: Value) -> Result<Reply, Answer> {
    let mut faults = Faults::new();
    let texts = account.texts_for(&json, &mut faults);
    let (mut values, mut flow, mut redirect) = (None, None, None);
    if let Some(mut object) = Object::new(json, "sign_in_json", &mut faults).map(Object::outermost) {
        values = object.take("settings").map(|json| Values::from_json(json, "settings", &mut faults));
        flow = object.text("flow", &mut faults);
        redirect = object.text("redirect_uri", &mut faults).and_then(|text| redirect_uri(&text, &mut faults));
        object.take("locale");
        object.end(&mut faults);
    }
    let flow = flow.as_deref().unwrap_or("browser");
    if !["browser", "redirect", "device", "client_credentials"].contains(&flow) {
        faults.push(Fault::program("flow", "flow_unknown"));
    } else if (flow == "redirect") != redirect.is_some() && faults.is_empty() {
        faults.push(Fault::program("redirect_uri", "redirect_uri_bad"));
    }
    if !faults.is_empty() {
        return Err(fault::refuse(&texts, &faults, Status::BadSettings));
    }
    let subject = subject(account, &texts, values)?;
    let refuse = |fault: Fault| fault::refuse(&texts, &[fault], Status::BadSettings);
    match flow {
        "device" | "client_credentials" => {
            let work = if flow == "device" { Work::DeviceCode } else { Work::ClientCredentials };
            start(account, texts, subject, work)
        }
        _ => {
            let listener = match redirect {
                Some(_) => None,
                None => Some(Listener::bind().map_err(|error| {
                    let failure = Failure::new(Ending::NoListener).detail(error.to_string());
                    failed(&texts, &subject, &failure)
                })?),
            };
            let redirect = redirect.or_else(|| Some(listener.as_ref()?.redirect().clone()));
            let page = redirect.as_ref().and_then(|redirect| subject.client.page(redirect, &subject.username));
            let (Some(page), Some(redirect), Some(id)) = (page, redirect, random()) else {
                return Err(refuse(Fault::input("smtp_host", "no_sign_in_here")));
            };
            let url = page.url.to_string();
            let (id, way) = (id.expose().to_owned(), Way::Page { page, redirect, listener });
            account.sign_ins.add(SignIn { id: id.clone(), subject, way });
            Ok(Reply::ready(Answer::ok("sign_in_begun").with("sign_in", id).with("url", url)))
        }
    }
}

/// As strict as for the provider's own: a code is as good as a password while it lasts.
fn redirect_uri(text: &str, faults: &mut Faults) -> Option<Url> {
    let is_loopback = |url: &Url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let url = Url::parse(text).ok();
    let url = url.filter(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)));
    if url.is_none() {
        faults.push(Fault::program("redirect_uri", "redirect_uri_bad"));
    }
    url
}

/// The values of the form, or the saved ones, checked as for saving.
fn subject(account: &Account, texts: &Texts, values: Option<Values>) -> Result<Subject, Answer> {
    let refuse = |faults: &[Fault]| fault::refuse(texts, faults, Status::BadSettings);
    let stored = account.store.load().map_err(|error| saved::failed(texts, &error))?;
    let values = match (values, &stored) {
        (Some(values), _) => values,
        (None, Some(stored)) => saved::values(stored),
        (None, None) => return Err(saved::not_configured(texts)),
    };
    let checked = form::check(&account.providers, &values, None, Purpose::Save);
    let settings = checked.settings.ok_or_else(|| refuse(&checked.faults))?;
    let Route::Smtp { server, token_user: Some(_), .. } = &settings.route else {
        return Err(refuse(&[Fault::input("auth", "sign_in_unused")]));
    };
    let username = values.text("username").to_owned();
    let (client, provider) = client(account, &server.host, &username).map_err(|fault| refuse(&[fault]))?;
    Ok(Subject { client, username, provider: provider.clone(), settings: checked.kept })
}

pub fn finish(account: &Account, json: Value) -> Result<Reply, Answer> {
    let mut faults = Faults::new();
    let texts = account.texts_for(&json, &mut faults);
    let (mut id, mut url, mut total) = (String::new(), None, None);
    if let Some(mut object) = Object::new(json, "finish_json", &mut faults).map(Object::outermost) {
        id = object.text("sign_in", &mut faults).unwrap_or_default();
        url = object.text("url", &mut faults);
        total = object.number("total_ms", 1, 86_400_000, &mut faults).map(Duration::from_millis);
        object.take("locale");
        object.end(&mut faults);
    }
    let refuse = |faults: &[Fault]| fault::refuse(&texts, faults, Status::BadCall);
    if !faults.is_empty() {
        return Err(refuse(&faults));
    }
    let sign_in = account.sign_ins.find(&id).ok_or_else(|| refuse(&[Fault::program("sign_in", "sign_in_unknown")]))?;
    let callback = match (&sign_in.way, url) {
        (Way::Page { page, listener: None, .. }, Some(url)) => {
            let issuer = sign_in.subject.client.endpoints.issuer.as_deref();
            let url = Url::parse(&url).ok();
            match url.map_or(Callback::NotOurs, |url| read_callback(&url, &page.state, issuer)) {
                Callback::NotOurs => return Err(refuse(&[Fault::program("url", "callback_bad")])),
                callback => Some(callback),
            }
        }
        (Way::Page { listener: None, .. }, None) | (_, Some(_)) => {
            return Err(refuse(&[Fault::program("url", "callback_bad")]));
        }
        (_, None) => None,
    };
    // Once: whoever comes second finds nothing.
    account.sign_ins.take(&id).ok_or_else(|| refuse(&[Fault::program("sign_in", "sign_in_unknown")]))?;
    let subject = sign_in.subject.clone();
    start(account, texts, subject, Work::Finish { sign_in, callback, limit: total.unwrap_or(LONGEST_SIGN_IN) })
}

enum Work {
    DeviceCode,
    ClientCredentials,
    Finish { sign_in: Arc<SignIn>, callback: Option<Callback>, limit: Duration },
}

fn start(account: &Account, texts: Arc<Texts>, subject: Subject, work: Work) -> Result<Reply, Answer> {
    let worker = send::worker(account).map_err(|error| no_thread(&error))?;
    let (reply, job) = pending();
    let (store, sign_ins) = (Arc::clone(&account.store), Arc::clone(&account.sign_ins));
    let desk = Desk { texts, subject, store, sign_ins };
    worker.submit(move |network| {
        Box::pin(async move {
            let answer = desk.run(&network, work, &job).await;
            job.end(answer);
        })
    });
    Ok(reply)
}

/// Where a sign-in is worked on.
struct Desk {
    texts: Arc<Texts>,
    subject: Subject,
    store: Arc<Store>,
    sign_ins: Arc<SignIns>,
}

/// Why there is no sign-in: of the provider, or of the store.
enum Stop {
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

fn failed(texts: &Texts, subject: &Subject, failure: &Failure) -> Answer {
    let host = subject.client.endpoints.token.host_str().unwrap_or_default();
    report::of_sign_in(texts, &subject.provider, failure, host, &subject.username)
}

/// People have more than one account, and a browser that remembers the other one. A name that is no address says nothing.
fn check_account(tokens: &Tokens, username: &str) -> Result<(), Failure> {
    let is_meant = |account: &String| account.eq_ignore_ascii_case(username);
    match tokens.accounts.first() {
        Some(other) if username.contains('@') && !tokens.accounts.iter().any(is_meant) => {
            Err(Failure::new(Ending::OtherAccount).detail(other.clone()))
        }
        _ => Ok(()),
    }
}

impl Desk {
    async fn run(&self, network: &Network, work: Work, job: &Job) -> Answer {
        let limit = match &work {
            Work::Finish { limit, .. } => *limit,
            Work::DeviceCode | Work::ClientCredentials => LONGEST_SIGN_IN,
        };
        let done = tokio::select! {
            biased;
            done = self.work(network, work) => done,
            () = job.canceled() => Err(Failure::new(Ending::Canceled).into()),
            () = sleep(limit) => Err(Failure::new(Ending::OutOfTime).into()),
        };
        match done {
            Ok(answer) => answer,
            Err(Stop::Store(error)) => saved::failed(&self.texts, &error),
            Err(Stop::Failure(failure)) => failed(&self.texts, &self.subject, &failure),
        }
    }

    async fn work(&self, network: &Network, work: Work) -> Result<Answer, Stop> {
        let client = &self.subject.client;
        let (tokens, is_of_program) = match work {
            Work::DeviceCode => return self.device_code(network).await,
            Work::ClientCredentials => (client.client_credentials(network).await?, true),
            Work::Finish { sign_in, callback, .. } => (self.person(network, &sign_in, callback).await?, false),
        };
        if !is_of_program {
            check_account(&tokens, &self.subject.username)?;
        }
        let kept = Kept::new(client, tokens, None, is_of_program);
        let (store, settings) = (Arc::clone(&self.store), self.subject.settings.clone());
        let save = move || {
            store.update(|_| -> Result<Saved, StoreError> {
                let secrets = [(SIGN_IN.to_owned(), kept.secret())].into();
                Ok(Saved { settings: settings.clone(), secrets })
            })
        };
        let saved = spawn_blocking(save).await.map_err(|_| Failure::new(Ending::Internal))??;
        Ok(saved::shown(Answer::ok("signed_in"), &saved).with("account", self.subject.username.clone()))
    }

    async fn device_code(&self, network: &Network) -> Result<Answer, Stop> {
        let begun = Instant::now();
        let none = || Failure::new(Ending::TokenRefused).detail("the provider has no codes for devices");
        let device = self.subject.client.device(network).await.ok_or_else(none)??;
        let id = random().ok_or(Failure::new(Ending::Internal))?.expose().to_owned();
        let answer = Answer::ok("sign_in_begun")
            .with("sign_in", id.clone())
            .with("url", device.url.clone())
            .with("whole_url", device.whole_url.clone())
            .with("code", device.code.clone())
            .with("expires_in", device.expires_in.as_secs());
        self.sign_ins.add(SignIn { id, subject: self.subject.clone(), way: Way::Device { device, begun } });
        Ok(answer)
    }

    /// The tokens that a person signed in for.
    async fn person(&self, network: &Network, sign_in: &SignIn, callback: Option<Callback>) -> Result<Tokens, Failure> {
        let client = &self.subject.client;
        let (page, redirect, listener) = match &sign_in.way {
            Way::Device { device, begun } => return client.await_device(device, *begun, network).await,
            Way::Page { page, redirect, listener } => (page, redirect, listener),
        };
        let code = match (callback, listener) {
            (Some(Callback::Code(code)), _) => code,
            (Some(Callback::Refused(failure)), _) => return Err(failure),
            (_, Some(listener)) => {
                let issuer = client.endpoints.issuer.as_deref();
                listener.code(&page.state, issuer, &self.pages()).await?
            }
            (_, None) => return Err(Ending::Internal.into()),
        };
        client.redeem(&code, &page.verifier, redirect, network).await
    }

    fn pages(&self) -> Pages {
        Pages {
            done: self.page("page-signed_in-title", "page-signed_in"),
            refused: self.page("page-not_signed_in-title", "page-not_signed_in"),
        }
    }

    fn page(&self, title: &str, text: &str) -> String {
        let texts = &self.texts;
        let escaped = |text: String| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let (title, text) = (escaped(texts.get(title)), escaped(texts.get(text)));
        let (language, direction) = (texts.locale(), texts.direction());
        format!(
            "<!DOCTYPE html>\n<html lang=\"{language}\" dir=\"{direction}\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <style>body {{ font: 1.1em/1.5 system-ui, sans-serif; max-width: 32em; margin: 15vh auto; padding: 0 1em }}\n\
             :root {{ color-scheme: light dark }}</style>\n<h1>{title}</h1>\n<p>{text}</p>\n</html>\n"
        )
    }
}

/// Here at once, and at the provider where it takes such a wish.
pub fn sign_out(account: &Account) -> Result<Reply, Answer> {
    let texts = &account.texts;
    let stored = account.store.load().map_err(|error| saved::failed(texts, &error))?;
    let Some(stored) = stored else { return Err(saved::not_configured(texts)) };
    let values = saved::values(&stored);
    let checked = form::check(&account.providers, &values, Some(&saved::stored(&stored)), Purpose::Save);
    let kept = stored.secrets.get(SIGN_IN).and_then(Kept::read);
    let client = checked.settings.and_then(|settings| authorizer(account, &settings).ok()).map(|it| it.client);
    account.ready.store(None);
    let removed = account.store.update(|saved: Option<Saved>| -> Result<Saved, StoreError> {
        let mut saved = saved.unwrap_or_default();
        saved.secrets.remove(SIGN_IN);
        Ok(saved)
    });
    removed.map_err(|error| saved::failed(texts, &error))?;
    let answer = |is_revoked: bool| Answer::ok("signed_out").with("revoked", is_revoked);
    let (Some(kept), Some(client)) = (kept, client) else { return Ok(Reply::ready(answer(false))) };
    let worker = send::worker(account).map_err(|error| no_thread(&error))?;
    let (reply, job) = pending();
    worker.submit(move |network| {
        Box::pin(async move {
            let tokens = kept.tokens();
            let is_revoked = tokio::select! {
                revoked = client.revoke(&tokens, &network) => revoked.is_some_and(|revoked| revoked.is_ok()),
                () = job.canceled() => false,
            };
            job.end(answer(is_revoked));
        })
    });
    Ok(reply)
}

fn no_thread(error: &io::Error) -> Answer {
    Answer::internal().with("detail", format!("no background thread could be started: {error}"))
}
