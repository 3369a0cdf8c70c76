//! Turns what happened into words: the texts that people read, the facts about providers, and for each way to fail the
//! sentence and the advice. It knows nothing of forms, stores or the C ABI.

mod link;
mod mistyped;
mod problems;
mod providers;
mod texts;

#[cfg(test)]
mod tests;

pub use mistyped::meant;
pub use problems::{Advice, Problem, Refused, Situation, explain, size_rounded_down, size_rounded_up};
pub use providers::{AppPassword, Endpoint, Limits, Provider, Providers, SignIn};
pub use texts::{BadText, Catalogue, Locale, Texts, WhyBadText, read_catalogue};
