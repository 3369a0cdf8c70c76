//! SCRAM-SHA-256, with and without channel binding (RFC 5802, 7677): the password stays here, and the server proves that it
//! knows it.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, pbkdf2};
use zeroize::Zeroizing;

use crate::secret::Secret;

use super::prepare::prepared;
use super::{BadChallenge, Channel, Exchange, NoRandomness, Response};

/// RFC 7677 section 4. With fewer, whoever has the exchange has the password soon.
const FEWEST_ITERATIONS: u32 = 4_096;
/// A server must not keep us computing.
const MOST_ITERATIONS: u32 = 600_000;

type Key = Zeroizing<[u8; digest::SHA256_OUTPUT_LEN]>;

pub struct Scram {
    /// Which binding we use, or why none (RFC 5801 section 4).
    header: String,
    binding: Vec<u8>,
    /// The first message without its header: a part of what both sides sign.
    first: String,
    nonce: String,
    password: Secret,
    state: State,
}

enum State {
    ServerFirst,
    ServerFinal {
        server_key: Key,
        signed: String,
    },
    /// It has said that the login failed.
    Refused,
    Proven,
}

/// 24 random bytes, as printable characters.
pub fn nonce() -> Result<String, NoRandomness> {
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(STANDARD.encode(bytes))
}

impl Scram {
    pub fn new(username: &str, password: &Secret, channel: Channel, nonce: &str) -> Self {
        let (header, binding) = match channel {
            Channel::Unbound => ("n,,".to_owned(), Vec::new()),
            Channel::NotOffered => ("y,,".to_owned(), Vec::new()),
            Channel::Bound(binding) => (format!("p={},,", binding.name), binding.data),
        };
        let username = prepared(username).replace('=', "=3D").replace(',', "=2C");
        Self {
            header,
            binding,
            first: format!("n={username},r={nonce}"),
            nonce: nonce.to_owned(),
            password: Secret::new(prepared(password.expose())),
            state: State::ServerFirst,
        }
    }

    fn prove(&mut self, message: &str) -> Result<Response, BadChallenge> {
        let ServerFirst { nonce, salt, iterations } = ServerFirst::read(message, &self.nonce)?;
        let binding = STANDARD.encode([self.header.as_bytes(), &self.binding].concat());
        let unproved = format!("c={binding},r={nonce}");
        let signed = format!("{},{message},{unproved}", self.first);

        let salted = salted_password(&self.password, &salt, iterations);
        let client_key = sign(&*salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, &*client_key);
        let signature = sign(stored_key.as_ref(), signed.as_bytes());
        let proof: Zeroizing<Vec<u8>> =
            Zeroizing::new(client_key.iter().zip(signature.iter()).map(|(key, bit)| key ^ bit).collect());
        let proof = STANDARD.encode(&*proof);

        self.state = State::ServerFinal { server_key: sign(&*salted, b"Server Key"), signed };
        Ok(Response::with_proof(format!("{unproved},p={proof}"), proof))
    }
}

impl Exchange for Scram {
    fn initial(&mut self) -> Option<Response> {
        Some(Response::open(format!("{}{}", self.header, self.first)))
    }

    fn respond(&mut self, challenge: Option<&[u8]>) -> Result<Response, BadChallenge> {
        let message = std::str::from_utf8(challenge.ok_or(BadChallenge::NotBase64)?);
        let message = message.map_err(|_| BadChallenge::Malformed)?;
        self.state = match &self.state {
            State::ServerFirst => return self.prove(message),
            State::ServerFinal { server_key, signed } => match ServerFinal::read(message)? {
                ServerFinal::Error => State::Refused,
                ServerFinal::Signature(signature) => {
                    let key = hmac::Key::new(HMAC_SHA256, &**server_key);
                    // In constant time.
                    hmac::verify(&key, signed.as_bytes(), &signature).map_err(|_| BadChallenge::WrongSignature)?;
                    State::Proven
                }
            },
            State::Refused | State::Proven => return Err(BadChallenge::Unexpected),
        };
        Ok(Response::open(""))
    }

    fn is_slow(&self) -> bool {
        matches!(self.state, State::ServerFirst)
    }

    fn is_proven(&self) -> bool {
        matches!(self.state, State::Proven)
    }
}

/// "Hi" of RFC 5802 section 2.2.
fn salted_password(password: &Secret, salt: &[u8], iterations: NonZeroU32) -> Key {
    let mut salted = Key::default();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password.expose().as_bytes(), &mut *salted);
    salted
}

