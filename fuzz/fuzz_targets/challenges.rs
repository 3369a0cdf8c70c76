//! Whatever a server answers to AUTH, each mechanism says what it has to say, in its order, and then no more.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailbutton::fuzzing::{Channel, Credential, Login, Mechanism, ReplyParser, Secret, Site, challenge};

/// The first byte chooses the mechanism; then come the server's bytes.
fuzz_target!(|data: &[u8]| {
    let Some((&choice, stream)) = data.split_first() else { return };
    let mechanisms = [Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5, Mechanism::OAuthBearer, Mechanism::XOAuth2];
    let mechanism = mechanisms[usize::from(choice) % mechanisms.len()];
    let login = Login { username: "ana".to_owned(), credential: Credential::Password(Secret::new("hunter2".to_owned())) };
    let site = Site { host: "mail.test", port: 587 };
    let Ok(mut exchange) = mechanism.begin(&login, site, Channel::Unbound) else { unreachable!("no randomness is needed") };
    let mut said: Vec<Vec<u8>> = exchange.initial().into_iter().map(|response| response.bytes.to_vec()).collect();
    let mut parser = ReplyParser::default();
    parser.feed(stream);
    while let Ok(Some(reply)) = parser.next_reply() {
        if reply.code != 334 {
            break;
        }
        match exchange.respond(challenge(&reply).as_deref()) {
            Ok(response) => said.push(response.bytes.to_vec()),
            Err(_) => break,
        }
    }
    match mechanism {
        Mechanism::Plain => assert_eq!(said, [b"\0ana\0hunter2"]),
        Mechanism::Login => assert!([&b"ana"[..], b"hunter2"].starts_with(&said.iter().map(Vec::as_slice).collect::<Vec<_>>())),
        Mechanism::OAuthBearer | Mechanism::XOAuth2 => {
            let begin = if mechanism == Mechanism::XOAuth2 { &b"user=ana\x01"[..] } else { b"n,a=ana,\x01" };
            assert!(said[0].starts_with(begin) && said[0].ends_with(b"auth=Bearer hunter2\x01\x01"));
            assert!(said[1..].iter().all(|answer| answer.len() <= 1) && said.len() <= 2);
        }
        _ => {
            assert!(said.len() <= 1);
            assert!(said.iter().all(|answer| answer.starts_with(b"ana ") && answer.len() == 4 + 32));
        }
    }
});
