//! The connections of one account: how many are open, which of them wait for another email, and whose turn is next. It
//! knows nothing of what is said on a connection.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use super::super::{Journal, Step, deadlines};
use super::session::Session;
use super::{Server, Submission};

/// A connection that nobody has used for so long, at the most, is closed.
const KEEP: Duration = Duration::from_secs(30);

/// After a server's "not so fast" nothing is sent for this long; after each further one twice as long, up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a server's limit has taught is forgotten after this time.
const REMEMBER: Duration = Duration::from_secs(60);

/// By which an email gets to its server.
pub enum Turn {
    /// It may open a connection of its own.
    Open(Rc<Permit>),
    /// A connection that has carried another email.
    Reuse(Session),
    /// The same, and this email's envelope is on its way on it already.
    Ahead(Session),
}

/// The right to one open connection. It is held for as long as the connection is open.
pub struct Permit {
    pool: Rc<Pool>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.pool.state.borrow_mut().open -= 1;
        self.pool.dispatch();
    }
}

pub struct Pool {
    /// How many connections may be open, whatever happens: providers refuse who comes with more.
    most: usize,
    state: RefCell<State>,
}

struct State {
    open: usize,
    /// Those that were used last are at the end.
    idle: Vec<Idle>,
    /// Closes the idle ones when they get old; there is one while there are any.
    reaper: Option<AbortHandle>,
    /// Wakes those who wait when a pause is over.
    alarm: Option<AbortHandle>,
    waiting: VecDeque<Waiter>,
    is_closing: bool,
    brake: Brake,
    without_chunking: Vec<Arc<Server>>,
}

struct Idle {
    session: Session,
    server: Arc<Server>,
    since: Instant,
}

/// An email that waits. Over HTTP there is nothing to share but the number of connections.
struct Waiter {
    submission: Option<Submission>,
    turn: oneshot::Sender<Turn>,
}

impl Waiter {
    fn is_for(&self, server: &Server) -> bool {
        self.submission.as_ref().is_some_and(|submission| *submission.server == *server)
    }
}

/// The end of the line at which an email waits. One that is cancelled leaves the line at once, and its document the memory.
struct Waiting<'w> {
    pool: &'w Pool,
    comes: oneshot::Receiver<Turn>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.comes.close();
        let mut state = self.pool.state.borrow_mut();
        state.forget_the_cancelled();
        state.rest_if_closed();
    }
}

/// What a server's limits have taught us.
struct Brake {
    /// Not more connections than this, for now.
    most: usize,
    pause: Duration,
    paused_until: Option<Instant>,
    last: Option<Instant>,
    accepted: Option<Instant>,
}

/// Where an email stands in line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Last,
    /// It had its turn, and must not fall behind those that came after it.
    First,
}

impl Pool {
    pub fn new(most: usize) -> Rc<Self> {
        let brake = Brake { most, pause: PAUSE, paused_until: None, last: None, accepted: None };
        let state = State {
            open: 0,
            idle: Vec::new(),
            reaper: None,
            alarm: None,
            waiting: VecDeque::new(),
            is_closing: false,
            brake,
            without_chunking: Vec::new(),
        };
        Rc::new(Self { most, state: RefCell::new(state) })
    }

    /// Waits for a connection, where others are before us; the journal then says so. `None` only if the pool is gone.
    pub async fn turn(
        self: &Rc<Self>,
        submission: Option<&Submission>,
        place: Place,
        journal: &Journal,
    ) -> Option<Turn> {
        let (turn, comes) = oneshot::channel();
        let waiter = Waiter { submission: submission.cloned(), turn };
        {
            let mut state = self.state.borrow_mut();
            match place {
                Place::Last => state.waiting.push_back(waiter),
                Place::First => state.waiting.push_front(waiter),
            }
        }
        let mut waiting = Waiting { pool: self, comes };
        self.dispatch();
        if let Some(turn) = (&mut waiting.comes).now_or_never() {
            return turn.ok();
        }
        journal.begin(Step::Turn);
        (&mut waiting.comes).await.ok()
    }

    /// Gives turns to who waits, while there is room. Called whenever something has changed.
    fn dispatch(self: &Rc<Self>) {
        while let Some((waiter, turn)) = self.next_turn() {
            waiter.turn.send(turn).ok();
        }
    }

