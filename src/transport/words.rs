//! Makes what a server said safe to show to a person.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::secret::Secret;

/// Longer server texts are cut to this many bytes.
const LONGEST: usize = 512;

/// Stands for a secret until all are found: no secret has it in it, so that none is found in what stands for another.
const MARK: &str = "\u{1}";

/// The secrets of one session in each form in which a server could echo them.
pub struct Redactor {
    /// The longest first, as one may hold another.
    forms: RefCell<Vec<Secret>>,
}

impl Redactor {
    pub fn new(username: &str, secret: Option<&Secret>) -> Self {
        let redactor = Self { forms: RefCell::default() };
        if let Some(secret) = secret {
            redactor.hide_secret(username, secret);
        }
        redactor
    }

    /// In each form in which it could come back, that of a login with the username among them.
    pub fn hide_secret(&self, username: &str, secret: &Secret) {
        if !secret.is_empty() {
            let text = secret.expose();
            let plain = format!("\0{username}\0{text}");
            let json = text.replace('\\', "\\\\").replace('"', "\\\"");
            let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
            let forms = [
                STANDARD_NO_PAD.encode(&plain),
                plain,
                STANDARD_NO_PAD.encode(text),
                // As PHP writes it, as everybody else writes it, in a URL, in a page.
                json.replace('/', "\\/"),
                json,
                url::form_urlencoded::byte_serialize(text.as_bytes()).collect(),
                html,
                text.to_owned(),
            ];
            for form in forms {
                self.add(form);
            }
        }
    }

    /// For a login of which the username is as secret as the password, in the form of HTTP besides (RFC 7617).
    pub fn of_login(username: &Secret, password: &Secret) -> Self {
        let pair = STANDARD_NO_PAD.encode(format!("{}:{}", username.expose(), password.expose()));
        let redactor = Self::new(username.expose(), Some(password));
        redactor.hide_secret("", username);
        redactor.add(pair);
        redactor
    }

    /// What was made from the secret on the way, and sent. In base64 it is also found without its padding.
    pub fn hide(&self, text: &str) {
        let text = text.trim_end_matches('=');
        if !text.is_empty() {
            self.add(text.to_owned());
        }
    }

    fn add(&self, form: String) {
        let (form, mut forms) = (Secret::new(form), self.forms.borrow_mut());
        // Most secrets are the same in several forms.
        if !forms.contains(&form) {
            let at = forms.partition_point(|other| other.expose().len() >= form.expose().len());
            forms.insert(at, form);
        }
    }

    /// Secrets replaced, control and bidirectional characters gone, white space folded, at most 512 bytes.
    pub fn clean(&self, text: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(text).replace(MARK, " ");
        for form in self.forms.borrow().iter() {
            if text.contains(form.expose()) {
                text = text.replace(form.expose(), MARK);
            }
        }
        let text = text.replace(MARK, "[secret]");
        let visible: String = text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect();
        let mut folded = visible.split_whitespace().collect::<Vec<_>>().join(" ");
        if folded.len() > LONGEST {
            let cut = (0..=LONGEST - '…'.len_utf8()).rev().find(|&at| folded.is_char_boundary(at)).unwrap_or(0);
            folded.truncate(cut);
            folded.push('…');
        }
        folded
    }
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{61C}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn an_echoed_password_is_replaced_in_clear_and_in_base64() {
        let password = Secret::new("hunter2-é".to_owned());
        let redactor = Redactor::new("ana", Some(&password));
        let echo = format!(
            "bad {} {} {}",
            password.expose(),
            STANDARD.encode(password.expose()),
            STANDARD.encode("\0ana\0hunter2-é")
        );
        assert_eq!(redactor.clean(echo.as_bytes()), "bad [secret] [secret]== [secret]");
        let token = Secret::new("abc/def+gh\"<".to_owned());
        let redactor = Redactor::new("", Some(&token));
        for echo in [r#"abc\/def+gh\"<"#, "abc%2Fdef%2Bgh%22%3C", "abc/def+gh&quot;&lt;"] {
            assert_eq!(redactor.clean(echo.as_bytes()), "[secret]", "{echo}");
        }
    }

    #[test]
    fn an_echoed_login_of_a_proxy_is_replaced_whole() {
        let redactor = Redactor::of_login(&Secret::new("ana".to_owned()), &Secret::new("hunter2".to_owned()));
        let echo = format!("ana hunter2 {}", STANDARD.encode("ana:hunter2"));
        assert_eq!(redactor.clean(echo.as_bytes()), "[secret] [secret] [secret]=");
    }

    #[test]
    fn what_stands_for_a_secret_is_not_searched_for_secrets() {
        for secret in ["secret", "e", "[", "cret]"] {
            let redactor = Redactor::new("ana", Some(&Secret::new(secret.to_owned())));
            assert_eq!(redactor.clean(format!("x {secret} y").as_bytes()), "x [secret] y");
        }
    }

    #[test]
    fn what_is_hidden_later_is_replaced_too() {
        let redactor = Redactor::new("ana", Some(&Secret::new("hunter2".to_owned())));
        redactor.hide("cHJvb2Y=");
        redactor.hide("cHJvb2Ygb2YgaHVudGVyMg==");
        redactor.hide("");
        assert_eq!(redactor.clean(b"cHJvb2Y= cHJvb2Ygb2YgaHVudGVyMg hunter2 x"), "[secret]= [secret] [secret] x");
    }

    #[test]
    fn control_and_bidirectional_characters_do_not_reach_people() {
        let redactor = Redactor::new("", None);
        assert_eq!(redactor.clean(b"a\x1b[31m\r\nb\0c\xff"), "a [31m b c\u{fffd}");
        assert_eq!(redactor.clean("x\u{202e}y\u{2066}z".as_bytes()), "x y z");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let cleaned = Redactor::new("", None).clean("é".repeat(1000).as_bytes());
        assert!(cleaned.len() <= LONGEST && cleaned.ends_with('…'), "{}", cleaned.len());
    }
}
