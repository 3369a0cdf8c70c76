//! Runs one script, and judges it: by what the file says, and by what is promised of every session.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ring::digest;
use serde_json::{Value, json};

use super::memory::Watch;
use super::player::{Player, Stage, certificate};
use super::{Act, Ends, HostSide, Line, Says, Script, Security};
use crate::support::host::{Host, Pending};
use crate::support::mime::{Entity, unstuffed};
use crate::support::proxy::{Manner, Protocol, Proxy};
use crate::support::server::{Record, Server};
use crate::support::{PDF, Session, object, promises};

/// What a trial left behind.
struct Told {
    replies: Vec<Value>,
    records: Vec<Record>,
    took: Duration,
    peak: usize,
    port: u16,
}

impl Told {
    /// For whoever looks for the mistake.
    fn in_short(&self) -> String {
        let mut lines = Vec::new();
        for reply in &self.replies {
            let keys = ["status_name", "reason", "step", "server", "detail", "recipients"];
            lines.push(keys.map(|key| format!("{key} {}", reply[key])).join(", "));
        }
        for Record { commands, delivered, received, tls_problem, .. } in &self.records {
            let delivered = delivered.len();
            lines.push(format!("received {received} bytes, {delivered} contents, {commands:#?}, TLS: {tls_problem:?}"));
        }
        lines.join("\n")
    }
}

pub fn run(script: Script) -> Result<(), String> {
    replies(script).map(drop)
}

/// What the host was told of each email, and at which port the server was.
pub fn replies(script: Script) -> Result<(Vec<Value>, u16), String> {
    let stage = Arc::new(Stage::default());
    let session = session(&script.host);
    let (told, script) = play(script, &session, &stage)?;
    judge(&script, &session, &stage, &told).map_err(|problem| format!("{problem}\n{}", told.in_short()))?;
    Ok((told.replies, told.port))
}

fn session(host: &HostSide) -> Session {
    let mut session = match host.security {
        Security::Plain => Session::plain(),
        Security::Tls => Session::tls(),
        Security::StartTls => Session::starttls(),
    };
    if host.has_login {
        session = session.login();
    }
    if host.has_token {
        session = session.token();
    }
    if let Some(username) = &host.username {
        session = session.set("username", username.as_str()).set("email_address", "ana@example.test");
    }
    if let Some(server) = &host.server {
        session = session.set("smtp_host", server.as_str());
    }
    if let Some(port) = host.port {
        session = session.set("smtp_port", port);
    }
    session = session.email("to", json!(host.to)).email("partial", host.is_partial);
    if host.bytes > 0 {
        session = session.pdf_of(host.bytes);
    }
    for (key, value) in &host.settings {
        session = session.set(key, value.clone());
    }
    for (key, milliseconds) in &host.deadlines {
        session = session.deadline(key, *milliseconds);
    }
    if let Some(which) = host.trusts {
        let fingerprint = digest::digest(&digest::SHA256, &certificate(which, None).1);
        let digits = fingerprint.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
        session = session.set("allow_untrusted_certificate", true).set("trusted_certificate", digits);
    }
    session.is_document = !host.is_test;
    session.options.extend(host.options.iter().cloned());
    session
}

fn play(mut script: Script, session: &Session, stage: &Arc<Stage>) -> Result<(Told, Script), String> {
    let emails = script.ends.len();
    let are_together = script.host.are_together;
    let is_told = script.lines().any(|line| matches!(line.act, Act::NextEmail));
    // Made now, as they are no cost of the session.
    for line in script.lines() {
        if let Act::Tls(which, version) = &line.act {
            certificate(*which, *version);
        }
    }
    let dialogues: Vec<Arc<Vec<Line>>> = std::mem::take(&mut script.connections).into_iter().map(Arc::new).collect();
    let scripts = dialogues.iter().enumerate().map(|(at, lines)| {
        let (lines, stage) = (Arc::clone(lines), Arc::clone(stage));
        let play = move |peer: &mut _| Player::new(peer, &stage, at, emails, are_together).play(&lines);
        Box::new(play) as _
    });
    let (listener, servers) = Server::start_each(scripts.collect());
    let port = listener.local_addr().unwrap().port();
    // Without a connection in the script nobody listens.
    let listener = (!servers.is_empty()).then_some(listener);
    let watch = Watch::begin();
    let started = Instant::now();
    let stand = Stand::at(&script.host, port);
    let port = stand.port;
    let host = stand.session(session).open(port);
    let mut begun: Vec<Pending> = Vec::new();
    let mut replies = Vec::new();
    for at in 0..emails {
        if is_told && !stage.wait_until(|state| state.called >= at) {
            return Err(format!("no script ever says \"next email\" for email {}", at + 1));
        }
        begun.push(begin(&host, session, at));
        stage.tell(|state| state.begun += 1);
        if !are_together {
            replies.push(begun[at].wait());
            stage.tell(|state| state.ended += 1);
        }
    }
    if are_together {
        replies.extend(begun.iter().map(Pending::wait));
        stage.tell(|state| state.ended = emails);
    }
    let (took, peak) = (started.elapsed(), watch.peak());
    drop(begun);
    drop(host);
    let missing = listener.as_ref().and_then(|_| servers.iter().position(|server| !server.was_connected()));
    if let Some(at) = missing {
        return Err(format!("connection {} was never made\n{:#}", at + 1, json!(replies)));
    }
    let records = servers.iter().map(Server::record).collect();
    if let Some(listener) = listener {
        listener.set_nonblocking(true).unwrap();
        if listener.accept().is_ok() {
            return Err(format!("there was a connection more than the script has\n{:#}", json!(replies)));
        }
    }
    Ok((Told { replies, records, took, peak, port }, script))
}

