//! What a server says of itself is read without harm, and shown without it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailbutton::fuzzing::{Extensions, Redactor, ReplyParser, Secret};

/// A reply, or the lines of one.
fuzz_target!(|data: &[u8]| {
    let mut parser = ReplyParser::default();
    parser.feed(data);
    let Ok(Some(reply)) = parser.next_reply() else { return };
    let extensions = Extensions::read(&reply);
    let mechanisms = extensions.mechanisms();
    for (at, name) in mechanisms.iter().enumerate() {
        assert!(!name.is_empty() && !name.contains([' ', '=']), "{name:?}");
        assert!(!name.contains(|c: char| c.is_ascii_lowercase()), "{name:?}");
        assert!(!mechanisms[..at].contains(name), "{name} twice");
    }
    assert!(mechanisms.is_empty() || extensions.has("AUTH"));
    assert!(extensions.size_limit().is_none_or(|limit| limit > 0 && extensions.has("SIZE")));
    let names = extensions.names(&Redactor::new("ana", Some(&Secret::new("hunter2".to_owned()))));
    assert!(names.len() <= 40);
    assert!(names.iter().all(|name| name.len() <= 512 && !name.contains(char::is_control) && !name.contains("hunter2")));
});
