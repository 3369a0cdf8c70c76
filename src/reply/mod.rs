//! A piece of work as the host holds it: pending or ended, its progress, its cancelling, its JSON. It knows nothing of what
//! the work is.

mod answer;
mod status;

use std::collections::VecDeque;
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use once_cell::race::OnceBox;
use tokio::sync::Notify;

pub use answer::{Answer, End, Later};
pub use status::Status;

/// What a progress callback is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Stable code of the step.
    pub step: &'static str,
    /// The step in the user's language.
    pub text: Arc<CStr>,
    /// How much of the content is uploaded, 0 to 1000.
    pub permille: u16,
}

/// The host's half. Dropping it cancels what still runs, and waits for nothing.
pub struct Reply {
    shared: Arc<Shared>,
}

/// The work's half. Dropped without an ending, the work ends as a bug of ours: a host that waits is never left waiting.
pub struct Job {
    shared: Arc<Shared>,
}

struct Shared {
    process: u32,
    /// Lock-free, so that a child after `fork()` never waits for a lock whose holder stayed behind.
    ended: OnceBox<End>,
    canceled: AtomicBool,
    cancel: Notify,
    waiting: Mutex<Waiting>,
    /// For those who want to hear of progress, and for those who wait for the end alone: waking a thread for each slice of
    /// a document costs more than encrypting it.
    progressed: Condvar,
    ended_now: Condvar,
}

/// Who waits, and for what. Waking nobody is a call into the system, too: with each step of each email it adds up.
#[derive(Default)]
struct Waiting {
    progress: VecDeque<Progress>,
    for_progress: usize,
    for_the_end: usize,
}

impl Waiting {
    fn waiters(&mut self, for_progress: bool) -> &mut usize {
        if for_progress { &mut self.for_progress } else { &mut self.for_the_end }
    }
}

/// A pending reply and the job that will end it.
pub fn pending() -> (Reply, Job) {
    let shared = Arc::new(Shared {
        process: std::process::id(),
        ended: OnceBox::new(),
        canceled: AtomicBool::new(false),
        cancel: Notify::new(),
        waiting: Mutex::default(),
        progressed: Condvar::new(),
        ended_now: Condvar::new(),
    });
    (Reply { shared: Arc::clone(&shared) }, Job { shared })
}

impl Reply {
    /// A reply that is ready at once.
    pub fn ready(answer: Answer) -> Self {
        let (reply, job) = pending();
        job.end(answer);
        reply
    }

    /// Waits until the work has ended or the time is up (`None`: however long it takes), telling progress meanwhile on this
    /// thread. `on_progress` returning false cancels the work; the wait then goes on to its end, which is near. Who has no
    /// `on_progress` takes no progress away from those who have.
    pub fn wait(&self, limit: Option<Duration>, mut on_progress: Option<&mut dyn FnMut(&Progress) -> bool>) -> Status {
        if self.shared.process != std::process::id() {
            // Also of an ended reply the lock may be held by a thread that is not there. The first ending counts.
            return self.shared.end(forked(), None);
        }
        let until = limit.map(|limit| Instant::now() + limit);
        let mut waiting = self.shared.lock();
        loop {
            if let Some(tell) = &mut on_progress {
                // What is here now, once: progress that comes while it is told must not hold up who only looks.
                let batch = std::mem::take(&mut waiting.progress);
                drop(waiting);
                for progress in batch {
                    if !tell(&progress) {
                        self.cancel();
                        break;
                    }
                }
                waiting = self.shared.lock();
            }
            let is_untold = on_progress.is_some() && !waiting.progress.is_empty();
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            waiting = match (self.shared.ended.get(), left) {
                // After the end nothing is added, so that telling the rest comes to an end too.
                (Some(_), _) if is_untold => continue,
                (Some(end), _) => return end.status(),
                (None, Some(Duration::ZERO)) => return Status::Pending,
                (None, _) if is_untold => continue,
                (None, left) => self.shared.sleep(waiting, on_progress.is_some(), left),
            };
        }
    }

    /// What the reply says; `None` while it is pending.
    pub fn end(&self) -> Option<&End> {
        if self.is_orphan() {
            self.shared.end(forked(), None);
        }
        self.shared.ended.get()
    }

    /// From any thread, also from within a progress callback. Does not wait.
    pub fn cancel(&self) {
        self.shared.canceled.store(true, Ordering::Release);
        // In a child after `fork()` nobody listens, and the list of listeners may be locked by a thread that is not there.
        if !self.is_orphan() {
            self.shared.cancel.notify_one();
        }
    }

    /// The work runs in the process that started it; a child after `fork()` can only be told so.
    fn is_orphan(&self) -> bool {
        self.shared.ended.get().is_none() && self.shared.process != std::process::id()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.shared.ended.get().is_none() {
            self.cancel();
        }
    }
}

impl Job {
    /// Resolves when the host no longer wants the work.
    pub async fn canceled(&self) {
        while !self.shared.canceled.load(Ordering::Acquire) {
            self.shared.cancel.notified().await;
        }
    }

    /// Steps queue up until somebody waits; of one step only the newest is kept.
    pub fn progress(&self, progress: Progress) {
        let mut waiting = self.shared.lock();
        match waiting.progress.back_mut() {
            Some(last) if last.step == progress.step => *last = progress,
            _ => waiting.progress.push_back(progress),
        }
        self.shared.wake(waiting, false);
    }

    pub fn end(self, answer: Answer) {
        self.shared.end(answer, None);
    }

