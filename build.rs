//! Link arguments that cargo has no words for.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // The number is the ABI's and goes up when a program that was built before would break.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmailbutton.so.0");
        // A host may unload us while a job runs: the code under the background thread must stay.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
