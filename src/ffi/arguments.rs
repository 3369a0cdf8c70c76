//! What C hands over, as Rust types, or a reply that names the argument.

use std::ffi::{CStr, c_char};

use bytes::Bytes;

use crate::account::{Account, Fault, bad_argument, check_pdf};
use crate::reply::Answer;

pub struct Arguments<'a> {
    account: Option<&'a Account>,
}

impl<'a> Arguments<'a> {
    pub fn of(account: &'a Account) -> Self {
        Self { account: Some(account) }
    }

    /// Before there is an account.
    pub fn of_nobody() -> Self {
        Self { account: None }
    }

    fn refuse(&self, code: &'static str, words: &[(&'static str, String)]) -> Answer {
        bad_argument(self.account, code, words)
    }

    pub fn null(&self, name: &'static str) -> Answer {
        self.refuse("null_argument", &[("argument", name.to_owned())])
    }

    /// # Safety
    /// `pointer` is NULL or points to a NUL-terminated text that stays in place for `'t`.
    pub unsafe fn text<'t>(&self, name: &'static str, pointer: *const c_char) -> Result<Option<&'t str>, Answer> {
        if pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: as this function's own contract says.
        let text = unsafe { CStr::from_ptr(pointer) }.to_str();
        text.map(Some).map_err(|error| {
            let words = [("argument", name.to_owned()), ("position", error.valid_up_to().to_string())];
            self.refuse("bad_utf8", &words)
        })
    }

    /// # Safety
    /// As for `text`.
    pub unsafe fn needed<'t>(&self, name: &'static str, pointer: *const c_char) -> Result<&'t str, Answer> {
        // SAFETY: as this function's own contract says.
        unsafe { self.text(name, pointer) }?.ok_or_else(|| self.null(name))
    }

    /// # Safety
    /// `pointer` is NULL or points to `length` readable bytes that stay in place for `'b`.
    pub unsafe fn bytes<'b>(
        &self,
        name: &'static str,
        pointer: *const u8,
        length: usize,
    ) -> Result<Option<&'b [u8]>, Answer> {
        let words =
            || vec![("argument", name.to_owned()), ("length", length.to_string()), ("bytes", length.to_string())];
        if pointer.is_null() {
            return if length == 0 { Ok(None) } else { Err(self.refuse("null_with_length", &words())) };
        }
        if isize::try_from(length).is_err() {
            return Err(self.refuse("bad_length", &words()));
        }
        // SAFETY: as this function's own contract says; the length fits an address range.
        Ok(Some(unsafe { std::slice::from_raw_parts(pointer, length) }))
    }
}

/// The document's one copy, made only if it is a document.
pub fn pdf(bytes: &[u8]) -> Result<Bytes, Fault> {
    check_pdf(bytes)?;
    let mut copy = Vec::new();
    if copy.try_reserve_exact(bytes.len()).is_err() {
        return Err(Fault::input("pdf", "files_no_memory").with("bytes", bytes.len().to_string()));
    }
    copy.extend_from_slice(bytes);
    Ok(copy.into())
}
