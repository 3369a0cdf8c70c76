//! The settings that a checked form gives, in the types of those who use them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::email::{Address, Mailbox};
use crate::secret::Secret;
use crate::transport::http::Relay;
use crate::transport::smtp::{Credential, Login, Server};

#[derive(Clone, Debug)]
pub struct Settings {
    pub sender_name: String,
    /// Each email goes to these as well, seen by nobody.
    pub copy_to: Vec<Address>,
    pub reply_to: Vec<Mailbox>,
    pub route: Route,
    /// There is a sign-in for this server and user in the store: what it belongs to.
    pub sign_in_of: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenLogin {
    /// Whose token it is: who signs in.
    pub account: String,
    /// Who logs in with it, which is another one for a shared mailbox.
    pub user: String,
}

#[derive(Clone, Debug)]
pub enum Route {
    Smtp {
        server: Arc<Server>,
        sender: Address,
        /// For a login with a token, which is none of the settings: it comes in time for each piece of work.
        token_login: Option<TokenLogin>,
    },
    Http(Box<Relay>),
}

impl Settings {
    /// `false`: these settings have no use for a token.
    pub fn authorize(&mut self, token: Secret) -> bool {
        let Route::Smtp { server, token_login: Some(login), .. } = &mut self.route else { return false };
        let login = Login { username: login.user.clone(), credential: Credential::Token(token) };
        Arc::make_mut(server).login = Some(login);
        true
    }

    /// There is no login yet, and there has to be one.
    pub fn needs_token(&self) -> bool {
        matches!(&self.route, Route::Smtp { server, token_login: Some(_), .. } if server.login.is_none())
    }
}

/// The secrets that the store keeps, and what each of them belongs to.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub secrets: BTreeMap<String, Secret>,
    pub belongs_to: Belonging,
}

/// A stored secret is for one server and user; for any other it must be typed again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Belonging {
    pub password: String,
    pub token: String,
    pub sign_in: String,
}

/// Among the stored secrets, and no field: what a sign-in gave.
pub const SIGN_IN: &str = "sign_in";
