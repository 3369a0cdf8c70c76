//! What the user fills in: one table of fields, and everything that follows from it — the form as data, the schemas, the
//! checks, and the settings that come out. It knows nothing of how settings are stored or when they are used.

mod check;
mod fields;
mod provider;
mod render;
mod schema;
mod server_name;
mod settings;
mod values;

#[cfg(test)]
mod tests;

pub use check::{Purpose, belonging, check};
pub use fields::{FIELDS, Kind};
pub use render::{Sheet, render};
pub use schema::Schemas;
pub use server_name::host as host_name;
pub use settings::{Route, SIGN_IN, Settings, Stored, TokenLogin};
pub use values::Values;
