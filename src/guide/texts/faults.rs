//! What is wrong with a Fluent file that a host gives.

use std::collections::{BTreeMap, BTreeSet};

use fluent_bundle::FluentResource;
use fluent_syntax::ast::{CallArguments, Entry, Expression, InlineExpression, Message, Pattern, PatternElement};
use fluent_syntax::parser::ParserError;

/// The one word that every text may name.
const OF_EVERY_TEXT: &str = "$program";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadText {
    /// From 1.
    pub line: usize,
    pub id: String,
    pub why: WhyBadText,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyBadText {
    /// In the parser's words.
    Syntax(String),
    Unknown,
    Twice,
    /// It names what is not there for it: `$host`, `-term`, another text or `FUNCTION()`.
    Word(String),
}

impl BadText {
    pub fn syntax(source: &str, error: &ParserError) -> Self {
        let line_at = |end: usize| source.get(..end).unwrap_or_default().trim_end().matches('\n').count() + 1;
        let entry = error.slice.clone().unwrap_or_else(|| error.pos.clone());
        let text = source.get(entry.clone()).unwrap_or_default().trim_start();
        let id = text.split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
        let begins = line_at(entry.end.saturating_sub(text.len()) + id.len());
        // What is missing at the end of a line is noticed behind it.
        let noticed = line_at(error.pos.start);
        Self { line: noticed.max(begins), id: id.to_owned(), why: WhyBadText::Syntax(error.kind.to_string()) }
    }
}

/// More braces and brackets than a text needs. Fluent's parser calls itself for each that stands within another, and a text of
/// ten thousand of them would end the process: so they are counted before it sees them.
const MOST_BRACES: usize = 200;

/// What Fluent puts into a text at most, and the rest of it is then missing.
const MOST_PLACEABLES: usize = 100;

pub fn of_braces(source: &str) -> Option<BadText> {
    let (mut id, mut braces) = ("", 0);
    for (at, line) in source.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        // In the midst of a text this would be an error, at which the parser begins again.
        if let Some(name) = name_in(line) {
            (id, braces) = (name, 0);
        }
        braces += line.bytes().filter(|byte| matches!(byte, b'{' | b'(')).count();
        if braces > MOST_BRACES {
            return Some(BadText {
                line: at + 1,
                id: id.to_owned(),
                why: WhyBadText::Syntax("too many braces".to_owned()),
            });
        }
    }
    None
}

/// Of the text that begins in this line.
fn name_in(line: &str) -> Option<&str> {
    let name = line.split_once('=')?.0.trim_end_matches(' ');
    let bare = name.strip_prefix('-').unwrap_or(name);
    let is_name = bare.starts_with(|c: char| c.is_ascii_alphabetic())
        && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_name.then_some(name)
}

/// The file's own texts, which may be made of each other.
struct Own<'r> {
    patterns: BTreeMap<String, &'r Pattern<&'r str>>,
    /// What was found out; `None` while it is, and where that has no end.
    known: BTreeMap<String, Option<Made>>,
}

#[derive(Clone, Default)]
struct Made {
    /// `$host`, also where only a text in this one names it.
    variables: BTreeSet<String>,
    placeables: usize,
}

impl Own<'_> {
    /// `None` where a text comes back to itself, or becomes too much for Fluent.
    fn made(&mut self, name: &str, depth: usize) -> Option<Made> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        self.known.insert(name.to_owned(), None);
        let pattern = self.patterns.get(name)?;
        let mut made = Made { variables: BTreeSet::new(), placeables: placeables(pattern) };
        for word in named(pattern) {
            if word.starts_with('$') {
                made.variables.insert(word);
            } else if self.patterns.contains_key(&word) {
                let part = if depth < MOST_PLACEABLES { self.made(&word, depth + 1)? } else { return None };
                made.placeables += part.placeables;
                // A term is not given what its caller has.
                made.variables.extend(part.variables.into_iter().filter(|_| !word.starts_with('-')));
                if made.placeables > MOST_PLACEABLES {
                    return None;
                }
            }
        }
        self.known.insert(name.to_owned(), Some(made.clone()));
        Some(made)
    }
}

fn placeables(pattern: &Pattern<&str>) -> usize {
    let of = |element: &PatternElement<&str>| match element {
        PatternElement::Placeable { expression: Expression::Select { variants, .. } } => {
            1 + variants.iter().map(|variant| placeables(&variant.value)).max().unwrap_or_default()
        }
        PatternElement::Placeable { .. } => 1,
        PatternElement::TextElement { .. } => 0,
    };
    pattern.elements.iter().map(of).sum()
}

