//! The committed header is the one that the code gives, and the library exports what the reviewed list says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

/// `make header` sets it: then the file is written instead of compared.
const WRITE: &str = "MAILBUTTON_WRITE_HEADER";

#[test]
fn the_header_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut made = Vec::new();
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/ffi/mod.rs"))
        .generate()
        .expect("cbindgen reads src/ffi")
        .write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let header = root.join("include/mailbutton.h");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&header, made).unwrap();
    } else {
        assert_eq!(std::fs::read_to_string(&header).unwrap(), made, "run `make header`");
    }
}
