//! Where the key that seals a file comes from. It knows nothing of what is sealed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use super::sealed::{Flaw, Header, Stretch, random};
use super::{Protection, StoreError, StoreErrorKind, disk, keychain};
use crate::secret::Secret;

pub type Key = Zeroizing<[u8; 32]>;

/// 44 characters and a line's end, and room for what an editor may add.
const LONGEST_KEY_FILE: usize = 128;

#[derive(Clone)]
pub enum KeySource {
    Given(Key),
    Passphrase(Secret),
    /// The name of the entry: one per settings file.
    Keychain(String),
    /// Beside the settings file; made by the first save.
    File,
}

pub struct Keys {
    source: KeySource,
    store: PathBuf,
    key_file: PathBuf,
    /// The key that took time to get, with what it was got from. Swapped and never locked, for `fork`'s sake.
    remembered: ArcSwapOption<(Header, Key)>,
}

impl Keys {
    /// `store` is the settings file.
    pub fn new(source: KeySource, store: &Path) -> Result<Self, StoreError> {
        if let KeySource::Keychain(_) = source {
            keychain::check().map_err(|detail| StoreError::new(StoreErrorKind::NoKeychain, store, detail))?;
        }
        let key_file = disk::beside(store, ".key");
        Ok(Self { source, store: store.to_owned(), key_file, remembered: ArcSwapOption::empty() })
    }

    pub fn protection(&self) -> Protection {
        match self.source {
            KeySource::Given(_) => Protection::GivenKey,
            KeySource::Passphrase(_) => Protection::Passphrase,
            KeySource::Keychain(_) => Protection::Keychain,
            KeySource::File => Protection::KeyFile(self.key_file.clone()),
        }
    }

    /// The key of a file that says how it was sealed.
    pub fn of(&self, header: &Header) -> Result<Key, StoreError> {
        match (&self.source, header) {
            (KeySource::Given(key), Header::GivenKey) => Ok(key.clone()),
            (KeySource::Passphrase(passphrase), Header::Passphrase(stretch)) => {
                self.remember(header, || derive(passphrase, stretch).map_err(|flaw| self.flawed(flaw)))
            }
            (KeySource::Keychain(entry), Header::Keychain) => {
                self.remember(header, || self.keychain(entry)?.ok_or_else(|| self.missing("the keychain's entry")))
            }
            (KeySource::File, Header::KeyFile) => self.key_file()?.ok_or_else(|| self.missing("the key file")),
            (source, header) => {
                let detail = format!("the file was sealed with {}, not with {}", name(header), name_of(source));
                Err(StoreError::new(StoreErrorKind::WrongKey, &self.store, detail))
            }
        }
    }

    /// The key of a file that is not there yet; made if need be. Under the store's lock.
    pub fn first(&self) -> Result<(Header, Key), StoreError> {
        match &self.source {
            KeySource::Given(key) => Ok((Header::GivenKey, key.clone())),
            KeySource::Passphrase(_) => {
                let header = Header::Passphrase(Stretch::fresh().map_err(|flaw| self.flawed(flaw))?);
                let key = self.of(&header)?;
                Ok((header, key))
            }
            KeySource::Keychain(entry) => {
                let key = match self.keychain(entry)? {
                    Some(key) => key,
                    None => self.make_in_keychain(entry)?,
                };
                Ok((Header::Keychain, key))
            }
            KeySource::File => {
                let key = match self.key_file()? {
                    Some(key) => key,
                    None => self.make_key_file()?,
                };
                Ok((Header::KeyFile, key))
            }
        }
    }

    /// Forgets a key that is kept elsewhere and was only remembered here. True if there was one.
    pub fn forget(&self) -> bool {
        // What a passphrase gives is the same for ever: that stays.
        matches!(self.source, KeySource::Keychain(_)) && self.remembered.swap(None).is_some()
    }

    fn remember(&self, header: &Header, get: impl FnOnce() -> Result<Key, StoreError>) -> Result<Key, StoreError> {
        if let Some(known) = self.remembered.load().as_deref()
            && known.0 == *header
        {
            return Ok(known.1.clone());
        }
        let key = get()?;
        self.remembered.store(Some(Arc::new((header.clone(), key.clone()))));
        Ok(key)
    }

