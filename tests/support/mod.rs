//! What the tests of whole sessions share: a server that plays a script and writes down what it received, and a host
//! that uses the C ABI. Every session that runs through here is held to the promises that bind all of them.
#![allow(dead_code, unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::missing_panics_doc)]

pub mod certificates;
pub mod dns;
pub mod host;
pub mod mime;
pub mod network;
pub mod promises;
pub mod proxy;
pub mod scram;
pub mod server;

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use host::{Host, Pending};
use server::{Peer, Played, Record, Server};

pub const USERNAME: &str = "ana@example.test";
pub const PASSWORD: &str = "S3cret-Horse-77";
pub const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n";

/// Longer than anything here takes: what is still under way then hangs.
pub const HANG: Duration = Duration::from_secs(60);

/// The settings, options and email of one session.
#[derive(Clone)]
pub struct Session {
    pub settings: Map<String, Value>,
    pub options: Map<String, Value>,
    pub deadlines: Map<String, Value>,
    pub email: Map<String, Value>,
    pub pdf: Vec<u8>,
    /// Without it the email goes to the sender, as a test.
    pub is_document: bool,
}

impl Session {
    fn new(security: &str, host: &str) -> Self {
        let settings = json!({
            "smtp_host": host, "smtp_security": security, "email_address": "ana@example.test", "sender_name": "Ana SRL",
        });
        let email = json!({"to": "ion@example.test", "subject": "Invoice 7", "body": "Hello"});
        // No deadline but the one under test is short.
        let deadlines = ["connect_ms", "tls_ms", "command_ms", "login_ms", "upload_ms", "verdict_ms"];
        Self {
            settings: object(settings),
            options: object(json!({"program_name": "Ledger", "ca_file": certificates::ca_file()})),
            deadlines: deadlines.into_iter().map(|key| (key.to_owned(), json!(40_000))).collect(),
            email: object(email),
            pdf: PDF.to_vec(),
            is_document: true,
        }
    }

    /// No encryption and no login.
    pub fn plain() -> Self {
        Self::new("none", "127.0.0.1")
    }

    pub fn tls() -> Self {
        Self::new("tls", "localhost")
    }

    pub fn starttls() -> Self {
        Self::new("starttls", "localhost")
    }

    pub fn login(self) -> Self {
        let mut session = self.set("username", USERNAME).set("password", PASSWORD);
        session.settings.remove("email_address");
        session
    }

    /// With the password's letters, so that it is looked for wherever that is.
    pub fn token(self) -> Self {
        let mut session = self.set("username", USERNAME).set("auth", "oauth2").email("access_token", PASSWORD);
        session.settings.remove("email_address");
        session
    }

    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.settings.insert(key.to_owned(), value.into());
        self
    }

    pub fn email(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.email.insert(key.to_owned(), value.into());
        self
    }

    pub fn deadline(mut self, key: &str, milliseconds: u64) -> Self {
        self.deadlines.insert(key.to_owned(), milliseconds.into());
        self
    }

    pub fn pdf_of(mut self, length: usize) -> Self {
        self.pdf.resize(length, b'x');
        self
    }

    pub fn test(mut self) -> Self {
        self.is_document = false;
        self
    }

    /// A host with these settings, and a server at this port.
    pub fn open(&self, port: u16) -> Host {
        let mut options = self.options.clone();
        options.insert("deadlines".to_owned(), self.deadlines.clone().into());
        let host = Host::open(&options.into());
        let mut settings = self.settings.clone();
        if settings.get("protocol").is_none_or(|protocol| protocol != "http") {
            settings.entry("smtp_port").or_insert_with(|| port.into());
        }
        host.set(&settings.into());
        host
    }

    /// Begins the session with a server at this port.
    pub fn begin(&self, port: u16) -> (Host, Pending) {
        let host = self.open(port);
        let names_file = self.email.get("document").is_some_and(|document| document.get("path").is_some());
        let pending = if self.is_document && names_file {
            host.send_file(&self.email.clone().into())
        } else if self.is_document {
            host.send_document(&self.email.clone().into(), &self.pdf)
        } else {
            host.send_test(self.test_json().as_ref())
        };
        (host, pending)
    }

    /// What a test takes of the email's members.
    pub fn test_json(&self) -> Option<Value> {
        self.email.get("access_token").map(|token| json!({"access_token": token}))
    }

    pub fn run(&self, script: impl FnOnce(&mut Peer) -> Played + Send + 'static) -> Ended {
        self.run_with(script, |_, _| {})
    }

    /// `meanwhile` runs while the session does.
    pub fn run_with(
        &self,
        script: impl FnOnce(&mut Peer) -> Played + Send + 'static,
        meanwhile: impl FnOnce(&Pending, &Server),
    ) -> Ended {
        let started = Instant::now();
        let server = Server::start(script);
        let (host, pending) = self.begin(server.port);
        meanwhile(&pending, &server);
        let json = pending.wait();
        drop(pending);
        drop(host);
        let record = server.record();
        assert!(started.elapsed() < HANG, "{:?}: {json:#}", started.elapsed());
        promises::kept(self, &json, &record);
        Ended { json, record }
    }
}

