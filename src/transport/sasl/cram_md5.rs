//! CRAM-MD5 (RFC 2195), for old servers.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;

use crate::secret::Secret;

use super::{BadChallenge, Exchange, Response};

pub struct CramMd5 {
    username: String,
    /// Taken when it is used.
    password: Option<Secret>,
}

impl CramMd5 {
    pub fn new(username: &str, password: &Secret) -> Self {
        Self { username: username.to_owned(), password: Some(password.clone()) }
    }
}

impl Exchange for CramMd5 {
    fn initial(&mut self) -> Option<Response> {
        None
    }

    fn respond(&mut self, challenge: Option<&[u8]>) -> Result<Response, BadChallenge> {
        let challenge = challenge.ok_or(BadChallenge::NotBase64)?;
        if challenge.is_empty() {
            return Err(BadChallenge::Malformed);
        }
        let password = self.password.take().ok_or(BadChallenge::Unexpected)?;
        // A key of any length is one, so that this never fails.
        let mut mac =
            Hmac::<Md5>::new_from_slice(password.expose().as_bytes()).map_err(|_| BadChallenge::Unexpected)?;
        mac.update(challenge);
        let digest = format!("{:032x}", u128::from_be_bytes(mac.finalize().into_bytes().into()));
        Ok(Response::with_proof(format!("{} {digest}", self.username), digest))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::password;
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let mut cram = CramMd5::new("tim", &password("tanstaaftanstaaf"));
        assert!(cram.initial().is_none());
        let response = cram.respond(Some(b"<1896.697170952@postoffice.reston.mci.net>")).unwrap();
        assert_eq!(*response.bytes, b"tim b913a602c7eda7a495b4e6e7334d3890");
        assert_eq!(response.proof, Some(password("b913a602c7eda7a495b4e6e7334d3890")));
        assert_eq!(cram.respond(Some(b"<another>")).err(), Some(BadChallenge::Unexpected));
    }

    #[test]
    fn a_password_longer_than_a_block_is_hashed_first() {
        let mut cram = CramMd5::new("tim", &password(&"x".repeat(80)));
        let response = cram.respond(Some(b"<1@example.test>")).unwrap();
        assert_eq!(*response.bytes, b"tim 7b7249549dd6d3cb6371ef7523c934b1");
    }

    #[test]
    fn what_is_no_challenge_is_not_answered() {
        let answer = |challenge| CramMd5::new("tim", &password("x")).respond(challenge).err();
        assert_eq!(answer(None), Some(BadChallenge::NotBase64));
        assert_eq!(answer(Some(b"")), Some(BadChallenge::Malformed));
    }
}
