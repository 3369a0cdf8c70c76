//! A timer that fires on time. Tokio's own counts whole milliseconds and rounds up, which would add more than one to every
//! simulated round trip.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::task::{Context, Poll, ready};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

struct Clock(TimerFd);

impl AsRawFd for Clock {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

pub struct Timer {
    clock: AsyncFd<Clock>,
    set_to: Option<Instant>,
}

impl Timer {
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let clock = Clock(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?);
        // SAFETY: `Clock` owns its descriptor, names always the same one, and closes it when it is dropped.
        let clock = unsafe { AsyncFd::register(clock)? };
        Ok(Self { clock, set_to: None })
    }

    pub fn poll_until(&mut self, due: Instant, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let rest = due.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Poll::Ready(Ok(()));
            }
            if self.set_to != Some(due) {
                let expiration = Expiration::OneShot(TimeSpec::from(rest));
                self.clock.get_ref().0.set(expiration, TimerSetTimeFlags::empty())?;
                self.set_to = Some(due);
            }
            ready!(self.clock.poll_read_ready(context))?.clear_ready();
            self.set_to = None;
        }
    }
}
