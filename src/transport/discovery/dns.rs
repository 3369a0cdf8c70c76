//! What the system's own lookup does not answer: MX and SRV, asked of a name server (RFC 1035, 2782).

use std::cmp::Reverse;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, ParseRecordData, ParsedName, Record, Rtype};
use domain::rdata::{Mx, Srv};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, sleep, timeout_at};

use super::super::is_domain;

const CONFIGURATION: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// As many as resolv.conf(5) reads.
const MOST_SERVERS: usize = 3;
/// A server that has not answered by then is asked again, or the next one is.
const PATIENCE: Duration = Duration::from_millis(600);
const MOST_QUESTIONS: usize = 4;
/// Longer answers come by TCP.
const LONGEST_DATAGRAM: usize = 4096;
/// More hosts than anybody has.
const MOST_RECORDS: usize = 20;

/// Whom to ask.
#[derive(Clone, Debug)]
pub struct NameServers(Vec<SocketAddr>);

impl NameServers {
    pub fn one(server: SocketAddr) -> Self {
        Self(vec![server])
    }

    /// Those of the system, as they are now.
    pub fn of_system() -> Self {
        let text = std::fs::read_to_string(CONFIGURATION).unwrap_or_default();
        let mut servers = configured(&text);
        if servers.is_empty() {
            servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        Self(servers)
    }

    /// The hosts to which the domain's emails go, the first one first.
    pub async fn exchanges(&self, domain: &str, until: Instant) -> Vec<String> {
        let Some(answer) = self.ask(domain, Rtype::MX, until).await else { return Vec::new() };
        let mut found = records::<Mx<ParsedName<&[u8]>>>(&answer);
        found.sort_unstable_by_key(Mx::preference);
        found.iter().filter_map(|record| host(record.exchange())).collect()
    }

    /// The server of a service, and its port. A service that there is not has the target ".", which is no domain.
    pub async fn service(&self, name: &str, until: Instant) -> Option<(String, u16)> {
        let answer = self.ask(name, Rtype::SRV, until).await?;
        let found = records::<Srv<ParsedName<&[u8]>>>(&answer).into_iter().filter(|record| record.port() > 0);
        let named = found.filter_map(|record| Some((host(record.target())?, record)));
        let best = named.min_by_key(|(_, record)| (record.priority(), Reverse(record.weight())));
        best.map(|(host, record)| (host, record.port()))
    }

    async fn ask(&self, name: &str, kind: Rtype, until: Instant) -> Option<Answer> {
        let query = Query::new(name, kind)?;
        timeout_at(until, self.first_answer(&query)).await.ok().flatten()
    }

    /// The servers take turns, each with a head start.
    async fn first_answer(&self, query: &Query) -> Option<Answer> {
        let mut turns = self.0.iter().cycle().take(MOST_QUESTIONS.max(self.0.len()));
        let mut asked = FuturesUnordered::new();
        loop {
            let next = turns.next().map(|server| query.put_to(*server));
            let is_last = next.is_none();
            asked.extend(next);
            tokio::select! {
                biased;
                ended = asked.next() => match ended {
                    Some(Ok(answer)) => return Some(answer),
                    Some(Err(_)) => {}
                    None => return None,
                },
                () = sleep(PATIENCE), if !is_last => {}
            }
        }
    }
}

fn configured(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let address = words.next().filter(|word| *word == "nameserver").and(words.next())?;
            address.parse::<IpAddr>().ok()
        })
        .map(|address| (address, PORT).into())
        .take(MOST_SERVERS)
        .collect()
}

type Answer = Message<Vec<u8>>;

/// One question, in the form that goes out.
struct Query(Message<Vec<u8>>);

