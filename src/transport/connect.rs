//! From a host name to a connection with its server: both address families, the first that answers wins (RFC 8305); through
//! the proxy, where there is one.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::deadlines::Deadlines;
use super::ending::{Ending, Failure, Step};
use super::journal::Journal;
use super::{Network, Proxy};

/// An address gets this head start before the next one is tried beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A connection on which the server is the next to be heard, or to be spoken to.
pub struct Connected {
    pub stream: TcpStream,
    /// Our side of it.
    pub local: SocketAddr,
    pub peer: Peer,
}

/// The other side of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// Whose address that is, if it is not the server's: host and port of the proxy.
    pub proxy: Option<String>,
    /// What is sent does not leave this machine. Of a server behind a proxy nobody knows, wherever the proxy is.
    pub is_loopback: bool,
}

pub async fn open(host: &str, port: u16, network: &Network, journal: &Journal) -> Result<Connected, Failure> {
    find(host, network, journal).await?.connect(port, network, journal).await
}

/// Where a host is: its own addresses, or those of the proxy through which it is reached.
pub struct Whereabouts<'n> {
    host: &'n str,
    proxy: Option<&'n Proxy>,
    /// Without a port.
    addresses: Vec<SocketAddr>,
}

/// For any number of ports of the host, the name is looked up once.
pub async fn find<'n>(host: &'n str, network: &'n Network, journal: &Journal) -> Result<Whereabouts<'n>, Failure> {
    let proxy = network.proxy_for(host);
    begin(Step::Name, proxy, journal);
    let addresses = look_up(proxy.map_or(host, Proxy::host), &network.deadlines, journal).await?;
    Ok(Whereabouts { host, proxy, addresses })
}

impl Whereabouts<'_> {
    pub async fn connect(&self, port: u16, network: &Network, journal: &Journal) -> Result<Connected, Failure> {
        let Self { host, proxy, .. } = *self;
        begin(Step::Connect, proxy, journal);
        let until = Instant::now() + network.deadlines.connect;
        let mut stream = timeout_at(until, race(alternate(self.at(proxy.map_or(port, Proxy::port)))))
            .await
            .map_err(|_| Failure::new(Ending::TimedOut))?
            .map_err(|error| connect_failure(&error))?;
        let (address, local) = settle(&stream).map_err(|error| connect_failure(&error))?;
        journal.found(|found| found.address = Some(address));
        journal.note(&format!("connected to {address}"));
        if let Some(proxy) = proxy {
            begin(Step::Proxy, Some(proxy), journal);
            timeout_at(until, proxy.tunnel(&mut stream, host, port))
                .await
                .map_err(|_| Failure::new(Ending::TimedOut))??;
            journal.note(&format!("connected to {host} through the proxy"));
        }
        let is_loopback = proxy.is_none() && address.ip().to_canonical().is_loopback();
        Ok(Connected { stream, local, peer: Peer { address, proxy: proxy.map(Proxy::name), is_loopback } })
    }

    fn at(&self, port: u16) -> Vec<SocketAddr> {
        let mut addresses = self.addresses.clone();
        for address in &mut addresses {
            address.set_port(port);
        }
        addresses
    }
}

/// A step that is about the proxy says so, as whoever reads of a failure would otherwise look for it at the server.
fn begin(step: Step, proxy: Option<&Proxy>, journal: &Journal) {
    journal.begin(step);
    if let Some(proxy) = proxy {
        journal.found(|found| found.proxy = Some(proxy.name()));
    }
}

/// Both ends of the connection. Without `TCP_NODELAY`, Nagle's algorithm and the delayed ACK cost 40 ms for each email.
fn settle(stream: &TcpStream) -> io::Result<(SocketAddr, SocketAddr)> {
    stream.set_nodelay(true)?;
    Ok((stream.peer_addr()?, stream.local_addr()?))
}

async fn look_up(host: &str, deadlines: &Deadlines, journal: &Journal) -> Result<Vec<SocketAddr>, Failure> {
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, 0)],
        Err(_) => timeout(deadlines.connect, ask_resolver(host.to_owned()))
            .await
            .map_err(|_| Failure::new(Ending::NameLookupFailed).detail("no answer from the name server"))??,
    };
    if addresses.is_empty() {
        return Err(Failure::new(Ending::NameNotFound));
    }
    journal.found(|found| found.addresses.clone_from(&addresses));
    Ok(addresses)
}

