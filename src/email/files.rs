//! The document and the attachments: where their bytes come from, and what may be known of them before they are sent.

use std::{
    fs::{File as OpenFile, Metadata},
    io::{ErrorKind, Read},
    path::Path,
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;

use super::{
    Data, FileOnDisk, MAX_FAULTS, disk, media_types,
    text::{check_file_name, check_header_text, shown},
};
use crate::input::{Blame, Fault, Faults, Object};

/// The document and all attachments together. Servers take a fortieth of it; this bounds what a mistake costs.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// A file as it is attached. Name and type have been checked: they go into header fields as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub media_type: String,
    pub data: Data,
}

/// The name of a document that is given without one.
const DOCUMENT_NAME: &str = "document.pdf";
/// Readers accept other bytes before the header, this many of them (Adobe's implementation note 13).
const PDF_HEADER_WITHIN: usize = 1024;

/// Before the bytes are copied, so that an absent document or 2 GB of something else cost nothing.
pub fn check_pdf(bytes: &[u8]) -> Result<(), Fault> {
    check_size(bytes.len() as u64)?;
    check_head("pdf", bytes)
}

pub fn check_size(pdf: u64) -> Result<(), Fault> {
    if pdf > MAX_FILE_BYTES { Err(too_large("pdf")) } else { Ok(()) }
}

fn check_head(place: &str, bytes: &[u8]) -> Result<(), Fault> {
    const HEADER: &[u8] = b"%PDF-";
    if bytes.is_empty() {
        return Err(Fault::program(place, "pdf_empty"));
    }
    let head = bytes.get(..PDF_HEADER_WITHIN).unwrap_or(bytes);
    if head.windows(HEADER.len()).any(|window| window == HEADER) {
        Ok(())
    } else {
        Err(Fault::program(place, "pdf_not_a_pdf"))
    }
}

/// Reads `document`. `bytes` are what [`check_pdf`] accepted; without them it names a file, which stays where it is.
pub(super) fn document(object: Option<Object>, bytes: Option<Bytes>, faults: &mut Faults) -> File {
    let (mut name, mut path) = (Some(DOCUMENT_NAME.to_owned()), None);
    if let Some(mut object) = object {
        path = object.text("path", faults).map(|path| (object.place_of("path"), path));
        name = file_name(&mut object, path.as_ref().map(|(_, path)| path.as_str()), name, faults);
        object.end(faults);
    }
    let data = match (path, bytes) {
        (None, bytes) => Data::Held(bytes.unwrap_or_default()),
        (Some((place, path)), None) => note(&place, Path::new(&path)).unwrap_or_else(|fault| {
            faults.push(fault);
            Data::Held(Bytes::new())
        }),
        (Some((place, _)), Some(_)) => {
            faults.push(Fault::program(place, "document_twice"));
            Data::Held(Bytes::new())
        }
    };
    File { name: name.unwrap_or_default(), media_type: "application/pdf".to_owned(), data }
}

/// Reads `attachments`; `used` is what the document takes of [`MAX_FILE_BYTES`].
pub(super) fn attachments(list: Vec<Value>, used: u64, faults: &mut Faults) -> Vec<File> {
    let mut left = MAX_FILE_BYTES.saturating_sub(used);
    let mut files = Vec::new();
    for (index, value) in list.into_iter().enumerate() {
        if faults.len() >= MAX_FAULTS {
            break;
        }
        let Some(mut object) = Object::new(value, format!("attachments[{index}]"), faults) else {
            continue;
        };
        let file = attachment(&mut object, &mut left, faults);
        object.end(faults);
        files.extend(file);
    }
    files
}

