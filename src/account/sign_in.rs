//! Signing in with a provider: begun by one call, finished by another, kept in the store, and renewed when it is needed.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use url::Url;

use crate::form::{self, Purpose, Route, SIGN_IN, Values};
use crate::guide::{Provider, Texts};
use crate::input::{Fault, Faults, Object};
use crate::reply::{Answer, Job, Reply, Status, pending};
use crate::store::{Saved, Store, StoreError};
use crate::transport::oauth::{Callback, Client, Device, Listener, Page, Tokens, address, random, read_callback};
use crate::transport::{Ending, Failure, Network};

use super::renewal::{Authorizer, Kept, Stop};
use super::{Account, fault, report, saved, send};

/// A person may have to look for a password meanwhile.
const LONGEST_SIGN_IN: Duration = Duration::from_secs(15 * 60);
/// More at a time are mistakes; the oldest is forgotten.
const MOST_SIGN_INS: usize = 16;

/// Begun, and not finished, the newest first. Lock-free: a child after `fork()` may find it in any state.
#[derive(Default)]
pub struct SignIns(ArcSwap<Vec<Arc<SignIn>>>);

impl SignIns {
    fn add(&self, sign_in: SignIn) {
        let sign_in = Arc::new(sign_in);
        self.0.rcu(|list| {
            let others = list.iter().filter(|sign_in| sign_in.is_alive()).take(MOST_SIGN_INS - 1);
            [&sign_in].into_iter().chain(others).cloned().collect::<Vec<_>>()
        });
    }