/// `english` gives the English text of an id.
pub fn of<'e>(resource: &FluentResource, english: impl Fn(&str) -> Option<&'e Message<&'e str>>) -> Vec<BadText> {
    let patterns = resource.entries().filter_map(|entry| Some((name(entry)?, value(entry)?))).collect();
    let lines = lines(resource.source());
    let mut own = Own { patterns, known: BTreeMap::new() };
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for entry in resource.entries() {
        let Some(name) = name(entry) else { continue };
        let mut fault =
            |why| faults.push(BadText { line: lines.get(name.as_str()).copied().unwrap_or(1), id: name.clone(), why });
        if !seen.insert(name.clone()) {
            fault(WhyBadText::Twice);
        }
        let given = match entry {
            Entry::Message(message) => {
                let mut given = match english(message.id.name) {
                    Some(english) => english.value.as_ref().map(words).unwrap_or_default(),
                    None if is_step(message.id.name) => BTreeSet::from(["$provider".to_owned()]),
                    None => {
                        fault(WhyBadText::Unknown);
                        continue;
                    }
                };
                given.insert(OF_EVERY_TEXT.to_owned());
                given
            }
            // A term is the file's own, and is given nothing.
            _ => BTreeSet::new(),
        };
        let named = value(entry).map(words).unwrap_or_default();
        let mut missing: BTreeSet<String> =
            named.iter().filter(|word| !given.contains(*word) && !own.patterns.contains_key(*word)).cloned().collect();
        match own.made(&name, 0) {
            Some(made) => missing.extend(made.variables.into_iter().filter(|word| !given.contains(word))),
            None => missing.extend(named.into_iter().find(|word| own.patterns.contains_key(word))),
        }
        for word in missing {
            fault(WhyBadText::Word(word));
        }
    }
    faults
}

fn value<'r>(entry: &'r Entry<&'r str>) -> Option<&'r Pattern<&'r str>> {
    match entry {
        Entry::Message(message) => message.value.as_ref(),
        Entry::Term(term) => Some(&term.value),
        _ => None,
    }
}

/// `steps-orchard-1`: the host's own providers have steps that no catalogue here knows.
fn is_step(id: &str) -> bool {
    let of_provider = id.strip_prefix("steps-").and_then(|rest| rest.rsplit_once('-'));
    of_provider.is_some_and(|(provider, number)| !provider.is_empty() && number.parse::<u8>().is_ok())
}

fn name(entry: &Entry<&str>) -> Option<String> {
    match entry {
        Entry::Message(message) => Some(message.id.name.to_owned()),
        Entry::Term(term) => Some(format!("-{}", term.id.name)),
        _ => None,
    }
}

/// Where each is first.
fn lines(source: &str) -> BTreeMap<&str, usize> {
    let mut lines = BTreeMap::new();
    for (at, line) in source.lines().enumerate() {
        if let Some(name) = name_in(line) {
            lines.entry(name).or_insert(at + 1);
        }
    }
    lines
}

/// Everything that a text names, as it is written in Fluent.
pub fn words(pattern: &Pattern<&str>) -> BTreeSet<String> {
    named(pattern).into_iter().collect()
}

/// As often as it is named.
fn named(pattern: &Pattern<&str>) -> Vec<String> {
    let mut found = Vec::new();
    add_pattern(pattern, &mut found);
    found
}

fn add_pattern(pattern: &Pattern<&str>, found: &mut Vec<String>) {
    for element in &pattern.elements {
        if let PatternElement::Placeable { expression } = element {
            add_expression(expression, found);
        }
    }
}

fn add_expression(expression: &Expression<&str>, found: &mut Vec<String>) {
    match expression {
        Expression::Inline(inline) => add_inline(inline, found),
        Expression::Select { selector, variants } => {
            add_inline(selector, found);
            for variant in variants {
                add_pattern(&variant.value, found);
            }
        }
    }
}

fn add_inline(inline: &InlineExpression<&str>, found: &mut Vec<String>) {
    let mut add_arguments = |arguments: &CallArguments<&str>| {
        let named = arguments.named.iter().map(|argument| &argument.value);
        for argument in arguments.positional.iter().chain(named) {
            add_inline(argument, found);
        }
    };
    let word = match inline {
        InlineExpression::StringLiteral { .. } | InlineExpression::NumberLiteral { .. } => return,
        InlineExpression::Placeable { expression } => return add_expression(expression, found),
        InlineExpression::VariableReference { id } => format!("${}", id.name),
        InlineExpression::MessageReference { id, .. } => id.name.to_owned(),
        InlineExpression::FunctionReference { id, arguments } => {
            add_arguments(arguments);
            format!("{}()", id.name)
        }
        InlineExpression::TermReference { id, arguments, .. } => {
            arguments.iter().for_each(&mut add_arguments);
            format!("-{}", id.name)
        }
    };
    found.push(word);
}
