//! The catalogue of texts, one Fluent file a language.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

const LANGUAGE: &str = "en";
const ENGLISH: &str = include_str!("texts/en.ftl");

/// Every text that reaches a person.
pub struct Texts {
    bundle: FluentBundle<FluentResource>,
    program: String,
}

impl Texts {
    /// `program` is the host's name as its users know it; every text may name it.
    pub fn new(program: &str) -> Self {
        let mut bundle = FluentBundle::new_concurrent(vec![LANGUAGE.parse::<LanguageIdentifier>().unwrap_or_default()]);
        // The isolation characters are for mixed directions; hosts would see them as garbage in a left-to-right language.
        bundle.set_use_isolating(false);
        // A broken entry leaves the others; the tests go through all of them.
        let resource = FluentResource::try_new(ENGLISH.to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
        Self { bundle, program: program.to_owned() }
    }

    pub fn get(&self, id: &str) -> String {
        self.with(id, &[])
    }

    pub fn with(&self, id: &str, words: &[(&'static str, String)]) -> String {
        // A missing text shows its name rather than nothing; a test keeps that from happening.
        self.find(id, words).unwrap_or_else(|| id.to_owned())
    }

    /// `None` where the catalogue has no such text.
    pub fn find(&self, id: &str, words: &[(&'static str, String)]) -> Option<String> {
        let pattern = self.bundle.get_message(id)?.value()?;
        let mut arguments = FluentArgs::new();
        arguments.set("program", self.program.as_str());
        for (name, value) in words {
            // Plural forms are chosen by number; everything else is text, be it of digits.
            let value = if *name == "count" { FluentValue::try_number(value) } else { value.as_str().into() };
            arguments.set(*name, value);
        }
        let mut errors = Vec::new();
        Some(self.bundle.format_pattern(pattern, Some(&arguments), &mut errors).into_owned())
    }

    /// The sentence for a fault: one written for its place, else the one for its code.
    pub fn fault(&self, place: &str, code: &str, words: &[(&'static str, String)]) -> String {
        self.find(&format!("fault-{code}-{place}"), words).unwrap_or_else(|| self.with(&format!("fault-{code}"), words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_parses_whole() {
        let resource = FluentResource::try_new(ENGLISH.to_owned());
        assert!(resource.is_ok(), "{:?}", resource.err().map(|(_, errors)| errors));
    }

    #[test]
    fn words_are_put_in_as_they_are() {
        let texts = Texts::new("Ledger");
        let text = texts.with("fault-unknown_key_near", &[("nearest", "smtp_port".to_owned())]);
        assert!(text.contains("smtp_port") && !text.contains('\u{2068}'), "{text}");
        assert!(texts.get("test_subject").contains("Ledger"));
    }
}
