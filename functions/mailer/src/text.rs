//! What the emails say.

use domain::mail::{Message, Source};

/// An email as paragraphs, from which both of its parts are made.
pub(crate) struct Letter {
    pub(crate) subject: &'static str,
    paragraphs: Vec<String>,
}

impl Letter {
    /// The text part.
    pub(crate) fn text(&self) -> String {
        let mut text = self.paragraphs.join("\n\n");
        text.push('\n');
        text
    }

    /// The HTML part: the same paragraphs, without styles and images.
    pub(crate) fn html(&self) -> String {
        let mut html = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<body>\n");
        for paragraph in &self.paragraphs {
            html.push_str("<p>");
            push_escaped(&mut html, paragraph);
            html.push_str("</p>\n");
        }
        html.push_str("</body>\n</html>\n");
        html
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

/// The email for this message.
pub(crate) fn letter(message: &Message, public_url: &str) -> Letter {
    match message {
        Message::PasswordChanged(source) => Letter {
            subject: "Your Coditect password was changed",
            paragraphs: vec![
                "The password of your Coditect account was changed, and all devices were signed out.".to_owned(),
                details(source),
                format!(
                    "If you did not change it, another person knows your old password. Sign in at {public_url} and \
                     change the password. If you cannot sign in, contact the operator of {public_url}."
                ),
            ],
        },
        Message::NewDevice(source) => Letter {
            subject: "A new device signed in to your Coditect account",
            paragraphs: vec![
                "Your Coditect account was used with the right password on a device, or at an address, where it was \
                 not used before."
                    .to_owned(),
                details(source),
                format!(
                    "If it was you, you need not do anything. Otherwise another person knows your password: change it \
                     at {public_url}, which signs out all devices."
                ),
            ],
        },
        Message::ReplaysRejected(source) => Letter {
            subject: "A Coditect login of yours was used too often",
            paragraphs: vec![
                "Several programs used the same login of your Coditect account within seconds, and one of them was \
                 rejected. The login goes on for the others."
                    .to_owned(),
                details(source),
                format!(
                    "This can happen if many windows of a browser start at the same time. If you have another \
                     explanation for it, you need not do anything. Otherwise another person may have copied the login, \
                     and may be signed in. This is certain if one of your devices was signed out at that time. Change \
                     your password at {public_url}: this signs out all devices, also that person's."
                ),
            ],
        },
        Message::ReuseDetected(source) => Letter {
            subject: "A Coditect login of yours was ended",
            paragraphs: vec![
                "Two programs used the same login of your Coditect account, as if one of them had copied it. The login \
                 was ended, and both have to sign in again."
                    .to_owned(),
                details(source),
                format!(
                    "This can happen if a backup of a device is restored. If you have another explanation for it, you \
                     need not do anything. Otherwise change your password at {public_url}: this signs out all devices."
                ),
            ],
        },
        Message::AccessTokenCreated(source) => Letter {
            subject: "A personal access token was created for your Coditect account",
            paragraphs: vec![
                "A personal access token was created for your Coditect account. A program that has it can act in your \
                 name, as far as the token's scopes allow, until the token expires or you revoke it."
                    .to_owned(),
                details(source),
                format!(
                    "If you did not create it, another person has access to your account. Sign in at {public_url}, \
                     revoke the token, and change your password. A new password signs out all devices, but revokes no \
                     token."
                ),
            ],
        },
    }
}

/// Without the name of the program, which the client chooses: an attacker could write it as a message to the recipient.
fn details(source: &Source) -> String {
    let mut lines = vec![format!("Time: {} (UTC)", source.at)];
    if let Some(address) = source.address {
        lines.push(format!("Address: {address}"));
    }
    lines.join("\n")
}