/// What stands in front of the server.
struct Stand {
    port: u16,
    proxy: Option<Proxy>,
    is_http: bool,
    /// A port of which the queue is full.
    _deaf: Option<(TcpListener, Vec<TcpStream>)>,
}

impl Stand {
    fn at(host: &HostSide, port: u16) -> Self {
        let manner = Manner { port: Some(port), ..Manner::default() };
        let has_proxy = host.server.is_some() && !host.is_direct;
        let proxy = has_proxy.then(|| Proxy::good(Protocol::Socks5, manner));
        let deaf = host.is_deaf.then(deaf);
        let port = deaf.as_ref().map_or(port, |(listener, _)| listener.local_addr().unwrap().port());
        Self { port, proxy, is_http: host.is_http, _deaf: deaf }
    }

    fn session(&self, session: &Session) -> Session {
        let mut session = session.clone();
        if let Some(proxy) = &self.proxy {
            session.options.insert("proxy".to_owned(), proxy.address(Protocol::Socks5).into());
        }
        if self.is_http {
            session.settings = object(json!({
                "protocol": "http",
                "http_server": format!("http://127.0.0.1:{}/send", self.port),
                "sender_name": "Ana SRL",
                "reply_to": "ana@example.test",
            }));
        }
        session
    }
}

/// A listener whose queue is full: what comes next is left without an answer.
fn deaf() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: the descriptor is the listener's; listening once more only makes its queue shorter.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let address = listener.local_addr().unwrap();
    let moment = Duration::from_millis(200);
    let waiting = std::iter::from_fn(|| TcpStream::connect_timeout(&address, moment).ok()).collect();
    (listener, waiting)
}

fn begin(host: &Host, session: &Session, at: usize) -> Pending {
    if !session.is_document {
        return host.send_test(session.test_json().as_ref());
    }
    let mut email = session.email.clone();
    email.insert("subject".to_owned(), subject(at).into());
    host.send_document(&email.into(), &session.pdf)
}

/// By which an email is known again.
fn subject(at: usize) -> String {
    format!("Invoice {}", at + 1)
}

fn judge(script: &Script, session: &Session, stage: &Stage, told: &Told) -> Result<(), String> {
    for (at, record) in told.records.iter().enumerate() {
        if let Some(problem) = &record.problem {
            return Err(format!("connection {}: {problem}", at + 1));
        }
        nothing_in_clear(script, record)?;
    }
    let deliveries = deliveries(session, stage, told)?;
    for (at, (ends, reply)) in script.ends.iter().zip(&told.replies).enumerate() {
        promises::worded(reply);
        let of_this: Vec<_> = deliveries.iter().filter(|(email, _)| *email == at).map(|(_, good)| *good).collect();
        as_written(script, ends, reply)
            .and_then(|()| truthful(&ends.status, &of_this))
            .map_err(|problem| format!("email {}: {problem}", at + 1))?;
    }
    if deliveries.len() != script.delivered {
        return Err(format!("{} whole contents came, and not {}", deliveries.len(), script.delivered));
    }
    bounded(script, session, told)
}

/// Each content that came whole: of which email it is, and whether the server took it.
fn deliveries(session: &Session, stage: &Stage, told: &Told) -> Result<Vec<(usize, bool)>, String> {
    let noted = stage.lock();
    let mut deliveries = Vec::new();
    for (connection, record) in told.records.iter().enumerate() {
        let of = |map: &std::collections::HashMap<usize, Vec<usize>>, content| {
            map.get(&connection).is_some_and(|contents| contents.contains(&content))
        };
        for (at, content) in record.delivered.iter().enumerate() {
            let is_chunked = of(&noted.chunked, at);
            if !is_chunked {
                promises::lawful(content);
            }
            let content = if is_chunked { content.clone() } else { unstuffed(content) };
            let message = Entity::parse(&content);
            let email = (0..told.replies.len()).find(|email| message.header("subject") == subject(*email));
            if session.is_document {
                let arrived = message.parts().last().unwrap().decoded();
                if arrived != session.pdf {
                    return Err(format!("a document of {} bytes arrived as {}", session.pdf.len(), arrived.len()));
                }
            }
            deliveries.push((email.unwrap_or(0), of(&noted.accepted, at)));
        }
        // What came of a broken off content is lawful as far as it goes.
        if !record.commands.iter().any(|line| line.starts_with("BDAT")) {
            promises::lawful(&record.content);
        }
    }
    Ok(deliveries)
}

