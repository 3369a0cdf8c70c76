//! What the target in `fuzz` reaches: the readers of what providers and browsers send. Only there does this module exist.

pub use super::answer::{device, read_answer, tokens};
pub use super::callback::{Callback, read_callback};
pub use url::Url;