fn sign(key: &[u8], text: &[u8]) -> Key {
    let mut out = Key::default();
    out.copy_from_slice(hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text).as_ref());
    out
}

/// What the server begins with. Extensions may follow; those that it insists on ("m=") stand first, and we know none.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerFirst {
    pub nonce: String,
    pub salt: Vec<u8>,
    pub iterations: NonZeroU32,
}

impl ServerFirst {
    pub fn read(message: &str, our_nonce: &str) -> Result<Self, BadChallenge> {
        let mut attributes = message.split(',');
        let mut value = |name: &str| attributes.next().and_then(|attribute| attribute.strip_prefix(name));
        let (Some(nonce), Some(salt), Some(iterations)) = (value("r="), value("s="), value("i=")) else {
            return Err(BadChallenge::Malformed);
        };
        if !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadChallenge::Malformed);
        }
        if nonce.strip_prefix(our_nonce).is_none_or(str::is_empty) {
            return Err(BadChallenge::OtherNonce);
        }
        let salt = STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty()).ok_or(BadChallenge::Malformed)?;
        Ok(Self { nonce: nonce.to_owned(), salt, iterations: iterations_of(iterations)? })
    }
}

/// `posit-number` of RFC 5802 section 7: digits, the first of them no zero.
fn iterations_of(text: &str) -> Result<NonZeroU32, BadChallenge> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && !text.is_empty();
    if !is_number {
        return Err(BadChallenge::Malformed);
    }
    // More digits than the type holds are too many iterations.
    match text.parse::<u32>().unwrap_or(u32::MAX) {
        ..FEWEST_ITERATIONS => Err(BadChallenge::TooFewIterations),
        number @ FEWEST_ITERATIONS..=MOST_ITERATIONS => NonZeroU32::new(number).ok_or(BadChallenge::TooFewIterations),
        _ => Err(BadChallenge::TooManyIterations),
    }
}

/// What the server ends with.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerFinal {
    Signature(Vec<u8>),
    /// Its reason says no more than the refusal that follows.
    Error,
}

