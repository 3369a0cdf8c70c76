//! How files are touched: never followed blindly, never waited for, never half written, never readable by others. The
//! one part that is for Unix only. It knows nothing of what the files hold.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::sealed::random;
use super::{StoreError, StoreErrorKind};

/// As many as Linux follows.
const MOST_LINKS: usize = 40;
const LOCK_POLL: Duration = Duration::from_millis(5);
const TEMP_SUFFIX: &str = ".tmp";

/// No link in the place of the file, no wait for a FIFO's other end. (`std` adds `O_CLOEXEC` by itself.)
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

/// The file that is meant, once and for all: absolute, so that the host may change its folder, and with links followed,
/// so that a save replaces what a link points at and not the link. What it points at need not exist, as after a clear.
pub fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let mut wanted = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Some(name) = wanted.file_name() else {
            return Err(StoreError::new(StoreErrorKind::Unreadable, path, "this names a folder, not a file"));
        };
        let folder = wanted.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().map_err(|error| StoreError::io(StoreErrorKind::NoFolder, folder, &error))?;
        let place = folder.join(name);
        match fs::read_link(&place) {
            Ok(target) => wanted = folder.join(target),
            // Not a link, or nothing there.
            Err(_) => return Ok(place),
        }
    }
    Err(StoreError::new(StoreErrorKind::Unreadable, path, "too many links, one to another"))
}

/// The same name with something appended: `settings.json.key`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// `None` when there is no such file. Never hangs: what is not a regular file is refused before it is read.
pub fn open(path: &Path) -> Result<Option<File>, StoreError> {
    let file = match options().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(StoreErrorKind::Unreadable, path, &error)),
    };
    regular(&file, path, StoreErrorKind::Unreadable)?;
    Ok(Some(file))
}

fn regular(file: &File, path: &Path, kind: StoreErrorKind) -> Result<(), StoreError> {
    let about = file.metadata().map_err(|error| StoreError::io(kind, path, &error))?;
    match (about.is_file(), about.is_dir()) {
        (true, _) => Ok(()),
        (_, true) => Err(StoreError::new(kind, path, "this is a folder, not a file")),
        _ => Err(StoreError::new(kind, path, "this is not a regular file")),
    }
}

/// All of the file; `None` when it is longer than `limit`. Zeroed, as it may be a key.
pub fn read(file: &File, path: &Path, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let failed = |error: io::Error| StoreError::io(StoreErrorKind::Unreadable, path, &error);
    let length = usize::try_from(file.metadata().map_err(failed)?.len()).unwrap_or(limit);
    // Reserved at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.min(limit) + 1));
    file.take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

/// May anyone but the owner do anything with it?
pub fn exposed(file: &File, path: &Path) -> Result<bool, StoreError> {
    let about = file.metadata().map_err(|error| StoreError::io(StoreErrorKind::Unreadable, path, &error))?;
    Ok(about.permissions().mode() & 0o077 != 0)
}

/// Whatever it is that is there.
pub fn exists(path: &Path) -> Result<bool, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io(StoreErrorKind::Unreadable, path, &error)),
    }
}

pub fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io(StoreErrorKind::Unwritable, path, &error))
        }
        _ => {
            sync_folder(path);
            Ok(())
        }
    }
}

/// The right to write, for one thread of one process. The lock file stays when it is over: if it were removed, two
/// could each hold a lock on a file of that name.
pub struct Lock(File);

impl Lock {
    pub fn take(store: &Path, wait: Duration) -> Result<Self, StoreError> {
        let end = Instant::now() + wait;
        loop {
            match Self::try_take(store, ".lock")? {
                Some(lock) => return Ok(lock),
                None if Instant::now() >= end => {
                    return Err(StoreError::new(StoreErrorKind::Busy, store, "another program is saving settings"));
                }
                None => thread::sleep(LOCK_POLL),
            }
        }
    }

    /// `None` while somebody else holds it. The file's name is the store's with `suffix` behind it.
    pub fn try_take(store: &Path, suffix: &str) -> Result<Option<Self>, StoreError> {
        let path = beside(store, suffix);
        // People know the settings file, not the lock beside it.
        let failed = |error: io::Error| StoreError::io(StoreErrorKind::Unwritable, store, &error);
        let file = options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        regular(&file, &path, StoreErrorKind::Unwritable)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::Error(error)) => Err(failed(error)),
            Err(TryLockError::WouldBlock) => Ok(None),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would not do: a child that was forked meanwhile holds the same lock through its copy.
        let _ = self.0.unlock();
    }
}

/// Puts a new file in the place of the old one. Killed at any moment, it leaves the one or the other. Under the lock.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temp = Temp::write(path, bytes)?;
    fs::rename(&temp.0, path).map_err(|error| StoreError::io(StoreErrorKind::Unwritable, path, &error))?;
    sync_folder(path);
    Ok(())
}

/// Makes a file, whole or not at all; one that is there already stays as it is. Under the lock of `store`.
pub fn create(path: &Path, store: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temp = Temp::write(store, bytes)?;
    match fs::hard_link(&temp.0, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(StoreError::io(StoreErrorKind::Unwritable, path, &error))
        }
        _ => {
            sync_folder(path);
            Ok(())
        }
    }
}

/// A new file beside the store that is removed when this is dropped, unless it was renamed by then.
struct Temp(PathBuf);

impl Temp {
    fn write(store: &Path, bytes: &[u8]) -> Result<Self, StoreError> {
        let number = random().map_err(|flaw| StoreError::new(flaw.kind, store, flaw.detail))?;
        let path = beside(store, &format!(".{:032x}{TEMP_SUFFIX}", u128::from_ne_bytes(number)));
        let failed = |error: io::Error| StoreError::io(StoreErrorKind::Unwritable, store, &error);
        let mut file = options().write(true).create_new(true).open(&path).map_err(failed)?;
        let temp = Self(path);
        fill(&mut file, bytes).map_err(failed)?;
        Ok(temp)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

pub(super) fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes the temporary files of writers that were killed: under the lock, no other writer is alive.
pub fn sweep(store: &Path) {
    let (Some(folder), Some(name)) = (store.parent(), store.file_name()) else { return };
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if is_temp(&entry.file_name(), name) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_temp(name: &OsStr, store: &OsStr) -> bool {
    name.as_encoded_bytes()
        .strip_prefix(store.as_encoded_bytes())
        .and_then(|rest| rest.strip_prefix(b"."))
        .and_then(|rest| rest.strip_suffix(TEMP_SUFFIX.as_bytes()))
        .is_some_and(|number| number.len() == 32 && number.iter().all(u8::is_ascii_hexdigit))
}

/// So that a power cut does not undo the rename. Not every file system can; and by now every reader sees the new file,
/// so an error would tell the host that nothing was saved when it was.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
}
