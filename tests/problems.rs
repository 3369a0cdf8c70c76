//! The problems of src/guide/problems.json as a host hears of them: for each a session that leads to it, in tests/problems or,
//! where a server alone does not bring it about, here; played through the C ABI in each of the languages, and the exact report that comes out beside it. docs/problems.md is made
//! from these.
//!
//! `PROBLEM=gmail cargo test --test problems` plays those with this in their name; `MAILBUTTON_WRITE_PROBLEMS=1` writes the
//! reports and the page anew.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod provider;
mod script;
mod support;
mod system;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use script::{Script, trial};
use support::proxy::{Client, Protocol, Proxy};
use support::{PDF, Session};
use system::{BLOCKED_ADDRESS, UNANSWERED_NAME, UNKNOWN_NAME};

/// The languages of the reports, and what they are called on the page.
const LOCALES: [(&str, &str); 2] = [("en", "English"), ("ro", "Romanian")];

/// The ends that are no problem.
const GOOD: [&str; 2] = ["accepted", "accepted_partly"];

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    top().join("tests/problems")
}

fn catalogue() -> Vec<Value> {
    let data = fs::read_to_string(top().join("src/guide/problems.json")).unwrap();
    serde_json::from_str::<Value>(&data).unwrap()["problems"].as_array().unwrap().clone()
}

fn codes() -> Vec<String> {
    let codes = catalogue().into_iter().map(|row| row["code"].as_str().unwrap().to_owned());
    codes.filter(|code| !GOOD.contains(&code.as_str())).collect()
}

fn writes() -> bool {
    std::env::var_os("MAILBUTTON_WRITE_PROBLEMS").is_some()
}

/// English is what there is without being asked for.
fn language(locale: &str) -> Option<(String, Value)> {
    (locale != "en").then(|| ("locale".to_owned(), locale.into()))
}

/// The session that is written in a file.
fn scripted(code: &str, locale: &str) -> Option<Result<Value, String>> {
    let file = fs::read_to_string(folder().join(format!("{code}.smtp"))).ok()?;
    let mut script = Script::parse(code, &file).unwrap_or_else(|error| panic!("{error}"));
    script.host.options.extend(language(locale));
    let played = trial::replies(script);
    Some(played.map(|(replies, port)| report(replies.last().unwrap(), port)))
}

/// What is the same each time, of what a person is told.
fn report(reply: &Value, port: u16) -> Value {
    let mut text = Value::Object(
        ["status_name", "reason", "problem", "step", "message", "advice", "wait_seconds"]
            .into_iter()
            .filter(|key| !reply[key].is_null())
            .map(|key| (key.to_owned(), reply[key].clone()))
            .collect(),
    )
    .to_string();
    if let Some(fingerprint) = reply["certificate"]["fingerprint"].as_str() {
        text = text.replace(fingerprint, "FINGERPRINT");
    }
    if port > 10_000 {
        text = text.replace(&port.to_string(), "PORT");
    }
    serde_json::from_str(&text).unwrap()
}

fn ended(mut session: Session, locale: &str, port: u16) -> Value {
    session.options.extend(language(locale));
    let (_host, pending) = session.begin(port);
    let reply = pending.wait();
    support::promises::worded(&reply);
    report(&reply, port)
}