impl ServerFinal {
    pub fn read(message: &str) -> Result<Self, BadChallenge> {
        let first = message.split(',').next().unwrap_or_default();
        if first.strip_prefix("e=").is_some_and(|reason| !reason.is_empty()) {
            return Ok(Self::Error);
        }
        let signature = first.strip_prefix("v=").ok_or(BadChallenge::Malformed)?;
        STANDARD.decode(signature).map(Self::Signature).map_err(|_| BadChallenge::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ChannelBinding;
    use super::super::tests::password;
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn scram(channel: Channel) -> Scram {
        Scram::new("user", &password("pencil"), channel, NONCE)
    }

    fn text(response: &Response) -> &str {
        std::str::from_utf8(&response.bytes).unwrap()
    }

    /// An exchange that waits for the server's last message.
    fn proved() -> Scram {
        let mut scram = scram(Channel::Unbound);
        scram.respond(Some(SERVER_FIRST.as_bytes())).unwrap();
        scram
    }

    #[test]
    fn the_example_of_the_rfc() {
        let mut scram = scram(Channel::Unbound);
        assert_eq!(text(&scram.initial().unwrap()), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        assert!(scram.is_slow() && !scram.is_proven());
        let response = scram.respond(Some(SERVER_FIRST.as_bytes())).unwrap();
        let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        assert_eq!(text(&response), format!("c=biws,r={nonce},p={proof}"));
        assert_eq!(response.proof, Some(password(proof)));
        assert!(!scram.is_slow() && !scram.is_proven());
        assert_eq!(text(&scram.respond(Some(SERVER_FINAL.as_bytes())).unwrap()), "");
        assert!(scram.is_proven());
        assert_eq!(scram.respond(Some(b"")).err(), Some(BadChallenge::Unexpected));
    }

    #[test]
    fn the_binding_is_named_and_signed() {
        let binding = ChannelBinding { name: "tls-exporter", data: vec![0xff, 0, 1] };
        for (channel, header, sent) in [
            (Channel::Unbound, "n,,", &b"n,,"[..]),
            (Channel::NotOffered, "y,,", b"y,,"),
            (Channel::Bound(binding), "p=tls-exporter,,", b"p=tls-exporter,,\xff\0\x01"),
        ] {
            let mut scram = scram(channel);
            assert_eq!(text(&scram.initial().unwrap()), format!("{header}n=user,r={NONCE}"));
            let response = scram.respond(Some(SERVER_FIRST.as_bytes())).unwrap();
            assert!(text(&response).starts_with(&format!("c={},r=", STANDARD.encode(sent))), "{}", text(&response));
        }
    }

    #[test]
    fn a_username_is_prepared_and_escaped() {
        let mut scram = Scram::new("a=b,c\u{aa}", &password("x"), Channel::Unbound, NONCE);
        assert_eq!(text(&scram.initial().unwrap()), format!("n,,n=a=3Db=2Cca,r={NONCE}"));
    }

    #[test]
    fn a_password_is_prepared() {
        let proof = |text: &str| {
            let mut scram = Scram::new("user", &password(text), Channel::Unbound, NONCE);
            scram.respond(Some(SERVER_FIRST.as_bytes())).unwrap().proof
        };
        assert_eq!(proof("\u{2168}"), proof("IX"));
        assert_ne!(proof("\u{2168}"), proof("ix"));
    }

    #[test]
    fn a_server_that_proves_nothing_is_not_believed() {
        let mut wrong = proved();
        let message = SERVER_FINAL.replace("v=6", "v=7");
        assert_eq!(wrong.respond(Some(message.as_bytes())).err(), Some(BadChallenge::WrongSignature));
        for short in ["v=", "v=6rri"] {
            assert_eq!(proved().respond(Some(short.as_bytes())).err(), Some(BadChallenge::WrongSignature), "{short}");
        }
        let mut refused = proved();
        assert_eq!(text(&refused.respond(Some(b"e=invalid-proof")).unwrap()), "");
        assert!(!refused.is_proven());
        assert_eq!(refused.respond(Some(SERVER_FINAL.as_bytes())).err(), Some(BadChallenge::Unexpected));
    }

    #[test]
    fn a_first_message_is_taken_as_the_rfc_writes_it_or_not_at_all() {
        let good = format!("{SERVER_FIRST},ext=1");
        assert!(scram(Channel::Unbound).respond(Some(good.as_bytes())).is_ok());
        let with_count = |count: &str| SERVER_FIRST.replace("i=4096", &format!("i={count}"));
        for (message, why) in [
            (String::new(), BadChallenge::Malformed),
            (SERVER_FIRST.replace(",i=4096", ""), BadChallenge::Malformed),
            (format!("m=x,{SERVER_FIRST}"), BadChallenge::Malformed),
            (SERVER_FIRST.replace("==", ""), BadChallenge::Malformed),
            (SERVER_FIRST.replace("W22ZaJ0SNY7soEsUEjb6gQ==", ""), BadChallenge::Malformed),
            (SERVER_FIRST.replace('%', "\u{e9}"), BadChallenge::Malformed),
            (SERVER_FIRST.replace('%', " "), BadChallenge::Malformed),
            (SERVER_FIRST.replace("r=r", "r=R"), BadChallenge::OtherNonce),
            (SERVER_FIRST.replace("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""), BadChallenge::OtherNonce),
            (with_count("4095"), BadChallenge::TooFewIterations),
            (with_count("600001"), BadChallenge::TooManyIterations),
            (with_count("99999999999999999999"), BadChallenge::TooManyIterations),
            (with_count("04096"), BadChallenge::Malformed),
            (with_count("+4096"), BadChallenge::Malformed),
            (with_count(""), BadChallenge::Malformed),
        ] {
            let answer = scram(Channel::Unbound).respond(Some(message.as_bytes()));
            assert_eq!(answer.err(), Some(why), "{message}");
        }
        assert_eq!(scram(Channel::Unbound).respond(None).err(), Some(BadChallenge::NotBase64));
        assert_eq!(scram(Channel::Unbound).respond(Some(b"r=\xff")).err(), Some(BadChallenge::Malformed));
        assert_eq!(iterations_of("600000").map(NonZeroU32::get), Ok(600_000));
    }

    #[test]
    fn two_nonces_differ() {
        let [one, two] = [nonce().unwrap(), nonce().unwrap()];
        assert!(one != two && one.len() == 32 && !one.contains(','), "{one} {two}");
    }

    proptest! {
        // Each one computes a key first.
        #![proptest_config(ProptestConfig::with_cases(50))]
        #[test]
        fn no_last_message_is_believed_but_the_right_one(message in any::<Vec<u8>>()) {
            let mut scram = proved();
            scram.respond(Some(&message)).ok();
            prop_assert!(!scram.is_proven());
        }
    }
}
