//! What a provider answers (RFC 6749 section 5, RFC 8628 section 3.2): JSON from outside, of which nothing is taken for granted.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::secret::Secret;

use super::super::words::Redactor;
use super::super::{Ending, Failure};
use super::callback::is_busy;
use super::{Device, LONGEST_TOKEN, Tokens, address};

/// RFC 8628 section 3.2: where the provider does not say how often it may be asked.
const USUAL_INTERVAL: u64 = 5;
/// Somebody waits for the answer.
const LONGEST_INTERVAL: u64 = 60;
/// Of an account's name in an identity token: that of an email address.
const LONGEST_ACCOUNT: usize = 254;
/// The claims with which providers name an account as people know it.
const ACCOUNT_CLAIMS: [&str; 4] = ["email", "preferred_username", "upn", "unique_name"];

pub type Answer = Map<String, Value>;

pub fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// The members of a success. What the provider says in its error goes into the detail, where the catalogue of problems
/// looks for it.
pub fn read_answer(status: u16, body: &[u8], redactor: &Redactor) -> Result<Answer, Failure> {
    if matches!(status, 429 | 503) {
        return Err(Failure::new(Ending::HttpBusy).detail(format!("status {status}")));
    }
    // What the parser says may quote what it could not read, and that may be a token.
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else { return Err(bad("no JSON of OAuth 2.0")) };
    let text = |key| answer.get(key).and_then(Value::as_str);
    if let Some(error) = text("error") {
        let told = match text("error_description") {
            Some(description) => format!("{error}: {description}"),
            None => error.to_owned(),
        };
        let ending = if is_busy(error) { Ending::HttpBusy } else { Ending::TokenRefused };
        return Err(Failure::new(ending).detail(redactor.clean(told.as_bytes())));
    }
    if is_success(status) { Ok(answer) } else { Err(bad("a refusal that is none of OAuth 2.0")) }
}

pub fn tokens(answer: &Answer) -> Result<Tokens, Failure> {
    let text = |key| answer.get(key).and_then(Value::as_str);
    if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(bad("a token of another type than Bearer"));
    }
    let access = text("access_token").unwrap_or_default();
    let is_visible = access.bytes().all(|byte| byte.is_ascii_graphic());
    if access.is_empty() || access.len() > LONGEST_TOKEN || !is_visible {
        return Err(bad("a token that cannot be sent"));
    }
    Ok(Tokens {
        access: Secret::new(access.to_owned()),
        refresh: text("refresh_token").filter(|token| !token.is_empty()).map(|token| Secret::new(token.to_owned())),
        expires_in: seconds(answer, "expires_in"),
        accounts: text("id_token").map(accounts).unwrap_or_default(),
    })
}

pub fn device(answer: &Answer) -> Result<Device, Failure> {
    let text = |key| answer.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let needed = |text: Option<String>| text.ok_or_else(|| bad("a device code without its parts"));
    let interval = seconds(answer, "interval").map_or(USUAL_INTERVAL, |interval| interval.as_secs());
    Ok(Device {
        secret: Secret::new(needed(text("device_code"))?),
        code: needed(text("user_code").map(|code| Redactor::new("", None).clean(code.as_bytes())))?,
        // Google's is older than the RFC.
        url: needed(text("verification_uri").or_else(|| text("verification_url")).and_then(page))?,
        whole_url: text("verification_uri_complete").and_then(page),
        expires_in: seconds(answer, "expires_in").ok_or_else(|| bad("a device code without its parts"))?,
        interval: Duration::from_secs(interval.clamp(1, LONGEST_INTERVAL)),
    })
}

/// For a browser: nothing else may open at it.
fn page(text: String) -> Option<String> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    Some(text).filter(|text| is_visible && address(text).is_some())
}

/// Some write it as a text.
fn seconds(answer: &Answer, key: &str) -> Option<Duration> {
    let value = answer.get(key)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).map(Duration::from_secs)
}

/// What an identity token calls the account. It came from the provider's own endpoint over TLS, so that its signature need
/// not be looked at (`OpenID` Connect Core 3.1.3.7); it decides whether the right account signed in, and nothing else.
fn accounts(token: &str) -> Vec<String> {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
    let claims: Option<Value> = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
    let named = |claim| claims.as_ref()?.get(claim)?.as_str().filter(|name| name.len() <= LONGEST_ACCOUNT);
    let is_address = |name: &&str| name.contains('@') && !name.chars().any(|c| c.is_control() || c.is_whitespace());
    ACCOUNT_CLAIMS.into_iter().filter_map(named).filter(is_address).map(str::to_owned).collect()
}