/// The system's resolver. The standard library's way to it drops the code that tells "there is no such name" from "nobody
/// could be asked", and leaves words in the language of the host program.
async fn ask_resolver(host: String) -> Result<Vec<SocketAddr>, Failure> {
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    match spawn_blocking(move || getaddrinfo(Some(&host), None, Some(hints))).await {
        Ok(Ok(found)) => Ok(found.flatten().map(|entry| entry.sockaddr).collect()),
        Ok(Err(error)) => {
            let ending = match error.kind() {
                LookupErrorKind::NoName | LookupErrorKind::NoData => Ending::NameNotFound,
                _ => Ending::NameLookupFailed,
            };
            Err(Failure::new(ending).detail(error.to_string()))
        }
        Err(_) => Err(Failure::new(Ending::NameLookupFailed)),
    }
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

/// The first connection that comes about. The other attempts are dropped with this future, and closed by that.
async fn race(mut waiting: VecDeque<SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = FuturesUnordered::new();
    let mut failed: Option<io::Error> = None;
    loop {
        attempts.extend(waiting.pop_front().map(TcpStream::connect));
        tokio::select! {
            biased;
            ended = attempts.next() => match ended {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => failed = Some(more_telling(failed, error)),
                None => return Err(failed.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())),
            },
            () = sleep(HEAD_START), if !waiting.is_empty() => {}
        }
    }
}

/// Where one address refused and there is no way to another, as without IPv6, the refusal is what there is to mend.
fn more_telling(before: Option<io::Error>, now: io::Error) -> io::Error {
    use io::ErrorKind as K;
    match (before, now.kind()) {
        (Some(before), K::NetworkUnreachable | K::HostUnreachable | K::NetworkDown | K::AddrNotAvailable) => before,
        _ => now,
    }
}

fn connect_failure(error: &io::Error) -> Failure {
    use io::ErrorKind as K;
    let ending = match error.kind() {
        K::ConnectionRefused => Ending::ConnectionRefused,
        K::TimedOut => Ending::TimedOut,
        K::NetworkUnreachable | K::HostUnreachable | K::NetworkDown => Ending::NoRoute,
        _ => Ending::ConnectionFailed,
    };
    // The system's words are in the host program's language; a firewall's refusal is told by ours.
    let detail = match (error.kind(), error.raw_os_error()) {
        (kind @ K::PermissionDenied, Some(code)) => format!("{kind} (os error {code})"),
        _ => error.to_string(),
    };
    Failure::new(ending).detail(detail)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpSocket;

    use super::*;

    /// The states in which Linux has connections with this port of 127.0.0.1 as their other end.
    fn states(port: u16) -> Vec<String> {
        let peer = format!("0100007F:{port:04X}");
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row[2] == peer).map(|row| row[3].to_owned()).collect()
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_is_overtaken_and_given_up() {
        const SYN_SENT: &str = "02";
        // A full queue: what comes after these two is left without an answer.
        let full = TcpSocket::new_v4().unwrap();
        full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let full = full.listen(1).unwrap();
        let silent = full.local_addr().unwrap();
        let _waiting = [TcpStream::connect(silent).await.unwrap(), TcpStream::connect(silent).await.unwrap()];
        let good = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answering = good.local_addr().unwrap();
        let began = Instant::now();
        let mut attempt = std::pin::pin!(race([silent, answering].into()));
        assert!(timeout(HEAD_START / 5, &mut attempt).await.is_err());
        assert!(states(silent.port()).iter().any(|state| state == SYN_SENT), "the queue is not full");
        let stream = attempt.await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), answering);
        assert!(began.elapsed() >= HEAD_START);
        assert!(states(silent.port()).iter().all(|state| state != SYN_SENT), "it goes on trying");
    }

    #[tokio::test]
    async fn after_a_refusal_the_next_address_is_tried() {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let good = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = race([closed, good.local_addr().unwrap()].into()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good.local_addr().unwrap());
        assert_eq!(race([closed].into()).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_refusal_tells_more_than_a_missing_route() {
        use io::ErrorKind as K;
        for (errors, told) in [
            ([K::ConnectionRefused, K::NetworkUnreachable], K::ConnectionRefused),
            ([K::NetworkUnreachable, K::ConnectionRefused], K::ConnectionRefused),
            ([K::HostUnreachable, K::AddrNotAvailable], K::HostUnreachable),
        ] {
            let last = errors.into_iter().fold(None, |before, kind| Some(more_telling(before, kind.into())));
            assert_eq!(last.unwrap().kind(), told, "{errors:?}");
        }
    }

    #[test]
    fn address_families_take_turns_in_the_resolvers_order() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let given = ["[::1]:1", "[::2]:1", "1.1.1.1:1", "[::3]:1"].map(parse).to_vec();
        let order: Vec<_> = alternate(given).into();
        assert_eq!(order, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"].map(parse));
    }
}
