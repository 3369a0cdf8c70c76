//! An email as the host's JSON describes it, read and checked as a whole: all its faults are told at once.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::{
    MAX_FAULTS,
    files::{self, File},
    mailbox::{MAX_ADDRESSES, Mailbox, parse_mailbox, read_each, split, too_many},
    markdown,
    text::{self, check_header_text},
};
use crate::input::{Fault, Faults, Object};

const DAY_MS: u64 = 86_400_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
    pub reply_to: Vec<Mailbox>,
    pub subject: String,
    /// Lines of both end in CRLF.
    pub text: String,
    pub html: String,
    /// The document first.
    pub files: Vec<File>,
    /// Deliver to the recipients that the server takes although it refuses another.
    pub partial: bool,
    pub idempotency_key: Option<String>,
    pub total: Option<Duration>,
}

impl Email {
    /// The mail of a test: a text for one recipient, and no document.
    pub fn test(recipient: Mailbox, subject: String, markdown: &str) -> Self {
        let text = text::with_crlf(markdown);
        Self {
            to: vec![recipient],
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: Vec::new(),
            subject,
            html: markdown::to_html(&text),
            text,
            files: Vec::new(),
            partial: false,
            idempotency_key: None,
            total: None,
        }
    }

    /// `document` is what [`super::check_pdf`] accepted; none if the JSON names the document's file.
    pub fn from_json(json: Value, document: Option<Bytes>) -> Result<Self, Faults> {
        let mut faults = Faults::new();
        let email = Object::new(json, "email_json", &mut faults).map(Object::outermost).map(|mut object| {
            let email = read(&mut object, document, &mut faults);
            object.end(&mut faults);
            email
        });
        faults.truncate(MAX_FAULTS);
        match email {
            Some(email) if faults.is_empty() => Ok(email),
            _ => Err(faults),
        }
    }
}

fn read(object: &mut Object, document: Option<Bytes>, faults: &mut Faults) -> Email {
    let [to, cc, bcc] = recipients(object, faults);
    let reply_to = List::take(object, "reply_to", faults).parse(faults);
    let subject = object.text("subject", faults).unwrap_or_default();
    faults.extend(check_header_text(&object.place_of("subject"), &subject).err());
    let (text, html) = body(object, faults);
    let partial = object.flag("partial", faults).unwrap_or_default();
    let idempotency_key = idempotency_key(object, faults);
    let total = object.number("total_ms", 1, DAY_MS, faults).map(Duration::from_millis);
    // For whoever writes the words of the reply, and for whoever logs in.
    object.take("locale");
    object.take("access_token");
    let document = files::document(object.object("document", faults), document, faults);
    let used = document.data.size();
    let mut files = vec![document];
    let attached = object.list("attachments", faults).unwrap_or_default();
    files.extend(files::attachments(attached, used, faults));
    Email { to, cc, bcc, reply_to, subject, text, html, files, partial, idempotency_key, total }
}

/// One of the keys that hold addresses: a list as it is typed, or a list of texts with one address each.
struct List {
    key: &'static str,
    items: Vec<Value>,
}

impl List {
    fn take(object: &mut Object, key: &'static str, faults: &mut Faults) -> Self {
        let items = match object.take(key) {
            None => Vec::new(),
            Some(Value::String(typed)) => split(&typed).into_iter().map(Value::from).collect(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                faults.push(not_text(object.place_of(key), "text or a list of texts"));
                Vec::new()
            }
        };
        Self { key, items }
    }

    fn parse(self, faults: &mut Faults) -> Vec<Mailbox> {
        read_each(self.key, self.items, faults, |place, item| match item {
            Value::String(text) => parse_mailbox(place, &text),
            _ => Err(not_text(place.to_owned(), "text")),
        })
    }
}

fn not_text(place: String, expected: &'static str) -> Fault {
    Fault::program(place, "wrong_type_expected").with("expected", expected)
}

/// Counted before they are read, so that a list of ten thousand costs no more than its count.
fn recipients(object: &mut Object, faults: &mut Faults) -> [Vec<Mailbox>; 3] {
    let lists = ["to", "cc", "bcc"].map(|key| List::take(object, key, faults));
    let number: usize = lists.iter().map(|list| list.items.len()).sum();
    if number > MAX_ADDRESSES {
        let longest = lists.iter().max_by_key(|list| list.items.len()).map_or("to", |list| list.key);
        faults.push(too_many(longest, number));
        return Default::default();
    }
    if number == 0 && faults.is_empty() {
        faults.push(Fault::input("to", "no_recipients"));
    }
    lists.map(|list| list.parse(faults))
}