    fn find(&self, id: &str) -> Option<Arc<SignIn>> {
        self.0.load().iter().find(|sign_in| sign_in.id == id && sign_in.is_alive()).cloned()
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
    begun: Instant,
    subject: Subject,
    way: Way,
}

impl SignIn {
    fn is_alive(&self) -> bool {
        self.begun.elapsed() < LONGEST_SIGN_IN
    }
}

enum Way {
    /// The answer comes to a listener of ours, or to the host's own web server.
    Page {
        page: Page,
        redirect: Url,
        listener: Option<Listener>,
    },
    Device(Device),
}

/// Who signs in, and what is saved when that is done.
#[derive(Clone)]
struct Subject {
    client: Client,
    username: String,
    provider: Provider,
    settings: Map<String, Value>,
    /// The sign-in is for the saved settings, which may change meanwhile, and not for values of the form.
    is_for_saved: bool,
    /// What the sign-in will belong to.
    belongs_to: String,
}

/// Nobody has signed in yet, and somebody could. A program that is not registered may have tokens of its own.
pub fn missing(account: &Account, settings: &form::Settings) -> Option<Fault> {
    let Route::Smtp { server, token_login: Some(login), .. } = &settings.route else { return None };
    let is_missing = settings.sign_in_of.is_none() && client(account, &server.host, &login.account).is_ok();
    is_missing.then(|| Fault::input("auth", "not_signed_in"))
}

/// The host's program at the provider of a server.
pub fn client<'a>(account: &'a Account, host: &str, username: &str) -> Result<(Client, &'a Provider), Fault> {
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

/// Where the person, or the program, shows who it is.
enum Flow {
    /// In a browser on this computer, which comes back to a listener of ours.
    Browser,
    /// In a browser that comes back to the host's own web server.
    Redirect(Url),
    Device,
    ClientCredentials,
}

pub fn begin(account: &Account, json: Value) -> Result<Reply, Answer> {
    let mut faults = Faults::new();
    let texts = account.texts_for(&json, &mut faults);
    let (values, flow) = asked(json, &mut faults);
    let Some(flow) = flow.filter(|_| faults.is_empty()) else {
        return Err(fault::refuse(&texts, &faults, Status::BadSettings));
    };
    let subject = subject(account, &texts, values)?;
    match flow {
        Flow::Device => start(account, texts, subject, Work::DeviceCode),
        Flow::ClientCredentials => start(account, texts, subject, Work::ClientCredentials),
        Flow::Redirect(redirect) => show_page(account, &texts, subject, redirect, None),
        Flow::Browser => {
            let listener = Listener::bind().map_err(|error| {
                failed(&texts, &subject, &Failure::new(Ending::NoListener).detail(error.to_string()))
            })?;
            show_page(account, &texts, subject, listener.redirect().clone(), Some(listener))
        }
    }
}

/// The values of the form, if they are given, and the flow.
fn asked(json: Value, faults: &mut Faults) -> (Option<Values>, Option<Flow>) {
    let Some(mut object) = Object::new(json, "sign_in_json", faults).map(Object::outermost) else {
        return (None, None);
    };
    let values = object.take("settings").map(|json| Values::from_json(json, "settings", faults));
    let name = object.text("flow", faults).unwrap_or_else(|| "browser".to_owned());
    let redirect = object.text("redirect_uri", faults);
    object.take("locale");
    object.end(faults);
    let flow = match (name.as_str(), redirect) {
        ("browser", None) => Some(Flow::Browser),
        ("redirect", Some(redirect)) => redirect_uri(&redirect).map(Flow::Redirect),
        ("device", None) => Some(Flow::Device),
        ("client_credentials", None) => Some(Flow::ClientCredentials),
        ("browser" | "redirect" | "device" | "client_credentials", _) => None,
        _ => {
            faults.push(Fault::program("flow", "flow_unknown"));
            return (values, None);
        }
    };
    if flow.is_none() && faults.is_empty() {
        faults.push(Fault::program("redirect_uri", "redirect_uri_bad"));
    }
    (values, flow)
}

/// Begun: the person has to open the provider's page.
fn show_page(
    account: &Account,
    texts: &Texts,
    subject: Subject,
    redirect: Url,
    listener: Option<Listener>,
) -> Result<Reply, Answer> {
    let page = subject.client.page(&redirect, &subject.username);
    let (Some(page), Some(id)) = (page, random()) else {
        return Err(fault::refuse(texts, &[Fault::input("smtp_host", "no_sign_in_here")], Status::BadSettings));
    };
    let url = page.url.to_string();
    let (id, way) = (id.expose().to_owned(), Way::Page { page, redirect, listener });
    account.sign_ins.add(SignIn { id: id.clone(), begun: Instant::now(), subject, way });
    Ok(Reply::ready(Answer::ok("sign_in_begun").with("sign_in", id).with("url", url)))
}

/// As strict as for the provider's own: a code is as good as a password while it lasts.
fn redirect_uri(text: &str) -> Option<Url> {
    address(text).filter(|url| url.fragment().is_none())
}

/// The values of the form, or the saved ones, checked as for saving.
fn subject(account: &Account, texts: &Texts, values: Option<Values>) -> Result<Subject, Answer> {
    let refuse = |faults: &[Fault]| fault::refuse(texts, faults, Status::BadSettings);
    let stored = account.store.load().map_err(|error| saved::failed(texts, &error))?;
    let is_for_saved = values.is_none();
    let values = match (values, &stored) {
        (Some(values), _) => values,
        (None, Some(stored)) => saved::values(stored),
        (None, None) => return Err(saved::not_configured(texts)),
    };
    let checked = form::check(&account.providers, &values, None, Purpose::Save);
    let settings = checked.settings.ok_or_else(|| refuse(&checked.faults))?;
    let Route::Smtp { server, token_login: Some(_), .. } = &settings.route else {
        return Err(refuse(&[Fault::input("auth", "sign_in_unused")]));
    };
    let username = values.text("username").to_owned();
    let (client, provider) = client(account, &server.host, &username).map_err(|fault| refuse(&[fault]))?;
    Ok(Subject {
        client,
        username,
        provider: provider.clone(),
        settings: checked.kept,
        is_for_saved,
        belongs_to: form::belonging(&values).sign_in,
    })
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
    let worker = send::worker(account).map_err(|error| send::no_thread(&texts, &error))?;
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

enum NotSignedIn {
    Stop(Stop),
    SettingsChanged,
}

impl From<Failure> for NotSignedIn {
    fn from(failure: Failure) -> Self {
        Self::Stop(failure.into())
    }
}

impl From<StoreError> for NotSignedIn {
    fn from(error: StoreError) -> Self {
        Self::Stop(error.into())
    }
}

fn failed(texts: &Texts, subject: &Subject, failure: &Failure) -> Answer {
    report::of_sign_in(texts, Some(&subject.provider), failure, subject.client.host(), &subject.username)
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
            Err(NotSignedIn::Stop(Stop::Store(error))) => saved::failed(&self.texts, &error),
            Err(NotSignedIn::Stop(Stop::Failure(failure))) => failed(&self.texts, &self.subject, &failure),
            Err(NotSignedIn::SettingsChanged) => {
                fault::refuse(&self.texts, &[Fault::input("auth", "sign_in_settings_changed")], Status::BadSettings)
            }
        }
    }

    async fn work(&self, network: &Network, work: Work) -> Result<Answer, NotSignedIn> {
        let client = &self.subject.client;
        match work {
            Work::DeviceCode => Ok(self.device_code(network).await?),
            Work::ClientCredentials => {
                let tokens = client.client_credentials(network).await?;
                self.save(tokens, true, network).await
            }
            Work::Finish { sign_in, callback, .. } => self.finish(network, &sign_in, callback).await,
        }
    }

    async fn finish(
        &self,
        network: &Network,
        sign_in: &SignIn,
        callback: Option<Callback>,
    ) -> Result<Answer, NotSignedIn> {
        let client = &self.subject.client;
        let (page, redirect, listener) = match &sign_in.way {
            Way::Device(device) => {
                let tokens = client.await_device(device, sign_in.begun, network).await?;
                return self.save(tokens, false, network).await;
            }
            Way::Page { page, redirect, listener } => (page, redirect, listener),
        };
        let (callback, guest) = match (callback, listener) {
            (Some(callback), _) => (callback, None),
            (None, Some(listener)) => {
                let (callback, guest) = listener.callback(&page.state, client.endpoints.issuer.as_deref()).await?;
                (callback, Some(guest))
            }
            (None, None) => return Err(Failure::new(Ending::Internal).into()),
        };
        let done = match callback {
            Callback::Code(code) => match client.redeem(&code, &page.verifier, redirect, network).await {
                Ok(tokens) => self.save(tokens, false, network).await,
                Err(failure) => Err(failure.into()),
            },
            Callback::Refused(failure) => Err(failure.into()),
            Callback::NotOurs => Err(Failure::new(Ending::Internal).into()),
        };
        // Only now is it known what the browser has to show.
        if let Some(guest) = guest {
            let (title, text) = match done {
                Ok(_) => ("page-signed_in-title", "page-signed_in"),
                Err(_) => ("page-not_signed_in-title", "page-not_signed_in"),
            };
            guest.tell(&self.page(title, text)).await;
        }
        done
    }

    async fn save(&self, tokens: Tokens, is_of_program: bool, network: &Network) -> Result<Answer, NotSignedIn> {
        let subject = self.subject.clone();
        let store = Arc::clone(&self.store);
        let is_meant = if is_of_program { Ok(()) } else { check_account(&tokens, &subject.username) };
        let kept = Kept::new(&subject.client, tokens, None, is_of_program);
        let secret = kept.secret();
        let save = move || {
            store.update(|before: Option<Saved>| {
                if !subject.is_for_saved {
                    let secrets = [(SIGN_IN.to_owned(), secret.clone())].into();
                    return Ok(Saved { settings: subject.settings.clone(), secrets });
                }
                let is_same = |saved: &Saved| saved::stored(saved).belongs_to.sign_in == subject.belongs_to;
                let mut saved = before.filter(is_same).ok_or(NotSignedIn::SettingsChanged)?;
                saved.secrets.insert(SIGN_IN.to_owned(), secret.clone());
                Ok(saved)
            })
        };
        let saved = match is_meant {
            Ok(()) => spawn_blocking(save).await.map_err(|_| Failure::new(Ending::Internal))?,
            Err(failure) => Err(failure.into()),
        };
        match saved {
            Ok(saved) => {
                Ok(saved::shown(Answer::ok("signed_in"), &saved).with("account", self.subject.username.clone()))
            }
            Err(stop) => {
                // Nobody will use it.
                let _ = self.subject.client.revoke(&kept.tokens(), network).await;
                Err(stop)
            }
        }
    }

    async fn device_code(&self, network: &Network) -> Result<Answer, Failure> {
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
        self.sign_ins.add(SignIn { id, begun, subject: self.subject.clone(), way: Way::Device(device) });
        Ok(answer)
    }

    /// What the browser shows at the end. A whole page; nothing of it comes from the network.
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
    let client = checked.settings.and_then(|settings| Authorizer::new(account, &settings).ok()).map(|it| it.client);
    account.ready.store(None);
    let Some(kept) = remove(account)? else { return Ok(Reply::ready(signed_out(false))) };
    let Some(client) = client else { return Ok(Reply::ready(signed_out(false))) };
    let worker = send::worker(account).map_err(|error| send::no_thread(texts, &error))?;
    let (reply, job) = pending();
    worker.submit(move |network| {
        Box::pin(async move {
            let tokens = kept.tokens();
            let is_revoked = tokio::select! {
                revoked = client.revoke(&tokens, &network) => revoked.is_some_and(|revoked| revoked.is_ok()),
                () = job.canceled() => false,
            };
            job.end(signed_out(is_revoked));
        })
    });
    Ok(reply)
}

fn signed_out(is_revoked: bool) -> Answer {
    Answer::ok("signed_out").with("revoked", is_revoked)
}

/// Takes the sign-in out of the store: the one that is there in this moment, which may have been renewed just now.
fn remove(account: &Account) -> Result<Option<Kept>, Answer> {
    let removed = RefCell::new(None);
    let updated = account.store.update(|saved: Option<Saved>| {
        let mut saved = saved.ok_or(NotRemoved::Cleared)?;
        *removed.borrow_mut() = Kept::of(&saved);
        saved.secrets.remove(SIGN_IN);
        Ok(saved)
    });
    match updated {
        Ok(_) => Ok(removed.into_inner()),
        Err(NotRemoved::Cleared) => Err(saved::not_configured(&account.texts)),
        Err(NotRemoved::Store(error)) => Err(saved::failed(&account.texts, &error)),
    }
}

enum NotRemoved {
    Cleared,
    Store(StoreError),
}

impl From<StoreError> for NotRemoved {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