pub fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("no object: {value}") };
    map
}

/// How a session ended, on both sides.
pub struct Ended {
    pub json: Value,
    pub record: Record,
}

impl Ended {
    #[track_caller]
    pub fn is(&self, status: &str, reason: &str, step: &str) -> &Self {
        let told = [&self.json["status_name"], &self.json["reason"]].map(|value| value.as_str().unwrap().to_owned());
        assert_eq!(told, [status, reason], "{:#}\n{:?}", self.json, self.record);
        let last = self.json["steps"]
            .as_array()
            .and_then(|steps| steps.iter().rfind(|it| it["status"] != "skipped"))
            .map_or(&Value::Null, |it| &it["step"]);
        assert_eq!(last, step, "{:#}", self.json);
        if status != "OK" {
            assert_eq!(self.json["step"], step, "{:#}", self.json);
        }
        self
    }

    #[track_caller]
    pub fn is_sent(&self) -> &Self {
        self.is("OK", "accepted", "verdict").delivered(1)
    }

    /// The server's words of the refusal.
    #[track_caller]
    pub fn says(&self, code: u16, enhanced: Option<&str>, text: &str) -> &Self {
        let expected = json!({"code": code, "enhanced": enhanced, "text": text});
        assert_eq!(self.json["server"], expected, "{:#}", self.json);
        self
    }

    #[track_caller]
    pub fn says_nothing(&self) -> &Self {
        assert_eq!(self.json["server"], Value::Null, "{:#}", self.json);
        self
    }

    #[track_caller]
    pub fn outcomes(&self, expected: &[&str]) -> &Self {
        let recipients = self.json["recipients"].as_array().unwrap();
        let told: Vec<_> = recipients.iter().map(|recipient| recipient["outcome"].as_str().unwrap()).collect();
        assert_eq!(told, expected, "{:#}", self.json);
        self
    }

    /// How many whole contents reached the server.
    #[track_caller]
    pub fn delivered(&self, count: usize) -> &Self {
        assert_eq!(self.record.delivered.len(), count, "{:#}\n{:?}", self.json, self.record);
        self
    }

    /// The verbs that the server received outside contents.
    #[track_caller]
    pub fn commands(&self, expected: &[&str]) -> &Self {
        let verbs: Vec<_> =
            self.record.commands.iter().map(|line| line.split([' ', ':']).next().unwrap_or_default()).collect();
        assert_eq!(verbs, expected, "{:?}", self.record);
        self
    }

    #[track_caller]
    pub fn advises(&self, first: &str) -> &Self {
        assert_eq!(self.json["advice"][0]["code"], first, "{:#}", self.json);
        self
    }

    pub fn step(&self, name: &str) -> &Value {
        let steps = self.json["steps"].as_array().unwrap();
        steps.iter().find(|step| step["step"] == name).unwrap_or(&Value::Null)
    }
}

/// Runs what waits for deadlines side by side.
pub fn together<const N: usize>(tests: [Box<dyn FnOnce() + Send>; N]) {
    std::thread::scope(|scope| {
        let running: Vec<_> = tests.into_iter().map(|test| scope.spawn(test)).collect();
        let failed: Vec<_> = running.into_iter().filter_map(|test| test.join().err()).collect();
        assert!(failed.is_empty(), "{} of {N} failed", failed.len());
    });
}
