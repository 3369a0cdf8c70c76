//! PLAIN (RFC 4616) and LOGIN (which no RFC has): the password itself.

use zeroize::Zeroizing;

use crate::secret::Secret;

use super::{BadChallenge, Exchange, Response};

pub struct Plain {
    /// Taken when it is said.
    response: Option<Response>,
}

impl Plain {
    pub fn new(username: &str, password: &Secret) -> Self {
        let text = Zeroizing::new(format!("\0{username}\0{}", password.expose()));
        Self { response: Some(Response::open(text.as_bytes())) }
    }
}

impl Exchange for Plain {
    fn initial(&mut self) -> Option<Response> {
        self.response.take()
    }

    fn respond(&mut self, _: Option<&[u8]>) -> Result<Response, BadChallenge> {
        Err(BadChallenge::Unexpected)
    }
}

/// The prompts are "Username:" and "Password:" in base64, but servers word them as they like: their order is the protocol.
pub struct Login {
    responses: std::vec::IntoIter<Response>,
}

impl Login {
    pub fn new(username: &str, password: &Secret) -> Self {
        let responses = vec![Response::open(username), Response::open(password.expose())];
        Self { responses: responses.into_iter() }
    }
}

impl Exchange for Login {
    fn initial(&mut self) -> Option<Response> {
        None
    }

    fn respond(&mut self, _: Option<&[u8]>) -> Result<Response, BadChallenge> {
        self.responses.next().ok_or(BadChallenge::Unexpected)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::password;
    use super::*;

    #[test]
    fn plain_is_said_once_and_unasked() {
        let mut plain = Plain::new("tim", &password("tanstaaftanstaaf"));
        assert_eq!(*plain.initial().unwrap().bytes, b"\0tim\0tanstaaftanstaaf");
        assert_eq!(plain.respond(Some(b"")).err(), Some(BadChallenge::Unexpected));
    }

    #[test]
    fn login_answers_two_prompts_whatever_they_say() {
        let mut login = Login::new("tim", &password("secret"));
        assert!(login.initial().is_none());
        assert_eq!(*login.respond(None).unwrap().bytes, b"tim");
        assert_eq!(*login.respond(Some(b"Username:")).unwrap().bytes, b"secret");
        assert_eq!(login.respond(Some(b"Password:")).err(), Some(BadChallenge::Unexpected));
    }
}
