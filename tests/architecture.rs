//! The rooms of src, and the arrows between them, as ARCHITECTURE.md draws them. A `use` against an arrow fails here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may know whom.
const ARROWS: &[(&str, &[&str])] = &[
    ("ffi", &["account", "reply"]),
    ("account", &["form", "store", "email", "transport", "guide", "reply", "input", "secret"]),
    ("form", &["email", "guide", "input", "secret", "transport"]),
    ("guide", &["input", "transport"]),
    ("transport", &["email", "secret"]),
    ("email", &["input"]),
    ("store", &["secret"]),
    ("reply", &[]),
    ("input", &[]),
    ("secret", &[]),
];

struct Source {
    path: PathBuf,
    room: String,
    /// Without comments and texts.
    bare: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![top.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let room = path.strip_prefix(&top).unwrap().components().next().unwrap().as_os_str();
                let room = room.to_str().unwrap().trim_end_matches(".rs").to_owned();
                let text = fs::read_to_string(&path).unwrap();
                sources.push(Source { path, room, bare: bare(&text), text });
            }
        }
    }
    assert!(sources.len() > 40, "{}", sources.len());
    sources
}

/// Rust without its comments, strings and characters: what is left has names only where the compiler sees them.
fn bare(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").unwrap() + 5
        } else if first == '"' {
            1 + end_of_string(&rest[1..])
        } else if let Some(end) = end_of_character(rest) {
            end
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        rest = &rest[skipped..];
    }
    out
}

fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// A character and not a lifetime.
fn end_of_character(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('\'')?;
    if let Some(escaped) = rest.strip_prefix('\\') {
        return Some(escaped[1..].find('\'')? + 4 - 1);
    }
    let length = rest.chars().next()?.len_utf8();
    rest[length..].starts_with('\'').then_some(length + 2)
}

/// The rooms that a file names: `crate::x`, and each of `crate::{x, y}`.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let after = &code[at + "crate::".len()..];
        let (group, is_group) = match after.strip_prefix('{') {
            Some(group) => (group, true),
            None => (after, false),
        };
        let (mut depth, mut word) = (0, String::new());
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                '}' => break,
                _ if depth > 0 => {}
                c if c.is_alphanumeric() || c == '_' => word.push(c),
                ',' if is_group => {
                    named.insert(std::mem::take(&mut word));
                    continue;
                }
                _ if !word.is_empty() && !is_group => break,
                // Behind the first name of a path in a group nothing matters until the comma.
                ':' => depth = 0,
                _ => {}
            }
            if is_group && c == ':' {
                let first = std::mem::take(&mut word);
                if !first.is_empty() {
                    named.insert(first);
                }
            }
        }
        named.insert(word);
    }
    named.remove("");
    named
}

#[test]
fn the_reader_sees_what_the_compiler_sees() {
    let rust = "// use crate::a\nuse crate::b::{c, d};\nlet x = '\"'; let y = \"crate::e\"; fn f<'a>(c: &'a str) -> crate::g::H<'a> {}";
    assert_eq!(rooms_named(&bare(rust)), ["b", "g"].map(str::to_owned).into());
    let groups = rooms_named("use crate::{x::Y, z};");
    assert!(groups.contains("x") && groups.contains("z"), "{groups:?}");
}

#[test]
fn no_room_knows_more_than_it_may() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.room != "lib") {
        let (_, allowed) = ARROWS.iter().find(|(room, _)| *room == source.room).expect("a room without arrows");
        for named in rooms_named(&source.bare) {
            let is_own = named == source.room;
            if !is_own && !allowed.contains(&named.as_str()) {
                wrong.push(format!("{} knows {named}", source.path.display()));
            }
        }
        // A way round: `super::super` from the top of a room is the crate itself.
        let depth = source.path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().components().count() - 2;
        let up = "super::".repeat(depth + 1);
        if source.bare.contains(&up) && !source.bare.contains("mod tests") {
            wrong.push(format!("{} climbs out of its room", source.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn is_word(text: &str, at: usize, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
}

#[test]
fn unsafe_is_in_ffi_alone_and_says_why() {
    for source in sources() {
        for (at, word) in source.bare.match_indices("unsafe") {
            assert!(source.room == "ffi" || !is_word(&source.bare, at, word), "{}", source.path.display());
        }
        if source.room != "ffi" {
            continue;
        }
        let lines: Vec<_> = source.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let statement = line.split("//").next().unwrap();
            if !statement.contains("unsafe {") {
                continue;
            }
            // Right above the statement; an attribute or the statement's own first lines may stand between.
            let above: Vec<_> = lines[at.saturating_sub(3)..at].iter().map(|line| line.trim()).collect();
            assert!(
                above.iter().any(|line| line.starts_with("// SAFETY: ")),
                "{}:{}: {line}",
                source.path.display(),
                at + 1
            );
        }
    }
}

#[test]
fn each_room_says_its_duty_first() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut rooms = 0;
    for source in sources().iter().filter(|source| source.path.ends_with("mod.rs")) {
        rooms += 1;
        assert!(source.text.starts_with("//! "), "{}", source.path.display());
    }
    assert!(rooms >= 8, "{rooms}");
    let folders = fs::read_dir(&root).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    for folder in folders {
        assert!(folder.as_ref().unwrap().path().join("mod.rs").exists(), "{folder:?}");
    }
    let declared: BTreeSet<_> = ARROWS.iter().map(|(room, _)| (*room).to_owned()).collect();
    let found: BTreeSet<_> = sources().into_iter().map(|source| source.room).filter(|room| room != "lib").collect();
    assert_eq!(declared, found);
}
