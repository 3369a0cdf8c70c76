//! `SASLprep` (RFC 4013): the same password gives the same bytes, however the keyboard makes its letters.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::{BidiClass, GeneralCategory};

/// A text that `SASLprep` forbids is used as it is: that is how other programs, and so the server, took it when it was set.
pub fn prepared(text: &str) -> String {
    let mapped: String = text.chars().map(as_space).filter(|&c| !is_mapped_to_nothing(c)).collect();
    let normalized = ComposingNormalizerBorrowed::new_nfkc().normalize(&mapped);
    if normalized.chars().any(is_prohibited) || mixes_directions(&normalized) {
        return text.to_owned();
    }
    normalized.into_owned()
}

/// RFC 3454 table C.1.2. U+200B stands in B.1 as well; others take it for a space, too.
fn as_space(c: char) -> char {
    match c {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => ' ',
        _ => c,
    }
}

/// Table B.1.
fn is_mapped_to_nothing(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180d}' | '\u{200c}' | '\u{200d}' | '\u{2060}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
    )
}

/// Tables C.2 to C.9 as far as they are no category of Unicode, and A.1, by the Unicode of today.
fn is_prohibited(c: char) -> bool {
    use GeneralCategory as G;
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    matches!(category, G::Control | G::Unassigned | G::PrivateUse | G::LineSeparator | G::ParagraphSeparator)
        || matches!(
            c,
            '\u{340}' | '\u{341}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2061}'..='\u{2063}' | '\u{206a}'..='\u{206f}' | '\u{2ff0}'..='\u{2ffb}' | '\u{fff9}'..='\u{fffd}'
                | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}'
        )
}

/// Section 6: a text with letters that go from right to left has none that go the other way, and begins and ends with one.
fn mixes_directions(text: &str) -> bool {
    let class = |c| CodePointMapData::<BidiClass>::new().get(c);
    let is_right_to_left = |c| matches!(class(c), BidiClass::RightToLeft | BidiClass::ArabicLetter);
    text.contains(is_right_to_left)
        && (text.contains(|c| class(c) == BidiClass::LeftToRight)
            || !text.starts_with(is_right_to_left)
            || !text.ends_with(is_right_to_left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        for (text, expected) in
            [("I\u{ad}X", "IX"), ("user", "user"), ("USER", "USER"), ("\u{aa}", "a"), ("\u{2168}", "IX")]
        {
            assert_eq!(prepared(text), expected, "{text:?}");
        }
        // The same letter in two ways, and a space that looks like one.
        assert_eq!(prepared("o\u{308} \u{a0}"), "\u{f6}  ");
    }

    #[test]
    fn what_is_prohibited_stays_as_it_is() {
        for text in ["\u{7}", "\u{627}1", "a\u{e000}b"] {
            assert_eq!(prepared(text), text, "{text:?}");
        }
    }

    /// All of Unicode 3.2 that is not for private use. The crate that is asked has all the RFC's tables, and would make the
    /// library larger by twice as much.
    #[test]
    fn every_character_is_prepared_as_by_others() {
        let mut differ = Vec::new();
        let characters = (0..0x3_0000).chain(0xe_0000..0xe_0100).filter_map(char::from_u32);
        for c in characters.filter(|&c| !stringprep::tables::unassigned_code_point(c)) {
            for text in [format!("a{c}"), format!("{c}\u{301}b"), format!("\u{5d0}{c}\u{5d0}")] {
                let theirs = stringprep::saslprep(&text).map_or(text.clone(), std::borrow::Cow::into_owned);
                if prepared(&text) != theirs {
                    differ.push((c, text.clone(), prepared(&text), theirs));
                }
            }
        }
        assert!(differ.is_empty(), "{} {:?}", differ.len(), &differ[..differ.len().min(40)]);
    }
}
