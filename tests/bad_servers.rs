//! The servers of tests/bad-servers: each file one way in which a server, or something on the way to it, goes wrong.
//! One test for each folder, which runs all its files and tells at the end which of them failed.
//! `BAD_SERVER=silence cargo test --test bad_servers` runs only those that have this in their name.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod script;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use script::{STEPS, Script, memory, trial};

#[global_allocator]
static HEAP: memory::Counting = memory::Counting;

/// One at a time: what the heap grows by is then what this one takes.
static ALONE: Mutex<()> = Mutex::new(());

macro_rules! folders {
    ($($test:ident $folder:literal,)*) => {
        const FOLDERS: &[&str] = &[$($folder),*];
        $(#[test]
        fn $test() {
            play_all($folder);
        })*
    };
}

// A step of a session each, and then what a connection does that carries more than one command or email at a time.
folders! {
    connecting "connect",
    securing "tls",
    greeting "greeting",
    logging_in "login",
    naming_the_sender "sender",
    naming_the_recipients "recipient",
    sending_the_content "content",
    waiting_for_the_verdict "verdict",
    sending_commands_in_one_flight "flight",
    using_a_connection_again "reuse",
    sending_email_upon_email "batch",
    sending_in_chunks "chunking",
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/bad-servers")
}

/// Each with its name, in order.
fn files(folder: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(top().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            assert_eq!(path.extension().and_then(|it| it.to_str()), Some("smtp"), "{}", path.display());
            let name = format!("{folder}/{}", path.file_stem().unwrap().to_str().unwrap());
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn scripts(folder: &str) -> Vec<Script> {
    files(folder)
        .iter()
        .map(|(name, file)| Script::parse(name, file).unwrap_or_else(|error| panic!("{error}")))
        .collect()
}

/// Past the test harness, which keeps what a test that passes has to say.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

fn play_all(folder: &str) {
    let wanted = std::env::var("BAD_SERVER").unwrap_or_default();
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    warm_up();
    let (mut played, mut waiting, mut failed) = (0, 0, Vec::new());
    for script in scripts(folder).into_iter().filter(|script| script.name.contains(&wanted)) {
        if script.needs.is_some() {
            waiting += 1;
            continue;
        }
        played += 1;
        let name = script.name.clone();
        let ended = catch_unwind(AssertUnwindSafe(|| trial::run(script)));
        if let Err(problem) = ended.unwrap_or_else(|_| Err("a promise was broken, see above".to_owned())) {
            failed.push(format!("{name}: {problem}"));
        }
    }
    say(&format!("bad servers, {folder}: {played} played, {waiting} wait for a fix"));
    assert!(failed.is_empty(), "{} of {played} failed\n\n{}", failed.len(), failed.join("\n\n"));
}

/// What a process makes once is no cost of a session.
fn warm_up() {
    static WARM: std::sync::Once = std::sync::Once::new();
    WARM.call_once(|| {
        let ended = support::Session::tls().run(|peer| {
            peer.open_tls(&[])?;
            peer.take_email()
        });
        ended.is_sent();
    });
}

#[test]
fn every_folder_has_a_test_and_every_step_has_servers() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let found: BTreeSet<_> = fs::read_dir(top())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(found, FOLDERS.iter().map(|folder| (*folder).to_owned()).collect());
    let all: Vec<_> = FOLDERS.iter().flat_map(|folder| scripts(folder)).collect();
    assert!(all.len() >= 80, "{}", all.len());
    for step in STEPS {
        let of_step = all.iter().filter(|script| script.ends.iter().any(|ends| ends.step == step)).count();
        assert!(of_step >= if step == "connect" { 1 } else { 5 }, "{of_step} for {step}");
    }
}

#[test]
fn what_is_no_script_is_told_with_its_line() {
    let good = "# Good.\nends: OK accepted verdict\n\nS: 220 mail\nclose\n";
    assert!(Script::parse("good", good).is_ok());
    for (file, line, word) in [
        ("ends: OK accepted verdict\n\nclose\n", 1, "first line"),
        ("# Bad.\n\nclose\n", 1, "\"ends\" are needed"),
        ("# Bad.\nends: OK accepted\n\nclose\n", 2, "a step"),
        ("# Bad.\nends: FINE accepted verdict\n\nclose\n", 2, "FINE"),
        ("# Bad.\nends: OK accepted vredict\n\nclose\n", 2, "vredict"),
        ("# Bad.\nfoo: bar\nends: OK accepted verdict\n", 2, "foo"),
        ("# Bad.\nlogin: yes\nlogin: yes\n", 3, "twice"),
        ("# Bad.\nlogin: no\n", 2, "no"),
        ("# Bad.\ndeadline: greeting 3 s\n", 2, "greeting"),
        ("# Bad.\ndeadline: command 3\n", 2, "two words"),
        ("# Bad.\nrecipients: accepted\n", 2, "first of all"),
        ("# Bad.\nemails: 2\nends: OK accepted verdict\n\n", 1, "2 \"ends\""),
        ("# Bad.\nends: OK accepted verdict\n\nS 220 mail\n", 4, "S 220 mail"),
        ("# Bad.\nends: OK accepted verdict\n\n# Fine.\nX: 220 mail\n", 5, "\"X\""),
        ("# Bad.\nends: OK accepted verdict\n\nS: {pasword}\n", 4, "pasword"),
        ("# Bad.\nends: OK accepted verdict\n\nS: \\q\n", 4, "\\q"),
        ("# Bad.\nends: OK accepted verdict\n\nclose\nS: 220 mail\n", 5, "nothing can follow"),
        ("# Bad.\nends: OK accepted verdict\n\ntls best\n", 4, "best"),
        ("# Bad.\nends: OK accepted verdict\n\nidle\n", 1, "next email"),
    ] {
        let Err(error) = Script::parse("bad", file) else { panic!("taken: {file}") };
        assert!(error.starts_with(&format!("bad.smtp:{line}: ")) && error.contains(word), "{file}{error}");
    }
}