fn bad(detail: &str) -> Failure {
    Failure::new(Ending::BadReply).detail(detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: u16, json: &Value) -> Result<Answer, Failure> {
        read_answer(status, json.to_string().as_bytes(), &Redactor::new("", Some(&Secret::new("code-1".to_owned()))))
    }

    fn told(json: &Value) -> Result<Tokens, Failure> {
        read(200, json).and_then(|answer| tokens(&answer))
    }

    #[test]
    fn a_token_is_read_as_providers_write_it() {
        let given =
            told(&json!({"token_type": "bearer", "access_token": "a", "expires_in": "3599", "x": [1]})).unwrap();
        assert_eq!(
            (given.access.expose(), given.refresh, given.expires_in),
            ("a", None, Some(Duration::from_secs(3599)))
        );
        let given = told(&json!({"token_type": "Bearer", "access_token": "a", "refresh_token": "r"})).unwrap();
        assert_eq!(given.refresh.unwrap().expose(), "r");
    }

    #[test]
    fn what_is_no_token_is_none() {
        for wrong in [
            json!([]),
            json!("a"),
            json!({}),
            json!({"token_type": "mac", "access_token": "a"}),
            json!({"access_token": "a"}),
            json!({"token_type": "Bearer"}),
            json!({"token_type": "Bearer", "access_token": ""}),
            json!({"token_type": "Bearer", "access_token": "a\r\nb"}),
            json!({"token_type": "Bearer", "access_token": 1}),
            json!({"token_type": "Bearer", "access_token": "a".repeat(LONGEST_TOKEN + 1)}),
        ] {
            assert_eq!(told(&wrong).unwrap_err().ending, Ending::BadReply, "{wrong}");
        }
        let good = json!({"token_type": "Bearer", "access_token": "a"});
        for status in [302, 400, 500] {
            assert_eq!(read(status, &good).unwrap_err().ending, Ending::BadReply, "{status}");
        }
    }

    #[test]
    fn a_refusal_keeps_the_providers_words_and_no_secret() {
        for status in [200, 400, 401, 500] {
            let refused =
                read(status, &json!({"error": "invalid_grant", "error_description": "no\ncode-1"})).unwrap_err();
            assert_eq!(refused.ending, Ending::TokenRefused);
            assert_eq!(refused.detail.unwrap(), "invalid_grant: no [secret]");
        }
    }

    #[test]
    fn an_outage_is_no_refusal() {
        for (status, error) in
            [(429, "invalid_grant"), (503, "x"), (400, "temporarily_unavailable"), (500, "server_error")]
        {
            assert_eq!(
                read(status, &json!({"error": error})).unwrap_err().ending,
                Ending::HttpBusy,
                "{status} {error}"
            );
        }
        assert_eq!(read_answer(503, b"<html>", &Redactor::new("", None)).unwrap_err().ending, Ending::HttpBusy);
    }

    #[test]
    fn a_device_may_ask_in_time_and_not_too_often() {
        let whole =
            json!({"device_code": "d", "user_code": "ABCD", "verification_url": "https://x.test", "expires_in": 600});
        let with = |interval: Value| {
            let mut given = whole.clone();
            given["interval"] = interval;
            device(&read(200, &given).unwrap()).unwrap().interval.as_secs()
        };
        assert_eq!([with(Value::Null), with(json!(0)), with(json!(7)), with(json!(99999))], [5, 1, 7, 60]);
        for wrong in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "http://x.test/",
            "https://a@x.test/",
            "https://x.test/\u{202e}",
        ] {
            let mut given = whole.clone();
            given["verification_url"] = json!(wrong);
            assert!(device(&read(200, &given).unwrap()).is_err(), "{wrong}");
        }
        for part in ["device_code", "user_code", "verification_url", "expires_in"] {
            let mut without = whole.clone();
            without[part] = Value::Null;
            assert!(device(&read(200, &without).unwrap()).is_err(), "{part}");
        }
    }

    #[test]
    fn an_identity_token_names_the_account_or_nothing() {
        let named = |claims: &Value| accounts(&format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string())));
        assert_eq!(
            named(&json!({"email": "ana@example.test", "upn": "a@firm.test"})),
            ["ana@example.test", "a@firm.test"]
        );
        assert_eq!(named(&json!({"preferred_username": "+40 700", "email": 1, "upn": "a@b\nc"})), Vec::<String>::new());
        for nonsense in ["", ".", "a.b.c", "a.bnVsbA.c"] {
            assert!(accounts(nonsense).is_empty(), "{nonsense}");
        }
    }
}
