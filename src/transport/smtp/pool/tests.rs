use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::super::super::connect::Peer;
use super::super::super::{Deadlines, Network, Roots};
use super::super::faults;
use super::*;

fn run(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(LocalSet::new().run_until(test));
}

fn email_to(port: u16) -> Submission {
    let mut email = faults::submission(faults::LOCKSTEP);
    let server = Server { port, login: None, ..(*email.server).clone() };
    email.server = Arc::new(server);
    email
}

fn journal() -> Journal {
    Journal::new(1, Box::new(|_, _| {}))
}

/// A session with a server that greets, and then listens until the connection ends.
async fn session(email: &Submission, permit: Rc<Permit>) -> Session {
    let (ours, mut theirs) = duplex(4096);
    spawn_local(async move {
        theirs.write_all(b"220 mail.test\r\n").await.unwrap();
        let mut heard = [0; 512];
        while theirs.read(&mut heard).await.is_ok_and(|count| count > 0) {
            if heard.starts_with(b"EHLO") {
                theirs.write_all(b"250 mail.test\r\n").await.unwrap();
                heard.fill(0);
            }
        }
    });
    let network = Network::new(Roots::default(), Deadlines::default(), Some("host.test".to_owned()), None, 1);
    let peer = Peer { address: "127.0.0.1:25".parse().unwrap(), is_loopback: true, proxy: None };
    let local = "127.0.0.1".parse().unwrap();
    let (stream, journal) = (Box::new(ours), journal());
    let opened = Session::over(stream, local, peer, &email.server, &network, Some(&permit), &journal);
    opened.await.unwrap_or_else(|failure| panic!("{failure:?}"))
}

async fn opens(pool: &Rc<Pool>, email: &Submission) -> Rc<Permit> {
    match pool.turn(Some(email), Place::Last, &journal()).await {
        Some(Turn::Open(permit)) => permit,
        _ => panic!("it should open a connection"),
    }
}

/// Polled once, so that it stands in line.
macro_rules! waits {
    ($turn:ident, $pool:expr, $email:expr, $journal:expr) => {
        let mut $turn = Box::pin($pool.turn(Some($email), Place::Last, $journal));
        assert!($turn.as_mut().now_or_never().is_none(), "it should wait");
    };
}

#[test]
fn the_number_of_connections_is_never_exceeded_and_turns_come_in_order() {
    run(async {
        let (pool, email, journal) = (Pool::new(2), email_to(1), journal());
        let (first, _second) = (opens(&pool, &email).await, opens(&pool, &email).await);
        waits!(third, pool, &email, &journal);
        waits!(fourth, pool, &email, &journal);
        drop(first);
        assert!(fourth.as_mut().now_or_never().is_none());
        let Some(Turn::Open(third)) = third.await else { panic!() };
        assert!(fourth.as_mut().now_or_never().is_none());
        drop(third);
        assert!(matches!(fourth.await, Some(Turn::Open(_))));
        assert_eq!(journal.step(), Some(Step::Turn));
    });
}

#[test]
fn a_connection_goes_to_the_first_who_waits_for_its_server_else_it_rests() {
    run(async {
        let (pool, email, journal) = (Pool::new(1), email_to(1), journal());
        let permit = opens(&pool, &email).await;
        let used = session(&email, permit).await;
        waits!(cancelled, pool, &email, &journal);
        waits!(next, pool, &email, &journal);
        drop(cancelled);
        pool.give_back(&email.server, used);
        let Some(Turn::Reuse(used)) = next.await else { panic!() };
        pool.give_back(&email.server, used);
        sleep(KEEP / 3).await;
        let Some(Turn::Reuse(used)) = pool.turn(Some(&email), Place::Last, &journal).await else { panic!() };
        assert!(used.rested >= KEEP / 3);
        pool.give_back(&email.server, used);
        sleep(KEEP + deadlines::QUIT).await;
        assert_eq!(pool.state.borrow().open, 0, "it is closed when nobody needs it");
        assert!(pool.state.borrow().reaper.is_none());
    });
}

#[test]
fn a_connection_to_another_server_makes_room() {
    run(async {
        let (pool, one, other, journal) = (Pool::new(1), email_to(1), email_to(2), journal());
        let permit = opens(&pool, &one).await;
        pool.give_back(&one.server, session(&one, permit).await);
        // No server answers its QUIT: the place is free when the courtesy is over.
        let permit = opens(&pool, &other).await;
        waits!(next, pool, &one, &journal);
        pool.give_back(&other.server, session(&other, permit).await);
        assert!(matches!(next.await, Some(Turn::Open(_))));
    });
}