    fn key_file(&self) -> Result<Option<Key>, StoreError> {
        let Some(file) = disk::open(&self.key_file)? else { return Ok(None) };
        if disk::exposed(&file, &self.key_file)? {
            let detail = "others than its owner may read or write this file: only the owner must (mode 600)";
            return Err(StoreError::new(StoreErrorKind::KeyFileExposed, &self.key_file, detail));
        }
        let text = disk::read(&file, &self.key_file, LONGEST_KEY_FILE)?;
        match text.as_deref().and_then(|text| from_base64(text)) {
            Some(key) => Ok(Some(key)),
            None => Err(StoreError::new(StoreErrorKind::Damaged, &self.key_file, "this file holds no key")),
        }
    }

    /// Who comes second, by whatever way around the lock, takes the key of who came first: so the file is read again.
    fn make_key_file(&self) -> Result<Key, StoreError> {
        let text = self.fresh_text()?;
        disk::create(&self.key_file, &self.store, text.as_bytes())?;
        self.key_file()?.ok_or_else(|| self.missing("the key file"))
    }

    fn keychain(&self, entry: &str) -> Result<Option<Key>, StoreError> {
        let failed = |detail| StoreError::new(StoreErrorKind::NoKeychain, &self.store, detail);
        let Some(text) = keychain::get(entry).map_err(failed)? else { return Ok(None) };
        match from_base64(text.as_bytes()) {
            Some(key) => Ok(Some(key)),
            None => Err(StoreError::new(StoreErrorKind::WrongKey, &self.store, "the keychain's entry holds no key")),
        }
    }

    fn make_in_keychain(&self, entry: &str) -> Result<Key, StoreError> {
        let failed = |detail| StoreError::new(StoreErrorKind::NoKeychain, &self.store, detail);
        keychain::set(entry, self.fresh_text()?).map_err(failed)?;
        self.keychain(entry)?.ok_or_else(|| self.missing("the keychain's entry"))
    }

    /// A new key as one line of text.
    fn fresh_text(&self) -> Result<Zeroizing<String>, StoreError> {
        let key: Key = Zeroizing::new(random().map_err(|flaw| self.flawed(flaw))?);
        let mut text = Zeroizing::new(String::with_capacity(LONGEST_KEY_FILE));
        BASE64.encode_string(key.as_slice(), &mut text);
        text.push('\n');
        Ok(text)
    }

    fn missing(&self, what: &str) -> StoreError {
        let path = if let KeySource::File = self.source { &self.key_file } else { &self.store };
        StoreError::new(StoreErrorKind::KeyMissing, path, format!("{what} that seals the settings is gone"))
    }

    fn flawed(&self, flaw: Flaw) -> StoreError {
        StoreError::new(flaw.kind, &self.store, flaw.detail)
    }
}

fn derive(passphrase: &Secret, stretch: &Stretch) -> Result<Key, Flaw> {
    // The bounds were checked when the file was read; what argon2 still refuses is a passphrase of 4 GiB.
    let failed =
        |error: argon2::Error| Flaw { kind: StoreErrorKind::WrongKey, detail: format!("no key from this: {error}") };
    let Stretch { memory_kib, rounds, lanes, salt } = stretch;
    let mut key: Key = Zeroizing::new([0; 32]);
    let params = Params::new(*memory_kib, *rounds, *lanes, Some(key.len())).map_err(failed)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), salt, key.as_mut_slice())
        .map_err(failed)?;
    Ok(key)
}

fn from_base64(text: &[u8]) -> Option<Key> {
    let mut bytes = Zeroizing::new([0; LONGEST_KEY_FILE]);
    let length = BASE64.decode_slice(text.trim_ascii(), bytes.as_mut_slice()).ok()?;
    Some(Zeroizing::new(bytes.get(..length)?.try_into().ok()?))
}

fn name(header: &Header) -> &'static str {
    match header {
        Header::GivenKey => "a key that the program gives",
        Header::Passphrase(_) => "a passphrase",
        Header::Keychain => "a key in the system's keychain",
        Header::KeyFile => "a key file",
    }
}

fn name_of(source: &KeySource) -> &'static str {
    match source {
        KeySource::Given(_) => "a key that the program gives",
        KeySource::Passphrase(_) => "a passphrase",
        KeySource::Keychain(_) => "a key in the system's keychain",
        KeySource::File => "a key file",
    }
}
