//! One set of settings and what can be done with it: the form, saving, the button, checking, testing, sending. It puts
//! the other rooms together; the C ABI knows this one and `reply`, and nothing behind them.

mod button;
mod check;
mod delivery;
mod discover;
mod fault;
mod options;
mod renewal;
mod repair;
mod report;
mod saved;
mod send;
mod sign_in;
mod token;
mod worker;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use once_cell::race::OnceBox;
use serde_json::{Map, Value};

use crate::form::{self, Purpose, Route, Schemas, Sheet, Stored, Values};
use crate::guide::{Locale, Providers, Texts};
use crate::input::{Faults, Object};
use crate::reply::{Answer, Reply, Status};
use crate::store::{Saved, Store, StoreError};

use options::{NetworkOptions, Options, ProgramIds};
use renewal::Renewals;
use send::StepTexts;
use sign_in::SignIns;
use worker::Worker;

pub use crate::email::check_pdf;
pub use crate::input::Fault;
pub use fault::{bad_argument, null_account};

/// Longer settings, documents or tests are refused unread.
const MAX_JSON: usize = 1024 * 1024;
/// An email's JSON may carry attachments in base64.
const MAX_EMAIL_JSON: usize = 64 * 1024 * 1024;

/// Everything is behind shared references: any number of threads use an account at once.
pub struct Account {
    texts: Arc<Texts>,
    store: Arc<Store>,
    providers: Arc<Providers>,
    network: Arc<NetworkOptions>,
    /// As the host's program is registered, by provider.
    programs: ProgramIds,
    /// Begun, and not finished yet.
    sign_ins: Arc<SignIns>,
    renewals: Arc<Renewals>,
    /// Made with the first form.
    schemas: OnceBox<Arc<Schemas>>,
    /// Made with the first piece of work.
    step_texts: OnceBox<Arc<StepTexts>>,
    /// The saved settings that were checked last.
    ready: ArcSwapOption<Ready>,
    /// Started with the first piece of work, and anew in a child after `fork()`.
    worker: ArcSwapOption<Worker>,
}

/// Settings that passed their checks, and what they were made of.
struct Ready {
    saved: Arc<Saved>,
    settings: Arc<form::Settings>,
}

impl Ready {
    fn is_of(&self, saved: &Arc<Saved>) -> bool {
        Arc::ptr_eq(&self.saved, saved) || self.saved == *saved
    }
}

/// Why an update of the settings did not happen.
enum NotSaved {
    Faults(Faults),
    Store(StoreError),
}

impl From<StoreError> for NotSaved {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Account {
    pub fn open(options_json: Option<&str>) -> Result<Self, Answer> {
        let Options { texts, store, providers, network, programs } = options::read(options_json)?;
        Ok(Self {
            texts: Arc::new(texts),
            store: Arc::new(store),
            providers: Arc::new(providers),
            network: Arc::new(network),
            programs,
            sign_ins: Arc::default(),
            renewals: Arc::default(),
            schemas: OnceBox::new(),
            step_texts: OnceBox::new(),
            ready: ArcSwapOption::empty(),
            worker: ArcSwapOption::empty(),
        })
    }

    /// What `open` answers: how the settings are protected, and whether there are any.
    pub fn opened(&self) -> Answer {
        let answer = Answer::ok("opened").with("protection", saved::protection(&self.texts, &self.store));
        match self.store.load() {
            Ok(found) => answer.with("configured", found.is_some()),
            // The account is open all the same: the form can say it, and the settings can be cleared.
            Err(error) => answer.with("configured", false).with("store_problem", saved::problem(&self.texts, &error)),
        }
    }