#[test]
fn a_claim_goes_back_to_its_place_unless_it_is_handed_over() {
    run(async {
        let (pool, email, journal) = (Pool::new(1), email_to(1), journal());
        let permit = opens(&pool, &email).await;
        let used = session(&email, permit).await;
        waits!(first, pool, &email, &journal);
        waits!(second, pool, &email, &journal);
        let flight = || Some(Flight { commands: b"MAIL\r\n".to_vec(), count: 1 });
        drop(pool.claim(&email.server, |_| flight()).unwrap());
        assert!(pool.claim(&email.server, |_| None).is_none());
        let claim = pool.claim(&email.server, |_| flight()).unwrap();
        claim.hand_over(used);
        let Some(Turn::Ahead(used)) = first.await else { panic!("the first comes first") };
        drop(used);
        assert!(matches!(second.await, Some(Turn::Open(_))));
    });
}

#[test]
fn a_closed_pool_keeps_nothing_and_serves_who_waits() {
    run(async {
        let (pool, email, journal) = (Pool::new(1), email_to(1), journal());
        let permit = opens(&pool, &email).await;
        let used = session(&email, permit).await;
        waits!(next, pool, &email, &journal);
        pool.close();
        pool.give_back(&email.server, used);
        let Some(Turn::Reuse(used)) = next.await else { panic!() };
        pool.give_back(&email.server, used);
        sleep(deadlines::QUIT).await;
        sleep(deadlines::QUIT).await;
        assert_eq!(pool.state.borrow().open, 0);
        assert!(pool.state.borrow().idle.is_empty() && pool.state.borrow().reaper.is_none());
    });
}

#[test]
fn a_limit_on_emails_pauses_all_ever_longer_and_one_alone_is_told() {
    run(async {
        let (pool, email, journal) = (Pool::new(2), email_to(1), journal());
        let mut ours = opens(&pool, &email).await;
        assert!(!pool.slow_down(Limit::Rate), "it has no others to wait for");
        let other = opens(&pool, &email).await;
        for pause in [1, 2, 4, 8, 16] {
            let began = Instant::now();
            assert!(pool.slow_down(Limit::Rate));
            drop(ours);
            let Some(Turn::Open(again)) = pool.turn(Some(&email), Place::First, &journal).await else { panic!() };
            ours = again;
            assert_eq!(began.elapsed().as_secs(), pause);
        }
        assert!(!pool.slow_down(Limit::Rate), "this goes on for too long");
        pool.accepted();
        assert!(pool.slow_down(Limit::Rate));
        drop(other);
    });
}

#[test]
fn a_limit_on_connections_lowers_their_number_until_it_is_forgotten() {
    run(async {
        let (pool, email, journal) = (Pool::new(3), email_to(1), journal());
        let (one, two, three) = (opens(&pool, &email).await, opens(&pool, &email).await, opens(&pool, &email).await);
        assert!(pool.slow_down(Limit::Connections));
        drop(three);
        waits!(next, pool, &email, &journal);
        drop(two);
        let Some(Turn::Open(two)) = next.await else { panic!() };
        waits!(later, pool, &email, &journal);
        sleep(REMEMBER * 2).await;
        drop(two);
        assert!(matches!(later.await, Some(Turn::Open(_))));
        assert!(matches!(pool.turn(Some(&email), Place::Last, &journal).await, Some(Turn::Open(_))));
        drop(one);
    });
}

#[test]
fn a_connection_that_is_forgotten_to_be_too_many_is_opened_while_others_go_on() {
    run(async {
        let (pool, email, journal) = (Pool::new(2), email_to(1), journal());
        let (_one, two) = (opens(&pool, &email).await, opens(&pool, &email).await);
        assert!(pool.slow_down(Limit::Connections));
        drop(two);
        waits!(next, pool, &email, &journal);
        pool.accepted();
        assert!(next.as_mut().now_or_never().is_none(), "it is too early");
        sleep(REMEMBER * 2).await;
        pool.accepted();
        assert!(matches!(next.as_mut().now_or_never(), Some(Some(Turn::Open(_)))));
    });
}

#[test]
fn one_alone_ends_what_was_learnt_of_pauses() {
    run(async {
        let (pool, email, journal) = (Pool::new(2), email_to(1), journal());
        let ours = opens(&pool, &email).await;
        let other = opens(&pool, &email).await;
        assert!(pool.slow_down(Limit::Rate));
        sleep(PAUSE).await;
        drop(other);
        assert!(!pool.slow_down(Limit::Rate));
        let other = opens(&pool, &email).await;
        assert!(pool.slow_down(Limit::Rate));
        drop((ours, other));
        let began = Instant::now();
        pool.turn(Some(&email), Place::First, &journal).await.unwrap();
        assert_eq!(began.elapsed(), PAUSE);
    });
}

#[test]
fn whoever_is_cancelled_leaves_the_line_and_the_memory() {
    run(async {
        let (pool, email, journal) = (Pool::new(1), email_to(1), journal());
        let _permit = opens(&pool, &email).await;
        waits!(next, pool, &email, &journal);
        assert_eq!(Arc::strong_count(&email.message), 2);
        drop(next);
        assert_eq!(Arc::strong_count(&email.message), 1);
    });
}