/// What takes more than a server that says its lines.
fn acted(code: &str, locale: &str) -> Option<Value> {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let proxied = |play: fn(&mut Client) -> Option<()>| {
        let proxy = Proxy::start(move |client| play(client).unwrap_or_default());
        through(&proxy.address(Protocol::Http), locale, proxy.port)
    };
    Some(match code {
        "proxy_not_found" => through(&format!("http://{UNKNOWN_NAME}:3128"), locale, 0),
        "proxy_lookup_failed" => through(&format!("http://{UNANSWERED_NAME}:3128"), locale, 0),
        "proxy_no_route" => through("http://255.255.255.255:3128", locale, 0),
        "proxy_connection_failed" => through("http://[fe80::1]:3128", locale, 0),
        "proxy_refused_connection" => {
            drop(silent);
            through(&format!("http://127.0.0.1:{port}"), locale, port)
        }
        "proxy_timed_out" => through(&format!("http://127.0.0.1:{port}"), locale, port),
        "proxy_disconnected" => proxied(|client| client.head().map(drop)),
        "proxy_bad_reply" => proxied(|client| {
            client.head()?;
            client.send("220 mail.test ESMTP\r\n")?;
            client.until_gone();
            Some(())
        }),
        "proxy_login_refused" => proxied(|client| {
            client.head()?;
            client.send("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        }),
        "proxy_failed" => proxied(|client| {
            client.head()?;
            client.send("HTTP/1.1 403 Forbidden\r\n\r\n")
        }),
        "no_network" => provided(UNKNOWN_NAME, locale, 587),
        "name_not_found" => direct(UNKNOWN_NAME, locale),
        "name_lookup_failed" => direct(UNANSWERED_NAME, locale),
        "blocked_on_this_computer" => direct(BLOCKED_ADDRESS, locale),
        "port_closed" => {
            drop(silent);
            provided("127.0.0.1", locale, port)
        }
        "queue_too_long" => queue(locale),
        "canceled" => canceled(locale, port),
        "file_changed" => file(locale, |path| fs::write(path, [PDF, PDF].concat()).unwrap()),
        "file_unreadable" => file(locale, system::break_disk_under),
        "internal" => system::without_threads(|| ended(Session::plain(), locale, port)),
        _ => return None,
    })
}

fn through(proxy: &str, locale: &str, port: u16) -> Value {
    let mut session = Session::starttls()
        .login()
        .set("smtp_host", "smtp.example.com")
        .set("smtp_port", 587)
        .deadline("connect_ms", 700);
    session.options.insert("proxy".to_owned(), proxy.into());
    ended(session, locale, port)
}

fn direct(server: &str, locale: &str) -> Value {
    ended(Session::starttls().login().set("smtp_host", server).set("smtp_port", 587), locale, 0)
}

/// The server of a provider of the host's own.
fn provided(server: &str, locale: &str, port: u16) -> Value {
    let row = json!({
        "id": "example", "name": "Example Mail", "servers": [{"host": server, "port": port, "security": "starttls"}],
    });
    let mut session = Session::starttls().login().set("smtp_host", server);
    session.options.insert("providers".to_owned(), json!([row]));
    ended(session, locale, port)
}

/// The first email takes the only connection, and the second one's time runs out before its turn.
fn queue(locale: &str) -> Value {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut session = Session::plain();
    session.options.extend(language(locale));
    session.options.insert("connections".to_owned(), 1.into());
    let (host, first) = session.begin(port);
    first.wait_for("greeting", 0);
    let second = host.send_document(&session.email("total_ms", 500).email.into(), PDF);
    let reply = second.wait();
    first.cancel();
    first.wait();
    report(&reply, port)
}

fn canceled(locale: &str, port: u16) -> Value {
    let mut session = Session::plain();
    session.options.extend(language(locale));
    let (_host, pending) = session.begin(port);
    pending.wait_for("greeting", 0);
    pending.cancel();
    report(&pending.wait(), port)
}

/// The document's file is changed while the server has not said a word yet.
fn file(locale: &str, change: impl FnOnce(&Path)) -> Value {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("problems-{locale}-{}.pdf", std::process::id()));
    fs::write(&path, PDF).unwrap();
    let mut session = Session::plain().email("document", json!({"path": path}));
    session.options.extend(language(locale));
    let ended = session.run_with(
        |peer| {
            peer.wait_for_release();
            peer.greet(&[])?;
            peer.answer("QUIT", "221 bye\r\n")
        },
        |_, server| {
            change(&path);
            server.release();
        },
    );
    fs::remove_file(&path).ok();
    report(&ended.json, 0)
}

fn report_of(code: &str, locale: &str) -> Result<Value, String> {
    scripted(code, locale)
        .or_else(|| acted(code, locale).map(Ok))
        .or_else(|| provider::sign_in(code, locale).map(|reply| Ok(report(&reply, 0))))
        .unwrap_or_else(|| Err("no session leads to it".to_owned()))
}

/// The reports of a problem, by language.
fn play(code: &str) -> Result<Value, String> {
    let mut reports = Map::new();
    for (locale, _) in LOCALES {
        let report = report_of(code, locale)?;
        if report["problem"] != *code {
            return Err(format!("it ends as {}\n{report:#}", report["problem"]));
        }
        reports.insert(locale.to_owned(), report);
    }
    Ok(reports.into())
}

fn snapshot(code: &str) -> PathBuf {
    folder().join(format!("{code}.json"))
}

#[test]
fn every_problem_is_told_as_it_was_written_down() {
    let wanted = std::env::var("PROBLEM").unwrap_or_default();
    let mut failed = Vec::new();
    for code in codes().into_iter().filter(|code| code.contains(&wanted)) {
        match play(&code) {
            Err(problem) => failed.push(format!("{code}: {problem}")),
            Ok(reports) if writes() => fs::write(snapshot(&code), format!("{reports:#}\n")).unwrap(),
            Ok(reports) => {
                let kept = fs::read_to_string(snapshot(&code)).unwrap_or_default();
                if kept != format!("{reports:#}\n") {
                    failed.push(format!(
                        "{code}: the report is another one than tests/problems/{code}.json\n{reports:#}"
                    ));
                }
            }
        }
    }
    if writes() {
        fs::write(top().join(PAGE), page()).unwrap();
    }
    assert!(failed.is_empty(), "{} failed\n\n{}", failed.len(), failed.join("\n\n"));
}

#[test]
fn nothing_lies_there_that_is_no_problem() {
    let codes = codes();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(codes.contains(&name) || name == "README", "{}", path.display());
    }
    assert!(codes.len() >= 60);
}

#[test]
fn the_page_is_what_the_sessions_say() {
    // When it is written, it is by the test that writes what it is made from.
    let is_stale = !writes() && fs::read_to_string(top().join(PAGE)).unwrap_or_default() != page();
    assert!(!is_stale, "{PAGE} is stale: MAILBUTTON_WRITE_PROBLEMS=1 cargo test --test problems");
}

const PAGE: &str = "docs/problems.md";

const HEAD: &str = "\
# Problems

What a failed test or email is told as. `problem` in the reply is one of these codes; `reason` is the coarser word, of which
docs/json.md has the list, and the problem of the same name is what remains where nothing more is known. The first row that
fits is told, in the order of src/guide/problems.json.

Each has a session, which is played through the C ABI: what the server says is in tests/problems, or what else happens in
tests/problems.rs, and the whole report beside it. This page is made from them by `MAILBUTTON_WRITE_PROBLEMS=1 cargo test --test problems`.

";

fn page() -> String {
    let languages = LOCALES.map(|(_, name)| name).join(" | ");
    let mut lines = vec![
        format!("| problem | recognised by | {languages} |"),
        format!("|---|---|{}", "---|".repeat(LOCALES.len())),
    ];
    for row in catalogue() {
        let code = row["code"].as_str().unwrap();
        let Ok(reports) = fs::read_to_string(snapshot(code)) else { continue };
        let reports: Value = serde_json::from_str(&reports).unwrap();
        let told: Vec<_> = LOCALES.iter().map(|(locale, _)| told(&reports[*locale])).collect();
        lines.push(format!("| {} | {} | {} |", linked(code), recognised(&row), told.join(" | ")));
    }
    HEAD.to_owned() + &lines.join("\n") + "\n"
}

fn linked(code: &str) -> String {
    let has_session = folder().join(format!("{code}.smtp")).exists();
    if has_session { format!("[`{code}`](../tests/problems/{code}.smtp)") } else { format!("`{code}`") }
}

/// The sentence, and the advice as a list.
fn told(report: &Value) -> String {
    let mut lines = vec![cell(report["message"].as_str().unwrap())];
    for (at, advice) in report["advice"].as_array().into_iter().flatten().enumerate() {
        let mut parts = vec![format!("{}. {}", at + 1, cell(advice["text"].as_str().unwrap()))];
        for (key, value) in advice["patch"].as_object().into_iter().flatten() {
            parts.push(format!("`{key}: {}`", value.to_string().trim_matches('"')));
        }
        parts.extend(advice["link"].as_str().map(|link| format!("<{link}>")));
        lines.push(parts.join(" "));
    }
    lines.join("<br>")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// More words of a list than these are not on the page.
const MOST_WORDS: usize = 6;

fn recognised(row: &Value) -> String {
    let alternatives = |when: &Value| match when {
        Value::Array(list) => list.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let in_words = |when: &Value| {
        let conditions: Vec<_> = when.as_object().unwrap().iter().map(|(key, values)| condition(key, values)).collect();
        conditions.join("; ")
    };
    let mut ways: Vec<_> = alternatives(&row["when"]).iter().map(in_words).collect();
    ways.extend(alternatives(&row["unless"]).iter().map(|when| format!("but not {}", in_words(when))));
    ways.join("<br>")
}

fn condition(key: &str, values: &Value) -> String {
    let all: Vec<String> = match values {
        Value::Array(values) => values.iter().map(ToString::to_string).collect(),
        value => vec![value.to_string()],
    };
    let some = all.iter().take(MOST_WORDS).map(|value| format!("`{}`", cell(value.trim_matches('"'))));
    let more = all.len().saturating_sub(MOST_WORDS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}: {}{more}", key.replace('_', " "), some.collect::<Vec<_>>().join(", "))
}
