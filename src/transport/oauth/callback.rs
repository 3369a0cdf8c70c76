//! What a provider's page brings back: the address to which it sends the browser.

use url::Url;

use crate::secret::Secret;

use super::super::words::Redactor;
use super::super::{Ending, Failure};

/// The answer to one page.
#[derive(Debug)]
pub enum Callback {
    /// Of another page, or of nobody's: it says nothing of this one.
    NotOurs,
    Code(Secret),
    Refused(Failure),
}

/// `issuer` is the provider's name for itself, if it is known.
pub fn read_callback(url: &Url, state: &Secret, issuer: Option<&str>) -> Callback {
    let parameter = |name: &str| {
        let mut values = url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        // One that stands there twice is not to be trusted in either form.
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    };
    let is_ours = parameter("state").is_some_and(|given| is_equal(given.as_bytes(), state.expose().as_bytes()));
    if !is_ours {
        return Callback::NotOurs;
    }
    // RFC 9207: the code of another provider must not be shown to this one.
    let given = url.query_pairs().filter(|(key, _)| key == "iss").map(|(_, given)| given);
    if issuer.is_some_and(|issuer| given.into_iter().any(|given| given != issuer)) {
        return Callback::Refused(Failure::new(Ending::BadReply).detail("the answer is of another issuer"));
    }
    if let Some(error) = parameter("error") {
        let text = match parameter("error_description") {
            Some(description) => format!("{error}: {description}"),
            None => error.clone(),
        };
        let redactor = Redactor::new("", Some(state));
        if let Some(code) = parameter("code") {
            redactor.hide_secret("", &Secret::new(code));
        }
        // An administrator's consent is asked for in the same words as an outage.
        let is_busy = is_busy(&error) && !text.contains("AADSTS");
        let ending = if is_busy { Ending::HttpBusy } else { Ending::TokenRefused };
        return Callback::Refused(Failure::new(ending).detail(redactor.clean(text.as_bytes())));
    }
    match parameter("code").filter(|code| !code.is_empty()) {
        Some(code) => Callback::Code(Secret::new(code)),
        None => Callback::Refused(Failure::new(Ending::BadReply).detail("an answer without a code")),
    }
}

/// RFC 6749 section 4.1.2.1: the provider cannot say anything right now.
pub fn is_busy(error: &str) -> bool {
    matches!(error, "server_error" | "temporarily_unavailable")
}

/// In a time that does not tell how much of it is right.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Callback {
        let url = Url::parse(&format!("http://127.0.0.1:1/?{query}")).unwrap();
        read_callback(&url, &Secret::new("right".to_owned()), Some("https://issuer.test"))
    }

    #[test]
    fn only_the_answer_to_ones_own_page_counts() {
        for query in [
            "",
            "code=x",
            "code=x&state=wrong",
            "code=x&state=rights",
            "error=access_denied",
            "state=right&state=right&code=x",
        ] {
            assert!(matches!(read(query), Callback::NotOurs), "{query}");
        }
        assert!(matches!(read("code=a%2Fb&state=right"), Callback::Code(code) if code.expose() == "a/b"));
        assert!(matches!(read("code=x&state=right&iss=https%3A%2F%2Fissuer.test"), Callback::Code(_)));
    }

    #[test]
    fn what_is_no_code_says_why() {
        let told = |query| match read(query) {
            Callback::Refused(failure) => (failure.ending, failure.detail.unwrap()),
            other => panic!("{other:?}"),
        };
        let denied = told("error=access_denied&error_description=No%0Aright&state=right");
        assert_eq!(denied, (Ending::TokenRefused, "access_denied: No [secret]".to_owned()));
        assert_eq!(told("code=x&state=right&iss=https%3A%2F%2Fother.test").0, Ending::BadReply);
        for query in ["state=right", "code=&state=right", "code=a&code=b&state=right"] {
            assert_eq!(told(query).0, Ending::BadReply, "{query}");
        }
    }
}