    /// With members that are made when somebody reads them.
    pub fn end_with(self, answer: Answer, later: Later) {
        self.shared.end(answer, Some(later));
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.shared.ended.get().is_none() {
            self.shared.end(Answer::internal(), None);
        }
    }
}

impl Shared {
    /// The first ending counts.
    fn end(&self, answer: Answer, later: Option<Later>) -> Status {
        let ended = self.ended.get_or_init(|| Box::new(End::new(answer, later))).status();
        if self.process == std::process::id() {
            // Taken once, so that nobody is between looking at `ended` and waiting.
            self.wake(self.lock(), true);
        }
        ended
    }

    /// Without the lock, for which those who wake up would have to wait.
    fn wake(&self, waiting: MutexGuard<'_, Waiting>, has_ended: bool) {
        let Waiting { for_progress, for_the_end, .. } = *waiting;
        drop(waiting);
        if for_progress > 0 {
            self.progressed.notify_all();
        }
        if has_ended && for_the_end > 0 {
            self.ended_now.notify_all();
        }
    }

    fn sleep<'w>(
        &self,
        mut waiting: MutexGuard<'w, Waiting>,
        for_progress: bool,
        left: Option<Duration>,
    ) -> MutexGuard<'w, Waiting> {
        let changed = if for_progress { &self.progressed } else { &self.ended_now };
        *waiting.waiters(for_progress) += 1;
        let mut waiting = match left {
            None => changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            Some(left) => changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0,
        };
        *waiting.waiters(for_progress) -= 1;
        waiting
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // It is whole whatever happened to another holder.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forked() -> Answer {
    Answer::new(
        Status::BadCall,
        "forked",
        "This work was started before fork() and runs in the parent process. Start it again here.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(step: &'static str, permille: u16) -> Progress {
        Progress { step, text: Arc::from(c"text"), permille }
    }

    #[test]
    fn a_nul_takes_no_sentence_away() {
        let end = End::new(Answer::new(Status::Ok, "form", "The provider a\0b is known.".to_owned()), None);
        assert_eq!(end.message().to_str(), Ok("The provider a\u{FFFD}b is known."));
    }

    #[test]
    fn steps_are_told_once_each_with_their_newest_permille() {
        let (reply, job) = pending();
        for (step, permille) in [("connect", 0), ("content", 10), ("content", 700)] {
            job.progress(progress(step, permille));
        }
        let mut told = Vec::new();
        assert_eq!(reply.wait(Some(Duration::ZERO), None), Status::Pending, "it would take progress away");
        let mut tell = |progress: &Progress| {
            told.push((progress.step, progress.permille));
            true
        };
        assert_eq!(reply.wait(Some(Duration::ZERO), Some(&mut tell)), Status::Pending);
        assert_eq!(told, [("connect", 0), ("content", 700)]);
        assert!(reply.end().is_none());
    }

    #[test]
    fn progress_that_comes_while_it_is_told_does_not_hold_up_who_only_looks() {
        let (reply, job) = pending();
        job.progress(progress("connect", 0));
        let mut told = 0;
        let mut tell = |_: &Progress| {
            told += 1;
            job.progress(progress("content", told));
            true
        };
        assert_eq!(reply.wait(Some(Duration::ZERO), Some(&mut tell)), Status::Pending);
        assert_eq!(told, 1);
    }

    #[test]
    fn a_job_that_vanishes_ends_as_internal() {
        let (reply, job) = pending();
        drop(job);
        assert_eq!(reply.wait(None, None), Status::Internal);
        assert!(reply.end().unwrap().json().to_str().unwrap().contains("internal"));
    }

    #[test]
    fn the_first_ending_counts_and_wakes_every_waiter() {
        let (reply, job) = pending();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(reply.wait(None, None), Status::Ok));
            }
            job.end(Answer::ok("accepted"));
        });
    }

    #[test]
    fn what_is_made_later_is_made_when_it_is_read_and_stays_in_place() {
        let (reply, job) = pending();
        let made = Arc::new(AtomicBool::new(false));
        let later = {
            let made = Arc::clone(&made);
            Box::new(move || {
                made.store(true, Ordering::Release);
                serde_json::Map::from_iter([("steps".to_owned(), serde_json::Value::from(7))])
            })
        };
        job.end_with(Answer::ok("accepted").with("message_id", "x"), later);
        assert_eq!(reply.wait(None, None), Status::Ok);
        let end = reply.end().unwrap();
        assert_eq!((end.reason(), end.message(), made.load(Ordering::Acquire)), (c"accepted", c"", false));
        assert!(end.json().to_str().unwrap().ends_with(r#""message_id":"x","steps":7}"#), "{:?}", end.json());
        assert!(made.load(Ordering::Acquire) && std::ptr::eq(end.json(), end.json()));
    }

    #[test]
    fn a_bug_in_what_is_made_later_leaves_the_rest() {
        let (reply, job) = pending();
        job.end_with(Answer::ok("accepted").with("message_id", "x"), Box::new(|| panic!("a bug")));
        let json = reply.end().unwrap().json().to_str().unwrap().to_owned();
        assert!(json.ends_with(r#""message_id":"x"}"#), "{json}");
    }

    #[test]
    fn cancelling_from_the_callback_reaches_the_job() {
        let (reply, job) = pending();
        job.progress(progress("connect", 0));
        reply.wait(Some(Duration::ZERO), Some(&mut |_| false));
        assert!(job.shared.canceled.load(Ordering::Acquire));
    }
}
