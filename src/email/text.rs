//! Which characters a header field, a file name and a body may hold. A line break in a header field would begin
//! another header; a bidirectional override makes `gpj.exe` look like `exe.jpg`.

use crate::input::Fault;

/// A refused value is quoted no longer than this in a fault.
const SHOWN_CHARACTERS: usize = 100;

/// C0, DEL and C1 (NEL among them), and the two Unicode separators that some programs take for a line break.
pub(super) fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

pub(super) fn is_bidi_override(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The marks are fine in a sentence of Arabic or Hebrew, and never needed in a file name.
fn is_bidi_mark(character: char) -> bool {
    matches!(character, '\u{200E}' | '\u{200F}' | '\u{061C}')
}

/// What comes along unseen when an address is copied from a page or a PDF, and makes it another address.
pub(super) fn is_invisible(character: char) -> bool {
    (character.is_whitespace() && character != ' ')
        || is_bidi_override(character)
        || is_bidi_mark(character)
        || matches!(character, '\u{AD}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}')
}

/// For whatever ends up in a header field: subject, display names, file names, media types.
pub fn check_header_text(place: &str, text: &str) -> Result<(), Fault> {
    for character in text.chars() {
        if is_control(character) {
            return Err(character_fault(place, "control_character", character));
        }
        if is_bidi_override(character) {
            return Err(character_fault(place, "bidi_character", character));
        }
    }
    Ok(())
}

/// A name that is safe to save under on every system, and that arrives as it is.
pub(super) fn check_file_name(place: &str, name: &str) -> Result<(), Fault> {
    const MAX_BYTES: usize = 255;
    check_header_text(place, name)?;
    if let Some(mark) = name.chars().find(|character| is_bidi_mark(*character)) {
        return Err(character_fault(place, "bidi_character", mark));
    }
    if let Some(separator) = name.chars().find(|character| matches!(character, '/' | '\\')) {
        return Err(Fault::input(place, "file_name_separator").with("character", separator));
    }
    match name.trim() {
        "" => return Err(Fault::input(place, "file_name_empty")),
        "." | ".." => return Err(Fault::input(place, "file_name_dots").with("name", name)),
        _ => {}
    }
    // Readers decode what looks like an encoded-word even where RFC 2047 forbids one: another name would arrive.
    if name.contains("=?") {
        return Err(Fault::input(place, "file_name_encoded_word").with("name", shown(name)));
    }
    if name.len() > MAX_BYTES {
        return Err(Fault::input(place, "file_name_too_long")
            .with("bytes", name.len().to_string())
            .with("limit", MAX_BYTES.to_string()));
    }
    Ok(())
}

/// A file name made of any text, such as a document's title: what a name cannot have becomes a hyphen.
pub fn file_name_for(title: &str, extension: &str) -> String {
    const MAX_BYTES: usize = 200;
    let mut name = String::new();
    for character in title.chars() {
        let is_refused = is_control(character)
            || is_bidi_override(character)
            || is_bidi_mark(character)
            // Windows has no files with these.
            || matches!(character, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
        let character = if is_refused { '-' } else { character };
        if name.len() + character.len_utf8() > MAX_BYTES {
            break;
        }
        name.push(character);
    }
    let name = name.trim();
    format!("{}{extension}", if name.is_empty() { "document" } else { name })
}

/// A body as it travels: every line ends in CRLF, and of the control characters only the tab is left.
pub(super) fn body(place: &str, text: &str) -> Result<String, Fault> {
    match text
        .chars()
        .find(|character| matches!(character, '\0'..='\u{1F}') && !matches!(character, '\t' | '\n' | '\r'))
    {
        Some(control) => Err(character_fault(place, "control_character", control)),
        None => Ok(with_crlf(text)),
    }
}

pub(super) fn with_crlf(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\n']) {
        let (line, tail) = rest.split_at(at);
        out.push_str(line);
        out.push_str("\r\n");
        rest = tail.strip_prefix("\r\n").or_else(|| tail.strip_prefix(['\r', '\n'])).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// A refused text inside a fault: short, and unable to disturb the line that it is shown in.
pub(super) fn shown(text: &str) -> String {
    let unseen = |character| is_control(character) || is_bidi_override(character);
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARACTERS)
        .map(|character| if unseen(character) { '\u{FFFD}' } else { character })
        .collect();
    if text.chars().nth(SHOWN_CHARACTERS).is_some() {
        shown.push('…');
    }
    shown
}

/// The character itself cannot be shown, so its code point is.
pub(super) fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

fn character_fault(place: &str, code: &'static str, character: char) -> Fault {
    Fault::input(place, code).with("character", code_point(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ending_becomes_crlf() {
        let table = [
            ("", ""),
            ("a", "a"),
            ("a\nb", "a\r\nb"),
            ("a\rb", "a\r\nb"),
            ("a\r\nb", "a\r\nb"),
            ("\n\r\r\n\n", "\r\n\r\n\r\n\r\n"),
            ("a\r", "a\r\n"),
        ];
        for (typed, sent) in table {
            assert_eq!(with_crlf(typed), sent, "{typed:?}");
        }
    }

    #[test]
    fn header_text_refuses_what_could_end_a_line_or_turn_it_round() {
        for bad in ['\0', '\t', '\n', '\r', '\u{7F}', '\u{80}', '\u{85}', '\u{9F}', '\u{2028}', '\u{2029}'] {
            let fault = check_header_text("subject", &format!("a{bad}b")).unwrap_err();
            assert_eq!((fault.code, fault.words[0].1.as_str()), ("control_character", code_point(bad).as_str()));
        }
        for bad in ['\u{202A}', '\u{202E}', '\u{2066}', '\u{2069}'] {
            assert_eq!(check_header_text("subject", &format!("a{bad}")).unwrap_err().code, "bidi_character");
        }
        check_header_text("subject", "Factură №\u{A0}7 – \u{200F}שלום").unwrap();
    }

    #[test]
    fn file_names_that_would_surprise_are_refused() {
        let long = "ă".repeat(128);
        let table = [
            ("", "file_name_empty"),
            ("  ", "file_name_empty"),
            (".", "file_name_dots"),
            ("..", "file_name_dots"),
            ("a/b.pdf", "file_name_separator"),
            ("..\\b.pdf", "file_name_separator"),
            ("a\u{200F}.pdf", "bidi_character"),
            ("a\u{061C}.pdf", "bidi_character"),
            ("fdp.\u{202E}exe", "bidi_character"),
            ("a\n.pdf", "control_character"),
            ("=?utf-8?q?a?=", "file_name_encoded_word"),
            (&long, "file_name_too_long"),
        ];
        for (name, code) in table {
            assert_eq!(check_file_name("p", name).unwrap_err().code, code, "{name:?}");
        }
        check_file_name("p", &"ă".repeat(127)).unwrap();
        check_file_name("p", "Factură \"7\" .pdf").unwrap();
    }

    #[test]
    fn a_body_keeps_tabs_and_lines_and_no_other_control() {
        assert_eq!(body("body", "a\tb\nc").unwrap(), "a\tb\r\nc");
        for bad in ['\0', '\u{8}', '\u{B}', '\u{1B}'] {
            assert_eq!(body("body", &format!("a{bad}")).unwrap_err().code, "control_character");
        }
    }

    #[test]
    fn what_a_fault_quotes_is_short_and_harmless() {
        assert_eq!(shown("a\r\n\u{202E}b"), "a\u{FFFD}\u{FFFD}\u{FFFD}b");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), SHOWN_CHARACTERS + 1);
    }
}
