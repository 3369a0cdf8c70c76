//! Reads the JSON that a host gives. Its one duty: typed values out, and for everything that is wrong a
//! [`Fault`] that names the place. It knows nothing of settings, emails, or the words that people read.

mod object;

pub use object::{Object, parse, whole};

/// Whose mistake a fault is: the host shows the one to its user and its developer fixes the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The JSON is not what the call takes: an unknown key, a wrong type.
    Program,
    /// A person typed something that cannot work.
    Input,
}

/// One thing that is wrong with what was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: a key (`smtp_port`) or a path into the JSON (`to[2]`, `attachments[0].path`).
    pub place: String,
    /// Stable; the sentence is the text `fault-<code>` of the catalogue.
    pub code: &'static str,
    pub blame: Blame,
    /// What the sentence names, by placeholder. Never a secret.
    pub words: Vec<(&'static str, String)>,
}

impl Fault {
    pub fn input(place: impl Into<String>, code: &'static str) -> Self {
        Self { place: place.into(), code, blame: Blame::Input, words: Vec::new() }
    }

    pub fn program(place: impl Into<String>, code: &'static str) -> Self {
        Self { place: place.into(), code, blame: Blame::Program, words: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.words.push((name, value.into()));
        self
    }
}

/// All the faults of one call: a person mends them in one go, not one at a time.
pub type Faults = Vec<Fault>;
