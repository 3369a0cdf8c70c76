//! Domains that are surely typing mistakes, from the data file beside this one. Each is written down: a domain that only
//! looks like a provider's may be somebody's own.

use std::collections::HashMap;

use once_cell::race::OnceBox;
use serde_json::Value;

const DATA: &str = include_str!("mistyped.json");

#[derive(Default)]
struct Mistakes {
    /// By the wrong one.
    endings: HashMap<String, String>,
    domains: HashMap<String, String>,
}

/// The domain that was meant, in lower case as given.
pub fn meant(domain: &str) -> Option<String> {
    // Lock-free, as everything that a child after `fork()` may need.
    static MISTAKES: OnceBox<Mistakes> = OnceBox::new();
    // A test reads the file whole, so that it cannot be malformed here.
    let Mistakes { endings, domains } = MISTAKES.get_or_init(|| Box::new(read(DATA).unwrap_or_default()));
    let mended = domain.rsplit_once('.').and_then(|(name, ending)| Some(format!("{name}.{}", endings.get(ending)?)));
    domains.get(mended.as_deref().unwrap_or(domain)).cloned().or(mended)
}

fn read(data: &str) -> Option<Mistakes> {
    let data: Value = serde_json::from_str(data).ok()?;
    Some(Mistakes { endings: turned(data.get("endings")?)?, domains: turned(data.get("domains")?)? })
}

/// From what is right and its misspellings to each misspelling and what is right.
fn turned(rows: &Value) -> Option<HashMap<String, String>> {
    let mut turned = HashMap::new();
    for (right, wrong) in rows.as_object()? {
        for wrong in wrong.as_array()? {
            turned.insert(wrong.as_str()?.to_owned(), right.clone());
        }
    }
    Some(turned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_file_reads_whole() {
        let rows: Value = serde_json::from_str(DATA).unwrap();
        let read = read(DATA).unwrap();
        for (key, turned) in [("endings", &read.endings), ("domains", &read.domains)] {
            let written: usize =
                rows[key].as_object().unwrap().values().map(|list| list.as_array().unwrap().len()).sum();
            assert_eq!(turned.len(), written, "something is there twice among the {key}");
            assert!(turned.values().all(|right| !turned.contains_key(right)));
        }
        // Two letters are a country's, if not now, then later.
        assert!(read.endings.keys().all(|ending| ending.len() > 2));
        assert!(read.domains.keys().all(|domain| !read.endings.keys().any(|it| domain.ends_with(&format!(".{it}")))));
    }

    #[test]
    fn mistakes_are_mended() {
        for (typed, right) in [
            ("gmial.com", "gmail.com"),
            ("gmail.con", "gmail.com"),
            ("gmial.con", "gmail.com"),
            ("hotmial.com", "hotmail.com"),
            ("yaho.com", "yahoo.com"),
            ("alfa-srl.con", "alfa-srl.com"),
            ("mail.alfa.nett", "mail.alfa.net"),
            ("gmailcom", "gmail.com"),
        ] {
            assert_eq!(meant(typed).as_deref(), Some(right), "{typed}");
        }
    }

    #[test]
    fn real_domains_are_left_alone() {
        let near = "mail.com email.com ymail.com hmail.com fmail.com qmail.com hitmail.com hotmail.de hotmail.co.uk live.ro \
            outlook.fr outlook.ro yahoo.ro yahoo.co.uk yahoo.com.br gmail.ru cloud.com me.com gmx.eu gmx.com web.de weg.de grail.com \
            orage.fr liber.it sezam.cz example.co example.cm alfa.om example.community posteo.de proton.me mail.ru email.ru con.ro \
            con.com localhost intranet [127.0.0.1] xn--bcher-kva.example";
        for domain in near.split_whitespace() {
            assert_eq!(meant(domain), None, "{domain}");
        }
    }
}
