//! What a file's name says of its media type. The table is the `mime_guess` crate's, written down by the build script and
//! deflated: as code and data it would be a thirtieth of the whole library.

use std::path::Path;

use miniz_oxide::inflate::decompress_to_vec_with_limit;
use once_cell::race::OnceBox;

/// On each line a media type and the extensions of its files.
static DEFLATED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/media_types.deflate"));
/// Far more than the table has.
const MAX_BYTES: usize = 1024 * 1024;

static TABLE: OnceBox<String> = OnceBox::new();

pub fn of_name(name: &str) -> Option<&'static str> {
    let extension = Path::new(name).extension()?.to_str()?;
    table().lines().find_map(|line| {
        let (media_type, extensions) = line.split_once(' ')?;
        let is_one = extensions.split(' ').any(|known| known.eq_ignore_ascii_case(extension));
        is_one.then_some(media_type)
    })
}

fn table() -> &'static str {
    TABLE.get_or_init(|| {
        let bytes = decompress_to_vec_with_limit(DEFLATED, MAX_BYTES).unwrap_or_default();
        Box::new(String::from_utf8(bytes).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_have_types() {
        for (name, media_type) in [
            ("Invoice.PDF", Some("application/pdf")),
            ("a.b.xml", Some("text/xml")),
            ("sheet.xlsx", Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")),
            ("photo.jpeg", Some("image/jpeg")),
            ("letter.eml", Some("message/rfc822")),
            ("readme", None),
            (".pdf", None),
            ("x.no-such-extension", None),
        ] {
            assert_eq!(of_name(name), media_type, "{name}");
        }
        assert!(table().lines().count() > 500);
    }
}
