//! What the emails say.

use domain::Timestamp;
use domain::mail::{Link, Message, Source};

/// An email as paragraphs, from which both of its parts are made.
pub(crate) struct Letter {
    pub(crate) subject: &'static str,
    paragraphs: Vec<Paragraph>,
}

enum Paragraph {
    Text(String),
    /// The address of a page, on a line of its own.
    Link(String),
}

impl Letter {
    /// The text part.
    pub(crate) fn text(&self) -> String {
        let paragraphs: Vec<_> = self.paragraphs.iter().map(Paragraph::text).collect();
        let mut text = paragraphs.join("\n\n");
        text.push('\n');
        text
    }

    /// The HTML part: the same paragraphs, without styles and images.
    pub(crate) fn html(&self) -> String {
        let mut html = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<body>\n");
        for paragraph in &self.paragraphs {
            html.push_str("<p>");
            match paragraph {
                Paragraph::Text(text) => push_escaped(&mut html, text),
                Paragraph::Link(url) => {
                    html.push_str("<a href=\"");
                    push_escaped(&mut html, url);
                    html.push_str("\">");
                    push_escaped(&mut html, url);
                    html.push_str("</a>");
                }
            }
            html.push_str("</p>\n");
        }
        html.push_str("</body>\n</html>\n");
        html
    }
}

impl Paragraph {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Link(text) => text,
        }
    }
}

fn push_escaped(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' => html.push_str("<br>\n"),
            other => html.push(other),
        }
    }
}

/// The email for this message; `None` if it is about a link whose token is gone.
pub(crate) fn letter(message: &Message, public_url: &str) -> Option<Letter> {
    let page = |page: &str, link: &Link| {
        let token = link.token.as_ref()?.reveal();
        // In the fragment, which no program sends to a server, so that no log contains it and opening the page does not
        // use it.
        Some(Paragraph::Link(format!("{public_url}/app/{page}#token={token}")))
    };
    let (subject, paragraphs) = match message {
        Message::PasswordChanged(source) => password_changed(source, public_url),
        Message::NewDevice(source) => new_device(source, public_url),
        Message::ReplaysRejected(source) => replays_rejected(source, public_url),
        Message::ReuseDetected(source) => reuse_detected(source, public_url),
        Message::AccessTokenCreated(source) => access_token_created(source, public_url),
        Message::EmailReplaced(source) => email_replaced(source, public_url),
        Message::VerifyEmail(link) => (
            "Confirm your email address for Coditect",
            vec![
                text(format!(
                    "A Coditect account at {public_url} has your email address. Open this page to confirm that it is \
                     yours:"
                )),
                page("verify", link)?,
                text("The link is valid for 24 hours."),
                details(&link.source),
                text("If you did not register, ignore this email, or ask for a new password to take the account over."),
            ],
        ),
        Message::RecoverPassword(link) => (
            "Choose a new Coditect password",
            vec![
                text("A new password was requested for your Coditect account. Open this page to choose it:"),
                page("recover", link)?,
                text(
                    "The link is valid for one hour, and works once. A new password signs out all devices. Give the \
                     link to nobody.",
                ),
                details(&link.source),
                text("If you did not request it, ignore this email: your password has not changed."),
            ],
        ),
        Message::ConfirmEmail(link) => (
            "Confirm your new email address for Coditect",
            vec![
                text(format!(
                    "The user of a Coditect account at {public_url} wants to use your email address for it. Open this \
                     page to agree:"
                )),
                page("confirm-email", link)?,
                text("The link is valid for 24 hours, and works once."),
                details(&link.source),
                text("If you did not request it, ignore this email: nothing changes."),
            ],
        ),
        Message::EmailChanged(link) => (
            "Your Coditect account has another email address",
            vec![
                text("Your Coditect account has another email address now. You sign in with that one."),
                details(&link.source),
                text(
                    "If you did not change it, another person knows your password. Open this page within seven days to \
                     get this email address back and sign out all devices:",
                ),
                page("undo-email", link)?,
                text("Give the link to nobody."),
            ],
        ),
        Message::EmailChangeUndone(link) => (
            "Your Coditect account has this email address again",
            vec![
                text(
                    "The change of your email address was undone, and all devices were signed out. The person who \
                     changed it knew your password. Open this page to choose a new one:",
                ),
                page("recover", link)?,
                text("The link is valid for one hour, and works once. Give it to nobody."),
                details(&link.source),
            ],
        ),
        Message::DeletionScheduled { source, due_at } => deletion_scheduled(source, *due_at, public_url),
        Message::DeletionOrdered { source, due_at } => deletion_ordered(source, *due_at, public_url),
    };
    Some(Letter { subject, paragraphs })
}

