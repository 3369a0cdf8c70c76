use std::ffi::{CStr, CString};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use once_cell::race::OnceBox;
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

/// Members that are made when somebody reads the reply: most hosts look at the status alone where all went well.
pub type Later = Box<dyn Fn() -> Map<String, Value> + Send + Sync>;

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

    fn json(&self, last: Map<String, Value>) -> CString {
        let mut json = json!({
            "status": self.status.code(),
            "status_name": self.status.name(),
            "reason": self.reason,
            "message": self.message,
        });
        if let Some(members) = json.as_object_mut() {
            members.extend(self.rest.clone());
            members.extend(last);
        }
        text(&serde_json::to_string(&json).unwrap_or_default())
    }
}

/// What an ended reply hands out, in place for as long as the reply lives. Each text is made when it is asked for.
pub struct End {
    answer: Answer,
    later: Option<Later>,
    reason: OnceBox<CString>,
    message: OnceBox<CString>,
    json: OnceBox<CString>,
}

impl End {
    pub fn new(answer: Answer, later: Option<Later>) -> Self {
        Self { answer, later, reason: OnceBox::new(), message: OnceBox::new(), json: OnceBox::new() }
    }

    pub fn status(&self) -> Status {
        self.answer.status
    }

    pub fn reason(&self) -> &CStr {
        self.reason.get_or_init(|| Box::new(text(self.answer.reason)))
    }

    pub fn message(&self) -> &CStr {
        self.message.get_or_init(|| Box::new(text(&self.answer.message)))
    }

    pub fn json(&self) -> &CStr {
        self.json.get_or_init(|| Box::new(self.answer.json(self.last())))
    }

    /// A bug in them must not take away what is known for sure: an ended reply always has its JSON.
    fn last(&self) -> Map<String, Value> {
        let made = self.later.as_ref().map(|later| catch_unwind(AssertUnwindSafe(later)));
        made.and_then(Result::ok).unwrap_or_default()
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End")
            .field("status", &self.answer.status)
            .field("reason", &self.answer.reason)
            .finish_non_exhaustive()
    }
}

/// A NUL can be in a text of the host's own, or in what it names: the rest of the sentence must not go with it.
fn text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{FFFD}")).unwrap_or_default()
}
