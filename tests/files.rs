//! A document that is named by its path: read while it is sent, and never sent if it does not stay as it was.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::host::{Host, Pending};
use support::mime::{Entity, unstuffed};
use support::server::{Peer, Played, Server};
use support::{Ended, Session};

/// More than the buffers between client and server hold, so that a server that does not read keeps the client waiting.
const LARGE: usize = 24 * 1024 * 1024;

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mailbutton-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn pdf(&self, length: usize) -> PathBuf {
        let path = self.0.join("invoice.pdf");
        fs::write(&path, pdf(length)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Every byte, so that every digit of base64 comes, and lines that begin with dots.
fn pdf(length: usize) -> Vec<u8> {
    let bytes = b"%PDF-1.7\n.\r\n..\n".iter().copied().chain((0..=255).cycle());
    bytes.take(length).collect()
}

fn of_file(session: Session, path: &Path) -> Session {
    session.email("document", json!({"path": path}))
}

/// A way in which a file does not stay as it was.
type Change = (&'static str, fn(&Path));
const CHANGES: [Change; 5] = [
    ("cut short", |path| File::options().write(true).open(path).unwrap().set_len(100).unwrap()),
    ("grown", |path| File::options().append(true).open(path).unwrap().write_all(b"more").unwrap()),
    ("written over", |path| {
        let before = fs::metadata(path).unwrap();
        let mut file = File::options().write(true).open(path).unwrap();
        // Where the clock of the file system ticks slowly, two changes may have one time.
        while (file.metadata().unwrap().ctime(), file.metadata().unwrap().ctime_nsec())
            == (before.ctime(), before.ctime_nsec())
        {
            file.write_all(b"x").unwrap();
        }
    }),
    ("replaced", |path| {
        let other = path.with_extension("new");
        fs::copy(path, &other).unwrap();
        fs::rename(other, path).unwrap();
    }),
    ("deleted", |path| fs::remove_file(path).unwrap()),
];

#[track_caller]
fn assert_told(json: &Value) {
    assert_eq!(json["errors"][0]["key"], "document.path", "{json:#}");
    assert_eq!(json["errors"][0]["code"], "file_changed", "{json:#}");
    assert_eq!(json["errors"][0]["message"], json["message"], "{json:#}");
    assert_eq!(json["advice"][0]["code"], "complete_file", "{json:#}");
    assert!(json["detail"].is_string(), "{json:#}");
}

#[track_caller]
fn assert_changed(ended: &Ended, how: &str) {
    assert_eq!(ended.json["reason"], "file_changed", "{how}: {:#}", ended.json);
    ended.is("BAD_EMAIL", "file_changed", "content").outcomes(&["not_sent"]).delivered(0);
    assert_told(&ended.json);
    assert!(!ended.record.content.ends_with(b"\r\n.\r\n"), "{how}");
}

#[test]
fn a_document_arrives_from_its_file_as_from_memory() {
    for length in [9, 57, 47_880, 239_400, 239_401, 500_000] {
        let folder = Folder::new("arrives");
        let path = folder.pdf(length);
        for session in [Session::plain(), Session::tls()] {
            let is_tls = session.settings["smtp_security"] == "tls";
            let ended = of_file(session, &path).run(move |peer| {
                if is_tls {
                    peer.open_tls(&["SIZE"])?;
                } else {
                    peer.greet(&["SIZE"])?;
                }
                peer.take_email()
            });
            let content = unstuffed(&ended.is_sent().record.content);
            let parts = Entity::parse(&content).parts();
            assert!(parts[1].decoded() == pdf(length), "{length}");
            assert!(parts[1].header("content-disposition").contains("invoice.pdf"));
            let mail = ended.record.commands.iter().find(|line| line.starts_with("MAIL")).unwrap();
            assert!(mail.ends_with(&format!(" SIZE={}", content.len())), "{mail}: {}", content.len());
        }
    }
}

#[test]
fn a_file_that_changes_before_its_turn_is_not_sent() {
    for (how, change) in CHANGES {
        let folder = Folder::new("turn");
        let path = folder.pdf(300_000);
        let ended = of_file(Session::plain(), &path).run_with(
            |peer| {
                peer.wait_for_release();
                peer.greet(&[])?;
                // Known before MAIL: the session ends in step.
                peer.answer("QUIT", "221 bye\r\n")
            },
            |_, server| {
                change(&path);
                server.release();
            },
        );
        assert_changed(&ended, how);
        assert!(ended.record.content.is_empty(), "{how}");
    }
}

fn stalled_upload(peer: &mut Peer) -> Played {
    peer.greet(&[])?;
    peer.envelope()?;
    peer.wait_for_release();
    peer.content()
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_never_ended() {
    let folder = Folder::new("upload");
    for (how, change) in CHANGES {
        let path = folder.pdf(LARGE);
        let ended = of_file(Session::plain(), &path).run_with(stalled_upload, |pending, server| {
            pending.wait_for("content", 1);
            change(&path);
            server.release();
        });
        assert_changed(&ended, how);
        assert!(!ended.record.content.is_empty(), "{how}");
    }
}

#[test]
fn a_relay_never_gets_the_whole_of_a_file_that_changes() {
    let folder = Folder::new("relay");
    for (how, change) in CHANGES {
        let path = folder.pdf(LARGE);
        let server = Server::start(|peer| {
            peer.some_bytes(1)?;
            peer.wait_for_release();
            peer.some_bytes(LARGE)
        });
        let mut session = of_file(Session::plain(), &path);
        session.settings = support::object(json!({
            "protocol": "http",
            "http_server": format!("http://127.0.0.1:{}/", server.port),
            "reply_to": "ana@example.test",
        }));
        let (_host, pending): (Host, Pending) = session.begin(server.port);
        pending.wait_for("content", 1);
        change(&path);
        server.release();
        let json = pending.wait();
        assert_eq!(
            (&json["status_name"], &json["reason"]),
            (&json!("BAD_EMAIL"), &json!("file_changed")),
            "{how}: {json:#}"
        );
        assert_eq!(json["step"], "content", "{how}");
        assert_eq!(json["recipients"][0]["outcome"], "not_sent", "{how}");
        assert_told(&json);
        support::promises::worded(&json);
        let received = server.record().received;
        assert!(received < LARGE, "{how}: {received}");
    }
}

#[test]
fn a_queue_of_documents_holds_no_files_open() {
    let folder = Folder::new("queue");
    let path = folder.pdf(1000);
    let server = Server::start(|peer| {
        peer.wait_for_release();
        peer.greet(&[])?;
        peer.take_email()
    });
    let (host, first) = of_file(Session::plain(), &path).begin(server.port);
    let email = of_file(Session::plain(), &path).email;
    let queue: Vec<_> = (0..100).map(|_| host.send_file(&email.clone().into())).collect();
    let open = fs::read_dir("/proc/self/fd").unwrap().filter(|entry| {
        fs::read_link(entry.as_ref().unwrap().path()).is_ok_and(|target| target == fs::canonicalize(&path).unwrap())
    });
    assert_eq!(open.count(), 0);
    drop(queue);
    server.release();
    assert_eq!(first.wait()["reason"], "accepted");
}

#[test]
fn what_is_no_document_is_refused_at_the_call() {
    let folder = Folder::new("refused");
    let path = folder.pdf(100);
    let text = folder.0.join("text.pdf");
    let empty = folder.0.join("empty.pdf");
    let late = folder.0.join("late.pdf");
    fs::write(&text, "no").unwrap();
    fs::write(&empty, "").unwrap();
    fs::write(&late, [&[b' '; 1020][..], b"%PDF-"].concat()).unwrap();
    let huge = folder.0.join("huge.pdf");
    fs::write(&huge, "%PDF-").unwrap();
    File::options().write(true).open(&huge).unwrap().set_len((1 << 30) + 1).unwrap();
    let server = Server::start(|_| Ok(()));
    let (host, first) = Session::plain().begin(server.port);
    for (file, status, code) in [
        (folder.0.join("none.pdf"), "BAD_EMAIL", "file_missing"),
        (folder.0.clone(), "BAD_EMAIL", "file_is_folder"),
        (PathBuf::from("/dev/zero"), "BAD_EMAIL", "file_not_regular"),
        (huge, "BAD_EMAIL", "files_too_large"),
        (text, "BAD_CALL", "pdf_not_a_pdf"),
        (empty, "BAD_CALL", "pdf_empty"),
        (late, "BAD_CALL", "pdf_not_a_pdf"),
    ] {
        let json = host.send_file(&json!({"to": "a@b.ro", "document": {"path": file}})).wait();
        assert_eq!((&json["status_name"], &json["errors"][0]["code"]), (&json!(status), &json!(code)), "{json:#}");
        assert_eq!(json["errors"][0]["key"], "document.path", "{json:#}");
    }
    let json = host.send_document(&json!({"to": "a@b.ro", "document": {"path": path}}), support::PDF).wait();
    assert_eq!((&json["status_name"], &json["errors"][0]["code"]), (&json!("BAD_CALL"), &json!("document_twice")));
    first.cancel();
}
