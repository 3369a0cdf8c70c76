//! What is wrong with a Fluent file that a host gives.

use std::collections::BTreeSet;

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

/// `english` gives the English text of an id.
pub fn of<'e>(resource: &FluentResource, english: impl Fn(&str) -> Option<&'e Message<&'e str>>) -> Vec<BadText> {
    let own: BTreeSet<String> = resource.entries().filter_map(name).collect();
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for entry in resource.entries() {
        let Some(name) = name(entry) else { continue };
        let mut fault = |why| faults.push(BadText { line: line_of(resource.source(), &name), id: name.clone(), why });
        if !seen.insert(name.clone()) {
            fault(WhyBadText::Twice);
        }
        let (given, pattern) = match entry {
            Entry::Message(message) => {
                let given = match english(message.id.name) {
                    Some(english) => english.value.as_ref().map(words).unwrap_or_default(),
                    None if is_step(message.id.name) => BTreeSet::from(["$provider".to_owned()]),
                    None => {
                        fault(WhyBadText::Unknown);
                        continue;
                    }
                };
                (given, message.value.as_ref())
            }
            // A term is the file's own, and has the words of its caller.
            Entry::Term(term) => (BTreeSet::new(), Some(&term.value)),
            _ => continue,
        };
        let is_there = |word: &String| given.contains(word) || own.contains(word) || word == OF_EVERY_TEXT;
        for word in pattern.map(words).unwrap_or_default().into_iter().filter(|word| !is_there(word)) {
            fault(WhyBadText::Word(word));
        }
    }
    faults
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

fn line_of(source: &str, name: &str) -> usize {
    let is_its = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='));
    source.lines().position(is_its).map_or(1, |at| at + 1)
}

/// Everything that a text names, as it is written in Fluent.
pub fn words(pattern: &Pattern<&str>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    add_pattern(pattern, &mut found);
    found
}

fn add_pattern(pattern: &Pattern<&str>, found: &mut BTreeSet<String>) {
    for element in &pattern.elements {
        if let PatternElement::Placeable { expression } = element {
            add_expression(expression, found);
        }
    }
}

fn add_expression(expression: &Expression<&str>, found: &mut BTreeSet<String>) {
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

fn add_inline(inline: &InlineExpression<&str>, found: &mut BTreeSet<String>) {
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
    found.insert(word);
}
