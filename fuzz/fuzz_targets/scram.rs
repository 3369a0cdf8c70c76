//! The two messages of a SCRAM server: what is taken keeps every rule, and nothing else does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailbutton::fuzzing::{ServerFinal, ServerFirst};

const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";

fuzz_target!(|message: &str| {
    if let Ok(first) = ServerFirst::read(message, NONCE) {
        assert!(first.nonce.len() > NONCE.len() && first.nonce.starts_with(NONCE));
        assert!(first.nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b','));
        assert!(!first.salt.is_empty() && first.salt.len() < message.len());
        assert!((4096..=600_000).contains(&first.iterations.get()));
        assert!(message.starts_with(&format!("r={},s=", first.nonce)));
        assert!(message.contains(&format!(",i={}", first.iterations)));
    }
    match ServerFinal::read(message) {
        Ok(ServerFinal::Signature(signature)) => assert!(message.starts_with("v=") && signature.len() < message.len()),
        Ok(ServerFinal::Error) => assert!(message.starts_with("e=")),
        Err(_) => {}
    }
});
