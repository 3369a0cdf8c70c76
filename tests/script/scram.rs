//! The server's half of SCRAM-SHA-256 (RFC 5802, 7677), written from the RFCs alone, and able to get each part wrong.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

use crate::support::PASSWORD;

const SALT: &[u8] = b"salt of the test";
const SERVER_NONCE: &str = "3rfcNHYJY1ZVvWVs7j";

/// What the first message has wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    Right,
    Iterations(u32),
    /// A nonce that is not the client's with something behind it.
    ForeignNonce,
    /// The client's nonce, with nothing of the server's own.
    BareNonce,
    NoSalt,
    /// An extension that a client which does not know it may not pass over (RFC 5802 section 5.1).
    Mandatory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    Right,
    WrongSignature,
    /// The signature of a server that knows another password.
    OtherPassword,
}

#[derive(Default)]
pub struct Scram {
    binding: String,
    client_first_bare: String,
    server_first: String,
    iterations: u32,
    proven: String,
}

impl Scram {
    /// The message that followed `AUTH SCRAM-SHA-256 `.
    pub fn begin(&mut self, initial_response: &str) -> Result<(), String> {
        let message = decode(initial_response)?;
        // Without channel binding; "y" where the client could, and was not offered it.
        let is_known = message.starts_with("n,,") || message.starts_with("y,,");
        let (header, bare) = message.split_at_checked(3).filter(|_| is_known).unwrap_or_default();
        self.binding = format!("c={},", STANDARD.encode(header));
        bare.clone_into(&mut self.client_first_bare);
        if bare.is_empty() { Err(format!("no client-first-message: {message:?}")) } else { Ok(()) }
    }

    /// The challenge, in base64.
    pub fn first(&mut self, fault: First) -> String {
        let theirs = attribute(&self.client_first_bare, "r=").unwrap_or_default();
        let nonce = match fault {
            First::ForeignNonce => format!("x{SERVER_NONCE}"),
            First::BareNonce => theirs.to_owned(),
            _ => format!("{theirs}{SERVER_NONCE}"),
        };
        self.iterations = if let First::Iterations(count) = fault { count } else { 4096 };
        let salt = if fault == First::NoSalt { String::new() } else { STANDARD.encode(SALT) };
        let before = if fault == First::Mandatory { "m=x," } else { "" };
        self.server_first = format!("{before}r={nonce},s={salt},i={}", self.iterations);
        STANDARD.encode(&self.server_first)
    }

    /// The client's answer to it: its proof must be right.
    pub fn check_proof(&mut self, line: &str) -> Result<(), String> {
        let message = decode(line)?;
        let (without_proof, proof) =
            message.rsplit_once(",p=").ok_or_else(|| format!("no client-final-message: {message:?}"))?;
        self.proven = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        let salted = salted_password(PASSWORD, self.iterations);
        let client_key = sign(&salted, "Client Key");
        let stored_key = digest::digest(&digest::SHA256, &client_key);
        let signature = sign(stored_key.as_ref(), &self.proven);
        let expected: Vec<u8> = client_key.iter().zip(&signature).map(|(key, sign)| key ^ sign).collect();
        let is_proven = without_proof.starts_with(&self.binding) && STANDARD.encode(expected) == proof;
        if is_proven { Ok(()) } else { Err(format!("a wrong proof: {message:?}")) }
    }

    /// The server's own proof, in base64.
    pub fn last(&self, fault: Last) -> String {
        let password = if fault == Last::OtherPassword { "another" } else { PASSWORD };
        let server_key = sign(&salted_password(password, self.iterations), "Server Key");
        let mut signature = sign(&server_key, &self.proven);
        if fault == Last::WrongSignature {
            signature[31] ^= 1;
        }
        STANDARD.encode(format!("v={}", STANDARD.encode(signature)))
    }
}

fn decode(text: &str) -> Result<String, String> {
    let bytes = STANDARD.decode(text).map_err(|error| format!("{text:?} is no base64: {error}"))?;
    String::from_utf8(bytes).map_err(|_| format!("{text:?} is no UTF-8"))
}

fn attribute<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    message.split(',').find_map(|attribute| attribute.strip_prefix(name))
}

fn sign(key: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
}

fn salted_password(password: &str, iterations: u32) -> [u8; 32] {
    let mut salted = [0; 32];
    let iterations = NonZeroU32::new(iterations).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, SALT, password.as_bytes(), &mut salted);
    salted
}

#[test]
fn a_client_that_knows_the_password_proves_it() {
    // The messages of a client with this password, made with another implementation.
    let mut scram = Scram::default();
    scram.begin(&STANDARD.encode("n,,n=user,r=abc")).unwrap();
    let first = STANDARD.decode(scram.first(First::Right)).unwrap();
    assert_eq!(String::from_utf8(first).unwrap(), format!("r=abc{SERVER_NONCE},s=c2FsdCBvZiB0aGUgdGVzdA==,i=4096"));
    let answer = |proof: &str| STANDARD.encode(format!("c=biws,r=abc{SERVER_NONCE},p={proof}"));
    scram.check_proof(&answer("fBFWZWC6+OkSbtke8fg/kHu8aKCL+/hGnV1x+agahIM=")).unwrap();
    assert!(scram.check_proof(&answer("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")).is_err());
    assert_eq!(scram.last(Last::Right), STANDARD.encode("v=XoDx8GunVr2n1BmYRvkiXOYlgI7T732df1OpWokx+Yo="));
    assert_ne!(scram.last(Last::Right), scram.last(Last::OtherPassword));
}
