use std::ffi::CString;

use serde_json::{Map, Value, json};

use super::Status;

/// What a reply says: the same first four members in every reply, and then what the call is about.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: Status,
    /// Stable.
    pub reason: &'static str,
    /// A sentence for the person in front of the screen, or for the developer if the status is `BadCall`. Empty where
    /// nothing needs saying.
    pub message: String,
    rest: Map<String, Value>,
}

impl Answer {
    pub fn new(status: Status, reason: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into(), rest: Map::new() }
    }

    pub fn ok(reason: &'static str) -> Self {
        Self::new(Status::Ok, reason, "")
    }

    pub fn internal() -> Self {
        Self::new(Status::Internal, "internal", "Something inside mailbutton went wrong. This is a bug in mailbutton.")
    }

    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.rest.insert(key.to_owned(), value.into());
        self
    }

    /// Left out where there is nothing.
    #[must_use]
    pub fn with_some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    pub fn into_end(self) -> End {
        let (status, reason, message) = (self.status, text(self.reason), text(&self.message));
        End { status, reason, message, json: self.into_json() }
    }

    fn into_json(self) -> CString {
        let mut json = json!({
            "status": self.status.code(),
            "status_name": self.status.name(),
            "reason": self.reason,
            "message": self.message,
        });
        if let Some(members) = json.as_object_mut() {
            members.extend(self.rest);
        }
        text(&json.to_string())
    }
}

/// What an ended reply hands out, in place for as long as the reply lives.
#[derive(Debug)]
pub struct End {
    pub status: Status,
    pub reason: CString,
    pub message: CString,
    pub json: CString,
}

/// None of our texts has a NUL in it, and JSON writes one as \u0000.
fn text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}
