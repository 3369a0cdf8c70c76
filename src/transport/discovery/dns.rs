//! What the system's own lookup does not answer: MX and SRV, asked of a name server (RFC 1035, 2782).

use std::cmp::Reverse;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ring::rand::{SecureRandom as _, SystemRandom};
use simple_dns::rdata::{MX, RData, SRV};
use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE, header_buffer,
};
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
/// An alias may lead to an alias, but not for ever.
const MOST_ALIASES: usize = 8;
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
        let exchange = |record: &RData<'_>| match record {
            RData::MX(MX { preference, exchange }) => Some((*preference, host(exchange)?)),
            _ => None,
        };
        let mut found = self.ask(domain, TYPE::MX, exchange, until).await;
        found.sort_by_key(|(preference, _)| *preference);
        found.into_iter().map(|(_, host)| host).collect()
    }

    /// The server of a service, and its port. A service that there is not has the target ".", which is no domain.
    pub async fn service(&self, name: &str, until: Instant) -> Option<(String, u16)> {
        let service = |record: &RData<'_>| match record {
            RData::SRV(SRV { priority, weight, port, target }) if *port > 0 => {
                Some(((*priority, Reverse(*weight)), (host(target)?, *port)))
            }
            _ => None,
        };
        let found = self.ask(name, TYPE::SRV, service, until).await;
        found.into_iter().min_by_key(|(rank, _)| *rank).map(|(_, server)| server)
    }

    /// What the first answer has of these.
    async fn ask<T>(&self, name: &str, kind: TYPE, pick: impl Fn(&RData<'_>) -> Option<T>, until: Instant) -> Vec<T> {
        let Ok(query) = Query::new(name, kind) else { return Vec::new() };
        let answered = timeout_at(until, self.first_answer(&query)).await.ok().flatten().unwrap_or_default();
        Packet::parse(&answered).map(|answer| records(&answer, &query, pick)).unwrap_or_default()
    }

    /// The servers take turns, each with a head start.
    async fn first_answer(&self, query: &Query) -> Option<Vec<u8>> {
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

/// One question, in the form that goes out.
struct Query {
    id: u16,
    /// In lower case.
    name: String,
    kind: TYPE,
    bytes: Vec<u8>,
}

impl Query {
    fn new(name: &str, kind: TYPE) -> io::Result<Self> {
        // Who does not see the question cannot answer it: neither number is to be guessed (RFC 5452).
        let mut id = [0; 2];
        SystemRandom::new().fill(&mut id).map_err(|_| io::Error::other("no random numbers"))?;
        let id = u16::from_be_bytes(id);
        let name = name.to_ascii_lowercase();
        let mut packet = Packet::new_query(id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        let asked = Name::new(&name).map_err(io::Error::other)?;
        packet.questions.push(Question::new(asked, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
        let bytes = packet.build_bytes_vec().map_err(io::Error::other)?;
        Ok(Self { id, name, kind, bytes })
    }

    async fn put_to(&self, server: SocketAddr) -> io::Result<Vec<u8>> {
        let ours: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((ours, 0)).await?;
        socket.connect(server).await?;
        socket.send(&self.bytes).await?;
        let mut buffer = vec![0; LONGEST_DATAGRAM];
        loop {
            let length = socket.recv(&mut buffer).await?;
            let answer = buffer.get(..length).unwrap_or_default();
            match self.judge(answer) {
                Judgement::Cut => return self.put_by_tcp(server).await,
                Judgement::Answer => return Ok(answer.to_vec()),
                Judgement::Refusal => return Err(io::Error::other("no answer to be had")),
                // Somebody's guess at an answer; the real one may still come.
                Judgement::Other => {}
            }
        }
    }

    async fn put_by_tcp(&self, server: SocketAddr) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(server).await?;
        let length = u16::try_from(self.bytes.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], &self.bytes].concat()).await?;
        let mut answer = vec![0; stream.read_u16().await?.into()];
        stream.read_exact(&mut answer).await?;
        match self.judge(&answer) {
            Judgement::Answer => Ok(answer),
            Judgement::Cut | Judgement::Refusal | Judgement::Other => Err(io::Error::other("no answer to be had")),
        }
    }

    fn judge(&self, bytes: &[u8]) -> Judgement {
        // A message that was cut may have been cut anywhere.
        if header_buffer::id(bytes) == Ok(self.id)
            && header_buffer::has_flags(bytes, PacketFlag::TRUNCATION) == Ok(true)
        {
            return Judgement::Cut;
        }
        let Ok(answer) = Packet::parse(bytes) else { return Judgement::Other };
        let is_same = |question: &Question<'_>| {
            question.qtype == QTYPE::TYPE(self.kind) && question.qname.to_string().eq_ignore_ascii_case(&self.name)
        };
        let is_ours = answer.id() == self.id
            && answer.has_flags(PacketFlag::RESPONSE)
            && matches!(answer.questions.as_slice(), [question] if is_same(question));
        match answer.rcode() {
            _ if !is_ours => Judgement::Other,
            RCODE::NoError | RCODE::NameError => Judgement::Answer,
            _ => Judgement::Refusal,
        }
    }
}

enum Judgement {
    Answer,
    /// The whole of it is to be had by TCP.
    Cut,
    /// This server cannot tell.
    Refusal,
    /// It is no answer to this question.
    Other,
}

/// Of the name that was asked for, or of the one for which it is an alias.
fn records<T>(answer: &Packet<'_>, query: &Query, pick: impl Fn(&RData<'_>) -> Option<T>) -> Vec<T> {
    let mut name = query.name.clone();
    let is_of = |record: &&ResourceRecord<'_>, name: &str| {
        record.class == CLASS::IN && record.name.to_string().eq_ignore_ascii_case(name)
    };
    for _ in 0..MOST_ALIASES {
        let alias =
            answer.answers.iter().filter(|record| is_of(record, &name)).find_map(|record| match &record.rdata {
                RData::CNAME(alias) => Some(alias.0.to_string()),
                _ => None,
            });
        match alias {
            Some(alias) => name = alias,
            None => break,
        }
    }
    let of_name = answer.answers.iter().filter(|record| is_of(record, &name));
    of_name.filter_map(|record| pick(&record.rdata)).take(MOST_RECORDS).collect()
}

fn host(name: &Name<'_>) -> Option<String> {
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
            let query = Query::new("firm.test", TYPE::MX).unwrap();
            let answer = [&query.bytes[..2], &bytes].concat();
            query.judge(&answer);
            if let Ok(answer) = Packet::parse(&answer) {
                records(&answer, &query, |_| Some(()));
            }
        }
    }
}
