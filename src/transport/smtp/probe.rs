//! What a server offers at its ports: connect, TLS, greeting, EHLO, QUIT. Nothing that a person typed is sent but the name
//! of the server, and a login least of all.

use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::connect::{self, Connected, Whereabouts};
use super::super::{Ending, Failure, Journal, Network, Trust};
use super::session::Session;
use super::{Security, Server};

/// How much longer a better port is waited for when another one works.
const HEAD_START: Duration = Duration::from_secs(1);

/// A port, and how it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    pub port: u16,
    pub security: Security,
}

/// What came of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    pub mode: Mode,
    /// `None`: it works.
    pub failed: Option<Ending>,
}

/// What is tried, and with what in mind.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'p> {
    pub host: &'p str,
    /// The best first.
    pub modes: &'p [Mode],
    pub trust: Trust,
    /// A server that takes no login is then no use.
    pub has_login: bool,
}

/// All modes side by side, within this time. Told are those up to the best one that works, which alone is waited for.
pub async fn probe(probe: Probe<'_>, limit: Duration, network: &Network) -> Vec<Tried> {
    let mut until = Instant::now() + limit;
    let journal = Journal::unheard();
    let found = timeout(limit, connect::find(probe.host, network, &journal)).await;
    let place = match found.unwrap_or_else(|_| Err(Ending::TimedOut.into())) {
        Ok(place) => place,
        Err(Failure { ending, .. }) => {
            return probe.modes.iter().map(|&mode| Tried { mode, failed: Some(ending) }).collect();
        }
    };
    let mut running: FuturesUnordered<_> = probe
        .modes
        .iter()
        .enumerate()
        .map(|(at, &mode)| offer(&probe, &place, mode, network).map(move |ended| (at, ended)))
        .collect();
    let mut outcomes = vec![None; probe.modes.len()];
    while let Ok(Some((at, ended))) = timeout_at(until, running.next()).await {
        if ended.is_ok() {
            until = until.min(Instant::now() + HEAD_START);
        }
        if let Some(slot) = outcomes.get_mut(at) {
            *slot = Some(ended.map_err(|failure| failure.ending));
        }
        let best = outcomes.iter().find(|outcome| !matches!(outcome, Some(Err(_))));
        if best.is_some_and(Option::is_some) {
            break;
        }
    }
    let count = outcomes.iter().position(|outcome| *outcome == Some(Ok(()))).map_or(outcomes.len(), |best| best + 1);
    let told = probe.modes.iter().zip(outcomes).take(count);
    told.map(|(&mode, outcome)| Tried { mode, failed: outcome.unwrap_or(Err(Ending::TimedOut)).err() }).collect()
}

async fn offer(probe: &Probe<'_>, place: &Whereabouts<'_>, mode: Mode, network: &Network) -> Result<(), Failure> {
    let journal = Journal::unheard();
    let server = Server {
        host: probe.host.to_owned(),
        port: mode.port,
        security: mode.security,
        trust: probe.trust,
        login: None,
        allow_insecure_login: false,
        chunks_well: false,
    };
    let Connected { stream, local, peer } = place.connect(mode.port, network, &journal).await?;
    let session = Session::over(Box::new(stream), local.ip(), peer, &server, network, None, &journal).await?;
    let takes_login = !session.extensions.mechanisms().is_empty();
    session.quit();
    if probe.has_login && !takes_login { Err(Ending::LoginNotOffered.into()) } else { Ok(()) }
}