    pub fn form(&self, values_json: Option<&str>) -> Answer {
        let (stored, problem) = match self.store.load() {
            Ok(stored) => (stored, None),
            Err(error) => (None, Some(error)),
        };
        let mut faults = Faults::new();
        let (given, locale) = match values_json.map(|text| crate::input::parse("values_json", text, MAX_JSON)) {
            None => (None, None),
            Some(Ok(mut json)) => {
                let locale = take_locale(&mut json);
                // With nothing beside it, it asks for the saved values in that language.
                let is_alone = locale.is_some() && json.as_object().is_some_and(Map::is_empty);
                ((!is_alone).then_some(json), locale)
            }
            Some(Err(fault)) => return fault::refuse(&self.texts, &[fault], Status::BadCall),
        };
        let texts = self.texts_in(locale.as_ref(), &mut faults);
        let values = match given {
            None => stored.as_deref().map_or_else(Values::default, saved::values),
            Some(json) => Values::from_json(json, "values_json", &mut faults),
        };
        if !faults.is_empty() {
            return fault::refuse(&texts, &faults, Status::BadSettings);
        }
        let kept = stored.as_deref().map(saved::stored);
        let sheet = Sheet { values: &values, stored: kept.as_ref(), providers: &self.providers };
        let answer = match &problem {
            None => Answer::ok("form"),
            Some(error) => saved::failed(&texts, error),
        };
        answer
            .with("configured", stored.is_some())
            .with("protection", saved::protection(&texts, &self.store))
            .with("form", form::render(&texts, &self.schemas(&texts), &sheet))
    }

    pub fn words(&self, words_json: Option<&str>) -> Answer {
        let mut faults = Faults::new();
        let mut texts = Arc::clone(&self.texts);
        match words_json.map(|text| crate::input::parse("words_json", text, MAX_JSON)) {
            None => {}
            Some(Ok(json)) => {
                texts = self.texts_for(&json, &mut faults);
                if let Some(mut object) = Object::new(json, "words_json", &mut faults).map(Object::outermost) {
                    object.take("locale");
                    object.end(&mut faults);
                }
            }
            Some(Err(fault)) => faults.push(fault),
        }
        if !faults.is_empty() {
            return fault::refuse(&texts, &faults, Status::BadCall);
        }
        Answer::ok("words")
            .with("locale", texts.locale())
            .with("direction", texts.direction())
            .with("words", texts.words())
    }

    /// Those of the account's own language are made once.
    fn schemas(&self, texts: &Arc<Texts>) -> Arc<Schemas> {
        if !Arc::ptr_eq(texts, &self.texts) {
            return Arc::new(Schemas::new(texts));
        }
        Arc::clone(self.schemas.get_or_init(|| Box::new(Arc::new(Schemas::new(&self.texts)))))
    }

    pub fn settings_set(&self, settings_json: &str) -> Answer {
        let mut faults = Faults::new();
        let mut json = match crate::input::parse("settings_json", settings_json, MAX_JSON) {
            Ok(json) => json,
            Err(fault) => return fault::refuse(&self.texts, &[fault], Status::BadCall),
        };
        let texts = self.texts_in(take_locale(&mut json).as_ref(), &mut faults);
        let values = Values::from_json(json, "settings_json", &mut faults);
        let saved = self.store.update(|before: Option<Saved>| {
            let stored = before.as_ref().map(saved::stored);
            let checked = form::check(&self.providers, &values, stored.as_ref(), Purpose::Save);
            // A value that could not be read is not missing besides.
            let is_new = |fault: &Fault| faults.iter().all(|told| told.place != fault.place);
            let others = checked.faults.into_iter().filter(is_new);
            let all: Faults = faults.iter().cloned().chain(others).collect();
            if all.is_empty() {
                Ok(Saved { settings: checked.kept, secrets: checked.secrets })
            } else {
                Err(NotSaved::Faults(all))
            }
        });
        match saved {
            Ok(saved) => {
                saved::shown(Answer::ok("saved"), &saved).with("protection", saved::protection(&texts, &self.store))
            }
            Err(NotSaved::Faults(faults)) => fault::refuse(&texts, &faults, Status::BadSettings),
            Err(NotSaved::Store(error)) => saved::failed(&texts, &error),
        }
    }

    pub fn settings_get(&self) -> Answer {
        match self.store.load() {
            Ok(Some(saved)) => saved::shown(Answer::ok("settings"), &saved)
                .with("configured", true)
                .with("protection", saved::protection(&self.texts, &self.store)),
            Ok(None) => Answer::ok("not_configured")
                .with("configured", false)
                .with("settings", Value::Null)
                .with("protection", saved::protection(&self.texts, &self.store)),
            Err(error) => saved::failed(&self.texts, &error),
        }
    }

