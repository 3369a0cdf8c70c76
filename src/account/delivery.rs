//! An email on its way: what is sent, to whom, and by which route.

use std::sync::Arc;

use crate::email::{self, Email, Mailbox, Recipient, Role};
use crate::form::{Route, Settings};
use crate::input::Fault;
use crate::secret::Secret;
use crate::transport::Step;
use crate::transport::http::{Post, Relay};
use crate::transport::smtp::{Credential, Login, Security, Submission};

/// By which route, in which form.
pub enum Delivery {
    Smtp(Submission),
    Http { relay: Box<Relay>, post: Box<Post>, recipients: Vec<Recipient> },
}

impl Delivery {
    pub fn new(settings: Settings, email: Email) -> Result<Self, Fault> {
        let Settings { sender_name, copy_to, reply_to, route, .. } = settings;
        match route {
            Route::Smtp { server, sender, .. } => {
                let name = Some(sender_name).filter(|name| !name.is_empty());
                let sender = email::Sender { from: Mailbox { name, address: sender }, copy_to, reply_to };
                let message = Arc::new(email::compose(&email, &sender)?);
                Ok(Self::Smtp(Submission { server, message, partial: email.partial }))
            }
            Route::Http(relay) => {
                let recipients = email::recipients(&email, &copy_to);
                let is_test = email.files.is_empty();
                let reply_to = if email.reply_to.is_empty() { reply_to } else { email.reply_to };
                let post = Post {
                    from: sender_name,
                    reply_to: reply_to.iter().map(|mailbox| mailbox.address.as_str()).collect::<Vec<_>>().join(","),
                    to: joined(&recipients, &[Role::To]),
                    cc: joined(&recipients, &[Role::Cc]),
                    bcc: joined(&recipients, &[Role::Bcc, Role::Copy]),
                    subject: email.subject,
                    body: if is_test { email.text } else { email.html },
                    files: email.files,
                    // A relay can tell a second try from a second email, also where the host thought of no key.
                    idempotency_key: match email.idempotency_key {
                        None if !is_test => Some(email::random()?),
                        given => given,
                    },
                };
                Ok(Self::Http { relay, post: Box::new(post), recipients })
            }
        }
    }

    /// With the token that came at last.
    pub fn authorize(&mut self, user: &str, token: Secret) {
        if let Self::Smtp(Submission { server, .. }) = self {
            let login = Login { username: user.to_owned(), credential: Credential::Token(token) };
            Arc::make_mut(server).login = Some(login);
        }
    }

    /// The steps of a session that goes well, in a person's order.
    pub fn steps(&self, has_proxy: bool) -> Vec<Step> {
        let mut steps = vec![Step::Name, Step::Connect];
        steps.extend(has_proxy.then_some(Step::Proxy));
        let server = match self {
            Self::Smtp(Submission { server, .. }) => server,
            Self::Http { relay, .. } => {
                steps.extend((relay.url.scheme() == "https").then_some(Step::Tls));
                steps.extend([Step::Content, Step::Verdict]);
                return steps;
            }
        };
        match server.security {
            Security::Tls => steps.extend([Step::Tls, Step::Greeting]),
            Security::StartTls => steps.extend([Step::Greeting, Step::Tls]),
            Security::None => steps.push(Step::Greeting),
        }
        steps.extend(server.login.is_some().then_some(Step::Login));
        steps.extend([Step::Sender, Step::Recipient, Step::Content, Step::Verdict]);
        steps
    }

    /// In the order of the journal's outcomes.
    pub fn recipients(&self) -> Vec<(&str, Role)> {
        let recipients = match self {
            Self::Smtp(Submission { message, .. }) => &message.recipients,
            Self::Http { recipients, .. } => recipients,
        };
        recipients.iter().map(|recipient| (recipient.address.as_str(), recipient.role)).collect()
    }
}

fn joined(recipients: &[Recipient], roles: &[Role]) -> String {
    let of_role = recipients.iter().filter(|recipient| roles.contains(&recipient.role));
    of_role.map(|recipient| recipient.address.as_str()).collect::<Vec<_>>().join(",")
}
