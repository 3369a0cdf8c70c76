use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use zeroize::Zeroizing;

use super::sealed::{Header, Stretch};
use super::*;

/// A folder that is removed with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mailbutton-store-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn given(byte: u8) -> KeySource {
    KeySource::Given(Zeroizing::new([byte; 32]))
}

fn passphrase(text: &str) -> KeySource {
    KeySource::Passphrase(Secret::new(text.to_owned()))
}

fn saved() -> Saved {
    let settings = json!({
        "smtp_host": "smtp.example.com", "smtp_port": 587, "username": "ana@example.com", "sender_name": "Ștefan „A”",
        "send_copy": true, "copy_to": ["b@example.com", "a@example.com"], "nothing": null, "in": {"z": 1, "a": -2.5},
    });
    let secrets = [("password", "hunter2 \"\\\n\u{1}ß"), ("http_token", "")];
    Saved {
        settings: settings.as_object().unwrap().clone(),
        secrets: secrets.map(|(name, text)| (name.to_owned(), Secret::new(text.to_owned()))).into(),
    }
}

fn save(store: &Store, saved: &Saved) -> Result<Saved, StoreError> {
    store.update(|_| Ok(saved.clone()))
}

fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> StoreErrorKind {
    result.unwrap_err().kind
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The file's text with one change to its JSON.
fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut file);
    fs::write(path, file.to_string()).unwrap();
}

#[test]
fn comes_back_whole_whatever_the_key() {
    let folder = Folder::new();
    for (name, source) in [("given", given(1)), ("file", KeySource::File), ("words", passphrase("correct horse"))] {
        let path = folder.at(name);
        let store = Store::file(&path, source.clone()).unwrap();
        assert_eq!(store.load().unwrap().as_deref().cloned(), None);
        assert_eq!(save(&store, &saved()).unwrap(), saved());
        assert_eq!(store.load().unwrap().as_deref().cloned(), Some(saved()));
        assert_eq!(
            Store::file(&path, source).unwrap().load().unwrap().as_deref().cloned(),
            Some(saved()),
            "opened anew: {name}"
        );
        let none = Saved { secrets: BTreeMap::new(), ..saved() };
        save(&store, &none).unwrap();
        assert_eq!(store.load().unwrap().as_deref().cloned(), Some(none));
        store.clear().unwrap();
        store.clear().unwrap();
        assert_eq!(store.load().unwrap().as_deref().cloned(), None);
    }
    assert_eq!(folder.names(), ["file.key", "file.lock", "given.lock", "words.lock"]);
}

#[test]
fn memory_keeps_what_it_is_given() {
    let store = Store::memory();
    assert_eq!(store.load().unwrap().as_deref().cloned(), None);
    save(&store, &saved()).unwrap();
    assert_eq!(store.load().unwrap().as_deref().cloned(), Some(saved()));
    assert_eq!(store.protection(), Protection::Memory);
    store.clear().unwrap();
    assert_eq!(store.load().unwrap().as_deref().cloned(), None);
}

#[test]
fn opening_and_failing_changes_create_nothing() {
    let folder = Folder::new();
    let store = Store::file(&folder.at("s"), KeySource::File).unwrap();
    store.load().unwrap();
    store.clear().unwrap();
    assert_eq!(store.protection(), Protection::KeyFile(folder.at("s.key")));
    assert!(folder.names().is_empty());
    let refused = StoreError::new(StoreErrorKind::Newer, Path::new("x"), "no");
    assert_eq!(store.update(|_| Err::<Saved, _>(refused.clone())), Err(refused.clone()));
    assert_eq!(folder.names(), ["s.lock"]);
    save(&store, &saved()).unwrap();
    let before = fs::read(folder.at("s")).unwrap();
    assert_eq!(store.update(|_| Err::<Saved, _>(refused.clone())), Err(refused.clone()));
    assert_eq!(fs::read(folder.at("s")).unwrap(), before);
}