fn attachment(object: &mut Object, left: &mut u64, faults: &mut Faults) -> Option<File> {
    let path = object.text("path", faults);
    let encoded = object.text("base64", faults);
    let name = file_name(object, path.as_deref(), None, faults);
    let media_type = media_type(object, name.as_deref(), faults);
    let read = match (path, encoded) {
        (Some(path), None) => read(&object.place_of("path"), Path::new(&path), *left),
        (None, Some(encoded)) => decode(&object.place_of("base64"), &encoded, *left),
        (Some(_), Some(_)) => Err(Fault::program(object.place_of("path"), "attachment_twice")),
        (None, None) => Err(Fault::program(object.place_of("path"), "attachment_missing")),
    };
    match read {
        Ok(bytes) => {
            *left = left.saturating_sub(bytes.len() as u64);
            Some(File { name: name?, media_type: media_type?, data: Data::Held(bytes) })
        }
        Err(fault) => {
            faults.push(fault);
            None
        }
    }
}

/// As it is given, else the last part of the path, else what it is `otherwise`.
fn file_name(
    object: &mut Object,
    path: Option<&str>,
    otherwise: Option<String>,
    faults: &mut Faults,
) -> Option<String> {
    let given = object.text("file_name", faults);
    let (place, name) = match (given, path) {
        (Some(given), _) => (object.place_of("file_name"), given),
        (None, Some(path)) => {
            // A path without a last part (`..`) is a folder, which is what the user is told when it is opened.
            let last = Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
            (object.place_of("path"), last?)
        }
        (None, None) => {
            if otherwise.is_none() {
                faults.push(Fault::program(object.place_of("file_name"), "file_name_missing"));
            }
            return otherwise;
        }
    };
    match check_file_name(&place, &name) {
        Ok(()) => Some(name),
        Err(fault) => {
            faults.push(fault);
            None
        }
    }
}

fn media_type(object: &mut Object, name: Option<&str>, faults: &mut Faults) -> Option<String> {
    const UNKNOWN: &str = "application/octet-stream";
    let Some(given) = object.text("type", faults) else {
        let guess = name.and_then(media_types::of_name).unwrap_or(UNKNOWN);
        // An email that is attached (.eml) would be message/rfc822, which must not be base64.
        return Some(if is_composite(guess) { UNKNOWN } else { guess }.to_owned());
    };
    let place = object.place_of("type");
    let fault = match check_header_text(&place, &given) {
        Err(fault) => Fault { blame: Blame::Program, ..fault },
        Ok(()) if !is_media_type(&given) => Fault::program(place, "type_bad").with("type", shown(&given)),
        Ok(()) if is_composite(&given) => Fault::program(place, "type_composite").with("type", given),
        Ok(()) => return Some(given),
    };
    faults.push(fault);
    None
}

/// `type/subtype`, both tokens of RFC 2045, no longer than RFC 6838 allows; parameters are ours to write.
fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| {
        (1..=127).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !br#"()<>@,;:\"/[]?="#.contains(&byte))
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// RFC 2046, 5.1 and 5.2: these may not be encoded in base64.
fn is_composite(media_type: &str) -> bool {
    let kind = media_type.split('/').next().unwrap_or_default();
    kind.eq_ignore_ascii_case("multipart") || kind.eq_ignore_ascii_case("message")
}

fn decode(place: &str, encoded: &str, left: u64) -> Result<Bytes, Fault> {
    let bytes = encoded.len() / 4 * 3;
    if bytes as u64 > left.saturating_add(2) {
        return Err(too_large(place));
    }
    let mut decoded = Vec::new();
    decoded.try_reserve_exact(bytes.saturating_add(3)).map_err(|_| no_memory(place, bytes as u64))?;
    STANDARD.decode_vec(encoded, &mut decoded).map_err(|_| Fault::program(place, "base64_bad"))?;
    if decoded.len() as u64 > left { Err(too_large(place)) } else { Ok(decoded.into()) }
}

fn read(place: &str, path: &Path, left: u64) -> Result<Bytes, Fault> {
    let at = Given { place, path };
    let (file, metadata) = at.open()?;
    let stated = metadata.len();
    if stated > left {
        return Err(too_large(place));
    }
    let mut bytes = Vec::new();
    let capacity = usize::try_from(stated).map_err(|_| no_memory(place, stated))?;
    bytes.try_reserve_exact(capacity).map_err(|_| no_memory(place, stated))?;
    // One byte more than stated: a file that grows is seen, and cannot grow on in our memory.
    file.take(stated + 1).read_to_end(&mut bytes).map_err(|error| at.unreadable(&error))?;
    if bytes.len() as u64 == stated { Ok(bytes.into()) } else { Err(at.about("file_changed")) }
}

/// Looks at a document's file, and closes it again: a queue of emails must not hold as many files open.
fn note(place: &str, path: &Path) -> Result<Data, Fault> {
    let at = Given { place, path };
    let (file, metadata) = at.open()?;
    if metadata.len() > MAX_FILE_BYTES {
        return Err(too_large(place));
    }
    let mut head = Vec::new();
    file.take(PDF_HEADER_WITHIN as u64).read_to_end(&mut head).map_err(|error| at.unreadable(&error))?;
    check_head(place, &head)?;
    Ok(Data::OnDisk(Arc::new(FileOnDisk::new(path, &metadata))))
}

/// A path in the JSON.
struct Given<'g> {
    place: &'g str,
    path: &'g Path,
}

