//! A host program that set its locale: what the operating system says of errors is in another language then, and must be
//! understood all the same.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;
mod system;

use support::Session;
use system::{BLOCKED_ADDRESS, UNANSWERED_NAME, UNKNOWN_NAME};

#[test]
fn no_problem_is_told_by_the_words_of_the_system() {
    system::speak_romanian();
    for (server, reason, problem, said) in [
        (UNKNOWN_NAME, "name_not_found", "name_not_found", "Rezolvarea numelui"),
        (UNANSWERED_NAME, "name_lookup_failed", "name_lookup_failed", "Rezolvarea numelui"),
        (BLOCKED_ADDRESS, "connection_failed", "blocked_on_this_computer", "permission denied"),
    ] {
        let session = Session::starttls().login().set("smtp_host", server).set("smtp_port", 587);
        let (host, pending) = session.begin(0);
        let reply = pending.wait();
        drop((pending, host));
        assert_eq!((reply["reason"].as_str(), reply["problem"].as_str()), (Some(reason), Some(problem)), "{reply:#}");
        assert!(reply["detail"].as_str().unwrap().contains(said), "{reply:#}");
    }
}
