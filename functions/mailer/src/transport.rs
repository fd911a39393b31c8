//! How emails leave: over SMTP, or into files.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::config::MailTransport;
use domain::MailId;
use domain::mail::Failure;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, AsyncSmtpTransportBuilder, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::time::timeout;
use url::Url;

/// The limit for connecting to the SMTP server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The limit for one email, less than its lease.
const SEND_TIMEOUT: Duration = Duration::from_secs(40);

/// The enhanced status codes (RFC 3463) that no later attempt changes: the mailbox or its domain does not exist, the
/// address is malformed, the mailbox has moved or is disabled, or the domain accepts no mail (RFC 7505). The basic code
/// 550 says less: it also rejects a sender that is not configured correctly here.
const PERMANENT: [&str; 6] = ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"];

/// Those of them that say that the mailbox or its domain does not exist. A malformed address may be a fault of the
/// server here, and a disabled mailbox may be enabled again.
const NO_MAILBOX: [&str; 4] = ["5.1.1", "5.1.2", "5.1.6", "5.1.10"];

/// `MAIL` or `MAIL_CA_FILE` cannot be used. The value of `MAIL` is not shown, because it may contain a password.
#[derive(Debug, thiserror::Error)]
pub enum UnusableTransport {
    /// The URL cannot be parsed, or has parts with no meaning here.
    #[error("MAIL must be like `smtps://USER:PASSWORD@HOST:465`, or `smtp://USER:PASSWORD@HOST:587` for STARTTLS")]
    Url,
    /// The URL asks for a connection without TLS to another machine.
    #[error("MAIL may have `?tls=none` only for a server on this machine: passwords and emails would be readable")]
    NoTls,
    /// The certificate authority cannot be read.
    #[error("MAIL_CA_FILE must be a PEM file with a certificate: {0}")]
    Authority(String),
}

/// A way for emails to leave.
pub(crate) enum Transport {
    Smtp(Box<AsyncSmtpTransportBuilder>),
    File(PathBuf),
}

impl Transport {
    pub(crate) fn new(transport: &MailTransport) -> Result<Self, UnusableTransport> {
        match transport {
            MailTransport::File(folder) => Ok(Self::File(folder.clone())),
            MailTransport::Smtp { url, authority } => {
                let builder = smtp_builder(url, authority.as_deref())?;
                Ok(Self::Smtp(Box::new(builder)))
            }
        }
    }

    /// Sends the email, or says why not.
    pub(crate) async fn send(&self, id: MailId, message: Message) -> Result<(), Failure> {
        match self {
            Self::Smtp(builder) => {
                // One for each email: it starts tasks when it is built and dropped, so both need the runtime.
                let client: AsyncSmtpTransport<Tokio1Executor> = builder.as_ref().clone().build();
                match timeout(SEND_TIMEOUT, client.send(message)).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) => Err(failure(&error)),
                    Err(_) => Err(Failure::Temporary("the SMTP server did not respond in time".to_owned())),
                }
            }
            Self::File(folder) => {
                let path = write_file(folder, id, &message.formatted())
                    .map_err(|error| Failure::Temporary(format!("cannot write to {}: {error}", folder.display())))?;
                tracing::info!(mail = %id, file = %path.display(), "an email was written");
                Ok(())
            }
        }
    }
}

/// A client for the server of `url`: `smtps` (TLS from the start) or `smtp` (STARTTLS required).
fn smtp_builder(url: &str, authority: Option<&Path>) -> Result<AsyncSmtpTransportBuilder, UnusableTransport> {
    let mut url = Url::parse(url).map_err(|_| UnusableTransport::Url)?;
    let host = url
        .host_str()
        .filter(|host| !host.is_empty())
        .ok_or(UnusableTransport::Url)?
        .to_owned();
    let is_local = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
    let query = url.query().map(str::to_owned);
    // The client's own `tls` parameter allows connections that fall back to plain text.
    url.set_query(None);
    let is_wrapped = url.scheme() == "smtps";
    let tls = match query.as_deref() {
        None => {
            let mut parameters = TlsParameters::builder(host);
            if let Some(file) = authority {
                parameters = parameters.add_root_certificate(read_authority(file)?);
            }
            let parameters = parameters.build().map_err(|_| UnusableTransport::Url)?;
            if is_wrapped {
                Tls::Wrapper(parameters)
            } else {
                Tls::Required(parameters)
            }
        }
        Some("tls=none") if is_local && !is_wrapped => Tls::None,
        Some("tls=none") => return Err(UnusableTransport::NoTls),
        Some(_) => return Err(UnusableTransport::Url),
    };
    let port = url.port().unwrap_or(if is_wrapped { 465 } else { 587 });
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str()).map_err(|_| UnusableTransport::Url)?;
    // The pool keeps no connection: an attempt that was cut short leaves an unread response on its connection, and the
    // next email would read it as its own.
    let no_reuse = PoolConfig::new().max_size(0);
    let builder = builder.port(port).tls(tls).timeout(Some(CONNECT_TIMEOUT));
    Ok(builder.pool_config(no_reuse))
}

fn read_authority(file: &Path) -> Result<Certificate, UnusableTransport> {
    let unusable = |error: String| UnusableTransport::Authority(format!("{}: {error}", file.display()));
    let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))
}

fn failure(error: &smtp::Error) -> Failure {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let cause = error.to_string();
        // The texts of some errors include their causes.
        if !why.ends_with(&cause) {
            why = format!("{why}: {cause}");
        }
        source = error.source();
    }
    let has_one_of = |codes: &[&str]| why.split_whitespace().any(|word| codes.contains(&word));
    if !error.is_permanent() || !has_one_of(&PERMANENT) {
        Failure::Temporary(why)
    } else if has_one_of(&NO_MAILBOX) {
        Failure::NoMailbox(why)
    } else {
        Failure::Permanent(why)
    }
}

/// Writes `{id}.eml` completely or not at all. Overwrites the file of an earlier attempt.
fn write_file(folder: &Path, id: MailId, content: &[u8]) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{id}.eml"));
    let unfinished = folder.join(format!("{id}.eml.part"));
    let mut file = std::fs::File::create(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, &path)?;
    Ok(path)
}