/// The plain text and its HTML alternative.
fn body(object: &mut Object, faults: &mut Faults) -> (String, String) {
    let mut take = |key| {
        let given = object.text(key, faults)?;
        Some(text::body(key, &given).unwrap_or_else(|fault| {
            faults.push(fault);
            String::new()
        }))
    };
    match (take("body"), take("body_html"), take("body_text")) {
        (None, Some(html), Some(text)) => return (text, html),
        (markdown, None, None) => {
            let text = markdown.unwrap_or_default();
            let html = markdown::to_html(&text);
            return (text, html);
        }
        (Some(_), _, _) => faults.push(Fault::program("body", "body_twice")),
        (None, Some(_), None) => faults.push(Fault::program("body_text", "body_text_missing")),
        (None, None, Some(_)) => faults.push(Fault::program("body_html", "body_html_missing")),
    }
    Default::default()
}

/// The HTML of a Markdown body; `None` of one that cannot be sent.
pub fn preview(markdown: &str) -> Option<String> {
    Some(markdown::to_html(&text::body("body", markdown).ok()?))
}

/// It goes into a header field of HTTP.
fn idempotency_key(object: &mut Object, faults: &mut Faults) -> Option<String> {
    const MAX_BYTES: usize = 255;
    let key = object.text("idempotency_key", faults)?;
    if key.is_empty() || key.len() > MAX_BYTES || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let place = object.place_of("idempotency_key");
        faults.push(Fault::program(place, "idempotency_key_bad").with("limit", MAX_BYTES.to_string()));
        return None;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;
    use crate::input::Blame;

    fn pdf() -> Bytes {
        Bytes::from_static(b"%PDF-1.7\n")
    }

    fn faults(json: Value) -> Vec<(String, &'static str)> {
        let faults = Email::from_json(json, Some(pdf())).unwrap_err();
        faults.into_iter().map(|fault| (fault.place, fault.code)).collect()
    }

    #[test]
    fn everything_is_read() {
        let email = Email::from_json(
            json!({
                "to": "Ion <a@b.ro>; c@d.ro", "cc": ["\"P, A\" <e@f.ro>"], "bcc": "g@h.ro,", "reply_to": ["i@j.ro"],
                "subject": "Factura 7", "body": "Bună\nziua", "document": {"file_name": "Factura"},
                "attachments": [{"base64": "aGk=", "file_name": "a.txt"}], "partial": true,
                "idempotency_key": "k-1", "total_ms": 1500,
            }),
            Some(pdf()),
        )
        .unwrap();
        let counts = [&email.to, &email.cc, &email.bcc, &email.reply_to].map(Vec::len);
        assert_eq!(counts, [2, 1, 1, 1]);
        assert_eq!(email.cc[0].name.as_deref(), Some("P, A"));
        assert_eq!((email.subject.as_str(), email.text.as_str()), ("Factura 7", "Bună\r\nziua"));
        assert!(email.html.contains("<p>Bună<br />\r\nziua</p>"));
        let names: Vec<_> = email.files.iter().map(|file| (file.name.as_str(), file.media_type.as_str())).collect();
        assert_eq!(names, [("Factura", "application/pdf"), ("a.txt", "text/plain")]);
        assert_eq!(email.idempotency_key.as_deref(), Some("k-1"));
        assert_eq!((email.partial, email.total), (true, Some(Duration::from_millis(1500))));
    }

    #[test]
    fn nearly_everything_may_be_left_out() {
        let email = Email::from_json(json!({"bcc": "a@b.ro", "to": null, "subject": ""}), Some(pdf())).unwrap();
        assert_eq!((email.subject.as_str(), email.text.as_str(), email.partial), ("", "", false));
        assert_eq!(email.files[0].name, "document.pdf");
        assert!(email.html.starts_with("<!DOCTYPE html>"));
        let given = json!({"to": "a@b.ro", "body_html": "<p>x</p>\n", "body_text": "x\r"});
        let email = Email::from_json(given, Some(pdf())).unwrap();
        assert_eq!((email.html.as_str(), email.text.as_str()), ("<p>x</p>\r\n", "x\r\n"));
    }

    #[test]
    fn all_faults_are_told_at_once_with_their_places() {
        let json = json!({
            "to": ["a@b.ro", 3, "c@"], "cc": "x, d@e.ro", "bcc": 7, "reply_to": "a@b.ro c@d.ro", "subject": "a\nBcc: x@y.ro",
            "body": "a\u{0}", "body_html": "x", "document": {"file_name": "a/b.pdf", "size": 1}, "partial": "yes",
            "idempotency_key": "a b", "total_ms": 0, "attachments": [{"path": "/nonexistent/x.pdf"}], "subjct": "x",
        });
        let expected = [
            ("bcc", "wrong_type_expected"),
            ("to[1]", "wrong_type_expected"),
            ("to[2]", "address_no_domain"),
            ("cc[0]", "address_no_at"),
            ("reply_to[0]", "address_missing_separator"),
            ("subject", "control_character"),
            ("body", "control_character"),
            ("body", "body_twice"),
            ("partial", "wrong_type"),
            ("idempotency_key", "idempotency_key_bad"),
            ("total_ms", "out_of_range"),
            ("document.file_name", "file_name_separator"),
            ("document.size", "unknown_key"),
            ("attachments[0].path", "file_missing"),
            ("subjct", "unknown_key_near"),
        ];
        let told = faults(json);
        assert_eq!(told.iter().map(|(place, code)| (place.as_str(), *code)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_people_type_is_told_to_people() {
        let blame = |json| Email::from_json(json, Some(pdf())).unwrap_err()[0].blame;
        assert_eq!(blame(json!({"to": "x"})), Blame::Input);
        assert_eq!(blame(json!({"subject": "x"})), Blame::Input);
        assert_eq!(blame(json!({"to": "a@b.ro", "subject": "\n"})), Blame::Input);
        assert_eq!(blame(json!({"to": "a@b.ro", "document": {"file_name": ".."}})), Blame::Input);
        assert_eq!(blame(json!({"to": "a@b.ro", "body_html": ""})), Blame::Program);
        assert_eq!(blame(json!([])), Blame::Program);
    }

    #[test]
    fn an_email_needs_someone_to_go_to() {
        for json in [json!({}), json!({"to": ""}), json!({"to": [], "cc": " "}), json!({"reply_to": "a@b.ro"})] {
            assert_eq!(faults(json), [("to".to_owned(), "no_recipients")]);
        }
    }

    #[test]
    fn bodies_come_alone_or_in_twos() {
        let told = |json| faults(json).remove(0);
        assert_eq!(told(json!({"to": "a@b.ro", "body": "", "body_text": ""})), ("body".to_owned(), "body_twice"));
        assert_eq!(told(json!({"to": "a@b.ro", "body_html": ""})), ("body_text".to_owned(), "body_text_missing"));
        assert_eq!(told(json!({"to": "a@b.ro", "body_text": ""})), ("body_html".to_owned(), "body_html_missing"));
    }

    #[test]
    fn header_injection_is_refused_everywhere() {
        for bad in ["\r\nBcc: x@y.ro", "\n", "\r", "\0", "\u{85}", "\u{2028}"] {
            let text = |before: &str, after: &str| format!("{before}{bad}{after}");
            for (place, json) in [
                ("to[0]", json!({"to": text("Ion", " <a@b.ro>")})),
                ("to[0]", json!({"to": [text("\"Ion", "\" <a@b.ro>")]})),
                ("cc[0]", json!({"to": "a@b.ro", "cc": text("a@b.ro", "")})),
                ("bcc[0]", json!({"to": "a@b.ro", "bcc": text("\"a", "\"@b.ro")})),
                ("reply_to[0]", json!({"to": "a@b.ro", "reply_to": text("", "a@b.ro")})),
                ("subject", json!({"to": "a@b.ro", "subject": text("a", "b")})),
                ("document.file_name", json!({"to": "a@b.ro", "document": {"file_name": text("a", ".pdf")}})),
            ] {
                assert_eq!(faults(json), [(place.to_owned(), "control_character")], "{bad:?}");
            }
            let attachment = json!({"base64": "", "file_name": text("a", ""), "type": text("text/plain", "")});
            let told = faults(json!({"to": "a@b.ro", "attachments": [attachment]}));
            assert_eq!(told.iter().map(|(_, code)| *code).collect::<Vec<_>>(), ["control_character"; 2]);
            let told = faults(json!({"to": "a@b.ro", "idempotency_key": text("k", "")}));
            assert_eq!(told, [("idempotency_key".to_owned(), "idempotency_key_bad")]);
        }
    }

    #[test]
    fn a_hostile_list_is_refused_quickly_and_shortly() {
        let started = Instant::now();
        let typed = "x y z, ".repeat(10_000);
        assert_eq!(faults(json!({"to": typed})), [("to".to_owned(), "too_many_recipients")]);
        let list = vec!["nobody"; 10_000];
        let told = Email::from_json(json!({"to": "a@b.ro", "cc": list}), Some(pdf())).unwrap_err();
        assert_eq!(told, [too_many("cc", 10_001)]);
        assert_eq!(faults(json!({"to": "a@b.ro", "reply_to": list})), [("reply_to".to_owned(), "too_many_recipients")]);
        assert_eq!(faults(json!({"to": vec!["nobody"; 1000]})).len(), MAX_FAULTS);
        assert_eq!(faults(json!({"to": vec![json!(1); 1000], "attachments": vec![json!(1); 1000]})).len(), MAX_FAULTS);
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        Email::from_json(json!({"to": vec!["a@b.ro"; 600], "cc": vec!["a@b.ro"; 400]}), Some(pdf())).unwrap();
    }
}
