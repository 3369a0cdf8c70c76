//! Replies are the same whatever the pieces in which their bytes come, and never larger than they may be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mailbutton::fuzzing::{BadReply, Redactor, Reply, ReplyParser};

/// The first byte says how many bytes of lengths follow; then come the server's bytes, in pieces of these lengths.
fuzz_target!(|data: &[u8]| {
    let Some((&count, rest)) = data.split_first() else { return };
    let (lengths, stream) = rest.split_at(rest.len().min(usize::from(count)));
    let whole = replies([stream]);
    let mut left = stream;
    let mut pieces = Vec::new();
    for length in lengths {
        // So that a few lengths reach to the end of the longest lines.
        let length = if *length < 128 { usize::from(*length) } else { usize::from(*length) * 300 };
        let (piece, behind) = left.split_at(left.len().min(length));
        pieces.push(piece);
        left = behind;
    }
    pieces.push(left);
    assert!(whole == replies(pieces), "the pieces matter");
    if stream.len() < 2000 {
        assert!(whole == replies(stream.chunks(1)), "single bytes matter");
    }
    whole.0.iter().for_each(check);
});

fn replies<'s>(pieces: impl IntoIterator<Item = &'s [u8]>) -> (Vec<Reply>, Option<BadReply>) {
    let mut parser = ReplyParser::default();
    let mut replies = Vec::new();
    for piece in pieces {
        parser.feed(piece);
        loop {
            match parser.next_reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                // Nothing behind it is looked at.
                Err(bad) => return (replies, Some(bad)),
            }
        }
    }
    (replies, None)
}

fn check(reply: &Reply) {
    assert!((200..600).contains(&reply.code));
    assert!((1..=128).contains(&reply.lines.len()));
    assert!(reply.lines.iter().map(Vec::len).sum::<usize>() <= 64 * 1024);
    assert!(reply.lines.iter().all(|line| !line.windows(2).any(|pair| pair == b"\r\n")));
    let words = reply.words(&Redactor::new("", None));
    assert!(words.text.len() <= 512 && !words.text.contains(char::is_control));
}
