//! mailbutton: an email settings form and an Email button for any program, behind a C ABI.
//!
//! The interface is `include/mailbutton.h`; the functions behind it are in [`ffi`]. ARCHITECTURE.md shows the rooms.
#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod account;
mod email;
pub mod ffi;
mod form;
mod guide;
mod input;
mod reply;
mod secret;
mod store;
mod transport;

#[cfg(fuzzing)]
pub use transport::oauth::fuzzing as fuzzing_oauth;
#[cfg(fuzzing)]
pub use transport::smtp::fuzzing;
