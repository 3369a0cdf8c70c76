//! From a host name to a connected socket: both address families, the first that answers wins (RFC 8305).

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::deadlines::Deadlines;
use super::ending::{Ending, Failure, Step};
use super::journal::Journal;

/// An address gets this head start before the next one is tried beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

pub async fn look_up(
    host: &str,
    port: u16,
    deadlines: &Deadlines,
    journal: &Journal,
) -> Result<Vec<SocketAddr>, Failure> {
    journal.begin(Step::Name);
    let found = timeout(deadlines.connect, lookup_host((host, port)))
        .await
        .map_err(|_| Failure::new(Ending::NameLookupFailed).detail("no answer from the name server"))?;
    let addresses: Vec<_> = match found {
        Ok(addresses) => addresses.collect(),
        // The resolver's code is lost on the way here; its wording is all there is to tell "try again" from "no such name".
        Err(error) if error.to_string().contains("Temporary failure") => {
            return Err(Failure::new(Ending::NameLookupFailed).detail(error.to_string()));
        }
        Err(error) => return Err(Failure::new(Ending::NameNotFound).detail(error.to_string())),
    };
    if addresses.is_empty() {
        return Err(Failure::new(Ending::NameNotFound));
    }
    journal.found(|found| found.addresses.clone_from(&addresses));
    Ok(addresses)
}

pub async fn connect(
    addresses: Vec<SocketAddr>,
    deadlines: &Deadlines,
    journal: &Journal,
) -> Result<TcpStream, Failure> {
    journal.begin(Step::Connect);
    let stream = timeout(deadlines.connect, race(alternate(addresses)))
        .await
        .map_err(|_| Failure::new(Ending::TimedOut))?
        .map_err(|error| connect_failure(&error))?;
    // Without it, Nagle's algorithm and the delayed ACK cost 40 ms for each email.
    stream.set_nodelay(true).map_err(|error| connect_failure(&error))?;
    let peer = stream.peer_addr().map_err(|error| connect_failure(&error))?;
    journal.found(|found| found.address = Some(peer));
    Ok(stream)
}

/// The resolver's order, with the families taking turns (RFC 8305 section 4).
fn alternate(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut turns = VecDeque::new();
    while !first.is_empty() || !second.is_empty() {
        turns.extend(first.pop_front());
        turns.extend(second.pop_front());
    }
    turns
}

async fn race(mut waiting: VecDeque<SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = waiting.pop_front() {
            attempts.spawn(TcpStream::connect(address));
        }
        tokio::select! {
            biased;
            ended = attempts.join_next() => match ended {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => last_error = error,
                Some(Err(_)) => {}
                None => return Err(last_error),
            },
            () = sleep(HEAD_START), if !waiting.is_empty() => {}
        }
    }
}

pub fn connect_failure(error: &io::Error) -> Failure {
    use io::ErrorKind as K;
    let ending = match error.kind() {
        K::ConnectionRefused => Ending::ConnectionRefused,
        K::TimedOut => Ending::TimedOut,
        K::NetworkUnreachable | K::HostUnreachable | K::NetworkDown => Ending::NoRoute,
        _ => Ending::ConnectionFailed,
    };
    Failure::new(ending).detail(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_families_take_turns_in_the_resolvers_order() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let given = ["[::1]:1", "[::2]:1", "1.1.1.1:1", "[::3]:1"].map(parse).to_vec();
        let order: Vec<_> = alternate(given).into();
        assert_eq!(order, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"].map(parse));
    }
}
