//! Link arguments that cargo has no words for, and what is embedded deflated: the catalogues of texts and the table of media
//! types.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The best that deflate can do; the time counts only here.
const LEVEL: u8 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // The number is the ABI's and goes up when a program that was built before would break.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmailbutton.so.0");
        // A host may unload us while a job runs: the code under the background thread must stay.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    let to = PathBuf::from(env::var("OUT_DIR")?);
    media_types(&to)?;
    embed(Path::new("src/guide/texts"), &to)
}

/// A line for each media type, with the extensions of its files. As the crate's own slices of slices, each extension costs
/// three relocations and a hundred bytes.
fn media_types(to: &Path) -> Result<(), Box<dyn Error>> {
    let mut types = BTreeMap::<&str, Vec<&str>>::new();
    for extension in mime_guess::get_extensions("*", "*").ok_or("there is no table of media types")? {
        let media_type = mime_guess::from_ext(extension).first_raw().ok_or("an extension has no media type")?;
        types.entry(media_type).or_default().push(extension);
    }
    let mut lines = String::new();
    for (media_type, extensions) in types {
        writeln!(lines, "{media_type} {}", extensions.join(" "))?;
    }
    fs::write(to.join("media_types.deflate"), miniz_oxide::deflate::compress_to_vec(lines.as_bytes(), LEVEL))?;
    Ok(())
}

/// Each catalogue without its comments and deflated, which makes it a quarter; and the list of them, so that a language is
/// added by its file alone.
fn embed(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={}", from.display());
    let mut files = fs::read_dir(from)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ftl"));
    files.sort();
    let mut list = "const BUILT_IN: &[(&str, &[u8])] = &[\n".to_owned();
    for path in files {
        let language = path.file_stem().and_then(|name| name.to_str()).ok_or("a catalogue is named by its language")?;
        let source = fs::read_to_string(&path)?;
        let lines = source.lines().filter(|line| !line.starts_with('#'));
        let bare = lines.fold(String::new(), |bare, line| bare + line + "\n");
        fs::write(
            to.join(format!("{language}.deflate")),
            miniz_oxide::deflate::compress_to_vec(bare.as_bytes(), LEVEL),
        )?;
        writeln!(list, "    ({language:?}, include_bytes!(\"{language}.deflate\").as_slice()),")?;
    }
    fs::write(to.join("catalogues.rs"), list + "];\n")?;
    Ok(())
}