impl Given<'_> {
    fn open(&self) -> Result<(OpenFile, Metadata), Fault> {
        let file = disk::open(self.path).map_err(|error| self.unreadable(&error))?;
        // Of the opened file, and not of the path: what the path means may have changed in between.
        let metadata = file.metadata().map_err(|error| self.unreadable(&error))?;
        if metadata.is_dir() {
            return Err(self.about("file_is_folder"));
        }
        if !metadata.is_file() {
            return Err(self.about("file_not_regular"));
        }
        Ok((file, metadata))
    }

    fn about(&self, code: &'static str) -> Fault {
        Fault::input(self.place, code).with("path", shown(&self.path.to_string_lossy()))
    }

    fn unreadable(&self, error: &std::io::Error) -> Fault {
        match error.kind() {
            ErrorKind::NotFound => self.about("file_missing"),
            _ => self.about("file_unreadable").with("error", error.to_string()),
        }
    }
}

fn too_large(place: &str) -> Fault {
    Fault::input(place, "files_too_large").with("limit", MAX_FILE_BYTES.to_string())
}

fn no_memory(place: &str, bytes: u64) -> Fault {
    Fault::input(place, "files_no_memory").with("bytes", bytes.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(list: Value, used: u64) -> (Vec<File>, Vec<(String, &'static str)>) {
        let Value::Array(list) = list else { panic!("not a list") };
        let mut faults = Faults::new();
        let files = attachments(list, used, &mut faults);
        (files, faults.into_iter().map(|fault| (fault.place, fault.code)).collect())
    }

    #[test]
    fn only_a_pdf_is_a_pdf() {
        check_pdf(b"%PDF-1.7\n").unwrap();
        check_pdf(&[&[0; 1019][..], b"%PDF-"].concat()).unwrap();
        assert_eq!(check_pdf(&[&[0; 1020][..], b"%PDF-"].concat()).unwrap_err().code, "pdf_not_a_pdf");
        assert_eq!(check_pdf(b"").unwrap_err().code, "pdf_empty");
        assert_eq!(check_pdf(b"%PDF").unwrap_err().code, "pdf_not_a_pdf");
    }

    #[test]
    fn a_file_is_read_by_its_path() {
        let folder = std::env::temp_dir().join(format!("mailbutton-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("Anexă.csv");
        std::fs::write(&path, b"a;b\n").unwrap();
        std::fs::write(folder.join("empty"), b"").unwrap();
        let (files, faults) = told(
            json!([{"path": path}, {"path": path, "file_name": "b.xml", "type": "text/x-b"}, {"path": folder.join("empty")}]),
            0,
        );
        assert_eq!(faults, []);
        let seen: Vec<_> =
            files.iter().map(|file| (file.name.as_str(), file.media_type.as_str(), file.data.size())).collect();
        assert_eq!(
            seen,
            [("Anexă.csv", "text/csv", 4), ("b.xml", "text/x-b", 4), ("empty", "application/octet-stream", 0)]
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_no_plain_file_is_refused_without_waiting() {
        let folder = std::env::temp_dir().join(format!("mailbutton-odd-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let pipe = folder.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (files, faults) = told(
            json!([
                {"path": folder.join("none.pdf")}, {"path": folder}, {"path": folder.join("..")}, {"path": pipe},
                {"path": "/dev/zero"}, {"path": "/proc/self/status"}, {"path": "a\u{0}b", "file_name": "c"},
            ]),
            0,
        );
        assert!(files.is_empty());
        let codes: Vec<_> = faults.iter().map(|(_, code)| *code).collect();
        assert_eq!(
            codes,
            [
                "file_missing",
                "file_is_folder",
                "file_is_folder",
                "file_not_regular",
                "file_not_regular",
                "file_changed",
                "file_unreadable"
            ]
        );
        assert_eq!(faults[3].0, "attachments[3].path");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn attachments_in_the_json_are_strict() {
        let (files, faults) = told(
            json!([
                {"base64": "aGk=", "file_name": "a.eml"},
                {"base64": "aGk="},
                {"base64": "aGk", "file_name": "a"},
                {"base64": "aG k=", "file_name": "a"},
                {"base64": "", "path": "/x", "file_name": "a"},
                {"file_name": "a", "size": 3},
                {"base64": "", "file_name": "a", "type": "text"},
                {"base64": "", "file_name": "a", "type": "text/a; charset=x"},
                {"base64": "", "file_name": "a", "type": "Message/RFC822"},
                {"base64": "", "file_name": "a", "type": "multipart/mixed"},
                {"base64": "", "file_name": "a", "type": "text/a\r\nX: y"},
                {"base64": "", "file_name": "a/b"},
                "a",
            ]),
            0,
        );
        assert_eq!(files.iter().map(|file| file.media_type.as_str()).collect::<Vec<_>>(), ["application/octet-stream"]);
        assert_eq!(files[0].data, Data::Held(Bytes::from_static(b"hi")));
        let faults: Vec<_> = faults.iter().map(|(place, code)| (place.as_str(), *code)).collect();
        assert_eq!(
            faults,
            [
                ("attachments[1].file_name", "file_name_missing"),
                ("attachments[2].base64", "base64_bad"),
                ("attachments[3].base64", "base64_bad"),
                ("attachments[4].path", "attachment_twice"),
                ("attachments[5].path", "attachment_missing"),
                ("attachments[5].size", "unknown_key"),
                ("attachments[6].type", "type_bad"),
                ("attachments[7].type", "type_bad"),
                ("attachments[8].type", "type_composite"),
                ("attachments[9].type", "type_composite"),
                ("attachments[10].type", "control_character"),
                ("attachments[11].file_name", "file_name_separator"),
                ("attachments[12]", "wrong_type"),
            ]
        );
    }

    #[test]
    fn all_files_together_are_bounded() {
        let limit = MAX_FILE_BYTES;
        let four = json!([{"base64": "YWJjZA==", "file_name": "a"}]);
        assert_eq!(told(four.clone(), limit - 4).1, []);
        assert_eq!(told(four, limit - 3).1, [("attachments[0].base64".to_owned(), "files_too_large")]);
        let path = std::env::temp_dir().join(format!("mailbutton-sparse-{}", std::process::id()));
        OpenFile::create(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        assert_eq!(told(json!([{"path": path}]), 0).1, [("attachments[0].path".to_owned(), "files_too_large")]);
        std::fs::remove_file(&path).unwrap();
    }
}