    pub fn settings_clear(&self) -> Answer {
        // The secrets with them.
        self.ready.store(None);
        match self.store.clear() {
            Ok(()) => Answer::ok("cleared"),
            Err(error) => saved::failed(&self.texts, &error),
        }
    }

    pub fn button(&self, document_json: &str) -> Answer {
        match crate::input::parse("document_json", document_json, MAX_JSON) {
            Ok(json) => button::button(self, json),
            Err(fault) => fault::refuse(&self.texts, &[fault], Status::BadCall),
        }
    }

    /// `pdf` is the document's length; 0 where it is a file, or not made yet.
    pub fn check_document(&self, email_json: &str, pdf: u64) -> Answer {
        match crate::input::parse("email_json", email_json, MAX_EMAIL_JSON) {
            Ok(json) => check::document(self, json, pdf),
            Err(fault) => fault::refuse(&self.texts, &[fault], Status::BadCall),
        }
    }

    pub fn discover(&self, discover_json: &str) -> Reply {
        let json = match crate::input::parse("discover_json", discover_json, MAX_JSON) {
            Ok(json) => json,
            Err(fault) => return Reply::ready(fault::refuse(&self.texts, &[fault], Status::BadCall)),
        };
        discover::discover(self, json).unwrap_or_else(Reply::ready)
    }

    pub fn send_test(&self, test_json: Option<&str>) -> Reply {
        let json = match test_json.map(|text| crate::input::parse("test_json", text, MAX_JSON)).transpose() {
            Ok(json) => json.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
            Err(fault) => return Reply::ready(fault::refuse(&self.texts, &[fault], Status::BadCall)),
        };
        send::test(self, json).unwrap_or_else(Reply::ready)
    }

    /// `pdf` copies the document, if its bytes are given; it is not called for JSON that does not parse.
    pub fn send_document(&self, email_json: &str, pdf: impl FnOnce() -> Result<Option<Bytes>, Fault>) -> Reply {
        let json = match crate::input::parse("email_json", email_json, MAX_EMAIL_JSON) {
            Ok(json) => json,
            Err(fault) => return Reply::ready(fault::refuse(&self.texts, &[fault], Status::BadCall)),
        };
        send::document(self, json, pdf).unwrap_or_else(Reply::ready)
    }

    pub fn sign_in(&self, sign_in_json: Option<&str>) -> Reply {
        self.with_json("sign_in_json", sign_in_json, sign_in::begin)
    }

    pub fn finish_sign_in(&self, finish_json: &str) -> Reply {
        self.with_json("finish_json", Some(finish_json), sign_in::finish)
    }

    pub fn sign_out(&self) -> Reply {
        sign_in::sign_out(self).unwrap_or_else(Reply::ready)
    }

    fn with_json(
        &self,
        argument: &'static str,
        text: Option<&str>,
        call: fn(&Self, Value) -> Result<Reply, Answer>,
    ) -> Reply {
        match text.map(|text| crate::input::parse(argument, text, MAX_JSON)).transpose() {
            Ok(json) => {
                call(self, json.unwrap_or_else(|| Value::Object(serde_json::Map::new()))).unwrap_or_else(Reply::ready)
            }
            Err(fault) => Reply::ready(fault::refuse(&self.texts, &[fault], Status::BadCall)),
        }
    }

    /// The texts for a call, in the language of its `locale` if it has one.
    fn texts_for(&self, json: &Value, faults: &mut Faults) -> Arc<Texts> {
        self.texts_in(json.get("locale"), faults)
    }

    fn texts_in(&self, locale: Option<&Value>, faults: &mut Faults) -> Arc<Texts> {
        let Some(tag) = locale.filter(|tag| !tag.is_null()) else { return Arc::clone(&self.texts) };
        if let Some(locale) = tag.as_str().and_then(Locale::parse) {
            return Arc::new(self.texts.in_locale(&locale));
        }
        faults.push(Fault::program("locale", "locale_invalid"));
        Arc::clone(&self.texts)
    }

