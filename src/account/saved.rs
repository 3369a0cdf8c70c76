//! Between the store and the form: saved settings as values, as a reply, and what the store's troubles mean.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::form::{FIELDS, Kind, Stored, Values, belonging};
use crate::guide::Texts;
use crate::reply::{Answer, Status};
use crate::store::{Protection, Saved, Store, StoreError, StoreErrorKind};

pub fn values(saved: &Saved) -> Values {
    Values::from_saved(&saved.settings)
}

pub fn stored(saved: &Saved) -> Stored {
    let secrets: BTreeMap<_, _> = saved.secrets.clone();
    Stored { secrets, belongs_to: belonging(&values(saved)) }
}

/// The settings without the secrets, of which only the presence is told.
pub fn shown(answer: Answer, saved: &Saved) -> Answer {
    let secrets: Map<String, Value> = FIELDS
        .iter()
        .filter(|field| field.kind == Kind::Secret)
        .map(|field| (field.key.to_owned(), saved.secrets.contains_key(field.key).into()))
        .collect();
    answer.with("settings", saved.settings.clone()).with("has_secret", secrets)
}

pub fn not_configured(texts: &Texts) -> Answer {
    Answer::new(Status::BadSettings, "not_configured", texts.get("not_configured"))
}

pub fn protection(texts: &Texts, store: &Store) -> Value {
    let kind = match store.protection() {
        Protection::Memory => "memory",
        Protection::GivenKey => "given_key",
        Protection::Passphrase => "passphrase",
        Protection::Keychain => "keychain",
        Protection::KeyFile(_) => "key_file",
    };
    json!({"kind": kind, "message": texts.get(&format!("protection-{kind}"))})
}

pub fn problem(texts: &Texts, error: &StoreError) -> Value {
    json!({"code": reason(error.kind), "message": message(texts, error)})
}

pub fn failed(texts: &Texts, error: &StoreError) -> Answer {
    Answer::new(Status::StoreFailed, reason(error.kind), message(texts, error))
}

fn message(texts: &Texts, error: &StoreError) -> String {
    let words = [("path", error.path.display().to_string()), ("detail", error.detail.clone())];
    texts.with(&reason(error.kind).replacen('_', "-", 1), &words)
}

/// Stable; part of the replies.
fn reason(kind: StoreErrorKind) -> &'static str {
    match kind {
        StoreErrorKind::Damaged => "store_damaged",
        StoreErrorKind::Tampered => "store_tampered",
        StoreErrorKind::WrongKey => "store_wrong_key",
        StoreErrorKind::Newer => "store_newer",
        StoreErrorKind::NoFolder => "store_no_folder",
        StoreErrorKind::Unreadable => "store_unreadable",
        StoreErrorKind::Unwritable => "store_unwritable",
        StoreErrorKind::Busy => "store_busy",
        StoreErrorKind::KeyFileExposed => "store_key_file_exposed",
        StoreErrorKind::KeyMissing => "store_key_missing",
        StoreErrorKind::NoKeychain => "store_no_keychain",
    }
}
