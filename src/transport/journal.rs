//! What happened so far in one piece of work. It outlives the work's future: a cancelled or overdue job is dropped where
//! it stands, and the journal still knows which step that was and whether the content had been sent to its end.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::certificate::CertificateFacts;
use super::connect::Peer;
use super::ending::{Ending, Failure, Outcome, ServerWords, Step};
use super::transcript::Transcript;

/// What a step found out, for the report.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub addresses: Vec<SocketAddr>,
    pub address: Option<SocketAddr>,
    /// Host and port of the proxy that the step is about.
    pub proxy: Option<String>,
    pub tls_version: Option<&'static str>,
    pub cipher: Option<String>,
    pub certificate: Option<Box<CertificateFacts>>,
    /// The system has no certificate store; the built-in list of authorities was used.
    pub builtin_roots: bool,
    pub extensions: Vec<String>,
    pub size_limit: Option<u64>,
    pub mechanism: Option<&'static str>,
    pub bytes: Option<u64>,
    /// The connection had carried another email before.
    pub reused: bool,
}

#[derive(Clone, Debug)]
pub struct StepRecord {
    pub step: Step,
    pub failed: bool,
    pub took: Duration,
    pub found: Found,
    pub server: Option<ServerWords>,
}

/// Told of each step as it begins and of each permille of the upload.
pub type Listener = Box<dyn Fn(Step, u16)>;

pub struct Journal {
    inner: RefCell<Inner>,
    listener: Listener,
    transcript: Option<Rc<Transcript>>,
}

struct Inner {
    records: Vec<StepRecord>,
    began: Instant,
    open: bool,
    outcomes: Vec<Outcome>,
    content_ended: Arc<AtomicBool>,
    permille: u16,
}

impl Journal {
    pub fn new(recipients: usize, listener: Listener) -> Self {
        let inner = Inner {
            records: Vec::new(),
            began: Instant::now(),
            open: false,
            outcomes: vec![Outcome::NotSent; recipients],
            content_ended: Arc::default(),
            permille: 0,
        };
        Self { inner: RefCell::new(inner), listener, transcript: None }
    }

    /// For work that nobody follows.
    pub fn unheard() -> Self {
        Self::new(0, Box::new(|_, _| {}))
    }

    /// With what is said on the connection, too.
    #[must_use]
    pub fn with_transcript(mut self) -> Self {
        self.transcript = Some(Rc::new(Transcript::new()));
        self
    }

    pub fn transcript(&self) -> Option<Rc<Transcript>> {
        self.transcript.clone()
    }

    /// A remark for the transcript.
    pub fn note(&self, text: &str) {
        if let Some(transcript) = &self.transcript {
            transcript.note(text);
        }
    }

    /// Another try, after one in which nothing was accepted: what it found out is of no more interest.
    pub fn start_over(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.records.clear();
        inner.open = false;
        inner.permille = 0;
        inner.content_ended.store(false, Ordering::Release);
        inner.outcomes.fill(Outcome::NotSent);
    }

    /// Ends the step before it well, and begins this one. A step that goes on (the greeting after STARTTLS) is one record.
    pub fn begin(&self, step: Step) {
        let permille = {
            let mut inner = self.inner.borrow_mut();
            if inner.open && inner.records.last().is_some_and(|record| record.step == step) {
                return;
            }
            inner.close(false);
            inner.open = true;
            inner.began = Instant::now();
            inner.records.push(StepRecord {
                step,
                failed: false,
                took: Duration::ZERO,
                found: Found::default(),
                server: None,
            });
            inner.permille
        };
        (self.listener)(step, permille);
    }

    pub fn found(&self, note: impl FnOnce(&mut Found)) {
        if let Some(record) = self.inner.borrow_mut().records.last_mut() {
            note(&mut record.found);
        }
    }

    /// The connection was there already.
    pub fn reused(&self, peer: &Peer) {
        self.begin(Step::Connect);
        self.found(|found| {
            found.address = Some(peer.address);
            found.proxy.clone_from(&peer.proxy);
            found.reused = true;
        });
    }

    pub fn server_said(&self, words: ServerWords) {
        if let Some(record) = self.inner.borrow_mut().records.last_mut() {
            record.server = Some(words);
        }
    }

    pub fn outcome(&self, recipient: usize, outcome: Outcome) {
        if let Some(slot) = self.inner.borrow_mut().outcomes.get_mut(recipient) {
            *slot = outcome;
        }
    }

    /// Progress in what is no step of the session itself.
    pub fn tell(&self, step: Step) {
        (self.listener)(step, 0);
    }

    pub fn uploaded(&self, done: u64, total: u64) {
        let permille = u16::try_from(done.saturating_mul(1000) / total.max(1)).unwrap_or(1000).min(1000);
        let step = {
            let mut inner = self.inner.borrow_mut();
            if inner.permille == permille {
                return;
            }
            inner.permille = permille;
            inner.records.last().map(|record| record.step)
        };
        if let Some(step) = step {
            (self.listener)(step, permille);
        }
    }

    /// The last byte of the content has left our hands: from here on only the server's verdict says what became of it.
    pub fn content_ended(&self) {
        self.inner.borrow().content_ended.store(true, Ordering::Release);
    }

    pub fn has_content_ended(&self) -> bool {
        self.inner.borrow().content_ended.load(Ordering::Acquire)
    }

    /// For a body that is taken by others than the one who keeps this journal: to be set when its last byte is handed out.
    pub fn content_ended_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.inner.borrow().content_ended)
    }

    /// A verdict came: what failed afterwards is not uncertain any more.
    pub fn verdict_came(&self) {
        self.inner.borrow().content_ended.store(false, Ordering::Release);
    }

    /// The work is over: the open step gets its time, recipients that were taken get the email's fate.
    pub fn finish(&self, ending: Ending) {
        let fate = if matches!(ending, Ending::Accepted | Ending::AcceptedPartly) {
            Outcome::Accepted
        } else if ending == Ending::NoVerdict {
            Outcome::Uncertain
        } else {
            Outcome::NotSent
        };
        let mut inner = self.inner.borrow_mut();
        inner.close(fate != Outcome::Accepted);
        for outcome in &mut inner.outcomes {
            // Over HTTP one verdict is for all: without it none of them is certain.
            let is_open = *outcome == Outcome::Taken || (fate == Outcome::Uncertain && *outcome == Outcome::NotSent);
            if is_open {
                *outcome = fate.clone();
            }
        }
    }

    /// A failure in a step whose server words were not noted yet.
    pub fn failed(&self, failure: &Failure) {
        if let Some(words) = &failure.server {
            self.server_said(words.clone());
        }
        if let Some(certificate) = &failure.certificate {
            self.found(|found| found.certificate = Some(certificate.clone()));
        }
    }

    pub fn step(&self) -> Option<Step> {
        self.inner.borrow().records.last().map(|record| record.step)
    }

    pub fn steps(&self) -> Vec<StepRecord> {
        self.inner.borrow().records.clone()
    }

    pub fn outcomes(&self) -> Vec<Outcome> {
        self.inner.borrow().outcomes.clone()
    }
}

impl Inner {
    fn close(&mut self, failed: bool) {
        if !self.open {
            return;
        }
        self.open = false;
        let took = self.began.elapsed();
        if let Some(record) = self.records.last_mut() {
            record.took = took;
            record.failed = failed;
        }
    }
}