#[test]
fn every_changed_or_missing_byte_is_an_error() {
    let folder = Folder::new();
    let path = folder.at("s");
    let store = Store::file(&path, KeySource::File).unwrap();
    save(&store, &saved()).unwrap();
    let good = fs::read(&path).unwrap();
    let refused = |bytes: &[u8], what: &str, place: usize| {
        fs::write(&path, bytes).unwrap();
        assert!(store.load().is_err(), "{what} at {place}: {}", String::from_utf8_lossy(bytes));
        assert!(store.update(|_| Ok::<_, StoreError>(saved())).is_err(), "update, {what} at {place}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{what} at {place}");
    };
    for place in 0..good.len() {
        for flip in [0x01, 0x80] {
            let mut bytes = good.clone();
            bytes[place] ^= flip;
            refused(&bytes, "flipped", place);
        }
    }
    // Without its last line's end the file says the same.
    for length in 0..good.len() - 1 {
        refused(&good[..length], "cut", length);
    }
    refused(&[good.as_slice(), b"\0"].concat(), "longer", good.len());
    fs::write(&path, &good).unwrap();
    assert_eq!(store.load().unwrap().as_deref().cloned(), Some(saved()));
}

#[test]
fn an_edited_file_is_tampered_with_and_a_reformatted_one_is_not() {
    let folder = Folder::new();
    let path = folder.at("s");
    let store = Store::file(&path, given(1)).unwrap();
    save(&store, &saved()).unwrap();
    let good = fs::read(&path).unwrap();
    edit(&path, |file| {
        file.sort_all_objects();
        let settings = file["settings"].as_object_mut().unwrap();
        let (name, value) = settings.shift_remove_entry("copy_to").unwrap();
        settings.insert(name, value);
    });
    assert_ne!(fs::read(&path).unwrap(), good);
    assert_eq!(store.load().unwrap().as_deref().cloned(), Some(saved()));
    let edits: [fn(&mut Value); 6] = [
        |file| file["settings"]["smtp_host"] = "smtp.evil.example".into(),
        |file| file["settings"]["smtp_port"] = 25.into(),
        |file| file["settings"]["copy_to"] = json!(["a@example.com", "b@example.com"]),
        |file| file["settings"]["new"] = true.into(),
        |file| file["note"] = "mine".into(),
        |file| drop(file["settings"].as_object_mut().unwrap().remove("send_copy")),
    ];
    for change in edits {
        fs::write(&path, &good).unwrap();
        edit(&path, change);
        assert_eq!(kind(store.load()), StoreErrorKind::Tampered);
        assert_eq!(kind(save(&store, &saved())), StoreErrorKind::Tampered);
    }
}

#[test]
fn parts_of_two_saves_do_not_mix() {
    let folder = Folder::new();
    let path = folder.at("s");
    let store = Store::file(&path, given(1)).unwrap();
    save(&store, &saved()).unwrap();
    let first: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    save(&store, &saved()).unwrap();
    let again: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_ne!(first["secrets"], again["secrets"], "a nonce must never come twice");
    edit(&path, |file| file["secrets"] = first["secrets"].clone());
    assert_eq!(kind(store.load()), StoreErrorKind::Tampered);
    edit(&path, |file| file["secrets"] = file["protection"]["check"].clone());
    assert_eq!(kind(store.load()), StoreErrorKind::Tampered);
}

#[test]
fn another_key_is_told_from_a_changed_file() {
    let folder = Folder::new();
    let path = folder.at("s");
    save(&Store::file(&path, given(1)).unwrap(), &saved()).unwrap();
    for source in [given(2), KeySource::File, passphrase("x")] {
        let store = Store::file(&path, source).unwrap();
        assert_eq!(kind(store.load()), StoreErrorKind::WrongKey);
        assert_eq!(kind(save(&store, &saved())), StoreErrorKind::WrongKey);
    }
    let detail = Store::file(&path, KeySource::File).unwrap().load().unwrap_err().detail;
    assert_eq!(detail, "the file was sealed with a key that the program gives, not with a key file");
    assert_eq!(Store::file(&path, given(1)).unwrap().load().unwrap().as_deref().cloned(), Some(saved()));
}