fn password_changed(source: &Source, public_url: &str) -> (&'static str, Vec<Paragraph>) {
    (
        "Your Coditect password was changed",
        vec![
            text("The password of your Coditect account was changed, and all devices were signed out."),
            details(source),
            text(format!(
                "If you did not change it, another person knows your old password. Sign in at {public_url} and \
                 change the password. If you cannot sign in, ask there for a new password."
            )),
        ],
    )
}

fn new_device(source: &Source, public_url: &str) -> (&'static str, Vec<Paragraph>) {
    (
        "A new device signed in to your Coditect account",
        vec![
            text(
                "Your Coditect account was used with the right password on a device, or at an address, where it was \
                 not used before.",
            ),
            details(source),
            text(format!(
                "If it was you, you need not do anything. Otherwise another person knows your password: change it \
                 at {public_url}, which signs out all devices."
            )),
        ],
    )
}

fn replays_rejected(source: &Source, public_url: &str) -> (&'static str, Vec<Paragraph>) {
    (
        "A Coditect login of yours was used too often",
        vec![
            text(
                "Several programs used the same login of your Coditect account within seconds, and one of them was \
                 rejected. The login goes on for the others.",
            ),
            details(source),
            text(format!(
                "This can happen if many windows of a browser start at the same time. If you have another \
                 explanation for it, you need not do anything. Otherwise another person may have copied the login, \
                 and may be signed in. This is certain if one of your devices was signed out at that time. Change \
                 your password at {public_url}: this signs out all devices, also that person's."
            )),
        ],
    )
}

fn reuse_detected(source: &Source, public_url: &str) -> (&'static str, Vec<Paragraph>) {
    (
        "A Coditect login of yours was ended",
        vec![
            text(
                "Two programs used the same login of your Coditect account, as if one of them had copied it. The \
                 login was ended, and both have to sign in again.",
            ),
            details(source),
            text(format!(
                "This can happen if a backup of a device is restored. If you have another explanation for it, you \
                 need not do anything. Otherwise change your password at {public_url}: this signs out all devices."
            )),
        ],
    )
}

fn access_token_created(source: &Source, public_url: &str) -> (&'static str, Vec<Paragraph>) {
    (
        "A personal access token was created for your Coditect account",
        vec![
            text(
                "A personal access token was created for your Coditect account. A program that has it can act in your \
                 name, as far as the token's scopes allow, until the token expires or you revoke it.",
            ),
            details(source),
            text(format!(
                "If you did not create it, another person has access to your account. Sign in at {public_url}, \
                 revoke the token, and change your password. Changing it there signs out all devices, but revokes no \
                 token."
            )),
        ],
    )
}

fn deletion_scheduled(source: &Source, due_at: Timestamp, public_url: &str) -> (&'static str, Vec<Paragraph>) {
    (
        "Your Coditect account will be deleted",
        vec![
            text(format!(
                "Your Coditect account and everything in it will be deleted after {due_at} (UTC). Until then you can \
                 use the account as before, and you can cancel the deletion at {public_url}."
            )),
            details(source),
            text(format!(
                "If you did not request this, another person may know your password. Sign in at {public_url}, cancel \
                 the deletion and change the password. If you cannot sign in, ask there for a new password: choosing \
                 it cancels the deletion, too."
            )),
            text(
                "If the email address of the account was changed and you did not do that either, open the page in the \
                 email about the change first: it undoes the change and cancels the deletion.",
            ),
        ],
    )
}

fn deletion_ordered(source: &Source, due_at: Timestamp, public_url: &str) -> (&'static str, Vec<Paragraph>) {
    (
        "Your Coditect account will be deleted",
        vec![
            text(format!(
                "Those who run the service at {public_url} have ordered the deletion of your Coditect account. The \
                 account and everything in it will be deleted after {due_at} (UTC)."
            )),
            details(source),
            text(
                "If you can still sign in, you can use the account until then, and you can cancel the deletion there. \
                 If you cannot, or if you did not ask for this, write to those who run the service before that time.",
            ),
        ],
    )
}

fn email_replaced(source: &Source, public_url: &str) -> (&'static str, Vec<Paragraph>) {
    (
        "A Coditect account has another email address",
        vec![
            text(format!(
                "A Coditect account at {public_url} had your email address, which was never confirmed. It has another \
                 one now, and does not use yours any more."
            )),
            details(source),
            text(
                "If the account is not yours, you need not do anything. If it is yours and you did not change its \
                 email address, another person knows your password: ask those who run the service for help.",
            ),
        ],
    )
}

fn text(text: impl Into<String>) -> Paragraph {
    Paragraph::Text(text.into())
}

/// Without the name of the program, which the client chooses: an attacker could write it as a message to the recipient.
fn details(source: &Source) -> Paragraph {
    let mut lines = vec![format!("Time: {} (UTC)", source.at)];
    if let Some(address) = source.address {
        lines.push(format!("Address: {address}"));
    }
    text(lines.join("\n"))
}
