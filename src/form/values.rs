//! The values of a form as they were typed: nothing is judged here but their JSON types and keys.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::input::{Fault, Faults, Object, whole};
use crate::secret::Secret;

use super::fields::{FIELDS, Field, Kind, field_of};

#[derive(Clone, Debug)]
enum Entry {
    Text(String),
    Flag(bool),
    Secret(Secret),
}

/// By key; what was not given has its field's default.
#[derive(Clone, Debug, Default)]
pub struct Values {
    entries: BTreeMap<&'static str, Entry>,
}

impl Values {
    /// `argument` is the name of what holds the values: keys are named without it, as a form's fields are.
    pub fn from_json(json: Value, argument: &str, faults: &mut Faults) -> Self {
        let mut values = Self::default();
        let Some(mut object) = Object::new(json, argument, faults).map(Object::outermost) else { return values };
        for field in FIELDS {
            if let Some(value) = object.take(field.key) {
                match entry(field, value) {
                    Some(entry) => {
                        values.entries.insert(field.key, entry);
                    }
                    None => faults.push(
                        Fault::program(object.place_of(field.key), "wrong_type_expected")
                            .with("expected", expected(field.kind)),
                    ),
                }
            }
        }
        object.end(faults);
        values
    }

    /// What the store kept; keys of another version are passed over.
    pub fn from_saved(settings: &Map<String, Value>) -> Self {
        let mut values = Self::default();
        for (key, value) in settings {
            if let Some(field) = field_of(key)
                && let Some(entry) = entry(field, value.clone())
            {
                values.entries.insert(field.key, entry);
            }
        }
        values
    }

    /// Without the white space around it, which is pasted along and never meant.
    pub fn text(&self, key: &str) -> &str {
        match self.entries.get(key) {
            Some(Entry::Text(text)) => text.trim(),
            _ => field_of(key).map_or("", |field| field.default),
        }
    }

    pub fn flag(&self, key: &str) -> bool {
        matches!(self.entries.get(key), Some(Entry::Flag(true)))
    }

    /// What was typed; an empty one was not.
    pub fn secret(&self, key: &str) -> Option<&Secret> {
        match self.entries.get(key) {
            Some(Entry::Secret(secret)) if !secret.is_empty() => Some(secret),
            _ => None,
        }
    }

    /// For the form's reply and for the store; never a secret.
    pub fn json(&self, field: &Field) -> Value {
        match field.kind {
            Kind::Secret => Value::Null,
            Kind::Checkbox => Value::Bool(self.flag(field.key)),
            Kind::Port => {
                let text = self.text(field.key);
                if text.is_empty() {
                    Value::Null
                } else {
                    text.parse::<u16>().map_or_else(|_| text.into(), Value::from)
                }
            }
            _ => Value::from(self.text(field.key)),
        }
    }
}

fn entry(field: &Field, value: Value) -> Option<Entry> {
    match (field.kind, value) {
        (Kind::Secret, Value::String(text)) => Some(Entry::Secret(Secret::new(text))),
        (Kind::Checkbox, Value::Bool(flag)) => Some(Entry::Flag(flag)),
        (Kind::Secret | Kind::Checkbox, _) => None,
        // Input elements of web pages give text, programs give numbers.
        (Kind::Port, Value::Number(number)) => {
            let text =
                whole(&Value::Number(number.clone())).map_or_else(|| number.to_string(), |port| port.to_string());
            Some(Entry::Text(text))
        }
        (Kind::EmailList, Value::Array(items)) => {
            let items: Vec<String> = items.into_iter().map(into_text).collect::<Option<_>>()?;
            Some(Entry::Text(items.join(", ")))
        }
        (_, value) => into_text(value).map(Entry::Text),
    }
}

fn into_text(value: Value) -> Option<String> {
    if let Value::String(text) = value { Some(text) } else { None }
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Checkbox => "true or false",
        Kind::Port => "a number or text",
        Kind::EmailList => "text or a list of texts",
        _ => "text",
    }
}
