//! Mail. Lives here: a message in MIME, handing it to the operator's server. Never here: words, when to try again.

use std::path::PathBuf;
use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};
use zeroize::Zeroizing;

use crate::message::Message;
use crate::plan::Outcome;
use crate::templates::{TemplateError, Templates};

/// How the way to the server is kept secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte (RFC 8314).
    Implicit,
    /// By STARTTLS, or nothing is sent.
    Required,
    /// By STARTTLS where the server offers it.
    Optional,
    /// Not at all: for a server on this machine.
    None,
}

/// Where mail goes.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Host of the server.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the way to it is kept secret.
    pub tls: MailTls,
    /// Who vouches for it, besides the system's authorities: a PEM file.
    pub ca_file: Option<PathBuf>,
    /// Log-in at the server, and the file of its password.
    pub log_in: Option<(String, PathBuf)>,
    /// From whom.
    pub from: String,
    /// How long a try may take.
    pub timeout: Duration,
}

/// Why no mail can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// A file that is needed.
    #[error("cannot read {}: {why}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// TLS cannot be set up.
    #[error("TLS to the mail server cannot be set up: {0}")]
    Tls(String),
    /// Not an address.
    #[error("`{0}` is not a sender: expected alerts@example.com, or Example <alerts@example.com>")]
    From(String),
}

/// Hands mails to a server; keeps a connection for those that follow.
#[derive(Debug)]
pub struct Mailer {
    transport: SmtpTransport,
    from: Mailbox,
}

/// Reads a sender.
pub fn sender(text: &str) -> Result<Mailbox, MailError> {
    text.parse().map_err(|_| MailError::From(text.escape_debug().to_string()))
}

impl Mailer {
    /// For this server. Nothing is sent yet.
    pub fn new(config: &MailConfig) -> Result<Mailer, MailError> {
        let tls = match config.tls {
            MailTls::None => Tls::None,
            MailTls::Implicit => Tls::Wrapper(parameters(config)?),
            MailTls::Required => Tls::Required(parameters(config)?),
            MailTls::Optional => Tls::Opportunistic(parameters(config)?),
        };
        let mut builder = SmtpTransport::builder_dangerous(&config.server)
            .port(config.port)
            .tls(tls)
            .timeout(Some(config.timeout))
            .pool_config(PoolConfig::new().max_size(8).idle_timeout(Duration::from_secs(20)));
        if let Some((user, file)) = &config.log_in {
            let password = Zeroizing::new(read(file)?);
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Mailer { transport: builder.build(), from: sender(&config.from)? })
    }

    /// Sends one message.
    pub fn send(&self, to: &str, message: &Message, templates: &Templates) -> Outcome {
        let mail = match mime(&self.from, to, message, templates) {
            Ok(mail) => mail,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        match self.transport.send(&mail) {
            Ok(_) => Outcome::Delivered,
            Err(error) => judge(&error),
        }
    }
}

/// A recipient that is refused for good is given up; everything else may be mended: a log-in, a full disk, a list of spammers.
fn judge(error: &lettre::transport::smtp::Error) -> Outcome {
    let why = plain(&with_sources(error));
    let status = error.status().map(|code| code.to_string()).unwrap_or_default();
    let is_final = error.is_permanent() && matches!(status.as_str(), "550" | "551" | "553" | "556");
    if is_final { Outcome::Refused(why) } else { Outcome::Failed(why) }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = inner.source();
    }
    text
}

/// A server's words, on one line and not too long.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

fn parameters(config: &MailConfig) -> Result<TlsParameters, MailError> {
    let mut builder = TlsParameters::builder(config.server.clone());
    if let Some(file) = &config.ca_file {
        let unread = |why: String| MailError::File { file: file.clone(), why };
        let pem = std::fs::read(file).map_err(|error| unread(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| unread(error.to_string()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| MailError::Tls(with_sources(&error)))
}

fn read(file: &PathBuf) -> Result<String, MailError> {
    std::fs::read_to_string(file)
        .map_err(|error| MailError::File { file: file.clone(), why: error.to_string() })
}

/// Why a mail cannot be made.
#[derive(Debug, thiserror::Error)]
enum MimeError {
    #[error("{0}")]
    Template(#[from] TemplateError),
    #[error("the mail cannot be made: {0}")]
    Mail(String),
}

/// A mail of two parts, plain text and HTML (RFC 2046 §5.1.4). It says that a program wrote it (RFC 3834 §5).
fn mime(
    from: &Mailbox,
    to: &str,
    message: &Message,
    templates: &Templates,
) -> Result<lettre::Message, MimeError> {
    let wrong = |error: &dyn std::fmt::Display| MimeError::Mail(error.to_string());
    let part = |kind: ContentType, body: String| {
        SinglePart::builder().header(kind).body(body.replace("\r\n", "\n"))
    };
    let parts = MultiPart::alternative()
        .singlepart(part(ContentType::TEXT_PLAIN, templates.render("mail.txt", message)?))
        .singlepart(part(ContentType::TEXT_HTML, templates.render("mail.html", message)?));
    let to: lettre::Address = to.parse().map_err(|error| wrong(&error))?;
    let mut mail = lettre::Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(templates.subject(message)?)
        .message_id(Some(format!("<{}>", message.id)))
        .date_now()
        .multipart(parts)
        .map_err(|error| wrong(&error))?;
    let headers = mail.headers_mut();
    let mut add = |name: &'static str, value: &str| {
        let name = HeaderName::new_from_ascii_str(name);
        headers.insert_raw(HeaderValue::new(name, value.to_owned()));
    };
    add("Auto-Submitted", "auto-generated");
    add("X-Ringfence-Alert", &message.alert);
    add("X-Ringfence-Class", message.class);
    if message.severity == "critical" {
        add("Importance", "high");
    }
    Ok(mail)
}

/// A mail as it would be sent, for previews and for reading in the demonstration.
pub fn preview(
    from: &str,
    to: &str,
    message: &Message,
    templates: &Templates,
) -> Result<String, String> {
    let from = sender(from).map_err(|error| error.to_string())?;
    let mail = mime(&from, to, message, templates).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&mail.formatted()).into_owned())
}
