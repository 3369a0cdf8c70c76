//! The access token of a piece of work: the one that the host gives with it, or the one of the account's sign-in.

use serde_json::Value;

use crate::form::Settings;
use crate::input::{Fault, Faults};
use crate::secret::Secret;
use crate::transport::oauth::LONGEST_TOKEN;

use super::Account;
use super::renewal::Authorizer;

/// What the JSON of a call gives, taken out of it.
pub fn given(json: &mut Value, faults: &mut Faults) -> Option<Secret> {
    let token = match json.get_mut("access_token").map(Value::take)? {
        Value::Null => return None,
        Value::String(text) => Secret::new(text),
        _ => {
            faults.push(Fault::program("access_token", "wrong_type_expected").with("expected", "text"));
            return None;
        }
    };
    let text = token.expose();
    // RFC 6750 section 2.1, and tolerant of what else is visible.
    if text.is_empty() || text.len() > LONGEST_TOKEN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        faults.push(Fault::program("access_token", "access_token_bad").with("limit", LONGEST_TOKEN.to_string()));
        return None;
    }
    Some(token)
}

/// Settings with a sign-in get the token, or who gets one; others have no use for one, which is not passed over.
pub fn authorize(
    account: &Account,
    settings: &mut Settings,
    token: Option<Secret>,
) -> Result<Option<Authorizer>, Fault> {
    if let Some(token) = token
        && !settings.authorize(token)
    {
        return Err(Fault::program("access_token", "access_token_unused"));
    }
    settings.needs_token().then(|| Authorizer::new(account, settings)).transpose()
}