#[test]
fn a_closed_pool_has_no_timer_when_nobody_waits() {
    run(async {
        let (pool, email, journal) = (Pool::new(2), email_to(1), journal());
        let (one, two) = (opens(&pool, &email).await, opens(&pool, &email).await);
        assert!(pool.slow_down(Limit::Rate));
        waits!(next, pool, &email, &journal);
        pool.close();
        assert!(pool.state.borrow().alarm.is_some());
        drop(next);
        assert!(pool.state.borrow().alarm.is_none());
        // One that was on its way meets with the limit, and waits for a time that comes.
        assert!(pool.slow_down(Limit::Rate));
        drop(one);
        let next = timeout(LONGEST_PAUSE, pool.turn(Some(&email), Place::First, &journal)).await;
        let Ok(Some(Turn::Open(one))) = next else { panic!("it waits in vain") };
        assert!(pool.slow_down(Limit::Rate));
        waits!(_next, pool, &email, &journal);
        pool.give_back(&email.server, session(&email, two).await);
        assert!(pool.state.borrow().idle.is_empty(), "it is kept for nobody");
        drop(one);
    });
}

/// What an email does that comes at some time, and where it is cancelled, in milliseconds.
#[derive(Clone, Debug)]
struct Plan {
    port: u16,
    comes: u64,
    cancelled: Option<u64>,
    /// How long each try takes, and what then becomes of the connection.
    tries: Vec<(u64, Fate)>,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Dropped,
    GivenBack,
    HandedOver,
    ClaimDropped,
    Quit,
    Limited(Limit),
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let fate = prop_oneof![
        Just(Fate::Dropped),
        Just(Fate::GivenBack),
        Just(Fate::HandedOver),
        Just(Fate::ClaimDropped),
        Just(Fate::Quit),
        Just(Fate::Limited(Limit::Connections)),
        Just(Fate::Limited(Limit::Rate)),
    ];
    let tries = prop::collection::vec((0u64..3000, fate), 1..4);
    let plan = (1u16..3, 0u64..6000, prop::option::weighted(0.3, 0u64..6000), tries)
        .prop_map(|(port, comes, cancelled, tries)| Plan { port, comes, cancelled, tries });
    prop::collection::vec(plan, 1..24)
}

async fn play(pool: Rc<Pool>, plan: Plan) {
    sleep(Duration::from_millis(plan.comes)).await;
    let (email, journal) = (email_to(plan.port), journal());
    let tries = async {
        let mut place = Place::Last;
        for (takes, fate) in plan.tries {
            let used = match pool.turn(Some(&email), place, &journal).await.unwrap() {
                Turn::Open(permit) => session(&email, permit).await,
                Turn::Reuse(used) | Turn::Ahead(used) => used,
            };
            assert!(pool.state.borrow().open <= pool.most);
            sleep(Duration::from_millis(takes)).await;
            let claim = || pool.claim(&email.server, |_| Some(Flight::default()));
            match fate {
                Fate::Dropped => drop(used),
                Fate::Quit => used.quit(),
                Fate::GivenBack => pool.give_back(&email.server, used),
                Fate::HandedOver => match claim() {
                    Some(claim) => claim.hand_over(used),
                    None => pool.give_back(&email.server, used),
                },
                Fate::ClaimDropped => {
                    let claim = claim();
                    sleep(Duration::from_millis(takes)).await;
                    drop((used, claim));
                }
                Fate::Limited(limit) => {
                    if pool.slow_down(limit) {
                        place = Place::First;
                        continue;
                    }
                }
            }
            if let Fate::GivenBack | Fate::HandedOver = fate {
                pool.accepted();
            }
            return;
        }
        drop(pool.turn(Some(&email), place, &journal).await);
    };
    let cancelled = plan.cancelled.map(Duration::from_millis);
    let cancelled = async {
        match cancelled {
            Some(after) => sleep(after).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! { () = tries => {}, () = cancelled => {} }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_emails_do_none_waits_for_ever_and_nothing_is_kept(
        most in 1usize..4, closes in 0u64..9000, plans in plans()
    ) {
        run(async {
            let pool = Pool::new(most);
            let emails: Vec<_> = plans.into_iter().map(|plan| spawn_local(play(Rc::clone(&pool), plan))).collect();
            let closing = async {
                sleep(Duration::from_millis(closes)).await;
                pool.close();
            };
            let all = async {
                for email in emails {
                    email.await.unwrap();
                }
            };
            timeout(Duration::from_secs(3600), async { tokio::join!(all, closing) }).await.expect("one waits for ever");
            sleep(deadlines::QUIT + Duration::from_millis(1)).await;
            let state = pool.state.borrow();
            assert_eq!((state.open, state.idle.len(), state.waiting.len()), (0, 0, 0));
            assert!(state.reaper.is_none() && state.alarm.is_none());
        });
    }
}