#[test]
fn a_passphrase_is_stretched_once_and_within_bounds() {
    let folder = Folder::new();
    let path = folder.at("s");
    let store = Store::file(&path, passphrase("right")).unwrap();
    save(&store, &saved()).unwrap();
    let salt = |path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap()["protection"]["salt"].clone();
    let first = salt(&path);
    // Each stretch takes long where nothing is optimized; 20 loads must not take 20 of them.
    let begun = Instant::now();
    Store::file(&path, passphrase("right")).unwrap().load().unwrap();
    let one = begun.elapsed();
    let begun = Instant::now();
    (0..20).for_each(|_| assert_eq!(store.load().unwrap().as_deref().cloned(), Some(saved())));
    assert!(begun.elapsed() < one * 7, "{:?} for 20 loads, {one:?} for one", begun.elapsed());
    save(&store, &saved()).unwrap();
    assert_eq!(salt(&path), first);
    assert_eq!(kind(Store::file(&path, passphrase("wrong")).unwrap().load()), StoreErrorKind::WrongKey);
    let good = fs::read(&path).unwrap();
    let hostile = [("memory_kib", 100_000_000), ("memory_kib", 8), ("rounds", 1_000_000), ("rounds", 0), ("lanes", 99)];
    for (name, value) in hostile {
        fs::write(&path, &good).unwrap();
        edit(&path, |file| file["protection"][name] = value.into());
        assert_eq!(kind(store.load()), StoreErrorKind::Damaged, "{name} {value}");
    }
}

#[test]
fn the_key_of_a_passphrase_never_changes() {
    // As the reference implementation (argon2-cffi) computes it: argon2id, m=19456, t=2, p=1.
    let stretch = Stretch { salt: *b"0123456789abcdef", ..Stretch::fresh().unwrap() };
    let keys = key::Keys::new(passphrase("correct horse"), Path::new("/s")).unwrap();
    let key = keys.of(&Header::Passphrase(stretch)).unwrap();
    let (high, low) = key.split_at(16);
    assert_eq!(u128::from_be_bytes(high.try_into().unwrap()), 0xae4d_8c8b_7138_7604_4c83_47c7_6986_a9b5);
    assert_eq!(u128::from_be_bytes(low.try_into().unwrap()), 0x6559_44aa_acff_fe9b_ea4d_ff9e_7b6a_1899);
}

#[test]
fn a_later_version_is_left_alone() {
    let folder = Folder::new();
    let path = folder.at("s");
    let text = r#"{"mailbutton_settings": 2, "whatever": []}"#;
    fs::write(&path, text).unwrap();
    let store = Store::file(&path, given(1)).unwrap();
    assert_eq!(kind(store.load()), StoreErrorKind::Newer);
    assert_eq!(kind(save(&store, &saved())), StoreErrorKind::Newer);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn only_the_owner_reads_and_no_secret_is_in_clear() {
    let folder = Folder::new();
    let path = folder.at("s");
    let store = Store::file(&path, KeySource::File).unwrap();
    save(&store, &saved()).unwrap();
    for name in folder.names() {
        assert_eq!(mode(&folder.at(&name)), 0o600, "{name}");
        assert!(!fs::read_to_string(folder.at(&name)).unwrap().contains("hunter2"), "{name}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    save(&store, &saved()).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert!(!format!("{:?}", store.load().unwrap().as_deref().cloned()).contains("hunter2"));
}

#[test]
fn the_length_of_the_file_does_not_tell_that_of_the_password() {
    let folder = Folder::new();
    let store = Store::file(&folder.at("s"), given(1)).unwrap();
    let length = |password: &str| {
        let secrets = [("password".to_owned(), Secret::new(password.to_owned()))].into();
        save(&store, &Saved { secrets, ..saved() }).unwrap();
        fs::metadata(folder.at("s")).unwrap().len()
    };
    assert_eq!(length("1"), length(&"1".repeat(64)));
}

#[test]
fn concurrent_updates_lose_none() {
    let folder = Folder::new();
    let path = folder.at("s");
    // One store for all the threads, then one for each, as if they were processes; the key file is made in the race.
    let shared = [Store::memory(), Store::file(&folder.at("shared"), KeySource::File).unwrap()];
    for turns in [&shared[0], &shared[1]] {
        count(&|| turns.update(|before| Ok(more(before))).map(drop));
        assert_eq!(turns.load().unwrap().as_deref().cloned().unwrap().settings["turns"], 40);
    }
    let open = || Store::file(&path, KeySource::File).unwrap();
    count(&|| open().update(|before| Ok(more(before))).map(drop));
    assert_eq!(open().load().unwrap().as_deref().cloned().unwrap().settings["turns"], 40);
}

fn more(before: Option<Saved>) -> Saved {
    let mut saved = before.unwrap_or_default();
    let turns = saved.settings.get("turns").and_then(Value::as_u64).unwrap_or(0);
    saved.settings.insert("turns".to_owned(), (turns + 1).into());
    saved
}

fn count(turn: &(dyn Fn() -> Result<(), StoreError> + Sync)) {
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5).for_each(|_| turn().unwrap()));
        }
    });
}

