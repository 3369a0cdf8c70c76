//! The format of the settings file: JSON that a person may read, with the secrets sealed and everything else signed by
//! the same seal. It knows nothing of files, nor of where a key comes from.
//!
//! ```json
//! {"mailbutton_settings": 1, "protection": {"kind": "key_file", "check": "…"}, "settings": {…}, "secrets": "…"}
//! ```
//! `secrets` is nonce + ciphertext + tag, in base64. Its associated data is the rest of the file: whoever edits the
//! server's name, or anything else, breaks the seal, so a stored password cannot be led to another server. `check` is
//! nothing at all, sealed with the same key: it tells a wrong key from a changed file.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::key::Key;
use super::{Saved, StoreErrorKind};
use crate::secret::Secret;

const VERSION: u64 = 1;
const CHECK_DOMAIN: &str = "mailbutton settings: check\n";
const SECRETS_DOMAIN: &str = "mailbutton settings: secrets\n";
/// The plain text is filled up to a multiple of this, so that the file does not tell how long a password is.
const BLOCK: usize = 256;
const TAG_LEN: usize = 16;

/// What is wrong with a text, wherever it was read from.
#[derive(Debug)]
pub struct Flaw {
    pub kind: StoreErrorKind,
    pub detail: String,
}

impl Flaw {
    fn new(kind: StoreErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    fn damaged(detail: impl Into<String>) -> Self {
        Self::new(StoreErrorKind::Damaged, detail)
    }
}

/// How a passphrase becomes a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub memory_kib: u32,
    pub rounds: u32,
    pub lanes: u32,
    pub salt: [u8; 16],
}

impl Stretch {
    /// OWASP's first choice for argon2id.
    const LEAST: (u32, u32, u32) = (19 * 1024, 2, 1);
    /// The file is read before it can be trusted: it must not make us take a machine's memory, or its day.
    const MOST: (u32, u32, u32) = (128 * 1024, 8, 4);

    pub fn fresh() -> Result<Self, Flaw> {
        let (memory_kib, rounds, lanes) = Self::LEAST;
        Ok(Self { memory_kib, rounds, lanes, salt: random()? })
    }

    fn parse(object: &Map<String, Value>) -> Option<Self> {
        let number = |key: &str, least: u32, most: u32| {
            let number = u32::try_from(object.get(key)?.as_u64()?).ok()?;
            (least..=most).contains(&number).then_some(number)
        };
        Some(Self {
            memory_kib: number("memory_kib", Self::LEAST.0, Self::MOST.0)?,
            rounds: number("rounds", Self::LEAST.1, Self::MOST.1)?,
            lanes: number("lanes", Self::LEAST.2, Self::MOST.2)?,
            salt: BASE64.decode(object.get("salt")?.as_str()?).ok()?.try_into().ok()?,
        })
    }
}

/// Which kind of key seals a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    GivenKey,
    Passphrase(Stretch),
    Keychain,
    KeyFile,
}

impl Header {
    fn parse(object: &Map<String, Value>) -> Option<Self> {
        match object.get("kind")?.as_str()? {
            "given_key" => Some(Self::GivenKey),
            "passphrase" => Stretch::parse(object).map(Self::Passphrase),
            "keychain" => Some(Self::Keychain),
            "key_file" => Some(Self::KeyFile),
            _ => None,
        }
    }

    fn json(&self, check: &str) -> Value {
        match self {
            Self::GivenKey => json!({"kind": "given_key", "check": check}),
            Self::Keychain => json!({"kind": "keychain", "check": check}),
            Self::KeyFile => json!({"kind": "key_file", "check": check}),
            Self::Passphrase(Stretch { memory_kib, rounds, lanes, salt }) => json!({
                "kind": "passphrase", "function": "argon2id",
                "memory_kib": memory_kib, "rounds": rounds, "lanes": lanes, "salt": BASE64.encode(salt),
                "check": check,
            }),
        }
    }
}

/// A settings file that was read and not yet opened: nothing in it is to be trusted.
pub struct Sealed {
    header: Header,
    check: Vec<u8>,
    secrets: Vec<u8>,
    settings: Map<String, Value>,
    signed: String,
}

