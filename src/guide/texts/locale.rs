//! Which language somebody reads.

use unic_langid::LanguageIdentifier;

/// A language tag (BCP 47), for example `ro`, `pt-BR` or `zh-Hant-TW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locale(LanguageIdentifier);

impl Locale {
    /// `None` for what is no language tag. Extensions (`-u-...`) choose calendars and the like, and are passed over.
    pub fn parse(tag: &str) -> Option<Self> {
        let subtags: Vec<&str> = tag.split(['-', '_']).collect();
        let is_subtag =
            |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_cut_short = subtags.last().is_none_or(|last| last.len() == 1);
        if is_cut_short || !subtags.iter().all(|part| is_subtag(part)) {
            return None;
        }
        let language: Vec<&str> = subtags.into_iter().take_while(|part| part.len() > 1).collect();
        language.join("-").parse().ok().map(Self)
    }

    pub fn language(&self) -> &LanguageIdentifier {
        &self.0
    }

    /// The tag, then what is left of it part by part: `pt-BR`, `pt` (the lookup of RFC 4647).
    pub fn lookup(&self) -> Vec<String> {
        let mut tags = vec![self.0.to_string()];
        while let Some((shorter, _)) = tags.last().and_then(|tag| tag.rsplit_once('-')) {
            tags.push(shorter.to_owned());
        }
        tags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_looked_up_from_its_end() {
        let lookup = |tag: &str| Locale::parse(tag).map(|locale| locale.lookup());
        assert_eq!(lookup("RO_md").unwrap(), ["ro-MD", "ro"]);
        assert_eq!(lookup("zh-hant-tw").unwrap(), ["zh-Hant-TW", "zh-Hant", "zh"]);
        assert_eq!(lookup("de-DE-u-co-phonebk").unwrap(), ["de-DE", "de"]);
        for malformed in
            ["", "-", "ro-", "ro--MD", "romanian language", "ro.UTF-8", "r", "x-own", "de-u", "română", "123"]
        {
            assert_eq!(lookup(malformed), None, "{malformed}");
        }
    }
}
