//! A server's half of SCRAM-SHA-256 (RFC 5802), in its own words.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{HMAC_SHA256, Key, sign};
use ring::{digest, pbkdf2};

use super::PASSWORD;
use super::server::{Gone, Peer, Played};

const SALT: &[u8] = b"salt of 16 bytes";

pub struct Scram {
    /// `n,,`, `y,,` or `p=…,,`.
    pub header: String,
    /// What the client says the channel is.
    pub binding: Vec<u8>,
    pub iterations: u32,
    client_first: String,
    server_first: String,
    client_final: String,
}

impl Scram {
    /// Takes the AUTH command with its initial response.
    pub fn begin(peer: &mut Peer, mechanism: &str) -> Result<Self, Gone> {
        let line = peer.expect(&format!("AUTH {mechanism} "))?;
        let first = decoded(line.rsplit(' ').next().unwrap());
        let (header, client_first) = first.split_at(first.find(",,").unwrap() + 2);
        Ok(Self {
            header: header.to_owned(),
            binding: Vec::new(),
            iterations: 4096,
            client_first: client_first.to_owned(),
            server_first: String::new(),
            client_final: String::new(),
        })
    }

    pub fn nonce(&self) -> &str {
        self.client_first.split_once(",r=").unwrap().1
    }

    pub fn first(&self) -> String {
        format!("r={}theirs,s={},i={}", self.nonce(), STANDARD.encode(SALT), self.iterations)
    }

    /// Says the first message, and takes the proof. Whether it is right comes back.
    pub fn challenge(&mut self, peer: &mut Peer) -> Result<bool, Gone> {
        self.server_first = self.first();
        peer.send(challenge(&self.server_first))?;
        self.client_final = decoded(&peer.line()?);
        let (unproved, proof) = self.client_final.rsplit_once(",p=").unwrap();
        let (binding, nonce) = unproved.strip_prefix("c=").unwrap().split_once(",r=").unwrap();
        assert_eq!(nonce, format!("{}theirs", self.nonce()));
        let binding = STANDARD.decode(binding).unwrap();
        self.binding = binding.strip_prefix(self.header.as_bytes()).unwrap().to_vec();
        let client_key = self.key(b"Client Key");
        let signature = self.signature(digest::digest(&digest::SHA256, &client_key).as_ref());
        let right: Vec<u8> = client_key.iter().zip(&signature).map(|(key, bit)| key ^ bit).collect();
        Ok(STANDARD.decode(proof).unwrap() == right)
    }

    /// The last message, with what proves that the server knows the password.
    pub fn last(&self) -> String {
        format!("v={}", STANDARD.encode(self.signature(&self.key(b"Server Key"))))
    }

    pub fn proof(&self) -> String {
        self.client_final.rsplit_once(",p=").unwrap().1.to_owned()
    }

    pub fn whole_proof(&self) -> String {
        STANDARD.encode(&self.client_final)
    }

    /// A whole login that is in order.
    pub fn welcome(mut self, peer: &mut Peer) -> Result<Self, Gone> {
        assert!(self.challenge(peer)?, "a wrong proof");
        peer.send(challenge(&self.last()))?;
        let line = peer.line()?;
        assert_eq!(line, "");
        peer.send("235 2.7.0 welcome\r\n")?;
        Ok(self)
    }

    fn key(&self, name: &[u8]) -> Vec<u8> {
        let mut salted = [0; 32];
        let iterations = NonZeroU32::new(self.iterations).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, SALT, PASSWORD.as_bytes(), &mut salted);
        sign(&Key::new(HMAC_SHA256, &salted), name).as_ref().to_vec()
    }

    fn signature(&self, key: &[u8]) -> Vec<u8> {
        let unproved = self.client_final.rsplit_once(",p=").unwrap().0;
        let signed = format!("{},{},{unproved}", self.client_first, self.server_first);
        sign(&Key::new(HMAC_SHA256, key), signed.as_bytes()).as_ref().to_vec()
    }
}

pub fn challenge(text: &str) -> String {
    format!("334 {}\r\n", STANDARD.encode(text))
}

pub fn decoded(text: &str) -> String {
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

/// One login, and an email.
pub fn log_in(peer: &mut Peer, mechanism: &str) -> Played {
    Scram::begin(peer, mechanism)?.welcome(peer)?;
    peer.take_email()
}
