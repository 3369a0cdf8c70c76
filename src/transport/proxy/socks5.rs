use std::net::IpAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{Login, No};

const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xFF;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Every length on this wire is one byte, so that nothing read here is longer than 255.
pub async fn tunnel(stream: &mut TcpStream, host: &str, port: u16, login: Option<&Login>) -> Result<(), No> {
    match login {
        Some(_) => stream.write_all(&[VERSION, 2, NO_LOGIN, PASSWORD]).await?,
        None => stream.write_all(&[VERSION, 1, NO_LOGIN]).await?,
    }
    version(stream).await?;
    match (stream.read_u8().await?, login) {
        (NO_LOGIN, _) => {}
        (PASSWORD, Some(login)) => log_in(stream, login).await?,
        (NONE_ACCEPTABLE, Some(_)) => return Err(No::Login("the proxy takes no login by username and password")),
        (NONE_ACCEPTABLE, None) => return Err(No::Login("the proxy wants a login")),
        _ => return Err(No::Garbled("the proxy chose a way to log in that was not offered to it")),
    }
    stream.write_all(&request(host, port)?).await?;
    version(stream).await?;
    match stream.read_u8().await? {
        0 => bound_address(stream).await,
        // What follows is not waited for: some proxies cut a refusal short.
        code => Err(No::Reply(format!("{} (SOCKS reply {code})", meaning(code)))),
    }
}

async fn version(stream: &mut TcpStream) -> Result<(), No> {
    if stream.read_u8().await? == VERSION { Ok(()) } else { Err(No::Garbled("what answered is no SOCKS 5 proxy")) }
}

/// RFC 1929.
async fn log_in(stream: &mut TcpStream, login: &Login) -> Result<(), No> {
    let mut message = Zeroizing::new(Vec::with_capacity(3 + 255 + 255));
    message.push(LOGIN_VERSION);
    for text in [&login.username, &login.password] {
        let length = u8::try_from(text.expose().len()).map_err(|_| No::Login("a login has at most 255 bytes"))?;
        message.push(length);
        message.extend_from_slice(text.expose().as_bytes());
    }
    stream.write_all(&message).await?;
    if stream.read_u8().await? != LOGIN_VERSION {
        return Err(No::Garbled("the proxy's answer to the login is not one"));
    }
    match stream.read_u8().await? {
        0 => Ok(()),
        _ => Err(No::Login("the proxy did not accept the username and password")),
    }
}

fn request(host: &str, port: u16) -> Result<Vec<u8>, No> {
    let mut request = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len()).map_err(|_| No::Reply("the server's name is too long".to_owned()))?;
            request.extend([NAME, length]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    Ok(request)
}

/// The proxy's own address towards the server is of no use to us, but must be read to its end.
async fn bound_address(stream: &mut TcpStream) -> Result<(), No> {
    let _reserved = stream.read_u8().await?;
    let length = match stream.read_u8().await? {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await?),
        _ => return Err(No::Garbled("the proxy's answer has an address of an unknown type")),
    };
    let mut rest = [0; 255 + 2];
    if let Some(address_and_port) = rest.get_mut(..length + 2) {
        stream.read_exact(address_and_port).await?;
    }
    Ok(())
}

/// RFC 1928 section 6.
fn meaning(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown reason",
    }
}
