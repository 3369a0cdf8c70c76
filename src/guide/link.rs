//! Web addresses that people are given to click.

use url::Url;

/// Whether a browser opens a page behind it and nothing else: https, a name for the host, no login in it, and no character that
/// ends a link or hides what it is.
pub fn page(text: &str) -> Option<Url> {
    let is_fine = |c: char| {
        c.is_alphanumeric()
            || (c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '|' | '\\' | '^' | '`' | '{' | '}' | '[' | ']'))
    };
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "https" && text.chars().all(is_fine))?;
    let is_plain = url.username().is_empty() && url.password().is_none() && is_name(url.domain()?);
    is_plain.then_some(url)
}

fn is_name(host: &str) -> bool {
    host.contains('.') && host.split('.').all(|label| !label.is_empty())
}
