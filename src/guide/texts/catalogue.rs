//! The texts of one language: a Fluent file.

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource};
use fluent_syntax::ast::{Entry, Message, Pattern, PatternElement};
use unic_langid::{CharacterDirection, LanguageIdentifier};

use super::faults;

pub use super::faults::{BadText, WhyBadText};

/// Parsed once; any number of threads read it, and no lock is in it: a child after `fork()` reads it, too.
pub struct Catalogue {
    language: LanguageIdentifier,
    resource: FluentResource,
    /// Where the messages stand in the file, in the order of their ids.
    messages: Vec<usize>,
    /// Whether one of its texts may be made of others.
    refers: bool,
}

impl Catalogue {
    /// One of the library's own, which the tests keep whole: a broken entry would leave the others.
    pub fn built_in(language: LanguageIdentifier, source: String) -> Self {
        let resource = FluentResource::try_new(source).unwrap_or_else(|(resource, _)| resource);
        Self::new(language, resource, false)
    }

    /// One of the host's: it may have fewer texts than `english`, but no others, and no other words in them.
    pub fn read(language: LanguageIdentifier, source: &str, english: &Self) -> Result<Self, Vec<BadText>> {
        // Some editors begin a file with it.
        let source = source.strip_prefix('\u{FEFF}').unwrap_or(source);
        if let Some(bad) = faults::of_braces(source) {
            return Err(vec![bad]);
        }
        let resource = match FluentResource::try_new(source.to_owned()) {
            Ok(resource) => resource,
            Err((_, errors)) => return Err(errors.iter().map(|error| BadText::syntax(source, error)).collect()),
        };
        let faults = faults::of(&resource, |id| english.message(id));
        if faults.is_empty() { Ok(Self::new(language, resource, true)) } else { Err(faults) }
    }

    fn new(language: LanguageIdentifier, resource: FluentResource, refers: bool) -> Self {
        let mut messages: Vec<_> = resource
            .entries()
            .enumerate()
            .filter_map(
                |(at, entry)| if let Entry::Message(message) = entry { Some((message.id.name, at)) } else { None },
            )
            .collect();
        messages.sort_unstable();
        let messages = messages.into_iter().map(|(_, at)| at).collect();
        Self { language, resource, messages, refers }
    }

    pub fn language(&self) -> &LanguageIdentifier {
        &self.language
    }

    pub fn is_right_to_left(&self) -> bool {
        self.language.character_direction() == CharacterDirection::RTL
    }

    /// `None` where there is no such text.
    pub fn text(&self, id: &str, arguments: &FluentArgs<'_>) -> Option<String> {
        let pattern = self.message(id)?.value.as_ref()?;
        if let Some(text) = as_it_is(pattern) {
            return Some(text);
        }
        // A bundle that is kept would remember plural rules behind a lock. An empty one costs next to nothing, and a pattern
        // need not be in it, unless it refers to others.
        let mut bundle = FluentBundle::<&FluentResource>::new(vec![self.language.clone()]);
        if self.refers {
            bundle.add_resource_overriding(&self.resource);
        }
        // A host's name in the midst of Arabic would turn the words around it. Where everything runs one way, the isolating
        // characters are nothing but garbage to a host that does not know them.
        bundle.set_use_isolating(self.is_right_to_left());
        let text = bundle.format_pattern(pattern, Some(arguments), &mut Vec::new());
        Some(if self.is_right_to_left() { with_bare_numbers(&text) } else { text.into_owned() })
    }

    /// Those that begin so, and what is behind that.
    pub fn ids(&self, prefix: &str) -> Vec<(&str, &str)> {
        let entries = self.resource.entries().filter_map(|entry| match entry {
            Entry::Message(message) => Some(message.id.name),
            _ => None,
        });
        entries.filter_map(|id| Some((id, id.strip_prefix(prefix)?))).collect()
    }

    fn message(&self, id: &str) -> Option<&Message<&str>> {
        let entry = |at: usize| match self.resource.get_entry(at) {
            Some(Entry::Message(message)) => Some(message),
            _ => None,
        };
        let name = |at: usize| entry(at).map_or("", |message| message.id.name);
        let found = self.messages.binary_search_by(|at| name(*at).cmp(id)).ok()?;
        entry(*self.messages.get(found)?)
    }
}

/// Most texts name nothing.
fn as_it_is(pattern: &Pattern<&str>) -> Option<String> {
    let literal = |element: &PatternElement<&str>| match element {
        PatternElement::TextElement { value } => Some((*value).to_owned()),
        PatternElement::Placeable { .. } => None,
    };
    pattern.elements.iter().map(literal).collect()
}

/// Digits run from left to right by themselves. Isolated, the halves of 36.5 would change places.
fn with_bare_numbers(text: &str) -> String {
    let mut parts = text.split('\u{2068}');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inside, behind) = part.split_once('\u{2069}').unwrap_or_default();
        if inside.is_empty() || !inside.bytes().all(|byte| byte.is_ascii_digit()) {
            out.push('\u{2068}');
            out.push_str(part);
        } else {
            out.push_str(inside);
            out.push_str(behind);
        }
    }
    out
}