impl Sealed {
    pub fn parse(text: &[u8]) -> Result<Self, Flaw> {
        let value = serde_json::from_slice(text)
            .map_err(|error| Flaw::damaged(format!("not JSON at line {}, column {}", error.line(), error.column())))?;
        let Value::Object(mut file) = value else { return Err(Flaw::damaged("not a JSON object")) };
        check_version(&file)?;
        let secrets = match file.remove("secrets") {
            Some(Value::String(text)) => BASE64.decode(text).ok(),
            _ => None,
        };
        let secrets = secrets.ok_or_else(|| Flaw::damaged("`secrets` is missing or not base64"))?;
        let signed = canonical(&file);
        let (header, check) =
            protection(&file).ok_or_else(|| Flaw::damaged("`protection` is not as this version writes it"))?;
        let Some(Value::Object(settings)) = file.remove("settings") else {
            return Err(Flaw::damaged("`settings` is missing or not an object"));
        };
        Ok(Self { header, check, secrets, settings, signed })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn open(&self, key: &Key) -> Result<Saved, Flaw> {
        unseal(key, CHECK_DOMAIN, self.check.clone())
            .ok_or_else(|| Flaw::new(StoreErrorKind::WrongKey, "the file was sealed with another key"))?;
        let plain = unseal(key, &self.signed, self.secrets.clone())
            .ok_or_else(|| Flaw::new(StoreErrorKind::Tampered, "the file is not as it was saved"))?;
        let secrets: BTreeMap<String, String> = serde_json::from_slice(&plain)
            .map_err(|_| Flaw::damaged("what is sealed is not as this version writes it"))?;
        let secrets = secrets.into_iter().map(|(name, text)| (name, Secret::new(text))).collect();
        Ok(Saved { settings: self.settings.clone(), secrets })
    }
}

/// The text of the file. Sealed also when there are no secrets: the settings are signed by the seal.
pub fn seal(saved: &Saved, header: &Header, key: &Key) -> Result<String, Flaw> {
    let check = encrypt(key, CHECK_DOMAIN, Zeroizing::new(Vec::new()))?;
    let mut file = Map::new();
    file.insert("mailbutton_settings".to_owned(), VERSION.into());
    file.insert("protection".to_owned(), header.json(&check));
    file.insert("settings".to_owned(), Value::Object(saved.settings.clone()));
    let secrets = encrypt(key, &canonical(&file), plain(saved)?)?;
    file.insert("secrets".to_owned(), secrets.into());
    Ok(format!("{:#}\n", Value::Object(file)))
}

/// Of a later version nothing else can be judged, so this comes first.
fn check_version(file: &Map<String, Value>) -> Result<(), Flaw> {
    match file.get("mailbutton_settings").and_then(Value::as_u64) {
        Some(VERSION) => Ok(()),
        Some(version) if version > VERSION => {
            Err(Flaw::new(StoreErrorKind::Newer, format!("written in format {version}; this is format {VERSION}")))
        }
        _ => Err(Flaw::damaged("it holds no settings")),
    }
}

fn protection(file: &Map<String, Value>) -> Option<(Header, Vec<u8>)> {
    let object = file.get("protection")?.as_object()?;
    let check = BASE64.decode(object.get("check")?.as_str()?).ok()?;
    Some((Header::parse(object)?, check))
}

/// What is signed: the meaning of the file and not its looks. `serde_json` keeps keys in the order in which they came
/// (feature `preserve_order`, for the form's sake), so they are sorted here: an editor or a sync tool that reorders or
/// reindents has changed nothing.
fn canonical(file: &Map<String, Value>) -> String {
    let mut value = Value::Object(file.clone());
    value.sort_all_objects();
    format!("{SECRETS_DOMAIN}{value}")
}

/// The secrets as JSON, in memory that is zeroed. It is reserved at once: a buffer that grows leaves copies behind.
fn plain(saved: &Saved) -> Result<Zeroizing<Vec<u8>>, Flaw> {
    let secrets: BTreeMap<&str, &str> =
        saved.secrets.iter().map(|(name, secret)| (name.as_str(), secret.expose())).collect();
    // One byte is at most six in JSON (\u0000); quotes, colon and comma.
    let longest: usize = secrets.iter().map(|(name, text)| 6 * (name.len() + text.len()) + 6).sum();
    let mut plain = Zeroizing::new(Vec::with_capacity(2 + longest + BLOCK + TAG_LEN));
    serde_json::to_writer(&mut *plain, &secrets).map_err(|_| Flaw::damaged("secrets that are not JSON"))?;
    let filled = plain.len().next_multiple_of(BLOCK);
    plain.resize(filled, b' ');
    Ok(plain)
}

fn encrypt(key: &Key, signed: &str, mut plain: Zeroizing<Vec<u8>>) -> Result<String, Flaw> {
    let failed = || Flaw::new(StoreErrorKind::Unwritable, "sealing failed");
    let nonce: [u8; NONCE_LEN] = random()?;
    cipher(key)
        .ok_or_else(failed)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(signed), &mut *plain)
        .map_err(|_| failed())?;
    Ok(BASE64.encode([&nonce, plain.as_slice()].concat()))
}

fn unseal(key: &Key, signed: &str, sealed: Vec<u8>) -> Option<Zeroizing<Vec<u8>>> {
    // Decrypted in place: zeroed whatever happens.
    let mut sealed = Zeroizing::new(sealed);
    let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE_LEN>()?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plain = cipher(key)?.open_in_place(nonce, Aad::from(signed), rest).ok()?;
    Some(Zeroizing::new(plain.to_vec()))
}

fn cipher(key: &Key) -> Option<LessSafeKey> {
    Some(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).ok()?))
}

pub fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], Flaw> {
    let mut bytes = [0; LENGTH];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Flaw::new(StoreErrorKind::Unwritable, "the system gives no random bytes"))?;
    Ok(bytes)
}