#[test]
fn readers_never_see_half_a_save() {
    let folder = Folder::new();
    let writer = Store::file(&folder.at("s"), KeySource::File).unwrap();
    let reader = Store::file(&folder.at("s"), KeySource::File).unwrap();
    save(&writer, &saved()).unwrap();
    thread::scope(|scope| {
        let writing = scope.spawn(|| (0..50).for_each(|_| drop(save(&writer, &saved()).unwrap())));
        while !writing.is_finished() {
            assert_eq!(reader.load().unwrap().as_deref().cloned(), Some(saved()));
        }
    });
    assert_eq!(folder.names(), ["s", "s.key", "s.lock"]);
}

#[test]
fn a_lock_that_is_held_is_busy_and_not_for_ever() {
    let folder = Folder::new();
    let store = Store::file(&folder.at("s"), given(1)).unwrap();
    let held = disk::Lock::take(&folder.at("s"), Duration::ZERO).unwrap();
    let again = disk::Lock::take(&folder.at("s"), Duration::from_millis(30)).map(drop);
    assert_eq!(kind(again), StoreErrorKind::Busy);
    assert_eq!(store.load().unwrap().as_deref().cloned(), None, "readers need no lock");
    drop(held);
    save(&store, &saved()).unwrap();
}

#[test]
fn a_link_stays_and_what_it_points_at_is_replaced() {
    let folder = Folder::new();
    fs::create_dir(folder.at("real")).unwrap();
    symlink("real/settings", folder.at("two")).unwrap();
    symlink("two", folder.at("one")).unwrap();
    // It points at nothing yet.
    let store = Store::file(&folder.at("one"), KeySource::File).unwrap();
    for _ in 0..2 {
        save(&store, &saved()).unwrap();
        assert_eq!(fs::read_link(folder.at("one")).unwrap(), Path::new("two"));
        assert_eq!(mode(&folder.at("real/settings")), 0o600);
    }
    assert_eq!(
        Store::file(&folder.at("real/settings"), KeySource::File).unwrap().load().unwrap().as_deref().cloned(),
        Some(saved())
    );
    assert_eq!(folder.names(), ["one", "real", "two"]);
    symlink("ring", folder.at("ring")).unwrap();
    assert_eq!(kind(Store::file(&folder.at("ring"), given(1)).map(drop)), StoreErrorKind::Unreadable);
    // A link that is put in the file's place later is not followed.
    fs::rename(folder.at("real/settings"), folder.at("moved")).unwrap();
    symlink(folder.at("moved"), folder.at("real/settings")).unwrap();
    assert_eq!(kind(store.load()), StoreErrorKind::Unreadable);
}

