//! Sending: a document, or a test.

use std::ffi::{CStr, CString};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use tokio::time::sleep;

use crate::email::{self, Email, Mailbox};
use crate::form::{Purpose, Route, Values};
use crate::guide::{Providers, Texts};
use crate::input::{Fault, Faults, Object};
use crate::reply::{Answer, Job, Progress, Reply, Status, pending};
use crate::transport::{Ending, Failure, Journal, Network, Step};
use crate::transport::{http, smtp};

use super::delivery::Delivery;
use super::renewal::{Authorizer, Stop};
use super::worker::Worker;
use super::{Account, fault, repair, report, saved, token};

pub fn document(
    account: &Account,
    mut json: Value,
    pdf: impl FnOnce() -> Result<Option<Bytes>, Fault>,
) -> Result<Reply, Answer> {
    let mut faults = Faults::new();
    let texts = account.texts_for(&json, &mut faults);
    let refuse = |faults: &[Fault]| fault::refuse(&texts, faults, Status::BadEmail);
    let document = pdf().unwrap_or_else(|fault| {
        // What is wrong with the email is told together with what is wrong with the document.
        faults.push(fault);
        Some(Bytes::new())
    });
    let token = token::given(&mut json, &mut faults);
    let names_file = json.pointer("/document/path").is_some_and(|path| !path.is_null());
    if document.is_none() && !names_file {
        return Err(fault::bad_argument(Some(account), "null_argument", &[("argument", "pdf".to_owned())]));
    }
    let email = Email::from_json(json, document).map_err(|others| faults.extend(others)).ok();
    let Some(email) = email.filter(|_| faults.is_empty()) else { return Err(refuse(&faults)) };
    let mut settings = account.settings(&texts)?.as_ref().clone();
    let authorizer = token::authorize(account, &mut settings, token)
        .map_err(|fault| fault::refuse(&texts, &[fault], Status::BadSettings))?;
    let total = email.total.or(account.network.deadlines.total);
    let delivery = Delivery::new(settings, email).map_err(|fault| refuse(&[fault]))?;
    Ok(start(account, Work { texts, delivery, authorizer, total, tested: None, has_transcript: false }))
}

pub fn test(account: &Account, mut json: Value) -> Result<Reply, Answer> {
    let mut faults = Faults::new();
    let texts = account.texts_for(&json, &mut faults);
    let token = token::given(&mut json, &mut faults);
    let mut unsaved = None;
    let (mut to, mut total, mut has_transcript) = (None, None, false);
    if let Some(mut object) = Object::new(json, "test_json", &mut faults).map(Object::outermost) {
        unsaved = object.take("settings").map(|json| Values::from_json(json, "settings", &mut faults));
        to = object.text("to", &mut faults).and_then(|text| one_mailbox(&text, &mut faults));
        total = object.number("total_ms", 1, 86_400_000, &mut faults).map(Duration::from_millis);
        has_transcript = object.flag("transcript", &mut faults).unwrap_or_default();
        object.take("locale");
        object.take("access_token");
        object.end(&mut faults);
    }
    if !faults.is_empty() {
        return Err(fault::refuse(&texts, &faults, Status::BadEmail));
    }
    let mut settings = match unsaved {
        None => account.settings(&texts)?.as_ref().clone(),
        Some(values) => {
            // A store that cannot be read has no secret to add; values that need none can be tested all the same.
            let saved = account.store.load().ok().flatten();
            account.checked(&texts, &values, saved.as_deref().map(saved::stored).as_ref(), Purpose::Test)?
        }
    };
    let authorizer = token::authorize(account, &mut settings, token)
        .map_err(|fault| fault::refuse(&texts, &[fault], Status::BadSettings))?;
    // A test is for the one who makes it: the archive gets no copy.
    settings.copy_to.clear();
    let recipient = match (to, &settings.route) {
        (Some(to), _) => to,
        (None, Route::Smtp { sender, .. }) => Mailbox { name: None, address: sender.clone() },
        (None, Route::Http(_)) => match settings.reply_to.first() {
            Some(mailbox) => mailbox.clone(),
            None => return Err(fault::refuse(&texts, &[Fault::input("reply_to", "required")], Status::BadSettings)),
        },
    };
    let email = Email::test(recipient.clone(), texts.plain("test_subject", &[]), &texts.plain("test_body", &[]));
    let delivery =
        Delivery::new(settings, email).map_err(|fault| fault::refuse(&texts, &[fault], Status::BadSettings))?;
    let total = Some(total.unwrap_or(account.network.deadlines.test));
    let tested = Some(recipient.address.as_str().to_owned());
    Ok(start(account, Work { texts, delivery, authorizer, total, tested, has_transcript }))
}

