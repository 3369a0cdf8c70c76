//! How far the heap of this process grows, without what the scripted servers themselves take.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};

pub struct Counting;

static NOW: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    // Without a destructor, so that it can be asked at any time in a thread's life.
    static IS_SERVER: Cell<bool> = const { Cell::new(false) };
}

/// This thread plays a server: what it takes is no cost of the library.
pub fn leave_this_thread_out() {
    IS_SERVER.with(|is_server| is_server.set(true));
}

/// What is taken from here on.
pub struct Watch {
    before: isize,
}

impl Watch {
    pub fn begin() -> Self {
        let before = NOW.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        Self { before }
    }

    /// The most bytes at one time, beyond those at the beginning.
    pub fn peak(&self) -> usize {
        usize::try_from(PEAK.load(Ordering::Relaxed) - self.before).unwrap_or(0)
    }
}

fn note(taken: usize, given_back: usize) {
    if IS_SERVER.try_with(Cell::get).unwrap_or(false) {
        return;
    }
    let change = taken.cast_signed() - given_back.cast_signed();
    let now = NOW.fetch_add(change, Ordering::Relaxed) + change;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller keeps to the trait's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}
