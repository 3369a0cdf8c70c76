//! A store in a file: which key, which bytes, in which order. It knows nothing of how either is made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::key::{Key, KeySource, Keys};
use super::sealed::{self, Flaw, Header, Sealed};
use super::{Protection, Saved, StoreError, StoreErrorKind, disk};

const LONGEST_FILE: usize = 1024 * 1024;
/// A save takes milliseconds, also on a slow disk: who holds the lock for longer than this is stuck.
const LOCK_WAIT: Duration = Duration::from_secs(5);

pub struct FileStore {
    path: PathBuf,
    keys: Keys,
}

/// What the file held, and what opened it: the next save uses the same key.
struct Opened {
    saved: Saved,
    header: Header,
    key: Key,
}

impl FileStore {
    pub fn new(path: &Path, source: KeySource) -> Result<Self, StoreError> {
        let path = disk::resolve(path)?;
        disk::open(&path)?;
        let keys = Keys::new(source, &path)?;
        Ok(Self { path, keys })
    }

    pub fn protection(&self) -> Protection {
        self.keys.protection()
    }

    pub fn load(&self) -> Result<Option<Saved>, StoreError> {
        Ok(self.read()?.map(|opened| opened.saved))
    }

    pub fn update<E: From<StoreError>>(
        &self,
        change: impl FnOnce(Option<Saved>) -> Result<Saved, E>,
    ) -> Result<Saved, E> {
        let _lock = disk::Lock::take(&self.path, LOCK_WAIT)?;
        // A key that is only remembered may be gone from where it is kept: nothing must be sealed with it.
        self.keys.forget();
        let (before, known) = match self.read()? {
            Some(Opened { saved, header, key }) => (Some(saved), Some((header, key))),
            None => (None, None),
        };
        let saved = change(before)?;
        self.write(&saved, known)?;
        Ok(saved)
    }

    pub fn clear(&self) -> Result<(), StoreError> {
        if !disk::exists(&self.path)? {
            return Ok(());
        }
        let _lock = disk::Lock::take(&self.path, LOCK_WAIT)?;
        disk::sweep(&self.path);
        disk::remove(&self.path)
    }

    pub fn try_lock_renewal(&self) -> Result<Option<disk::Lock>, StoreError> {
        disk::Lock::try_take(&self.path, ".renewal.lock")
    }

    fn read(&self) -> Result<Option<Opened>, StoreError> {
        let Some(file) = disk::open(&self.path)? else { return Ok(None) };
        let Some(bytes) = disk::read(&file, &self.path, LONGEST_FILE)? else {
            return Err(StoreError::new(StoreErrorKind::Damaged, &self.path, "the file is longer than 1 MiB"));
        };
        let sealed = Sealed::parse(&bytes).map_err(|flaw| self.flawed(flaw))?;
        let opened = self.unseal(&sealed);
        match opened {
            // The key may have been made anew by another process since it was remembered.
            Err(error) if error.kind == StoreErrorKind::WrongKey && self.keys.forget() => {
                self.unseal(&sealed).map(Some)
            }
            opened => opened.map(Some),
        }
    }

    fn unseal(&self, sealed: &Sealed) -> Result<Opened, StoreError> {
        let key = self.keys.of(sealed.header())?;
        let saved = sealed.open(&key).map_err(|flaw| self.flawed(flaw))?;
        Ok(Opened { saved, header: sealed.header().clone(), key })
    }

    /// Under the lock.
    fn write(&self, saved: &Saved, known: Option<(Header, Key)>) -> Result<(), StoreError> {
        disk::sweep(&self.path);
        let (header, key) = match known {
            Some(known) => known,
            None => self.keys.first()?,
        };
        let text = sealed::seal(saved, &header, &key).map_err(|flaw| self.flawed(flaw))?;
        // What could not be read again must never replace what can: too long, nested too deep, a number that JSON
        // rounds.
        let readable = text.len() <= LONGEST_FILE
            && Sealed::parse(text.as_bytes()).and_then(|sealed| sealed.open(&key)).is_ok_and(|again| again == *saved);
        if !readable {
            let detail = "these settings are too large, or would not be the same when read again";
            return Err(StoreError::new(StoreErrorKind::Unwritable, &self.path, detail));
        }
        disk::replace(&self.path, text.as_bytes())
    }

    fn flawed(&self, flaw: Flaw) -> StoreError {
        StoreError::new(flaw.kind, &self.path, flaw.detail)
    }
}
