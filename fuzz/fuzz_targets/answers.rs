//! Whatever a provider answers, or a browser brings, is a token that can be sent or a failure; no secret is in its words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailbutton::fuzzing::{Redactor, Secret};
use mailbutton::fuzzing_oauth::{Callback, Url, device, read_answer, read_callback, tokens};

const SECRET: &str = "hunter2-hunter2";

/// The first byte is the status's hundreds; then comes the body, which is the query of a callback besides.
fuzz_target!(|data: &[u8]| {
    let Some((&class, body)) = data.split_first() else { return };
    let redactor = Redactor::new("books", Some(&Secret::new(SECRET.to_owned())));
    match read_answer(u16::from(class % 5 + 1) * 100, body, &redactor) {
        Ok(answer) => {
            assert_eq!(class % 5, 1);
            if let Ok(tokens) = tokens(&answer) {
                assert!(!tokens.access.is_empty() && tokens.access.expose().bytes().all(|byte| byte.is_ascii_graphic()));
                assert!(tokens.accounts.iter().all(|account| account.contains('@') && account.len() <= 254));
            }
            if let Ok(device) = device(&answer) {
                assert!(!device.code.is_empty() && !device.url.is_empty());
            }
        }
        Err(failure) => assert!(failure.detail.is_none_or(|detail| !detail.contains(SECRET) && detail.len() <= 512)),
    }
    let Ok(mut url) = Url::parse("http://127.0.0.1:1/") else { unreachable!("it is one") };
    url.set_query(std::str::from_utf8(body).ok());
    let state = Secret::new("right".to_owned());
    if let Callback::Code(code) = read_callback(&url, &state, Some("https://issuer.test")) {
        assert!(!code.is_empty() && url.query_pairs().any(|(name, value)| name == "state" && value == "right"));
    }
});