    /// Kept for the account's own language.
    fn step_texts(&self, texts: &Arc<Texts>) -> Arc<StepTexts> {
        let make = || Arc::new(StepTexts::new(texts));
        if !Arc::ptr_eq(texts, &self.texts) {
            return make();
        }
        Arc::clone(self.step_texts.get_or_init(|| Box::new(make())))
    }

    /// The saved settings, ready for use. What is saved is looked at each time; checked, only where it is not what it was.
    fn settings(&self, texts: &Texts) -> Result<Arc<form::Settings>, Answer> {
        let saved = self.store.load().map_err(|error| saved::failed(texts, &error))?;
        let Some(saved) = saved else {
            self.ready.store(None);
            return Err(saved::not_configured(texts));
        };
        if let Some(ready) = self.ready.load().as_deref().filter(|ready| ready.is_of(&saved)) {
            return Ok(Arc::clone(&ready.settings));
        }
        let settings = self.checked(texts, &saved::values(&saved), Some(&saved::stored(&saved)), Purpose::Save)?;
        let settings = Arc::new(settings);
        self.ready.store(Some(Arc::new(Ready { saved, settings: Arc::clone(&settings) })));
        Ok(settings)
    }

    /// Whether a server is known to do CHUNKING well: by the program, or by the table of providers.
    fn chunks_well(&self, host: &str) -> bool {
        let is_named = self.network.chunking.iter().any(|known| known == host);
        is_named || self.providers.of_host(host).is_some_and(|provider| provider.chunks_well)
    }

    fn checked(
        &self,
        texts: &Texts,
        values: &Values,
        stored: Option<&Stored>,
        purpose: Purpose,
    ) -> Result<form::Settings, Answer> {
        let checked = form::check(&self.providers, values, stored, purpose);
        let refuse = || fault::refuse(texts, &checked.faults, Status::BadSettings);
        let mut settings = checked.settings.ok_or_else(refuse)?;
        if let Route::Smtp { server, .. } = &mut settings.route
            && self.chunks_well(&server.host)
        {
            Arc::make_mut(server).chunks_well = true;
        }
        Ok(settings)
    }
}

/// The language of a call whose JSON has settings as its members.
fn take_locale(json: &mut Value) -> Option<Value> {
    json.as_object_mut()?.shift_remove("locale").filter(|locale| !locale.is_null())
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.swap(None) {
            Worker::release(worker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(account: &Account, host: &str) {
        let json = format!(r#"{{"smtp_host": "{host}", "smtp_port": 587, "email_address": "ana@example.com"}}"#);
        assert_eq!(account.settings_set(&json).status, Status::Ok);
    }

    fn host(settings: &form::Settings) -> &str {
        match &settings.route {
            Route::Smtp { server, .. } => &server.host,
            Route::Http(_) => panic!("http"),
        }
    }

    #[test]
    fn settings_are_checked_once_for_each_time_that_they_are_saved() {
        let account = Account::open(Some(r#"{"chunking": ["two.example.com"]}"#)).unwrap();
        save(&account, "one.example.com");
        let one = account.settings(&account.texts).unwrap();
        assert!(Arc::ptr_eq(&one, &account.settings(&account.texts).unwrap()));
        save(&account, "two.example.com");
        let two = account.settings(&account.texts).unwrap();
        assert_eq!((host(&one), host(&two)), ("one.example.com", "two.example.com"));
        assert!(matches!(&two.route, Route::Smtp { server, .. } if server.chunks_well));
        account.settings_clear();
        assert_eq!(account.settings(&account.texts).unwrap_err().reason, "not_configured");
        assert!(account.ready.load().is_none(), "the password goes with the settings");
    }

    #[test]
    fn what_another_account_saved_in_the_file_is_used() {
        let folder = std::env::temp_dir().join(format!("mailbutton-account-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let options = format!(r#"{{"store": "{}"}}"#, folder.join("settings").display());
        let (one, other) = (Account::open(Some(&options)).unwrap(), Account::open(Some(&options)).unwrap());
        save(&one, "one.example.com");
        let before = one.settings(&one.texts).unwrap();
        assert!(Arc::ptr_eq(&before, &one.settings(&one.texts).unwrap()), "the same bytes are not checked again");
        save(&other, "two.example.com");
        assert_eq!(host(&one.settings(&one.texts).unwrap()), "two.example.com");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
