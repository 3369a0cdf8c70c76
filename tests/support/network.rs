//! A network of names that only its SOCKS proxy knows: at each host and port something plays a script, or nothing answers,
//! and whoever else is asked for is not there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::proxy::{Client, Protocol, Proxy, SOCKS5_ANSWER};
use super::server::{Peer, Played, Record, Server};

/// "Connection refused".
const REFUSED: [u8; 10] = [5, 5, 0, 1, 0, 0, 0, 0, 0, 0];

/// What is at a port.
#[derive(Clone)]
enum There {
    Plays(Arc<dyn Fn(&mut Peer) -> Played + Send + Sync>),
    IsSilent,
}

/// One connection that was asked for.
pub struct Visit {
    pub host: String,
    pub port: u16,
    /// `None`: nobody was there to be heard.
    server: Option<Server>,
}

impl Visit {
    pub fn record(&self) -> Option<Record> {
        self.server.as_ref().map(Server::record)
    }
}

#[derive(Default)]
pub struct Network {
    there: HashMap<(String, u16), There>,
    /// Of whatever else is asked for.
    is_silent: bool,
    visits: Arc<Mutex<Vec<Visit>>>,
}

impl Network {
    /// One in which nobody refuses anything: what is not there does not answer.
    pub fn silent() -> Self {
        Self { is_silent: true, ..Self::default() }
    }

    pub fn plays(
        mut self,
        host: &str,
        port: u16,
        script: impl Fn(&mut Peer) -> Played + Send + Sync + 'static,
    ) -> Self {
        self.there.insert((host.to_owned(), port), There::Plays(Arc::new(script)));
        self
    }

    pub fn stays_silent(mut self, host: &str, port: u16) -> Self {
        self.there.insert((host.to_owned(), port), There::IsSilent);
        self
    }

    /// From now on it is there, at the address of its proxy.
    pub fn start(self) -> Running {
        let visits = Arc::clone(&self.visits);
        let proxy = Proxy::start_each(move |client| {
            self.visit(client);
        });
        Running { address: proxy.address(Protocol::Socks5), visits }
    }

    fn visit(&self, client: &mut Client) -> Option<()> {
        client.choose(0)?;
        let (host, port) = client.socks5_request()?;
        let found = self.there.get(&(host.clone(), port)).cloned();
        let server = match &found {
            Some(There::Plays(script)) => {
                let script = Arc::clone(script);
                Some(Server::start(move |peer| script(peer)))
            }
            _ => None,
        };
        let target = server.as_ref().map(|server| server.port);
        self.visits.lock().unwrap().push(Visit { host, port, server });
        match (found, target) {
            (_, Some(target)) => client.tunnel(target, SOCKS5_ANSWER),
            (None, None) if !self.is_silent => client.send(REFUSED)?,
            (_, None) => client.until_gone(),
        }
        Some(())
    }
}

pub struct Running {
    pub address: String,
    visits: Arc<Mutex<Vec<Visit>>>,
}

impl Running {
    pub fn visits(&self) -> Vec<Visit> {
        std::mem::take(&mut self.visits.lock().unwrap())
    }
}
