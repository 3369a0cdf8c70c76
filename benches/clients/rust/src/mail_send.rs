//! The job with mail-send. It has no pool: each connection sends one email after the other.

mod job;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use mail_builder::MessageBuilder;
use mail_send::{SmtpClient, SmtpClientBuilder};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use job::{Failed, Job, Measure};

type Client = SmtpClient<TlsStream<TcpStream>>;

fn main() -> Result<(), Failed> {
    let job = Rc::new(Job::read()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(job))
}

async fn run(job: Rc<Job>) -> Result<(), Failed> {
    if job.is_cold {
        job::wait_for_go()?;
        let started = Instant::now();
        let mut client = builder(&job)?.connect().await?;
        send(&mut client, &job, job.document()?).await?;
        job::report_cold(started);
        return Ok(());
    }
    let builder = Rc::new(builder(&job)?);
    let mut warm_up = JoinSet::new();
    for _ in 0..job.connections {
        let (builder, job) = (Rc::clone(&builder), Rc::clone(&job));
        warm_up.spawn_local(async move {
            let mut client = builder.connect().await?;
            send(&mut client, &job, job::SMALL_DOCUMENT.to_vec()).await?;
            Ok::<Client, Failed>(client)
        });
    }
    let clients = warm_up.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    job::wait_for_go()?;
    let measure = Measure::begin()?;
    send_all(clients, &job).await?;
    measure.end()
}

fn builder(job: &Job) -> Result<SmtpClientBuilder<String>, Failed> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&job.ca)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    Ok(SmtpClientBuilder::new_with_tls_connector(job.host.clone(), job.port, connector)
        .implicit_tls(!job.is_starttls)
        .helo_host(job::NAME)
        .credentials((job.user.clone(), job.password.clone())))
}

async fn send(client: &mut Client, job: &Job, document: Vec<u8>) -> Result<(), Failed> {
    let message = MessageBuilder::new()
        .from(job.user.as_str())
        .to(job.recipients.iter().map(String::as_str).collect::<Vec<_>>())
        .subject("Invoice")
        .text_body(job::SENTENCE)
        .attachment("application/pdf", "document.pdf", document);
    client.send(message).await?;
    Ok(())
}

async fn send_all(clients: Vec<Client>, job: &Rc<Job>) -> Result<(), Failed> {
    let left = Rc::new(Cell::new(job.count));
    let mut sends = JoinSet::new();
    for mut client in clients {
        let (job, left) = (Rc::clone(job), Rc::clone(&left));
        sends.spawn_local(async move {
            while let Some(rest) = left.get().checked_sub(1) {
                left.set(rest);
                send(&mut client, &job, job.document()?).await?;
            }
            Ok::<(), Failed>(())
        });
    }
    while let Some(sent) = sends.join_next().await {
        sent??;
    }
    Ok(())
}