    fn next_turn(self: &Rc<Self>) -> Option<(Waiter, Turn)> {
        // Whatever is dropped here gives its permit back, for which the state must be free again: it is dropped last.
        let mut dead = Vec::new();
        let mut state = self.state.borrow_mut();
        state.forget_the_cancelled();
        if state.brake.is_paused() {
            return None;
        }
        while let Some((mut idle, waiter)) = state.pair() {
            if idle.is_alive() {
                let waiter = state.waiting.remove(waiter)?;
                return Some((waiter, Turn::Reuse(idle.session)));
            }
            dead.push(idle.session);
        }
        if !state.waiting.is_empty() && state.open < self.most.min(state.brake.most()) {
            let waiter = state.waiting.pop_front()?;
            state.open += 1;
            return Some((waiter, Turn::Open(Rc::new(Permit { pool: Rc::clone(self) }))));
        }
        if !state.waiting.is_empty()
            && let Some(idle) = state.idle.pop()
        {
            // A connection to another server makes room; its permit comes back when it is closed.
            idle.session.quit();
        }
        None
    }

    /// The email after this one, if it is for the same server and `envelope` can be made for it: its envelope then goes out
    /// with the end of this one's content.
    pub fn claim(self: &Rc<Self>, server: &Server, envelope: impl Fn(&Submission) -> Option<Flight>) -> Option<Claim> {
        let mut state = self.state.borrow_mut();
        if state.brake.is_paused() || state.open > state.brake.most() {
            return None;
        }
        state.forget_the_cancelled();
        let at = state.waiting.iter().position(|waiter| waiter.is_for(server))?;
        let envelope = state.waiting.get(at)?.submission.as_ref().and_then(envelope)?;
        let waiter = state.waiting.remove(at)?;
        Some(Claim { pool: Rc::clone(self), waiter: Some(waiter), envelope })
    }

    /// A connection whose email is over, in step: for who waits, or to wait itself.
    pub fn give_back(self: &Rc<Self>, server: &Arc<Server>, mut session: Session) {
        session.rested = Duration::ZERO;
        let mut state = self.state.borrow_mut();
        state.forget_the_cancelled();
        let next = state.waiting.iter().position(|waiter| waiter.is_for(server));
        let is_wanted = next.is_some() || state.waiting.is_empty();
        let is_late = state.is_closing && (next.is_none() || state.brake.is_paused());
        if !is_wanted || is_late || state.open > state.brake.most() {
            drop(state);
            return session.quit();
        }
        if !state.brake.is_paused()
            && let Some(waiter) = next.and_then(|at| state.waiting.remove(at))
        {
            drop(state);
            waiter.turn.send(Turn::Reuse(session)).ok();
            return;
        }
        state.idle.push(Idle { session, server: Arc::clone(server), since: Instant::now() });
        if state.reaper.is_none() {
            let pool = Rc::clone(self);
            state.reaper = Some(spawn_local(async move { pool.reap().await }).abort_handle());
        }
    }

    /// Until no connection is idle. Looking twice in the time that they are kept is exact enough.
    async fn reap(&self) {
        loop {
            sleep(KEEP / 2).await;
            let mut state = self.state.borrow_mut();
            let old = state.idle.iter().take_while(|idle| idle.since.elapsed() >= KEEP / 2).count();
            for idle in state.idle.drain(..old) {
                idle.session.quit();
            }
            if state.idle.is_empty() {
                state.reaper = None;
                return;
            }
        }
    }

    /// The account is gone: what was begun goes on, and nothing is kept.
    pub fn close(&self) {
        let mut state = self.state.borrow_mut();
        state.is_closing = true;
        state.rest_if_closed();
        if let Some(reaper) = state.reaper.take() {
            reaper.abort();
        }
        for idle in state.idle.drain(..) {
            idle.session.quit();
        }
    }

