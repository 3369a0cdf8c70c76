//! The Email button of a document: whether it is there, whether it can be pressed, and the email that it begins with.

use serde_json::{Value, json};

use crate::email::{self, Email};
use crate::form::Settings;
use crate::guide::Texts;
use crate::input::{Fault, Faults, Object};
use crate::reply::{Answer, Status};

use super::{Account, fault, sign_in};

const KINDS: &[&str] = &[
    "invoice",
    "quote",
    "order",
    "credit_note",
    "delivery_note",
    "receipt",
    "reminder",
    "statement",
    "payslip",
    "report",
    "document",
];

/// What the host says of its document.
struct Document {
    /// In words, for example "Invoice".
    kind: String,
    reference: Option<String>,
    recipient_name: Option<String>,
    /// As the host keeps it: text with separators, or a list with an address in each item.
    to: Value,
    subject: Option<String>,
    body: Option<String>,
    file_name: Option<String>,
}

pub fn button(account: &Account, json: Value) -> Answer {
    let mut faults = Faults::new();
    let texts = &account.texts_for(&json, &mut faults);
    let document = Object::new(json, "document_json", &mut faults)
        .map(Object::outermost)
        .map(|object| read(texts, object, &mut faults));
    let (Some(document), true) = (document, faults.is_empty()) else {
        return fault::refuse(texts, &faults, Status::BadEmail);
    };
    let (state, sender) = match account.settings(texts) {
        Ok(settings) => {
            let why_not = sign_in::missing(account, &settings).map(|fault| {
                let message = texts.fault(&fault.place, fault.code, &fault.words);
                (fault.code, message)
            });
            (state(texts, true, why_not), sender_name(&settings))
        }
        // Before the settings are saved there is no button; where they cannot be used, it says so.
        Err(answer) => {
            let is_saved = answer.reason != "not_configured";
            (state(texts, is_saved, Some((answer.reason, answer.message))), None)
        }
    };
    let email = prefilled(texts, document, sender.as_deref());
    let warnings = warnings(texts, email.clone());
    Answer::ok("button").with("button", state).with("email", email).with("warnings", warnings)
}

/// What would be refused if the email were sent as it is proposed. It is no reason to refuse the button: the email is where
/// a wrong address can be mended, and a missing one typed.
fn warnings(texts: &Texts, email: Value) -> Vec<Value> {
    let faults = Email::from_json(email, None).err().unwrap_or_default();
    faults.iter().filter(|fault| fault.code != "no_recipients").map(|fault| fault::told(texts, fault)).collect()
}

fn state(texts: &Texts, visible: bool, why_not: Option<(&'static str, String)>) -> Value {
    json!({
        "visible": visible,
        "enabled": why_not.is_none(),
        "label": texts.get("button-email"),
        "why_not": why_not.map(|(code, message)| json!({"code": code, "message": message})),
    })
}

fn sender_name(settings: &Settings) -> Option<String> {
    Some(settings.sender_name.clone()).filter(|name| !name.is_empty())
}

fn read(texts: &Texts, mut object: Object, faults: &mut Faults) -> Document {
    let kind = object.text("kind", faults).unwrap_or_else(|| "document".to_owned());
    if !KINDS.contains(&kind.as_str()) {
        let value: String = kind.chars().filter(|c| !c.is_control()).take(40).collect();
        let fault = Fault::program(object.place_of("kind"), "choice_unknown").with("value", value);
        faults.push(fault.with("choices", KINDS.join(", ")));
    }
    let kind = object.text("title", faults).unwrap_or_else(|| texts.get(&format!("kind-{kind}")));
    let reference = object.text("reference", faults);
    let (mut recipient_name, mut to) = (None, Value::from(""));
    if let Some(mut recipient) = object.object("recipient", faults) {
        recipient_name = recipient.text("name", faults).filter(|name| !name.trim().is_empty());
        to = recipient.take("addresses").unwrap_or(to);
        let is_text = to.is_string() || to.as_array().is_some_and(|items| items.iter().all(Value::is_string));
        if !is_text {
            let place = recipient.place_of("addresses");
            faults.push(Fault::program(place, "wrong_type_expected").with("expected", "text or a list of texts"));
        }
        recipient.end(faults);
    }
    let document = Document {
        kind,
        reference,
        recipient_name,
        to,
        subject: object.text("subject", faults),
        body: object.text("body", faults),
        file_name: object.text("file_name", faults),
    };
    // Looked at before, so that what is wrong is told in that language.
    object.take("locale");
    object.end(faults);
    document
}

/// In the form that `mailbutton_send_document` takes, for the host to show, change and send.
fn prefilled(texts: &Texts, document: Document, sender: Option<&str>) -> Value {
    let Document { kind, reference, recipient_name, to, subject, body, file_name } = document;
    let (title, file_title) = match reference {
        Some(reference) => {
            let title = format!("{kind} {}", texts.reference(&reference));
            // A name has no marks; in front of letters that run from right to left its digits keep their places by themselves.
            let is_first = texts.direction() == "rtl";
            (title, if is_first { format!("{reference} {kind}") } else { format!("{kind} {reference}") })
        }
        None => (kind.clone(), kind),
    };
    let subject = subject.unwrap_or_else(|| match sender {
        Some(sender) => {
            texts.plain("button-subject_from", &[("document", title.clone()), ("sender", sender.to_owned())])
        }
        None => texts.plain("button-subject", &[("document", title.clone())]),
    });
    let body = body.unwrap_or_else(|| {
        let words = [("document", title.clone()), ("name", recipient_name.unwrap_or_default())];
        let greeting = if words[1].1.is_empty() { "button-body_no_name" } else { "button-body" };
        let mut text = texts.plain(greeting, &words);
        if let Some(sender) = sender {
            text.push_str("\n\n");
            text.push_str(&texts.plain("button-closing", &[("sender", sender.to_owned())]));
        }
        text
    });
    let file_name = file_name.unwrap_or_else(|| email::file_name_for(&file_title, ".pdf"));
    json!({ "to": to, "subject": subject, "body": body, "document": { "file_name": file_name } })
}
