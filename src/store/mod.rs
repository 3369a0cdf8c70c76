//! Settings at rest, their secrets sealed. The one duty: what is saved comes back whole, or an error says why not.
//! It knows nothing of forms, of SMTP, of what any setting means, or of the words that people read.
//!
//! `sealed` is the format of the file, `key` where its key comes from, `disk` how files are touched, `file` the three
//! put together. No lock is held by a thread here: after `fork` a child would find it taken by a thread that it lacks.

mod disk;
mod file;
mod key;
mod keychain;
mod sealed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use serde_json::{Map, Value};

pub use self::key::KeySource;
use crate::secret::Secret;

/// One account's settings as they are kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// Readable by whoever can read the file: nothing secret.
    pub settings: Map<String, Value>,
    pub secrets: BTreeMap<String, Secret>,
}

/// What the secrets are protected by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    Memory,
    GivenKey,
    Passphrase,
    Keychain,
    KeyFile(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The file is not one that this library wrote, or it was cut short.
    Damaged,
    /// The key is right, and yet the file is not as it was saved.
    Tampered,
    WrongKey,
    /// Written by a later version.
    Newer,
    /// The folder that the file is to be in is not there.
    NoFolder,
    Unreadable,
    Unwritable,
    /// Another process or thread has been saving for too long.
    Busy,
    /// Others than the owner may read or write the key file.
    KeyFileExposed,
    /// The settings are there, and their key is gone.
    KeyMissing,
    NoKeychain,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    pub kind: StoreErrorKind,
    /// The file or folder that is meant: not always the settings file.
    pub path: PathBuf,
    /// The system's word or what is wrong. Never a secret.
    pub detail: String,
}

impl StoreError {
    fn new(kind: StoreErrorKind, path: &Path, detail: impl Into<String>) -> Self {
        Self { kind, path: path.to_owned(), detail: detail.into() }
    }

    fn io(kind: StoreErrorKind, path: &Path, error: &io::Error) -> Self {
        let text = error.to_string();
        // "No space left on device (os error 28)": the number helps nobody who reads the sentence.
        let plain = text.split(" (os error").next().unwrap_or(&text);
        Self::new(kind, path, plain)
    }
}

/// Where one account's settings are kept.
pub struct Store(Place);

enum Place {
    Memory(ArcSwapOption<Saved>),
    File(Box<file::FileStore>),
}

impl Store {
    /// Settings that end with the program.
    pub fn memory() -> Self {
        Self(Place::Memory(ArcSwapOption::empty()))
    }

    /// Creates nothing. A damaged file or a wrong key is told by [`Store::load`], so that a host can open and clear.
    pub fn file(path: &Path, key: KeySource) -> Result<Self, StoreError> {
        Ok(Self(Place::File(Box::new(file::FileStore::new(path, key)?))))
    }

    /// Reads the file each time: what another process saved is seen.
    pub fn load(&self) -> Result<Option<Arc<Saved>>, StoreError> {
        match &self.0 {
            Place::Memory(cell) => Ok(cell.load_full()),
            Place::File(file) => Ok(file.load()?.map(Arc::new)),
        }
    }

    /// Read, change, write, with no other update in between. When `change` fails, nothing is touched.
    ///
    /// `change` is `Fn` since in memory it runs again when another thread was faster: that takes neither a lock, which
    /// a fork could orphan, nor a wait. In a file it runs once, under a file lock.
    pub fn update<E: From<StoreError>>(&self, change: impl Fn(Option<Saved>) -> Result<Saved, E>) -> Result<Saved, E> {
        match &self.0 {
            Place::Memory(cell) => swap(cell, change),
            Place::File(file) => file.update(change),
        }
    }

    /// Removes the settings, even damaged ones. A key file stays: it may seal what is saved next.
    pub fn clear(&self) -> Result<(), StoreError> {
        match &self.0 {
            Place::Memory(cell) => {
                cell.store(None);
                Ok(())
            }
            Place::File(file) => file.clear(),
        }
    }

    /// For one at a time, in whatever process: to read a secret, have it replaced elsewhere, and save what came of it. Saving has
    /// a lock of its own, which is never held for so long. `None` while somebody else has it.
    pub fn try_lock_renewal(&self) -> Result<Option<RenewalLock>, StoreError> {
        match &self.0 {
            Place::Memory(_) => Ok(Some(RenewalLock(None))),
            Place::File(file) => Ok(file.try_lock_renewal()?.map(|lock| RenewalLock(Some(lock)))),
        }
    }

    pub fn protection(&self) -> Protection {
        match &self.0 {
            Place::Memory(_) => Protection::Memory,
            Place::File(file) => file.protection(),
        }
    }
}

/// Held until it is dropped. What is in memory has one account only, and needs none.
pub struct RenewalLock(#[expect(dead_code, reason = "it is there to be dropped")] Option<disk::Lock>);

fn swap<E>(cell: &ArcSwapOption<Saved>, change: impl Fn(Option<Saved>) -> Result<Saved, E>) -> Result<Saved, E> {
    loop {
        let seen = cell.load_full();
        let changed = change(seen.as_deref().cloned())?;
        let found = cell.compare_and_swap(&seen, Some(Arc::new(changed.clone())));
        // `seen` is kept alive here, so an equal address is the same value and not a later one in its place.
        if found.as_ref().map(Arc::as_ptr) == seen.as_ref().map(Arc::as_ptr) {
            return Ok(changed);
        }
    }
}
