//! Checks what has arrived on a thread of its own: the client has its verdict by then, and does not wait for the checking.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::sync::oneshot;

use crate::document;

/// How many contents may wait to be checked; then the server waits.
const BACKLOG: usize = 16;

#[derive(Clone, Default)]
pub struct Checked {
    /// How often each document arrived, by its SHA-256.
    pub documents: BTreeMap<String, u64>,
    /// Contents in which no document was found, by reason.
    pub bad_contents: BTreeMap<String, u64>,
}

enum Job {
    Content(Vec<u8>),
    Report(oneshot::Sender<Checked>),
    Reset,
}

pub struct Checker {
    jobs: SyncSender<Job>,
}

impl Checker {
    pub fn start() -> Self {
        let (jobs, waiting) = sync_channel(BACKLOG);
        std::thread::spawn(move || work(&waiting));
        Self { jobs }
    }

    pub fn check(&self, content: Vec<u8>) {
        self.give(Job::Content(content));
    }

    pub fn reset(&self) {
        self.give(Job::Reset);
    }

    /// The thread ends after its last sender only, so that a job always finds it.
    fn give(&self, job: Job) {
        let _ = self.jobs.send(job);
    }

    /// When everything is checked that came before.
    pub async fn report(&self) -> Checked {
        let (sender, receiver) = oneshot::channel();
        self.give(Job::Report(sender));
        receiver.await.unwrap_or_default()
    }
}

fn work(waiting: &Receiver<Job>) {
    let mut checked = Checked::default();
    while let Ok(job) = waiting.recv() {
        match job {
            Job::Content(mut content) => match document::digest(&mut content) {
                Ok(digest) => *checked.documents.entry(digest).or_default() += 1,
                Err(reason) => *checked.bad_contents.entry(reason.to_owned()).or_default() += 1,
            },
            Job::Report(sender) => {
                let _ = sender.send(checked.clone());
            }
            Job::Reset => checked = Checked::default(),
        }
    }
}
