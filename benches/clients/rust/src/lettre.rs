//! The job with lettre: tokio, rustls, and its pool.

mod job;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Message, MultiPart, SinglePart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use job::{Failed, Job, Measure};

type Transport = AsyncSmtpTransport<Tokio1Executor>;

fn main() -> Result<(), Failed> {
    let job = Rc::new(Job::read()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(job))
}

async fn run(job: Rc<Job>) -> Result<(), Failed> {
    if job.is_cold {
        job::wait_for_go()?;
        let started = Instant::now();
        send(&open(&job)?, &job, job.document()?).await?;
        job::report_cold(started);
        return Ok(());
    }
    let transport = open(&job)?;
    let mut warm_up = JoinSet::new();
    for _ in 0..job.connections {
        let (transport, job) = (transport.clone(), Rc::clone(&job));
        warm_up.spawn_local(async move { send(&transport, &job, job::SMALL_DOCUMENT.to_vec()).await });
    }
    ended(warm_up).await?;
    job::wait_for_go()?;
    let measure = Measure::begin()?;
    send_all(&transport, &job).await?;
    measure.end()
}

fn open(job: &Job) -> Result<Transport, Failed> {
    let tls = TlsParameters::builder(job.host.clone()).add_root_certificate(Certificate::from_pem(&job.ca)?).build()?;
    let tls = if job.is_starttls { Tls::Required(tls) } else { Tls::Wrapper(tls) };
    Ok(Transport::builder_dangerous(&job.host)
        .port(job.port)
        .tls(tls)
        .hello_name(ClientId::Domain(job::NAME.to_owned()))
        .credentials(Credentials::new(job.user.clone(), job.password.clone()))
        .authentication(vec![Mechanism::Plain])
        .pool_config(PoolConfig::new().max_size(u32::try_from(job.connections)?))
        .build())
}

async fn send(transport: &Transport, job: &Job, document: Vec<u8>) -> Result<(), Failed> {
    let mut message = Message::builder().from(job.user.parse()?).subject("Invoice");
    for recipient in &job.recipients {
        message = message.to(recipient.parse()?);
    }
    let document = Attachment::new("document.pdf".to_owned()).body(document, ContentType::parse("application/pdf")?);
    let parts = MultiPart::mixed().singlepart(SinglePart::plain(job::SENTENCE.to_owned())).singlepart(document);
    transport.send(message.multipart(parts)?).await?;
    Ok(())
}

/// The pool limits the connections that it keeps, not those that are open; the semaphore does that.
async fn send_all(transport: &Transport, job: &Rc<Job>) -> Result<(), Failed> {
    let turns = Arc::new(Semaphore::new(job.connections));
    let mut sends = JoinSet::new();
    for _ in 0..job.count {
        let turn = Arc::clone(&turns).acquire_owned().await?;
        let (transport, job) = (transport.clone(), Rc::clone(job));
        sends.spawn_local(async move {
            let _turn = turn;
            send(&transport, &job, job.document()?).await
        });
    }
    ended(sends).await
}

async fn ended(mut sends: JoinSet<Result<(), Failed>>) -> Result<(), Failed> {
    while let Some(sent) = sends.join_next().await {
        sent??;
    }
    Ok(())
}