fn as_written(script: &Script, ends: &Ends, reply: &Value) -> Result<(), String> {
    let steps = reply["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let step = steps.iter().rfind(|step| step["status"] != "skipped").map_or(&Value::Null, |step| &step["step"]);
    let ended = [&reply["status_name"], &reply["reason"], step];
    if ended != [&ends.status, &ends.reason, &ends.step] {
        return Err(format!("it ends as {ended:?}, and not {} {} {}", ends.status, ends.reason, ends.step));
    }
    if ends.status != "OK" && reply["step"] != ends.step {
        return Err(format!("the step that is told is {}", reply["step"]));
    }
    let outcomes: Vec<_> = reply["recipients"].as_array().unwrap().iter().map(|it| it["outcome"].clone()).collect();
    let all = match ends.status.as_str() {
        "OK" => "accepted",
        "UNCERTAIN" => "uncertain",
        _ => "not_sent",
    };
    let expected =
        if ends.recipients.is_empty() { vec![all.to_owned(); outcomes.len()] } else { ends.recipients.clone() };
    if outcomes != expected {
        return Err(format!("the recipients are {outcomes:?}, and not {expected:?}"));
    }
    match &ends.says {
        Some(Says::Nothing) if !reply["server"].is_null() => Err(format!("the server says {}", reply["server"])),
        Some(Says::Words { code, enhanced, text })
            if reply["server"] != json!({"code": code, "enhanced": enhanced, "text": text}) =>
        {
            Err(format!("the server says {}", reply["server"]))
        }
        _ => promised(script, reply),
    }
}

/// What is never in a reply, whatever the server says.
fn promised(script: &Script, reply: &Value) -> Result<(), String> {
    let whole = reply.to_string();
    let has_secret = script.host.has_login || script.host.has_token;
    match promises::secret_forms().iter().find(|form| has_secret && whole.contains(*form)) {
        Some(_) => Err("the password is in the reply".to_owned()),
        None if whole.len() > 64 * 1024 => Err(format!("the reply has {} bytes", whole.len())),
        None => Ok(()),
    }
}

/// The status says what is so. `deliveries`: of this email, and whether the server took each of them.
fn truthful(status: &str, deliveries: &[bool]) -> Result<(), String> {
    let taken = deliveries.iter().filter(|taken| **taken).count();
    let is_so = match status {
        "OK" => taken == 1,
        "UNCERTAIN" => true,
        "TRY_LATER" | "REFUSED" => taken == 0,
        _ => deliveries.is_empty(),
    };
    if taken > 1 {
        return Err("the server took the email twice".to_owned());
    }
    if is_so { Ok(()) } else { Err(format!("it is told as {status}, and {deliveries:?} came")) }
}

/// Before TLS there is nothing but the way to it.
fn nothing_in_clear(script: &Script, record: &Record) -> Result<(), String> {
    // A handshake or an alert of TLS, where nobody took it for one.
    let record_begins = |byte: &u8| matches!(byte, 0x15 | 0x16);
    let end = record.clear.iter().position(record_begins).unwrap_or(record.clear.len());
    let clear = String::from_utf8_lossy(&record.clear[..end]);
    let verbs: &[&str] = match script.host.security {
        Security::Plain => return Ok(()),
        Security::StartTls => &["EHLO ", "HELO ", "STARTTLS", "QUIT"],
        Security::Tls => &[],
    };
    let is_harmless = |line: &&str| verbs.iter().any(|verb| line.starts_with(verb));
    match clear.split_terminator("\r\n").find(|line| !is_harmless(line)) {
        Some(line) => Err(format!("in clear travelled {line:?}")),
        None if promises::secret_forms().iter().any(|form| String::from_utf8_lossy(&record.clear).contains(form)) => {
            Err("the password travelled in clear".to_owned())
        }
        None => Ok(()),
    }
}

/// Not before its deadline, not after its time, and not with more memory than it may take.
fn bounded(script: &Script, session: &Session, told: &Told) -> Result<(), String> {
    let is_overdue = |ends: &Ends| ["timed_out", "out_of_time"].contains(&ends.reason.as_str());
    let deadline = script.host.deadlines.iter().map(|(_, milliseconds)| Duration::from_millis(*milliseconds)).min();
    if let Some(deadline) = deadline
        && script.ends.iter().any(is_overdue)
        && told.took < deadline
    {
        return Err(format!("it ended after {:?}, before its deadline", told.took));
    }
    if told.took > script.within {
        return Err(format!("it took {:?}", told.took));
    }
    let documents = script.ends.len() * session.pdf.len().saturating_sub(PDF.len());
    let allowed = documents + script.memory;
    if told.peak > allowed {
        return Err(format!("it took {} KB of memory, and may take {} KB", told.peak / 1024, allowed / 1024));
    }
    Ok(())
}

impl Script {
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.connections.iter().flatten()
    }
}
