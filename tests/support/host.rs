//! A host program: everything goes through the functions of the C header.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::time::{Duration, Instant};

use ::mailbutton::ffi::*;
use serde_json::Value;

use super::HANG;

fn c_text(json: &Value) -> CString {
    CString::new(json.to_string()).unwrap()
}

pub struct Host {
    account: Option<Box<mailbutton_account>>,
}

impl Host {
    #[track_caller]
    pub fn open(options: &Value) -> Self {
        let options = c_text(options);
        let mut account = ptr::null_mut();
        // SAFETY: header rule 2.
        let reply = Pending(unsafe { mailbutton_open(options.as_ptr(), &raw mut account) });
        assert!(!account.is_null(), "{:#}", reply.wait());
        // SAFETY: the account is ours alone until it is freed.
        Self { account: Some(unsafe { Box::from_raw(account) }) }
    }

    /// What is answered where no account is opened.
    #[track_caller]
    pub fn refused(options: &Value) -> Value {
        let options = c_text(options);
        let mut account = ptr::null_mut();
        // SAFETY: header rule 2.
        let reply = Pending(unsafe { mailbutton_open(options.as_ptr(), &raw mut account) });
        assert!(account.is_null());
        reply.wait()
    }

    fn account(&self) -> Option<&mailbutton_account> {
        self.account.as_deref()
    }

    #[track_caller]
    pub fn set(&self, settings: &Value) -> Value {
        let answer = self.try_set(settings);
        assert_eq!(answer["status_name"], "OK", "{answer:#}");
        answer
    }

    pub fn try_set(&self, settings: &Value) -> Value {
        let settings = c_text(settings);
        // SAFETY: header rule 2.
        Pending(unsafe { mailbutton_settings_set(self.account(), settings.as_ptr()) }).wait()
    }

    /// Of the saved values, without any.
    pub fn form(&self, values: Option<&Value>) -> Value {
        let values = values.map(c_text);
        let pointer = values.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        // SAFETY: header rule 2.
        Pending(unsafe { mailbutton_form(self.account(), pointer) }).wait()
    }

    pub fn sign_in(&self, sign_in: &Value) -> Value {
        let sign_in = c_text(sign_in);
        // SAFETY: header rule 2.
        Pending(unsafe { mailbutton_sign_in(self.account(), sign_in.as_ptr()) }).wait()
    }

    pub fn finish_sign_in(&self, finish: &Value) -> Value {
        let finish = c_text(finish);
        // SAFETY: header rule 2.
        Pending(unsafe { mailbutton_sign_in_finish(self.account(), finish.as_ptr()) }).wait()
    }

    pub fn words(&self, words: Option<&Value>) -> Value {
        let words = words.map(c_text);
        let pointer = words.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        // SAFETY: header rule 2.
        Pending(unsafe { mailbutton_words(self.account(), pointer) }).wait()
    }

    pub fn button(&self, document: &Value) -> Value {
        let document = c_text(document);
        // SAFETY: header rule 2.
        Pending(unsafe { mailbutton_button(self.account(), document.as_ptr()) }).wait()
    }

    pub fn send_document(&self, email: &Value, pdf: &[u8]) -> Pending {
        let email = c_text(email);
        // SAFETY: header rule 2.
        Pending(unsafe { mailbutton_send_document(self.account(), email.as_ptr(), pdf.as_ptr(), pdf.len()) })
    }

    /// A document that the email names by its path.
    pub fn send_file(&self, email: &Value) -> Pending {
        let email = c_text(email);
        // SAFETY: header rule 2.
        Pending(unsafe { mailbutton_send_document(self.account(), email.as_ptr(), ptr::null(), 0) })
    }

    pub fn discover(&self, json: &Value) -> Pending {
        let json = c_text(json);
        // SAFETY: header rule 2.
        Pending(unsafe { mailbutton_discover(self.account(), json.as_ptr()) })
    }

    pub fn send_test(&self, test: Option<&Value>) -> Pending {
        let test = test.map(c_text);
        let pointer = test.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        // SAFETY: header rule 2.
        Pending(unsafe { mailbutton_send_test(self.account(), pointer) })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        mailbutton_free(self.account.take());
    }
}

pub struct Pending(Box<mailbutton_reply>);

/// What the progress callback looks for.
struct Sought<'s> {
    step: &'s str,
    permille: i32,
    is_seen: bool,
}

unsafe extern "C" fn look(userdata: *mut c_void, step: *const c_char, text: *const c_char, permille: i32) -> i32 {
    // SAFETY: header rule 5: the userdata is the one that was handed over; both texts are valid until this returns.
    let (sought, step, text) =
        unsafe { (&mut *userdata.cast::<Sought<'_>>(), CStr::from_ptr(step), CStr::from_ptr(text)) };
    assert!(!text.to_str().unwrap().contains("step-"), "{text:?}");
    sought.is_seen |= step.to_str().unwrap() == sought.step && permille >= sought.permille;
    0
}

impl Pending {
    /// To the end; what does not come to one hangs.
    #[track_caller]
    pub fn wait(&self) -> Value {
        let milliseconds = i32::try_from(HANG.as_millis()).unwrap();
        // SAFETY: no callback.
        let status = unsafe { mailbutton_reply_wait(Some(&self.0), milliseconds, None, ptr::null_mut()) };
        assert_ne!(status, MAILBUTTON_PENDING, "it hangs");
        // SAFETY: the reply has ended and lives until after this.
        let text = unsafe { CStr::from_ptr(mailbutton_reply_json(Some(&self.0))) };
        let json: Value = serde_json::from_str(text.to_str().unwrap()).unwrap();
        assert_eq!(json["status"], status);
        json
    }

    /// Until progress tells of this step, or the work ends.
    pub fn wait_for(&self, step: &str, permille: i32) {
        let until = Instant::now() + HANG;
        let mut sought = Sought { step, permille, is_seen: false };
        while !sought.is_seen {
            assert!(Instant::now() < until, "step {step} never came");
            let userdata = (&raw mut sought).cast();
            // SAFETY: the callback takes what `userdata` points to.
            if unsafe { mailbutton_reply_wait(Some(&self.0), 50, Some(look), userdata) } != MAILBUTTON_PENDING {
                break;
            }
        }
    }

    pub fn is_pending_after(&self, duration: Duration) -> bool {
        let milliseconds = i32::try_from(duration.as_millis()).unwrap();
        // SAFETY: no callback.
        let status = unsafe { mailbutton_reply_wait(Some(&self.0), milliseconds, None, ptr::null_mut()) };
        status == MAILBUTTON_PENDING
    }

    pub fn cancel(&self) {
        mailbutton_reply_cancel(Some(&self.0));
    }
}