#[test]
fn what_is_not_a_file_is_an_error_and_no_hang() {
    let folder = Folder::new();
    let fifo = folder.at("fifo");
    assert!(Command::new("mkfifo").args([&fifo, &folder.at("s.key")]).status().unwrap().success());
    assert_eq!(kind(Store::file(&fifo, given(1)).map(drop)), StoreErrorKind::Unreadable);
    let store = Store::file(&folder.at("s"), KeySource::File).unwrap();
    assert_eq!(kind(save(&store, &saved())), StoreErrorKind::Unreadable);
    let store = Store::file(&folder.at("late"), given(1)).unwrap();
    fs::rename(&fifo, folder.at("late")).unwrap();
    assert_eq!(kind(store.load()), StoreErrorKind::Unreadable);
    fs::rename(folder.at("late"), folder.at("late.lock")).unwrap();
    assert_eq!(kind(save(&store, &saved())), StoreErrorKind::Unwritable);
    fs::create_dir(folder.at("sub")).unwrap();
    for path in [folder.at("sub"), PathBuf::from("/"), PathBuf::from(""), folder.at("sub/..")] {
        assert_eq!(kind(Store::file(&path, given(1)).map(drop)), StoreErrorKind::Unreadable, "{path:?}");
    }
}

#[test]
fn places_that_cannot_be_written() {
    let folder = Folder::new();
    let error = Store::file(&folder.at("none/s"), given(1)).map(drop).unwrap_err();
    assert_eq!(error, StoreError::new(StoreErrorKind::NoFolder, &folder.at("none"), "No such file or directory"));
    let store = Store::file(Path::new("/proc/mailbutton.json"), given(1)).unwrap();
    assert_eq!(store.load().unwrap().as_deref().cloned(), None);
    assert_eq!(kind(save(&store, &saved())), StoreErrorKind::Unwritable);
    let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = disk::fill(&mut full, b"x").unwrap_err();
    assert_eq!(StoreError::io(StoreErrorKind::Unwritable, Path::new("s"), &error).detail, "No space left on device");
}

#[test]
fn nothing_is_saved_that_could_not_be_read_again() {
    let folder = Folder::new();
    let store = Store::file(&folder.at("s"), given(1)).unwrap();
    save(&store, &saved()).unwrap();
    let mut large = saved();
    large.settings.insert("note".to_owned(), "x".repeat(1024 * 1024).into());
    let mut deep = saved();
    deep.settings.insert("deep".to_owned(), (0..200).fold(Value::Null, |value, _| json!([value])));
    for unreadable in [large, deep] {
        assert_eq!(kind(save(&store, &unreadable)), StoreErrorKind::Unwritable);
        assert_eq!(store.load().unwrap().as_deref().cloned(), Some(saved()));
    }
    assert_eq!(folder.names(), ["s", "s.lock"]);
    File::create(folder.at("s")).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(kind(store.load()), StoreErrorKind::Damaged);
}

