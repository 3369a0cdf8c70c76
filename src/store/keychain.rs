//! Texts in the system's keychain, by name. Its one duty: an answer in bounded time, or why there is none. It knows
//! nothing of keys.

pub use self::system::{check, get, set};

#[cfg(not(feature = "keychain"))]
mod system {
    use zeroize::Zeroizing;

    const ABSENT: &str = "this build of the library has no keychain (cargo feature `keychain`)";

    pub fn check() -> Result<(), String> {
        Err(ABSENT.to_owned())
    }

    pub fn get(_entry: &str) -> Result<Option<Zeroizing<String>>, String> {
        Err(ABSENT.to_owned())
    }

    pub fn set(_entry: &str, _text: Zeroizing<String>) -> Result<(), String> {
        Err(ABSENT.to_owned())
    }
}

#[cfg(feature = "keychain")]
mod system {
    use std::process;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    use keyring_core::{CredentialStore, Entry, Error};
    use zbus_secret_service_keyring_store::Store;
    use zeroize::Zeroizing;

    const SERVICE: &str = "mailbutton";
    const CONNECT_WAIT: Duration = Duration::from_secs(10);
    /// The keychain may be locked, and a person then has to find and type its password.
    const ANSWER_WAIT: Duration = Duration::from_secs(120);

    /// The process that first spoke to the keychain. The D-Bus library keeps threads for the whole process, which a
    /// forked child does not have: there, any call would wait for ever.
    static FIRST_PROCESS: AtomicU32 = AtomicU32::new(0);

    /// Is there a keychain at all?
    pub fn check() -> Result<(), String> {
        within(CONNECT_WAIT, || connect().map(|_| ()))
    }

    pub fn get(entry: &str) -> Result<Option<Zeroizing<String>>, String> {
        let name = entry.to_owned();
        within(ANSWER_WAIT, move || match open(&name)?.get_password() {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(told(&error)),
        })
    }

    pub fn set(entry: &str, text: Zeroizing<String>) -> Result<(), String> {
        let name = entry.to_owned();
        within(ANSWER_WAIT, move || open(&name)?.set_password(&text).map_err(|error| told(&error)))
    }

    fn open(entry: &str) -> Result<Entry, String> {
        connect()?.build(SERVICE, entry, None).map_err(|error| told(&error))
    }

    /// A connection of our own for each call, not the process's default store, which is the host's to choose; and none
    /// kept, which a forked child would share with its parent.
    fn connect() -> Result<Arc<CredentialStore>, String> {
        let store: Arc<CredentialStore> = Store::new().map_err(|error| told(&error))?;
        Ok(store)
    }

    /// On a thread of its own: D-Bus calls have no deadline, and block where an async runtime must not be blocked.
    fn within<T: Send + 'static>(
        wait: Duration,
        call: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let own = process::id();
        let first = FIRST_PROCESS.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed);
        if first.is_err_and(|first| first != own) {
            return Err("a process that was forked after its parent used the keychain cannot use it".to_owned());
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("mailbutton-key".to_owned())
            .spawn(move || sender.send(call()))
            .map_err(|error| error.to_string())?;
        receiver.recv_timeout(wait).unwrap_or_else(|_| Err("the keychain does not answer".to_owned()))
    }

    /// Only what cannot quote the entry's content.
    fn told(error: &Error) -> String {
        match error {
            Error::PlatformFailure(_) | Error::NoStorageAccess(_) | Error::Invalid(..) => error.to_string(),
            Error::Ambiguous(_) => "the keychain has several entries of this name".to_owned(),
            _ => "the keychain's entry is not one of this library".to_owned(),
        }
    }
}
