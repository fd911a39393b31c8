//! Emails: how they leave, and what they say about where they come from.

use std::path::PathBuf;

use super::variables::{ConfigError, Variables};

/// The emails of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// Whether operations write emails.
    pub is_written: bool,
    /// How this process sends them; `None` if another one does.
    pub settings: Option<MailSettings>,
}

/// What a mailer needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSettings {
    /// How emails leave.
    pub transport: MailTransport,
    /// `MAIL_FROM`: the sender, like `Coditect <noreply@example.com>`.
    pub from: String,
    /// `PUBLIC_URL`: the base of the links in emails.
    pub public_url: String,
}

/// How emails leave.
#[derive(Clone, PartialEq, Eq)]
pub enum MailTransport {
    /// Into files of this folder.
    File(PathBuf),
    /// To an SMTP server.
    Smtp {
        /// Its URL, with user and password.
        url: String,
        /// `MAIL_CA_FILE`: a certificate authority that is accepted besides the public ones.
        authority: Option<PathBuf>,
    },
}

impl std::fmt::Debug for MailTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(folder) => f.debug_tuple("File").field(folder).finish(),
            Self::Smtp { .. } => f.write_str("Smtp(…)"),
        }
    }
}

pub(super) fn mail(vars: &Variables<'_>) -> Result<Mail, ConfigError> {
    let (from, public_url) = (vars.text("MAIL_FROM")?, vars.text("PUBLIC_URL")?);
    let authority = vars.text("MAIL_CA_FILE")?.map(PathBuf::from);
    let is_url = |url: &String| url.starts_with("https://") || url.starts_with("http://");
    if let Some(url) = public_url.as_ref().filter(|url| !is_url(url)) {
        let problem = format!("must start with `https://` or `http://`, but is `{url}`");
        return Err(ConfigError::new("PUBLIC_URL", problem));
    }
    let mail = vars.text("MAIL")?;
    let (transport, is_local) = match mail.as_deref() {
        None | Some("off") => return Ok(Mail::default()),
        Some("outbox") => {
            return Ok(Mail {
                is_written: true,
                settings: None,
            });
        }
        Some(mail) => match mail.split_once(':') {
            Some(("file", folder)) if !folder.is_empty() => (MailTransport::File(folder.into()), true),
            Some(("smtp" | "smtps", _)) => {
                let url = mail.to_owned();
                (MailTransport::Smtp { url, authority }, false)
            }
            // Not shown, because it may contain a password.
            _ => {
                let problem = "must be `off`, `outbox`, `file:` followed by a folder, or the URL of an SMTP server \
                               that begins with `smtp:` or `smtps:`";
                return Err(ConfigError::new("MAIL", problem));
            }
        },
    };
    let or_local = |value: Option<String>, variable, local: &str| match value {
        Some(value) => Ok(value),
        None if is_local => Ok(local.to_owned()),
        None => Err(ConfigError::new(
            variable,
            "must be set, because MAIL names an SMTP server",
        )),
    };
    Ok(Mail {
        is_written: true,
        settings: Some(MailSettings {
            transport,
            from: or_local(from, "MAIL_FROM", "Coditect <noreply@localhost>")?,
            public_url: or_local(public_url, "PUBLIC_URL", "http://localhost:8080")?,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Mail, String> {
        mail(&Variables::of(pairs)).map_err(|error| error.to_string())
    }

    #[test]
    fn no_email_is_written_unless_something_sends_it() {
        assert_eq!(read(&[]).unwrap(), Mail::default());
        assert_eq!(read(&[("MAIL", "off")]).unwrap(), Mail::default());
        let outbox = read(&[("MAIL", "outbox")]).unwrap();
        assert!(outbox.is_written && outbox.settings.is_none());
        let file = read(&[("MAIL", "file:here")]).unwrap();
        assert_eq!(file.settings.unwrap().transport, MailTransport::File("here".into()));
    }

    #[test]
    fn a_server_needs_a_sender_and_a_public_url() {
        let server = ("MAIL", "smtps://user:hunter2@mail.example.com");
        let (from, url) = (("MAIL_FROM", "a@example.com"), ("PUBLIC_URL", "https://example.com"));
        assert!(read(&[server, from, url]).unwrap().settings.is_some());
        assert!(read(&[server, url]).unwrap_err().starts_with("MAIL_FROM must be set"));
        assert!(read(&[server, from]).unwrap_err().starts_with("PUBLIC_URL must be set"));
        let error = read(&[server, from, ("PUBLIC_URL", "example.com")]).unwrap_err();
        assert!(error.starts_with("PUBLIC_URL must start with"), "{error}");
    }

    #[test]
    fn the_password_of_the_server_is_in_no_error_and_no_debug_text() {
        let error = read(&[("MAIL", "smpt://user:hunter2@mail.example.com")]).unwrap_err();
        assert!(
            error.starts_with("MAIL must be") && !error.contains("hunter2"),
            "{error}"
        );
        let pairs = [
            ("MAIL", "smtp://user:hunter2@mail.example.com"),
            ("MAIL_FROM", "a@example.com"),
            ("PUBLIC_URL", "https://example.com"),
        ];
        let text = format!("{:?}", read(&pairs).unwrap());
        assert!(!text.contains("hunter2"), "{text}");
    }
}