fn one_mailbox(text: &str, faults: &mut Faults) -> Option<Mailbox> {
    let mut wrong = Faults::new();
    let mut list = email::parse_mailboxes("to", text, &mut wrong);
    if list.len() > 1 {
        faults.push(Fault::input("to", "one_address_only"));
    }
    faults.extend(wrong.into_iter().map(|fault| Fault { place: "to".to_owned(), ..fault }));
    list.pop()
}

/// One piece of work.
struct Work {
    texts: Arc<Texts>,
    delivery: Delivery,
    /// Gets the token to log in with, where the account signed in.
    authorizer: Option<Authorizer>,
    total: Option<Duration>,
    /// The recipient of a test.
    tested: Option<String>,
    has_transcript: bool,
}

fn start(account: &Account, work: Work) -> Reply {
    let (reply, job) = pending();
    let worker = match worker(account) {
        Ok(worker) => worker,
        Err(error) => {
            not_begun(&account.providers, work, &error, job);
            return reply;
        }
    };
    let words = Words { providers: Arc::clone(&account.providers), steps: account.step_texts(&work.texts) };
    worker.submit(move |network| Box::pin(run(network, words, work, job)));
    reply
}

/// As any other failure is told, with what became of each recipient: nothing.
fn not_begun(providers: &Providers, work: Work, error: &io::Error, job: Job) {
    let Work { texts, delivery, tested, .. } = work;
    let journal = Journal::new(delivery.recipients().len(), Box::new(|_, _| ()));
    let failure = Failure::new(Ending::Internal).detail(format!("no background thread could be started: {error}"));
    let answer = report::answer(&texts, providers, &delivery, &Err(failure), &journal, tested.as_deref(), None);
    let course = report::Course::of(&delivery, &journal);
    job.end_with(answer, Box::new(move || course.members(&texts)));
}

/// For work that has no more to tell than that it was not begun.
pub fn no_thread(texts: &Texts, error: &io::Error) -> Answer {
    let ending = Ending::Internal;
    let message = texts.get(&format!("problem-{}", ending.reason()));
    Answer::new(report::status_of(ending), ending.reason(), message).with("detail", error.to_string())
}

/// The account's worker, started if there is none in this process.
pub fn worker(account: &Account) -> io::Result<Arc<Worker>> {
    loop {
        let present = account.worker.load_full();
        if let Some(worker) = present.as_ref().filter(|worker| worker.is_alive()) {
            return Ok(Arc::clone(worker));
        }
        let started = Worker::start(Arc::clone(&account.network))?;
        let replaced = account.worker.compare_and_swap(&present, Some(Arc::new(started)));
        let was_first = replaced.as_ref().map(Arc::as_ptr) == present.as_ref().map(Arc::as_ptr);
        if let (true, Some(dead)) = (was_first, present) {
            Worker::release(dead);
        }
    }
}

/// What the reply is put into words with, besides the texts of the work.
struct Words {
    providers: Arc<Providers>,
    steps: Arc<StepTexts>,
}

