//! Emails: how they leave, and what they say about where they come from.

use std::path::PathBuf;

use super::origins::origin_of;
use super::variables::{ConfigError, Variables};

/// Where `make run` serves, whose emails are files.
const LOCAL_URL: &str = "http://localhost:8080";

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

/// `PUBLIC_URL`, or with emails in files its default.
pub(super) fn public_url(vars: &Variables<'_>) -> Result<Option<String>, ConfigError> {
    match vars.text("PUBLIC_URL")? {
        Some(url) if origin_of(&url).is_some() => Ok(Some(url)),
        Some(url) => {
            let problem = format!("must be a URL like `https://app.example.com`, but is `{url}`");
            Err(ConfigError::new("PUBLIC_URL", problem))
        }
        None => {
            let has_files = vars.text("MAIL")?.is_some_and(|mail| mail.starts_with("file:"));
            Ok(has_files.then(|| LOCAL_URL.to_owned()))
        }
    }
}

pub(super) fn mail(vars: &Variables<'_>, public_url: Option<String>) -> Result<Mail, ConfigError> {
    let from = vars.text("MAIL_FROM")?;
    let authority = vars.text("MAIL_CA_FILE")?.map(PathBuf::from);
    let unsent = |is_written| Mail {
        is_written,
        settings: None,
    };
    let mail = vars.text("MAIL")?;
    let (transport, is_local) = match mail.as_deref() {
        None | Some("off") => return Ok(unsent(false)),
        Some("outbox") => return Ok(unsent(true)),
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
    let required = |variable| ConfigError::new(variable, "must be set, because MAIL names an SMTP server");
    let from = match from {
        None if is_local => "Coditect <noreply@localhost>".to_owned(),
        from => from.ok_or_else(|| required("MAIL_FROM"))?,
    };
    Ok(Mail {
        is_written: true,
        settings: Some(MailSettings {
            transport,
            from,
            public_url: public_url.ok_or_else(|| required("PUBLIC_URL"))?,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Mail, String> {
        let vars = Variables::of(pairs);
        let mail = public_url(&vars).and_then(|public_url| mail(&vars, public_url));
        mail.map_err(|error| error.to_string())
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
        for url in [
            "example.com",
            "https://",
            "https://user@example.com",
            "ftp://example.com",
        ] {
            let error = read(&[server, from, ("PUBLIC_URL", url)]).unwrap_err();
            assert!(error.starts_with("PUBLIC_URL must be a URL like"), "{error}");
        }
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