impl Query {
    fn new(name: &str, kind: Rtype) -> Option<Self> {
        // Who does not see the question cannot answer it: neither number is to be guessed (RFC 5452).
        let mut id = [0; 2];
        SystemRandom::new().fill(&mut id).ok()?;
        let mut message = MessageBuilder::new_vec();
        message.header_mut().set_id(u16::from_be_bytes(id));
        message.header_mut().set_rd(true);
        let mut question = message.question();
        question.push((Name::vec_from_str(name).ok()?, kind)).ok()?;
        Some(Self(question.into_message()))
    }

    async fn put_to(&self, server: SocketAddr) -> io::Result<Answer> {
        let ours: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((ours, 0)).await?;
        socket.connect(server).await?;
        socket.send(self.0.as_slice()).await?;
        let mut buffer = vec![0; LONGEST_DATAGRAM];
        loop {
            let length = socket.recv(&mut buffer).await?;
            match self.judge(buffer.get(..length).unwrap_or_default().to_vec()) {
                Judgement::Cut => return self.put_by_tcp(server).await,
                Judgement::Answer(answer) => return Ok(answer),
                Judgement::Refusal => return Err(no_answer()),
                // Somebody's guess at an answer; the real one may still come.
                Judgement::Other => {}
            }
        }
    }

    async fn put_by_tcp(&self, server: SocketAddr) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(server).await?;
        let question = self.0.as_slice();
        let length = u16::try_from(question.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], question].concat()).await?;
        let mut bytes = vec![0; stream.read_u16().await?.into()];
        stream.read_exact(&mut bytes).await?;
        match self.judge(bytes) {
            Judgement::Answer(answer) => Ok(answer),
            Judgement::Cut | Judgement::Refusal | Judgement::Other => Err(no_answer()),
        }
    }

    fn judge(&self, bytes: Vec<u8>) -> Judgement {
        let Ok(answer) = Message::from_octets(bytes) else { return Judgement::Other };
        let header = answer.header();
        match header.rcode() {
            _ if !answer.is_answer(&self.0) => Judgement::Other,
            _ if header.tc() => Judgement::Cut,
            Rcode::NOERROR | Rcode::NXDOMAIN => Judgement::Answer(answer),
            _ => Judgement::Refusal,
        }
    }
}

fn no_answer() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

enum Judgement {
    Answer(Answer),
    /// The whole of it is to be had by TCP.
    Cut,
    /// This server cannot tell.
    Refusal,
    /// It is no answer to this question.
    Other,
}

/// Of the name that was asked for, or of the one for which it is an alias.
fn records<'a, D: ParseRecordData<'a, Vec<u8>>>(answer: &'a Answer) -> Vec<D> {
    let (Some(name), Ok(section)) = (answer.canonical_name(), answer.answer()) else { return Vec::new() };
    let of_name = section.limit_to_in::<D>().flatten().filter(|record| *record.owner() == name);
    of_name.take(MOST_RECORDS).map(Record::into_data).collect()
}

fn host(name: &ParsedName<&[u8]>) -> Option<String> {
    let name = name.to_string().to_ascii_lowercase();
    is_domain(&name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_name_servers_are_read_as_the_system_reads_them() {
        let text = "# nameserver 192.0.2.1\nsearch firm.test\nnameserver 192.0.2.2\n nameserver\t2001:db8::53 # more\n\
                    nameserver dns.firm.test\nnameserver 192.0.2.3\nnameserver 192.0.2.4\noptions edns0\n";
        let servers = ["192.0.2.2:53", "[2001:db8::53]:53", "192.0.2.3:53"].map(|text| text.parse().unwrap());
        assert_eq!(configured(text), servers);
        assert!(configured("").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
            let query = Query::new("firm.test", Rtype::MX).unwrap();
            let answer = [&query.0.as_slice()[..2], &bytes].concat();
            query.judge(answer.clone());
            if let Ok(answer) = Message::from_octets(answer) {
                for record in records::<Mx<ParsedName<&[u8]>>>(&answer) {
                    host(record.exchange());
                }
                for record in records::<Srv<ParsedName<&[u8]>>>(&answer) {
                    host(record.target());
                }
            }
        }
    }
}
