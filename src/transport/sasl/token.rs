//! OAUTHBEARER (RFC 7628) and XOAUTH2 (which no RFC has): an access token of OAuth 2.0.
//!
//! A server that does not take the token says why in a challenge, as a JSON object, and refuses once that is answered: its
//! last word alone seldom tells an expired token from one that was never for sending.

use serde_json::Value;
use zeroize::Zeroizing;

use crate::secret::Secret;

use super::{BadChallenge, Exchange, Response, Site};

/// Of what a server says, so much is told.
const LONGEST: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bearer,
    XOAuth2,
}

pub struct Token {
    form: Form,
    /// Taken when it is said.
    response: Option<Response>,
    has_refused: bool,
    refusal: Option<String>,
}

impl Token {
    /// Host and port are of the server that the token is for: it can tell if somebody between us passes it on.
    pub fn bearer(username: &str, token: &Secret, site: Site<'_>) -> Self {
        let (user, Site { host, port }) = (username.replace('=', "=3D").replace(',', "=2C"), site);
        let text = format!("n,a={user},\u{1}host={host}\u{1}port={port}\u{1}auth=Bearer {}\u{1}\u{1}", token.expose());
        Self::new(Form::Bearer, text, token)
    }

    pub fn xoauth2(username: &str, token: &Secret) -> Self {
        Self::new(Form::XOAuth2, format!("user={username}\u{1}auth=Bearer {}\u{1}\u{1}", token.expose()), token)
    }

    fn new(form: Form, text: String, token: &Secret) -> Self {
        // With a proof the whole of it is hidden, too: a server may echo it in base64, in which the token is not found.
        let response = Response { bytes: Zeroizing::new(text.into_bytes()), proof: Some(token.clone()) };
        Self { form, response: Some(response), has_refused: false, refusal: None }
    }
}

impl Exchange for Token {
    fn initial(&mut self) -> Option<Response> {
        self.response.take()
    }

    /// Whatever a server says here, it has not taken the token. The answer is a formality, without which it would wait.
    fn respond(&mut self, challenge: Option<&[u8]>) -> Result<Response, BadChallenge> {
        if std::mem::replace(&mut self.has_refused, true) {
            return Err(BadChallenge::Unexpected);
        }
        self.refusal = challenge.and_then(reason);
        Ok(Response::open(match self.form {
            Form::Bearer => "\u{1}",
            Form::XOAuth2 => "",
        }))
    }

    fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }
}

/// `status` is a word of RFC 6750 (`invalid_token`), or a number of HTTP with some; `scope` is what the token should be for.
fn reason(challenge: &[u8]) -> Option<String> {
    let object: Value = serde_json::from_slice(challenge).ok()?;
    let text = |key: &str| match object.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.chars().take(LONGEST).collect::<String>()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match (text("status"), text("scope")) {
        (Some(status), Some(scope)) => Some(format!("status {status}, scope {scope}")),
        (Some(status), None) => Some(format!("status {status}")),
        (None, Some(scope)) => Some(format!("scope {scope}")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::super::tests::password as token;
    use super::*;

    fn site() -> Site<'static> {
        Site { host: "server.example.com", port: 587 }
    }

    fn bearer() -> Token {
        Token::bearer("user@example.com", &token("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="), site())
    }

    #[test]
    fn the_example_of_the_rfc() {
        let mut exchange = bearer();
        let encoded = STANDARD.encode(&*exchange.initial().unwrap().bytes);
        assert_eq!(
            encoded,
            "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52\
             YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
        );
        assert!(exchange.initial().is_none());
    }

    #[test]
    fn the_example_of_googles_page() {
        let mut exchange =
            Token::xoauth2("someuser@example.com", &token("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"));
        assert_eq!(
            STANDARD.encode(&*exchange.initial().unwrap().bytes),
            "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cB\
             AQ=="
        );
    }

    #[test]
    fn a_username_is_escaped() {
        let response = Token::bearer("a=b,c", &token("x"), site()).initial().unwrap();
        assert!(response.bytes.starts_with(b"n,a=a=3Db=2Cc,\x01host="));
    }

    #[test]
    fn a_refusal_is_read_and_answered_once() {
        for (challenge, refusal) in [
            (
                r#"{"status":"invalid_token","scope":"example_scope"}"#,
                Some("status invalid_token, scope example_scope"),
            ),
            (
                r#"{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}"#,
                Some("status 400, scope https://mail.google.com/"),
            ),
            (r#"{"status":401}"#, Some("status 401")),
            (r#"{"scope":"smtp"}"#, Some("scope smtp")),
            (r#"{"status":""}"#, None),
            ("{}", None),
            ("", None),
            ("eyJ", None),
        ] {
            for (mut exchange, answer) in [(bearer(), &b"\x01"[..]), (Token::xoauth2("a", &token("x")), b"")] {
                exchange.initial();
                assert_eq!(*exchange.respond(Some(challenge.as_bytes())).unwrap().bytes, answer, "{challenge}");
                assert_eq!(exchange.refusal(), refusal, "{challenge}");
                assert_eq!(exchange.respond(Some(b"")).err(), Some(BadChallenge::Unexpected));
            }
        }
        assert!(bearer().respond(None).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_answered_without_the_token(challenge in any::<Vec<u8>>()) {
            let mut exchange = bearer();
            exchange.initial();
            let response = exchange.respond(Some(&challenge)).unwrap();
            prop_assert_eq!(&*response.bytes, &[1]);
            prop_assert!(exchange.refusal().is_none_or(|told| told.chars().count() <= 2 * LONGEST + 20));
        }
    }
}
