//! What every client program in Rust does like those in C: see client.h.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub type Failed = Box<dyn Error + Send + Sync>;

pub const SMALL_DOCUMENT: &[u8] = b"%PDF-1.7\nto warm up\n%%EOF\n";
pub const SENTENCE: &str = "Please find it attached.\r\n";
/// The name for EHLO.
pub const NAME: &str = "client.example.com";

pub struct Job {
    pub host: String,
    pub port: u16,
    pub ca: Vec<u8>,
    pub user: String,
    pub password: String,
    pub connections: usize,
    pub count: usize,
    pub recipients: Vec<String>,
    pub is_starttls: bool,
    pub is_cold: bool,
    path: String,
    document: Option<Vec<u8>>,
}

impl Job {
    pub fn read() -> Result<Self, Failed> {
        let given: BTreeMap<String, String> = std::env::args()
            .skip(1)
            .filter_map(|argument| argument.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect();
        let text = |name: &str| given.get(name).cloned().ok_or_else(|| format!("missing argument: {name}"));
        let number = |name: &str| -> Result<usize, Failed> { Ok(text(name)?.parse()?) };
        let path = text("document")?;
        Ok(Self {
            host: text("host")?,
            port: text("port")?.parse()?,
            ca: std::fs::read(text("ca_file")?)?,
            user: text("user")?,
            password: text("password")?,
            connections: number("connections")?,
            count: number("count")?,
            recipients: (0..number("recipients")?).map(|number| format!("r{number}@example.com")).collect(),
            is_starttls: text("security")? == "starttls",
            is_cold: text("mode")? == "cold",
            document: if text("source")? == "file" { None } else { Some(std::fs::read(&path)?) },
            path,
        })
    }

    /// A copy that an email can own.
    pub fn document(&self) -> std::io::Result<Vec<u8>> {
        self.document.as_ref().map_or_else(|| std::fs::read(&self.path), |document| Ok(document.clone()))
    }
}

pub fn wait_for_go() -> std::io::Result<()> {
    println!("ready");
    std::io::stdout().flush()?;
    std::io::stdin().lock().read_line(&mut String::new()).map(|_| ())
}

pub struct Measure {
    idle: f64,
    started: Instant,
    cpu: Duration,
}

impl Measure {
    pub fn begin() -> Result<Self, Failed> {
        std::fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self { idle: status_mb("VmRSS:")?, started: Instant::now(), cpu: cpu_time() })
    }

    pub fn end(self) -> Result<(), Failed> {
        let (seconds, cpu) = (self.started.elapsed(), cpu_time().saturating_sub(self.cpu));
        report(&json!({
            "seconds": seconds.as_secs_f64(), "cpu_seconds": cpu.as_secs_f64(),
            "memory_mb": status_mb("VmHWM:")? - self.idle, "note": "",
        }));
        Ok(())
    }
}

pub fn report_cold(started: Instant) {
    report(&json!({"cold_ms": started.elapsed().as_secs_f64() * 1e3}));
}

fn report(value: &Value) {
    println!("{value}");
}

fn status_mb(name: &str) -> Result<f64, Failed> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line in /proc/self/status")?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}

fn cpu_time() -> Duration {
    // SAFETY: all zeros is a value of this plain struct, and the call fills it in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
    let micros = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    Duration::from_secs(seconds.unsigned_abs()) + Duration::from_micros(micros.unsigned_abs())
}
