//! A provider whose page and token endpoint answer with what a test gives them, and what becomes of a sign-in there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::support::host::Host;
use super::system;

const CALLBACK: &str = "https://books.example/callback";

/// What the provider's page brings back besides the state, and what its token endpoint answers.
struct Answers {
    callback: &'static str,
    status: u16,
    token: Value,
}

fn refusing(error: &str, description: &str) -> Answers {
    Answers {
        callback: "code=code-of-this-sign-in",
        status: 400,
        token: json!({"error": error, "error_description": description}),
    }
}

/// The reply of a sign-in that ends as this problem; `None` where no provider brings it about.
pub fn sign_in(code: &str, locale: &str) -> Option<Value> {
    let page = |callback| Answers { callback, status: 200, token: Value::Null };
    let answers = match code {
        "token_refused" => refusing("invalid_request", "no"),
        "sign_in_busy" => Answers { callback: "code=code-of-this-sign-in", status: 503, token: Value::Null },
        "sign_in_needs_admin" => {
            page("error=server_error&error_description=AADSTS90094%3A+consent+of+an+administrator")
        }
        "sign_in_against_rules" => refusing("invalid_grant", "AADSTS50076: Due to a configuration change"),
        "sign_in_denied" => page("error=access_denied"),
        "program_not_known" => refusing("invalid_client", "Unknown client"),
        "sign_in_expired" => refusing("invalid_grant", "The code has expired"),
        "sign_in_clock" => refusing("invalid_grant", "Invalid JWT: check your iat and exp: reasonable timeframe"),
        "program_not_verified" => {
            page("error=access_denied&error_description=The+app+has+not+completed+the+verification+process")
        }
        "sign_in_other_account" => {
            Answers { callback: "code=code-of-this-sign-in", status: 200, token: tokens_of("eva@example.test") }
        }
        "sign_in_abandoned" => return Some(abandoned(locale)),
        "sign_in_no_listener" => return Some(system::without_ports(|| begin(&opened(0, locale), json!({})))),
        _ => return None,
    };
    let host = opened(listening(answers.status, answers.token.to_string()), locale);
    let begun = begin(&host, json!({"flow": "redirect", "redirect_uri": CALLBACK}));
    let state = begun["url"].as_str().unwrap().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let url = format!("{CALLBACK}?{}&state={state}", answers.callback);
    Some(host.finish_sign_in(&json!({"sign_in": begun["sign_in"], "url": url})))
}

/// Nobody opens the page.
fn abandoned(locale: &str) -> Value {
    let host = opened(0, locale);
    let begun = begin(&host, json!({}));
    host.finish_sign_in(&json!({"sign_in": begun["sign_in"], "total_ms": 50}))
}

fn opened(port: u16, locale: &str) -> Host {
    let provider = json!({
        "id": "example", "name": "Example Mail",
        "servers": [{"host": "smtp.example.test", "port": 587, "security": "starttls"}],
        "oauth": {
            "authorization_endpoint": "https://login.example.test/", "token_endpoint": format!("http://127.0.0.1:{port}/"),
        },
    });
    Host::open(&json!({
        "program_name": "Ledger", "locale": locale, "providers": [provider], "oauth": {"example": {"client_id": "ledger"}},
    }))
}

fn begin(host: &Host, how: Value) -> Value {
    let mut given = how;
    given["settings"] = json!({
        "smtp_host": "smtp.example.test", "smtp_port": 587, "auth": "oauth2", "username": "ana@example.test",
    });
    host.sign_in(&given)
}

fn tokens_of(account: &str) -> Value {
    let claims = URL_SAFE_NO_PAD.encode(json!({"email": account}).to_string());
    json!({"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "id_token": format!("e30.{claims}.x")})
}

/// Answers each request alike.
fn listening(status: u16, body: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            answer(stream, status, &body);
        }
    });
    port
}

fn answer(mut stream: TcpStream, status: u16, body: &str) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    let head =
        format!("HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).ok()
}
