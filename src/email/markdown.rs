//! Markdown into the HTML of an email. What a person typed is never markup beyond Markdown, and a link leads to
//! where a person may expect one to lead.

use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

use super::text::with_crlf;

/// Runs from right to left where its first letter does. Webmails drop what stands at the body itself.
const BEFORE: &str = "<!DOCTYPE html><html><head><meta charset=\"utf-8\"></head><body><div dir=\"auto\">\r\n";
const AFTER: &str = "</div></body></html>\r\n";

/// A complete small document.
pub(super) fn to_html(markdown: &str) -> String {
    let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let mut filter = Filter::default();
    let mut body = String::with_capacity(markdown.len() + markdown.len() / 4);
    html::push_html(&mut body, parser.filter_map(|event| filter.pass(event)));
    format!("{BEFORE}{}{AFTER}", with_crlf(&body))
}

#[derive(Default)]
struct Filter {
    /// For each link and image that is open, whether its start was let through: its end must go the same way.
    open: Vec<bool>,
}

impl Filter {
    fn pass<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        match event {
            // A person who presses Enter means a new line.
            Event::SoftBreak => Some(Event::HardBreak),
            Event::Html(raw) | Event::InlineHtml(raw) => Some(Event::Text(raw)),
            // As code, raw HTML keeps its lines; without a block around it they would run into the next paragraph.
            Event::Start(Tag::HtmlBlock) => Some(Event::Start(Tag::Paragraph)),
            Event::End(TagEnd::HtmlBlock) => Some(Event::End(TagEnd::Paragraph)),
            Event::Start(Tag::Link { link_type, ref dest_url, .. }) => {
                let safe = link_type == LinkType::Email || leads_somewhere_known(dest_url);
                self.opened(safe, event)
            }
            Event::Start(Tag::Image { ref dest_url, .. }) => {
                let safe = leads_somewhere_known(dest_url);
                self.opened(safe, event)
            }
            Event::End(TagEnd::Link | TagEnd::Image) => self.open.pop().unwrap_or(true).then_some(event),
            other => Some(other),
        }
    }

    fn opened<'a>(&mut self, safe: bool, event: Event<'a>) -> Option<Event<'a>> {
        self.open.push(safe);
        safe.then_some(event)
    }
}

fn leads_somewhere_known(url: &CowStr<'_>) -> bool {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    ["http", "https", "mailto", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(markdown: &str) -> String {
        let html = to_html(markdown);
        assert!(!html.replace("\r\n", "").contains(['\r', '\n']));
        let body = html.strip_prefix(BEFORE).unwrap().strip_suffix(AFTER).unwrap();
        body.trim_end().replace("\r\n", "\n")
    }

    #[test]
    fn markdown_becomes_html() {
        assert_eq!(body(""), "");
        assert_eq!(body("Bună ziua,\r\n**Ion**"), "<p>Bună ziua,<br />\n<strong>Ion</strong></p>");
        assert_eq!(body("~~a~~"), "<p><del>a</del></p>");
        assert!(body("|a|\n|-|\n|b|").starts_with("<table>"));
        assert_eq!(body("a & b < c"), "<p>a &amp; b &lt; c</p>");
    }

    #[test]
    fn raw_html_is_shown_and_never_run() {
        assert_eq!(body("<script>alert(1)</script>"), "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>");
        assert_eq!(body("a <img src=x onerror=y> b"), "<p>a &lt;img src=x onerror=y&gt; b</p>");
        let all = body("<div>\n<b>x</b>\n</div>\n\n<style>\n*{}\n</style>\n\n<!-- c -->\n\n`<i>`\n\n    <u>\n");
        for tag in ["<div", "<b>", "<style", "<!--", "<i>", "<u>"] {
            assert!(!all.contains(tag), "{tag} in {all}");
        }
    }

    #[test]
    fn links_lead_only_to_known_schemes() {
        assert_eq!(body("[a](https://x.ro/?b=\"c)"), "<p><a href=\"https://x.ro/?b=%22c\">a</a></p>");
        assert_eq!(body("<ion@x.ro>"), "<p><a href=\"mailto:ion@x.ro\">ion@x.ro</a></p>");
        assert_eq!(body("[a](tel:+40700)"), "<p><a href=\"tel:+40700\">a</a></p>");
        for url in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "&#106;avascript:alert(1)",
            "<java\tscript:alert(1)>",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "/relative",
            "//x.ro/",
            "",
        ] {
            assert_eq!(body(&format!("[*a*]({url}) ![b]({url}) c")), "<p><em>a</em> b c</p>", "{url}");
        }
        assert_eq!(body("<javascript:alert(1)>"), "<p>javascript:alert(1)</p>");
        assert_eq!(body("[![b](javascript:x)](https://x.ro)"), "<p><a href=\"https://x.ro\">b</a></p>");
        assert_eq!(
            body("[a](https://x.ro \"t\\\"><script>\")"),
            "<p><a href=\"https://x.ro\" title=\"t&quot;&gt;&lt;script&gt;\">a</a></p>"
        );
    }

    #[test]
    fn the_text_says_itself_where_it_begins() {
        assert!(to_html("\u{5E9}\u{5DC}\u{5D5}\u{5DD}").contains("<div dir=\"auto\">\r\n<p>\u{5E9}"));
    }
}
