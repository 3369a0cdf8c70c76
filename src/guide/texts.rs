//! Every text that reaches a person: catalogues by language, and for each text the first that has it.

mod catalogue;
mod faults;
mod locale;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use fluent_bundle::{FluentArgs, FluentValue};
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use once_cell::race::OnceBox;
use serde_json::{Map, Value};

pub use catalogue::{BadText, Catalogue, WhyBadText};
pub use locale::Locale;

// `BUILT_IN`: the language and the Fluent file, deflated, of each catalogue in `texts`.
include!(concat!(env!("OUT_DIR"), "/catalogues.rs"));

/// What every text has in the end.
const ENGLISH: &str = "en";
/// Far more than any of the catalogues has.
const MAX_BYTES: usize = 1024 * 1024;

/// Parsed when its language is first asked for, once for all accounts.
static PARSED: [OnceBox<Arc<Catalogue>>; BUILT_IN.len()] = [const { OnceBox::new() }; BUILT_IN.len()];

/// The texts in one language; what that has not is English.
pub struct Texts {
    program: String,
    /// The host's, by which any language is added, or single texts are replaced.
    own: Vec<Arc<Catalogue>>,
    /// In the order in which they are asked.
    catalogues: Vec<Arc<Catalogue>>,
}

impl Texts {
    /// In English. `program` is the host's name as its users know it; every text may name it.
    pub fn new(program: &str) -> Self {
        Self::with_own(program, Vec::new())
    }

    pub fn with_own(program: &str, own: Vec<Catalogue>) -> Self {
        let own: Vec<_> = own.into_iter().map(Arc::new).collect();
        let catalogues = catalogues(&own, Vec::new());
        Self { program: program.to_owned(), own, catalogues }
    }

    /// The same for somebody who reads another language.
    #[must_use]
    pub fn in_locale(&self, locale: &Locale) -> Self {
        let catalogues = catalogues(&self.own, locale.lookup());
        Self { program: self.program.clone(), own: self.own.clone(), catalogues }
    }

    /// The language that the texts are in, which is English where the one that was asked for is not there.
    pub fn locale(&self) -> String {
        self.catalogues.first().map_or_else(|| ENGLISH.to_owned(), |first| first.language().to_string())
    }

    /// As HTML calls it.
    pub fn direction(&self) -> &'static str {
        if self.catalogues.first().is_some_and(|first| first.is_right_to_left()) { "rtl" } else { "ltr" }
    }

    pub fn get(&self, id: &str) -> String {
        self.with(id, &[])
    }

    pub fn with(&self, id: &str, words: &[(&'static str, String)]) -> String {
        // A missing text shows its name rather than nothing; a test keeps that from happening.
        self.find(id, words).unwrap_or_else(|| id.to_owned())
    }

    /// For what goes into an email, which holds no isolating characters.
    pub fn plain(&self, id: &str, words: &[(&'static str, String)]) -> String {
        self.with(id, words).replace(['\u{2068}', '\u{2069}'], "")
    }

    /// A reference such as 2026-0124, for a text that goes into an email. Behind Arabic letters its digits count as Arabic
    /// ones, and its halves change places (UAX #9, W2 and W4). The marks keep them; unlike isolates, an email may hold them.
    pub fn reference(&self, reference: &str) -> String {
        if self.direction() == "rtl" && reference.is_ascii() {
            format!("\u{200E}{reference}\u{200E}")
        } else {
            reference.to_owned()
        }
    }

    /// `None` where no catalogue has such a text.
    pub fn find(&self, id: &str, words: &[(&'static str, String)]) -> Option<String> {
        let mut arguments = FluentArgs::new();
        arguments.set("program", self.program.as_str());
        for (name, value) in words {
            arguments.set(*name, argument(value));
        }
        self.catalogues.iter().find_map(|catalogue| catalogue.text(id, &arguments))
    }

    /// All words of a user interface, by their keys. What they name comes out as a slot in braces, for whoever shows them to fill.
    pub fn words(&self) -> Map<String, Value> {
        let slots = ["account", "file", "provider"].map(|slot| (slot, format!("{{{slot}}}")));
        let english = self.catalogues.last().map(|english| english.ids("word-")).unwrap_or_default();
        english.into_iter().map(|(id, key)| (key.to_owned(), self.with(id, &slots).into())).collect()
    }

    /// The sentence for a fault: one written for its place, else the one for its code.
    pub fn fault(&self, place: &str, code: &str, words: &[(&'static str, String)]) -> String {
        let words: Vec<_> = words.iter().map(|(name, value)| (*name, self.named(name, value))).collect();
        let of_place = self.find(&format!("fault-{code}-{place}"), &words);
        of_place.unwrap_or_else(|| self.with(&format!("fault-{code}"), &words))
    }

    /// What JSON should have been, and was, has a name in each language.
    fn named(&self, name: &str, value: &str) -> String {
        let kind = if matches!(name, "expected" | "found") {
            self.find(&format!("type-{}", value.replace(' ', "_")), &[])
        } else {
            None
        };
        kind.unwrap_or_else(|| value.to_owned())
    }
}

/// Of each language the host's own catalogue comes before the built-in one.
fn catalogues(own: &[Arc<Catalogue>], mut languages: Vec<String>) -> Vec<Arc<Catalogue>> {
    if languages.last().is_none_or(|last| last != ENGLISH) {
        languages.push(ENGLISH.to_owned());
    }
    let of = |language: &String| {
        let own = own.iter().filter(|catalogue| catalogue.language() == &language.as_str()).cloned();
        own.chain(built_in(language)).collect::<Vec<_>>()
    };
    languages.iter().flat_map(of).collect()
}

fn built_in(language: &str) -> Option<Arc<Catalogue>> {
    let at = BUILT_IN.iter().position(|(known, _)| *known == language)?;
    let (_, deflated) = BUILT_IN.get(at)?;
    let parse = || {
        let bytes = decompress_to_vec_with_limit(deflated, MAX_BYTES).unwrap_or_default();
        let source = String::from_utf8(bytes).unwrap_or_default();
        Box::new(Arc::new(Catalogue::built_in(language.parse().unwrap_or_default(), source)))
    };
    Some(Arc::clone(PARSED.get(at)?.get_or_init(parse)))
}

/// The texts that the host gives for a language, if nothing is wrong with them.
pub fn read_catalogue(locale: &Locale, source: &str) -> Result<Catalogue, Vec<BadText>> {
    let Some(english) = built_in(ENGLISH) else { return Err(Vec::new()) };
    Catalogue::read(locale.language().clone(), source, &english)
}

/// Plural forms are chosen by number. A whole number reads the same as one; everything else is text.
fn argument(value: &str) -> FluentValue<'_> {
    let is_whole = value == "0" || (value.len() <= 15 && !value.starts_with('0'));
    if is_whole && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        FluentValue::try_number(value)
    } else {
        value.into()
    }
}
