//! The one background thread of an account. It owns the network; pieces of work are tasks on it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use nix::sys::signal::{SigSet, SigmaskHow};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::transport::Network;

use super::options::NetworkOptions;

type Task = Pin<Box<dyn Future<Output = ()>>>;
/// Made on the host's thread, begun on the worker's.
type Work = Box<dyn FnOnce(Rc<Network>) -> Task + Send>;

pub struct Worker {
    process: u32,
    queue: mpsc::UnboundedSender<Work>,
}

impl Worker {
    pub fn start(options: Arc<NetworkOptions>) -> io::Result<Self> {
        let (queue, work) = mpsc::unbounded_channel();
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(8).build()?;
        // The thread begins with every signal blocked: a host's handlers run on the host's threads alone.
        let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        let started =
            std::thread::Builder::new().name("mailbutton".to_owned()).spawn(move || run(runtime, &options, work));
        mask.thread_set_mask()?;
        started?;
        Ok(Self { process: std::process::id(), queue })
    }

    /// A child after `fork()` has the parent's worker, but not its thread.
    pub fn is_alive(&self) -> bool {
        self.process == std::process::id() && !self.queue.is_closed()
    }

    /// Work that the worker does not take any more is dropped, which ends its reply.
    pub fn submit(&self, work: impl FnOnce(Rc<Network>) -> Task + Send + 'static) {
        self.queue.send(Box::new(work)).ok();
    }

    /// Never blocks: the thread ends by itself when its work is done. In a child after `fork()` the parent's half is left
    /// alone, as its locks may be held by a thread that is not there.
    pub fn release(worker: Arc<Self>) {
        if worker.process != std::process::id() {
            std::mem::forget(worker);
        }
    }
}

fn run(runtime: Runtime, options: &NetworkOptions, mut work: mpsc::UnboundedReceiver<Work>) {
    let network = Rc::new(options.network());
    let tasks = LocalSet::new();
    runtime.block_on(tasks.run_until(async {
        while let Some(begin) = work.recv().await {
            // A panic ends this one task; its reply then says so.
            tokio::task::spawn_local(begin(Rc::clone(&network)));
        }
    }));
    // The account is gone; what was begun goes on to its end, within its deadlines.
    runtime.block_on(tasks.run_until(async { network.close() }));
    runtime.block_on(tasks);
    // A name lookup that hangs in the system's resolver must not hold the thread.
    runtime.shutdown_background();
}