#[test]
fn a_key_file_must_be_there_whole_and_for_its_owner_alone() {
    let folder = Folder::new();
    let (path, key) = (folder.at("s"), folder.at("s.key"));
    let store = Store::file(&path, KeySource::File).unwrap();
    save(&store, &saved()).unwrap();
    for exposed in [0o640, 0o604, 0o620] {
        fs::set_permissions(&key, fs::Permissions::from_mode(exposed)).unwrap();
        let error = store.load().unwrap_err();
        assert_eq!((error.kind, error.path), (StoreErrorKind::KeyFileExposed, key.clone()));
        assert_eq!(kind(save(&store, &saved())), StoreErrorKind::KeyFileExposed);
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let text = fs::read(&key).unwrap();
    for wrong in [&b""[..], b"short", &text[..40], &[b'A'; 200]] {
        fs::write(&key, wrong).unwrap();
        assert_eq!(store.load().unwrap_err(), StoreError::new(StoreErrorKind::Damaged, &key, "this file holds no key"));
    }
    fs::remove_file(&key).unwrap();
    assert_eq!(kind(store.load()), StoreErrorKind::KeyMissing);
    assert_eq!(kind(save(&store, &saved())), StoreErrorKind::KeyMissing);
    assert_eq!(folder.names(), ["s", "s.lock"], "no new key beside settings that it cannot open");
    store.clear().unwrap();
    save(&store, &saved()).unwrap();
    assert_ne!(fs::read(&key).unwrap(), text);
    assert_eq!(store.load().unwrap().as_deref().cloned(), Some(saved()));
}

#[test]
fn a_damaged_file_opens_and_clears_and_its_key_stays() {
    let folder = Folder::new();
    let path = folder.at("s");
    let store = Store::file(&path, KeySource::File).unwrap();
    save(&store, &saved()).unwrap();
    let key = fs::read(folder.at("s.key")).unwrap();
    fs::write(&path, "{}").unwrap();
    let store = Store::file(&path, KeySource::File).unwrap();
    assert_eq!(kind(store.load()), StoreErrorKind::Damaged);
    store.clear().unwrap();
    assert_eq!(store.load().unwrap().as_deref().cloned(), None);
    save(&store, &saved()).unwrap();
    assert_eq!(fs::read(folder.at("s.key")).unwrap(), key);
}

#[test]
fn what_killed_writers_left_is_cleaned_up_and_nothing_else() {
    let folder = Folder::new();
    let store = Store::file(&folder.at("s"), given(1)).unwrap();
    let number = "0123456789abcdef0123456789abcdef";
    let others = [format!("other.{number}.tmp"), "s.bak.tmp".to_owned(), format!("s.{number}"), "s.tmp".to_owned()];
    for name in others.iter().chain([&format!("s.{number}.tmp")]) {
        fs::write(folder.at(name), "half").unwrap();
    }
    save(&store, &saved()).unwrap();
    let mut expected = others.to_vec();
    expected.extend(["s".to_owned(), "s.lock".to_owned()]);
    expected.sort();
    assert_eq!(folder.names(), expected);
}

#[cfg(not(feature = "keychain"))]
#[test]
fn a_build_without_a_keychain_says_so() {
    let error = Store::file(&Folder::new().at("s"), KeySource::Keychain("x".to_owned())).map(drop).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NoKeychain);
    assert!(error.detail.contains("this build"), "{}", error.detail);
}

/// The environment is this test's own only in a process of its own.
#[cfg(feature = "keychain")]
#[test]
fn without_a_bus_there_is_no_keychain_at_once() {
    const NONE: &str = "unix:path=/nonexistent/bus";
    if std::env::var("DBUS_SESSION_BUS_ADDRESS").is_ok_and(|address| address == NONE) {
        let begun = Instant::now();
        let error = Store::file(&Folder::new().at("s"), KeySource::Keychain("x".to_owned())).map(drop).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::NoKeychain, "{}", error.detail);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        return;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "store::tests::without_a_bus_there_is_no_keychain_at_once"]);
    assert!(again.env("DBUS_SESSION_BUS_ADDRESS", NONE).status().unwrap().success());
}

/// Needs a bus with an unlocked keychain: `cargo test --features keychain -- --ignored`.
#[cfg(feature = "keychain")]
#[test]
#[ignore = "needs a keychain"]
fn a_keychain_keeps_the_key() {
    let folder = Folder::new();
    let entry = format!("test-{}", folder.0.display());
    let open = || Store::file(&folder.at("s"), KeySource::Keychain(entry.clone())).unwrap();
    save(&open(), &saved()).unwrap();
    assert_eq!(open().load().unwrap().as_deref().cloned(), Some(saved()));
    assert_eq!(folder.names(), ["s", "s.lock"]);
    let store = open();
    store.load().unwrap().as_deref().cloned();
    keychain::set(&entry, Zeroizing::new("no key".to_owned())).unwrap();
    assert_eq!(store.load().unwrap().as_deref().cloned(), Some(saved()), "remembered");
    assert_eq!(kind(save(&store, &saved())), StoreErrorKind::WrongKey, "not trusted for a save");
}

#[test]
fn a_store_may_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Store>();
}
