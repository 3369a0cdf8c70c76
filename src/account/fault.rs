//! Faults as replies.

use serde_json::{Value, json};

use crate::guide::Texts;
use crate::input::{Blame, Fault};
use crate::reply::{Answer, Status};

use super::Account;

/// All the faults in one reply. `status` is for what a person typed; a fault of the program's outranks it.
pub fn refuse(texts: &Texts, faults: &[Fault], status: Status) -> Answer {
    let by_program = faults.iter().find(|fault| fault.blame == Blame::Program);
    let sentence = |fault: &Fault| texts.fault(&fault.place, fault.code, &fault.words);
    let placed = |fault: &Fault| {
        let words = [("place", fault.place.clone()), ("message", sentence(fault))];
        if fault.place.is_empty() { sentence(fault) } else { texts.with("call-faults", &words) }
    };
    let (status, reason, message) = match (by_program, status) {
        (Some(fault), _) => (Status::BadCall, "bad_argument", placed(fault)),
        (None, Status::BadSettings) => {
            let message = faults.first().map(sentence).unwrap_or_default();
            let label = faults.first().and_then(|fault| texts.find(&format!("field-{}", fault.place), &[]));
            // What is no field of the form has nothing that could stand before its sentence.
            let message = label.map_or(message.clone(), |label| {
                let words = [("count", faults.len().to_string()), ("label", label), ("message", message)];
                texts.with("settings-faults", &words)
            });
            (Status::BadSettings, "bad_settings", message)
        }
        (None, Status::BadEmail) => {
            let first = faults.first().map(sentence).unwrap_or_default();
            (Status::BadEmail, "bad_email", texts.with("email-faults", &[("message", first)]))
        }
        (None, status) => (status, "bad_argument", faults.first().map(placed).unwrap_or_default()),
    };
    let errors: Vec<Value> = faults.iter().map(|fault| told(texts, fault)).collect();
    Answer::new(status, reason, message).with("errors", errors)
}

/// One fault as the replies show it.
pub fn told(texts: &Texts, fault: &Fault) -> Value {
    json!({
        "key": fault.place,
        "code": fault.code,
        "message": texts.fault(&fault.place, fault.code, &fault.words),
    })
}

/// A mistake in the call itself, found before its JSON was looked at.
pub fn bad_argument(account: Option<&Account>, code: &'static str, words: &[(&'static str, String)]) -> Answer {
    let sentence = |texts: &Texts| texts.with(&format!("call-{code}"), words);
    let message = account.map_or_else(|| sentence(&Texts::new("")), |account| sentence(&account.texts));
    let place = words.iter().find(|(name, _)| *name == "argument").map_or("", |(_, value)| value.as_str());
    let errors = json!([{"key": place, "code": code, "message": message}]);
    Answer::new(Status::BadCall, code, message).with("errors", errors)
}

pub fn null_account() -> Answer {
    bad_argument(None, "null_argument", &[("argument", "account".to_owned())])
}
