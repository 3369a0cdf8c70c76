//! What every reply and every session keeps to, however it ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::server::Record;
use super::{PASSWORD, Session, USERNAME};

/// Each form in which the password travels or could be echoed.
pub fn secret_forms() -> [String; 3] {
    [PASSWORD.to_owned(), STANDARD.encode(PASSWORD), STANDARD.encode(format!("\0{USERNAME}\0{PASSWORD}"))]
}

pub fn kept(session: &Session, json: &Value, record: &Record) {
    worded(json);
    assert_eq!(record.problem, None, "the script did not fit: {json:#}\n{record:?}");
    let clear = String::from_utf8_lossy(&record.clear);
    for form in secret_forms() {
        assert!(!json.to_string().contains(&form), "the password is in the reply: {json:#}");
        if session.settings["smtp_security"] != "none" {
            assert!(!clear.contains(&form), "the password travelled in clear: {clear}");
        }
    }
    truthful(json, record);
    well_behaved(record);
}

/// The words are there, and are words.
pub fn worded(json: &Value) {
    for key in ["status_name", "reason", "message"] {
        assert!(json[key].is_string(), "{key}: {json:#}");
    }
    let failed = json["status"].as_i64().unwrap() < 0;
    let is_offline = json["steps"].is_null();
    assert!(json["message"] != "" || (!failed && is_offline), "no message: {json:#}");
    if failed && !is_offline && json["status_name"] != "CANCELED" {
        assert!(!json["advice"].as_array().unwrap().is_empty(), "no advice: {json:#}");
    }
    for advice in json["advice"].as_array().into_iter().flatten() {
        assert!(advice["code"].as_str().is_some_and(|code| !code.is_empty()), "{json:#}");
        assert!(advice["text"].as_str().is_some_and(|text| text.ends_with('.')), "{json:#}");
    }
    for step in json["steps"].as_array().into_iter().flatten() {
        assert!(step["label"].as_str().is_some_and(|label| label.starts_with(char::is_uppercase)), "{json:#}");
    }
    texts(json, &mut |text| {
        for raw in ["problem-", "advice-", "fault-", "call-", "store-", "protection-", "field-", "choice-", "{", "}"] {
            assert!(!text.contains(raw), "{raw:?} in {text:?}: {json:#}");
        }
    });
}

/// The sentences that people read; not what servers and certificates say.
fn texts(json: &Value, see: &mut impl FnMut(&str)) {
    match json {
        Value::Object(map) => {
            for (key, value) in map.iter().filter(|(key, _)| !matches!(key.as_str(), "server" | "found" | "detail")) {
                match value.as_str() {
                    Some(text) if matches!(key.as_str(), "message" | "text" | "label") => see(text),
                    _ => texts(value, see),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, see)),
        _ => {}
    }
}

/// The status says what is so: "sent" of nothing that was not, and "not sent" of nothing that may have been.
fn truthful(json: &Value, record: &Record) {
    let outcomes: Vec<_> =
        json["recipients"].as_array().unwrap().iter().map(|it| it["outcome"].as_str().unwrap()).collect();
    let any = |outcome| outcomes.contains(&outcome);
    match json["status_name"].as_str().unwrap() {
        "OK" => {
            assert_eq!(record.accepted, 1, "said to be sent, and was not: {json:#}");
            assert!(any("accepted") && !any("not_sent") && !any("uncertain"), "{json:#}");
            assert_eq!(json["reason"] == "accepted", outcomes.iter().all(|outcome| *outcome == "accepted"), "{json:#}");
        }
        "UNCERTAIN" => {
            assert!(any("uncertain") && !any("accepted"), "{json:#}");
        }
        "UNREACHABLE" | "NOT_SECURE" | "LOGIN_REFUSED" | "CANCELED" | "BAD_EMAIL" => {
            assert!(record.delivered.is_empty(), "it may have been delivered: {json:#}\n{record:?}");
            assert!(!any("accepted") && !any("uncertain"), "{json:#}");
        }
        "TRY_LATER" | "REFUSED" => {
            assert_eq!(record.accepted, 0, "{json:#}");
            assert!(!any("accepted") && !any("uncertain"), "{json:#}");
        }
        other => panic!("{other}: {json:#}"),
    }
}

/// What reached the wire is SMTP.
fn well_behaved(record: &Record) {
    let quits = record.commands.iter().filter(|line| *line == "QUIT").count();
    assert!(quits <= 1, "{:?}", record.commands);
    assert!(quits == 0 || record.commands.last().is_some_and(|line| line == "QUIT"), "{:?}", record.commands);
    assert!(
        record.commands.iter().all(|line| line.len() <= 12_286 && line.is_ascii()
            || line.contains("SMTPUTF8")
            || line.starts_with("RCPT")),
        "{:?}",
        record.commands
    );
    for content in record.delivered.iter().chain([&record.content]) {
        assert!(!content.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"QUIT\r")), "QUIT in a content");
        lawful(content);
    }
}

/// No bare CR, LF or NUL, nothing longer than RFC 5321 allows. The end may be missing.
pub fn lawful(content: &[u8]) {
    let mut before = 0;
    let mut length = 0;
    for &byte in content {
        assert!(byte != 0, "NUL");
        assert!((byte == b'\n') == (before == b'\r'), "bare CR or LF");
        length = if byte == b'\n' { 0 } else { length + 1 };
        assert!(length <= 999, "a line of more than 998");
        before = byte;
    }
}
