//! A name server, by UDP and TCP, whose answers are made by hand: what the library reads, no library has written.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

pub const MX: u16 = 15;
pub const SRV: u16 = 33;
const CNAME: u16 = 5;
const IN: u16 = 1;
/// The name in the question.
const ASKED: [u8; 2] = [0xC0, 12];

/// What a client asks.
pub struct Question {
    pub name: String,
    pub kind: u16,
    pub is_by_tcp: bool,
    /// The message itself.
    pub bytes: Vec<u8>,
}

/// A record of the name in the question, or of another one.
pub struct Record {
    name: Vec<u8>,
    kind: u16,
    data: Vec<u8>,
}

impl Record {
    pub fn mx(preference: u16, host: &str) -> Self {
        Self { name: ASKED.to_vec(), kind: MX, data: [&preference.to_be_bytes()[..], &name(host)].concat() }
    }

    pub fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Self {
        let numbers = [priority, weight, port].map(u16::to_be_bytes).concat();
        Self { name: ASKED.to_vec(), kind: SRV, data: [&numbers[..], &name(target)].concat() }
    }

    pub fn alias(target: &str) -> Self {
        Self { name: ASKED.to_vec(), kind: CNAME, data: name(target) }
    }

    /// Of a name of its own.
    pub fn of(self, owner: &str) -> Self {
        Self { name: name(owner), ..self }
    }

    /// Written as it stands.
    pub fn with_data(self, data: &[u8]) -> Self {
        Self { data: data.to_vec(), ..self }
    }
}

fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> =
        labels.flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}

impl Question {
    fn read(bytes: Vec<u8>, is_by_tcp: bool) -> Self {
        let (mut at, mut labels) = (12, Vec::new());
        while bytes[at] != 0 {
            let end = at + 1 + usize::from(bytes[at]);
            labels.push(String::from_utf8(bytes[at + 1..end].to_vec()).unwrap());
            at = end;
        }
        let kind = u16::from_be_bytes([bytes[at + 1], bytes[at + 2]]);
        Self { name: labels.join("."), kind, is_by_tcp, bytes }
    }

    /// With this code and these records; an empty list is an answer as well.
    pub fn answer(&self, code: u8, records: &[Record]) -> Vec<u8> {
        let mut message = self.bytes.clone();
        message[2] = 0x81;
        message[3] = 0x80 | code;
        message[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
        for record in records {
            message.extend_from_slice(&record.name);
            message.extend(
                [record.kind, IN, 0, 60, u16::try_from(record.data.len()).unwrap()].map(u16::to_be_bytes).concat(),
            );
            message.extend_from_slice(&record.data);
        }
        message
    }

    /// "Ask by TCP."
    pub fn cut(&self) -> Vec<u8> {
        let mut message = self.answer(0, &[Record::mx(1, "never.firm.test")]);
        message[2] |= 2;
        message.truncate(message.len() - 3);
        message
    }
}

pub struct NameServer {
    /// As the option `nameserver` has it.
    pub address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    /// Each question is answered with these messages; with none, it is not.
    pub fn start(answer: impl Fn(&Question) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        let (udp, tcp) = both();
        let address = udp.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer = {
            let asked = Arc::clone(&asked);
            Arc::new(move |bytes: &[u8], is_by_tcp| {
                let question = Question::read(bytes.to_vec(), is_by_tcp);
                asked.lock().unwrap().push(question.name.clone());
                answer(&question)
            })
        };
        let by_tcp = Arc::clone(&answer);
        thread::spawn(move || {
            let mut buffer = [0; 512];
            loop {
                let (length, client) = udp.recv_from(&mut buffer).unwrap();
                for message in answer(&buffer[..length], false) {
                    udp.send_to(&message, client).ok();
                }
            }
        });
        thread::spawn(move || {
            for stream in tcp.incoming() {
                let mut stream = stream.unwrap();
                let mut length = [0; 2];
                stream.read_exact(&mut length).unwrap();
                let mut bytes = vec![0; u16::from_be_bytes(length).into()];
                stream.read_exact(&mut bytes).unwrap();
                for message in by_tcp(&bytes, true) {
                    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
                    stream.write_all(&[&length[..], &message].concat()).ok();
                }
            }
        });
        Self { address, asked }
    }

    /// One that knows of nothing.
    pub fn empty() -> Self {
        Self::start(|question| vec![question.answer(3, &[])])
    }

    pub fn silent() -> Self {
        Self::start(|_| Vec::new())
    }

    /// The names that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// One port for both.
fn both() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
}