    /// A server's limit was met by an email of which nothing was accepted, and which has its connection still. Whether it
    /// is to be tried again: where other emails are on their way, everything slows down; one alone is told at once.
    pub fn slow_down(self: &Rc<Self>, limit: Limit) -> bool {
        let mut state = self.state.borrow_mut();
        let now = Instant::now();
        let others = state.open.saturating_sub(state.idle.len() + 1);
        let is_busy = others > 0
            || !state.waiting.is_empty()
            || state.brake.accepted.is_some_and(|at| now.duration_since(at) < REMEMBER);
        if !is_busy {
            state.brake.pause = PAUSE;
            return false;
        }
        state.brake.last = Some(now);
        if limit == Limit::Connections && others > 0 {
            state.brake.most = others.min(state.brake.most()).max(1);
            return true;
        }
        if state.brake.is_paused() {
            return true;
        }
        let pause = state.brake.pause;
        if pause > LONGEST_PAUSE {
            return false;
        }
        state.brake.pause = pause * 2;
        let until = now + pause;
        state.brake.paused_until = Some(until);
        let pool = Rc::clone(self);
        let alarm = async move {
            sleep_until(until).await;
            pool.dispatch();
        };
        state.alarm = Some(spawn_local(alarm).abort_handle());
        true
    }

    pub fn accepted(self: &Rc<Self>) {
        {
            let brake = &mut self.state.borrow_mut().brake;
            brake.accepted = Some(Instant::now());
            brake.pause = PAUSE;
        }
        // Where connections go from email to email, nothing else tries again to have more of them.
        self.dispatch();
    }

    /// The server takes CHUNKING badly, whatever it says of itself.
    pub fn forget_chunking(&self, server: &Arc<Server>) {
        self.state.borrow_mut().without_chunking.push(Arc::clone(server));
    }

    pub fn may_chunk(&self, server: &Server) -> bool {
        let is_same = |known: &Arc<Server>| (known.host.as_str(), known.port) == (server.host.as_str(), server.port);
        !self.state.borrow().without_chunking.iter().any(is_same)
    }
}

impl State {
    fn forget_the_cancelled(&mut self) {
        self.waiting.retain(|waiter| !waiter.turn.is_closed());
    }

    /// Nobody waits any more, nor will: no timer keeps the account's thread.
    fn rest_if_closed(&mut self) {
        if self.is_closing
            && self.waiting.is_empty()
            && let Some(alarm) = self.alarm.take()
        {
            alarm.abort();
            // Whoever comes back into the line would wait for it.
            self.brake.paused_until = None;
        }
    }

    /// An idle connection, and the place of the first who waits for one to its server.
    fn pair(&mut self) -> Option<(Idle, usize)> {
        let first = |idle: &Idle| self.waiting.iter().position(|waiter| waiter.is_for(&idle.server));
        // The one that was used last is the likeliest to be alive.
        let (at, waiter) = self.idle.iter().enumerate().rev().find_map(|(at, idle)| Some((at, first(idle)?)))?;
        Some((self.idle.remove(at), waiter))
    }
}

impl Idle {
    /// At the end of its rest: the server has said nothing, and seems to be there still.
    fn is_alive(&mut self) -> bool {
        self.session.rested = self.since.elapsed();
        self.session.wire.quiet().is_ok()
    }
}

impl Brake {
    /// What was learnt is forgotten when it is old.
    fn most(&mut self) -> usize {
        if self.last.is_none_or(|last| last.elapsed() > REMEMBER) {
            self.most = usize::MAX;
        }
        self.most
    }

    fn is_paused(&self) -> bool {
        self.paused_until.is_some_and(|until| Instant::now() < until)
    }
}

/// Which of its limits a server names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The number of connections at a time.
    Connections,
    /// The number of emails in a time.
    Rate,
}

/// Commands that go out in one write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flight {
    pub commands: Vec<u8>,
    pub count: usize,
}

/// The email whose envelope goes out behind the content of another. Unless it is handed the connection, it goes back into
/// the line where it stood.
pub struct Claim {
    pool: Rc<Pool>,
    waiter: Option<Waiter>,
    pub envelope: Flight,
}

impl Claim {
    pub fn hand_over(mut self, session: Session) {
        if let Some(waiter) = self.waiter.take() {
            // Was it cancelled meanwhile, the connection closes: its envelope must come to nothing.
            waiter.turn.send(Turn::Ahead(session)).ok();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.pool.state.borrow_mut().waiting.push_front(waiter);
            self.pool.dispatch();
        }
    }
}

impl Session {
    /// A courtesy that nobody waits for.
    pub fn quit(self) {
        let Self { wire, permit, .. } = self;
        spawn_local(async move {
            wire.quit(deadlines::QUIT).await;
            drop(permit);
        });
    }
}