async fn run(network: Rc<Network>, words: Words, work: Work, job: Job) {
    let Words { providers, steps } = words;
    let Work { texts, mut delivery, authorizer, total, tested, has_transcript } = work;
    let job = Rc::new(job);
    let listener = {
        let job = Rc::clone(&job);
        Box::new(move |step: Step, permille| {
            job.progress(Progress { step: step.code(), text: steps.of(step), permille });
        })
    };
    let mut journal = Journal::new(delivery.recipients().len(), listener);
    if has_transcript {
        journal = journal.with_transcript();
    }
    let began = Instant::now();
    // The work is looked at first: a verdict that is here counts, though the host gave up in the same moment.
    let ended = tokio::select! {
        biased;
        ended = authorized(&network, &mut delivery, authorizer.as_ref(), tested.is_some(), &journal) => ended,
        () = job.canceled() => Err(cut_short(&journal, Ending::Canceled).into()),
        () = overdue(total) => Err(cut_short(&journal, Ending::OutOfTime).into()),
    };
    let (ended, unstored) = match ended {
        Ok(ending) => (Ok(ending), None),
        Err(Stop::Failure(failure)) => (Err(failure), None),
        Err(Stop::Store(error)) => (Err(Failure::new(Ending::Internal)), Some(saved::failed(&texts, &error))),
    };
    let (Ok(ending) | Err(Failure { ending, .. })) = &ended;
    if let Err(failure) = &ended {
        journal.failed(failure);
    }
    journal.finish(*ending);
    let (ended, tried) = match &ended {
        Err(failure) if tested.is_some() && unstored.is_none() => tokio::select! {
            biased;
            tried = repair::run(&delivery, failure, &network, &journal, left(total, began)) => (ended, tried),
            () = job.canceled() => (Err(Ending::Canceled.into()), None),
        },
        _ => (ended, None),
    };
    let answer = match (unstored, &authorizer, &ended) {
        (Some(answer), ..) => answer,
        (None, Some(authorizer), Err(failure)) if is_of_sign_in(failure, &journal) => {
            let Authorizer { client, login, host, .. } = authorizer;
            let provider = providers.of_login(host, &login.account);
            report::of_sign_in(&texts, provider, failure, client.host(), &login.account)
        }
        _ => report::answer(&texts, &providers, &delivery, &ended, &journal, tested.as_deref(), tried.as_deref()),
    };
    let course = report::Course::of(&delivery, &journal);
    // The listener holds the other half of the job; with the journal it is gone. The document goes before the host hears of
    // the end, so that it never finds two of them in memory.
    drop((journal, delivery));
    if let Some(job) = Rc::into_inner(job) {
        job.end_with(answer, Box::new(move || course.members(&texts)));
    }
}

/// With the token of the account's sign-in, if there is one.
async fn authorized(
    network: &Rc<Network>,
    delivery: &mut Delivery,
    authorizer: Option<&Authorizer>,
    is_test: bool,
    journal: &Journal,
) -> Result<Ending, Stop> {
    let Some(authorizer) = authorizer else { return Ok(deliver(network, delivery, is_test, journal).await?) };
    let token = authorizer.token(network, journal).await?;
    delivery.authorize(&authorizer.login.user, token.clone());
    let refused = match deliver(network, delivery, is_test, journal).await {
        Err(failure) if failure.ending == Ending::LoginRefused => failure,
        ended => return Ok(ended?),
    };
    // It may have expired while the email waited for its turn, or was taken back.
    let token = match authorizer.another(&token, network).await {
        Ok(Some(token)) => token,
        Ok(None) | Err(Stop::Failure(_)) => return Err(refused.into()),
        Err(stop) => return Err(stop),
    };
    journal.start_over();
    delivery.authorize(&authorizer.login.user, token);
    Ok(deliver(network, delivery, is_test, journal).await?)
}

/// Of the sign-in's renewal, and not of the email's own session.
fn is_of_sign_in(failure: &Failure, journal: &Journal) -> bool {
    journal.step() == Some(Step::SignIn) && !matches!(failure.ending, Ending::Canceled | Ending::OutOfTime)
}

async fn deliver(network: &Network, delivery: &Delivery, is_test: bool, journal: &Journal) -> Result<Ending, Failure> {
    match delivery {
        // A test is not kept waiting by a hundred statements that are on their way.
        Delivery::Smtp(submission) if is_test => smtp::test(submission, network, journal).await,
        Delivery::Smtp(submission) => smtp::send(submission, network, journal).await,
        Delivery::Http { relay, post, recipients } => {
            let _turn = if is_test { None } else { network.turn(journal).await };
            http::send(relay, network, post, recipients.len(), journal).await
        }
    }
}

/// What progress calls each step. It is told for each percent of a thousand emails, and made once.
pub struct StepTexts([Arc<CStr>; Step::ALL.len()]);

impl StepTexts {
    pub fn new(texts: &Texts) -> Self {
        Self(Step::ALL.map(|step| CString::new(texts.get(&format!("step-{}", step.code()))).unwrap_or_default().into()))
    }

    fn of(&self, step: Step) -> Arc<CStr> {
        let found = Step::ALL.into_iter().zip(&self.0).find(|(known, _)| *known == step);
        found.map_or_else(|| Arc::from(c""), |(_, text)| Arc::clone(text))
    }
}

/// Once the content was sent to its end, nobody can say any more that nothing was accepted.
fn cut_short(journal: &Journal, ending: Ending) -> Failure {
    Failure::new(if journal.has_content_ended() { Ending::NoVerdict } else { ending })
}

fn left(total: Option<Duration>, began: Instant) -> Duration {
    total.map_or(Duration::MAX, |total| total.saturating_sub(began.elapsed()))
}

async fn overdue(total: Option<Duration>) {
    match total {
        Some(total) => sleep(total).await,
        None => std::future::pending().await,
    }
}
