//! Settings of alerts: when people are told, by which server, in which forms. Never here: who they are.

use std::path::PathBuf;
use std::time::Duration;

use notify::Rules;
use notify::address;
use notify::mail::{MailConfig, MailTls, sender};
use notify::message::House;
use notify::webhook::WebhookConfig;

use super::readers::{host, path};
use super::schema::{Key, key};
use super::{Config, Raw};

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alerts {
    /// Who writes, as people know him.
    pub platform: String,
    /// Where control pages are.
    pub portal_url: Option<String>,
    /// The operator's templates.
    pub templates: Option<PathBuf>,
    /// For the quiet hours of staff.
    pub staff_time_zone: String,
    /// Messages of a class to a contact that go out by themselves.
    pub digest_over: u64,
    /// Seconds in which they are counted, and gathered.
    pub digest_s: u64,
    /// Seconds before the second try.
    pub first_pause_s: u64,
    /// Longest pause between tries, in seconds.
    pub longest_pause_s: u64,
    /// Hours after which nothing is tried any more.
    pub give_up_h: u64,
    /// Seconds after which the next contact is told of something critical.
    pub escalate_s: u64,
    /// Host of the mail server; none: no mail is sent.
    pub mail_server: Option<String>,
    /// Its port.
    pub mail_port: u64,
    /// How the way to it is kept secret.
    pub mail_tls: MailTls,
    /// Who vouches for it, besides the system's authorities.
    pub mail_ca: Option<PathBuf>,
    /// Log-in at the mail server.
    pub mail_user: Option<String>,
    /// File of the password of that log-in.
    pub mail_password_file: Option<PathBuf>,
    /// From whom.
    pub mail_from: Option<String>,
    /// May webhooks lead to private networks?
    pub webhook_private: bool,
    /// Seconds that a try may take, by mail and by webhook.
    pub timeout_s: u64,
    /// What codes and secrets of webhooks are made from; none: in the data directory.
    pub webhook_key: Option<PathBuf>,
    /// The gateway for SMS.
    pub sms_url: Option<String>,
    /// File of what stands in `Authorization` for it.
    pub sms_authorization: Option<PathBuf>,
}

impl Default for Alerts {
    fn default() -> Alerts {
        let rules = Rules::default();
        Alerts {
            platform: "Ringfence".to_owned(),
            portal_url: None,
            templates: None,
            staff_time_zone: "UTC".to_owned(),
            digest_over: rules.digest_over as u64,
            digest_s: rules.digest_ms / 1_000,
            first_pause_s: rules.first_pause_ms / 1_000,
            longest_pause_s: rules.longest_pause_ms / 1_000,
            give_up_h: rules.give_up_ms / 3_600_000,
            escalate_s: rules.critical_wait_ms / 1_000,
            mail_server: None,
            mail_port: 587,
            mail_tls: MailTls::Required,
            mail_ca: None,
            mail_user: None,
            mail_password_file: None,
            mail_from: None,
            webhook_private: false,
            timeout_s: 10,
            webhook_key: None,
            sms_url: None,
            sms_authorization: None,
        }
    }
}

impl Config {
    /// How long, how often, how many.
    pub fn alert_rules(&self) -> Rules {
        let alerts = &self.alerts;
        Rules {
            digest_over: alerts.digest_over as usize,
            digest_ms: alerts.digest_s * 1_000,
            first_pause_ms: alerts.first_pause_s * 1_000,
            longest_pause_ms: alerts.longest_pause_s.max(alerts.first_pause_s) * 1_000,
            give_up_ms: alerts.give_up_h * 3_600_000,
            critical_wait_ms: alerts.escalate_s * 1_000,
            critical_digest_ms: (alerts.digest_s * 1_000).min(Rules::default().critical_digest_ms),
            ..Rules::default()
        }
    }

    /// From whom mails come.
    pub fn mail_from(&self) -> String {
        let usual = || format!("{} <alerts@{}>", self.alerts.platform, self.realm);
        self.alerts.mail_from.clone().unwrap_or_else(usual)
    }

    /// The operator's words in messages.
    pub fn house(&self) -> House {
        let domain = sender(&self.mail_from()).map(|from| from.email.domain().to_owned());
        House {
            platform: self.alerts.platform.clone(),
            portal_url: self.alerts.portal_url.clone(),
            domain: domain.unwrap_or_else(|_| self.realm.clone()),
            currency: self.currency.clone(),
        }
    }

    /// The mail server, if there is one.
    pub fn mail(&self) -> Option<MailConfig> {
        let alerts = &self.alerts;
        let log_in = alerts.mail_user.clone().zip(alerts.mail_password_file.clone());
        Some(MailConfig {
            server: alerts.mail_server.clone()?,
            port: alerts.mail_port as u16,
            tls: alerts.mail_tls,
            ca_file: alerts.mail_ca.clone(),
            log_in,
            from: self.mail_from(),
            timeout: Duration::from_secs(alerts.timeout_s),
        })
    }

    /// How webhooks are called.
    pub fn webhook(&self) -> WebhookConfig {
        WebhookConfig {
            allow_private: self.alerts.webhook_private,
            timeout: Duration::from_secs(self.alerts.timeout_s),
        }
    }

    /// What codes and secrets of webhooks are made from.
    pub fn webhook_key(&self) -> PathBuf {
        let usual = || self.data_dir.join("webhook.key");
        self.alerts.webhook_key.clone().unwrap_or_else(usual)
    }
}

macro_rules! number {
    ($section:literal, $name:literal, $help:literal, $least:literal..=$most:literal, $field:ident) => {
        key(
            $section,
            $name,
            $help,
            |c, raw| raw.number($least, $most).map(|value| c.alerts.$field = value),
            |c| Raw::bare(c.alerts.$field),
        )
    };
}

macro_rules! maybe_file {
    ($section:literal, $name:literal, $help:literal, $field:ident) => {
        key(
            $section,
            $name,
            $help,
            |c, raw| raw.optional(path).map(|file| c.alerts.$field = file),
            |c| Raw::maybe(c.alerts.$field.as_ref().map(|file| file.display())),
        )
    };
}

macro_rules! maybe_text {
    ($section:literal, $name:literal, $help:literal, $read:expr, $field:ident) => {
        key(
            $section,
            $name,
            $help,
            |c, raw| raw.optional($read).map(|text| c.alerts.$field = text),
            |c| Raw::maybe(c.alerts.$field.as_ref()),
        )
    };
}

/// Every key, in the order of the file.
pub fn alert_keys() -> Vec<Key> {
    let mut keys = vec![
        key(
            "alerts",
            "platform",
            "who writes, as people know you",
            |c, raw| line(raw).map(|text| c.alerts.platform = text),
            |c| Raw::of(&c.alerts.platform),
        ),
        maybe_text!(
            "alerts",
            "portal_url",
            "where the control pages are, for links; or none: messages have no links",
            portal,
            portal_url
        ),
        maybe_file!(
            "alerts",
            "templates",
            "directory of templates that take the place of the built-in ones, or none",
            templates
        ),
        key(
            "alerts",
            "staff_time_zone",
            "for the quiet hours of staff: an IANA name like Europe/London",
            |c, raw| zone(raw).map(|zone| c.alerts.staff_time_zone = zone),
            |c| Raw::of(&c.alerts.staff_time_zone),
        ),
    ];
    keys.extend(time_keys());
    keys.extend(mail_keys());
    keys.extend(webhook_keys());
    keys
}

fn time_keys() -> Vec<Key> {
    vec![
        number!(
            "alerts",
            "digest_over",
            "messages of a class to a contact that go out by themselves; what comes then is gathered",
            1..=1_000,
            digest_over
        ),
        number!(
            "alerts",
            "digest_s",
            "time in which they are counted, and gathered",
            1..=86_400,
            digest_s
        ),
        number!(
            "alerts",
            "first_pause_s",
            "pause before the second try; each that follows is three times as long",
            1..=3_600,
            first_pause_s
        ),
        number!(
            "alerts",
            "longest_pause_s",
            "longest pause between tries",
            1..=86_400,
            longest_pause_s
        ),
        number!(
            "alerts",
            "give_up_h",
            "after so long nothing is tried any more",
            1..=168,
            give_up_h
        ),
        number!(
            "alerts",
            "escalate_s",
            "the next contact is told of something critical when nobody was reached for so long",
            1..=3_600,
            escalate_s
        ),
        number!(
            "alerts",
            "timeout_s",
            "how long a mail server or webhook may take",
            1..=120,
            timeout_s
        ),
    ]
}

fn mail_keys() -> Vec<Key> {
    vec![
        maybe_text!(
            "mail",
            "server",
            "host of the mail server, or none: no mail is sent",
            host,
            mail_server
        ),
        number!("mail", "port", "its port", 1..=65_535, mail_port),
        key(
            "mail",
            "tls",
            "the way to it: implicit (TLS at once), required (STARTTLS), optional, or none",
            |c, raw| tls(raw).map(|tls| c.alerts.mail_tls = tls),
            |c| Raw::of(tls_name(c.alerts.mail_tls)),
        ),
        maybe_file!(
            "mail",
            "ca_file",
            "PEM file of who vouches for it besides the system's authorities, or none",
            mail_ca
        ),
        maybe_text!("mail", "user", "log-in at the mail server, or none", line, mail_user),
        maybe_file!(
            "mail",
            "password_file",
            "file of the password of that log-in, or none",
            mail_password_file
        ),
        maybe_text!(
            "mail",
            "from",
            "sender, or none: alerts at the realm",
            |raw| {
                let text = line(raw)?;
                sender(&text).map(|_| text).map_err(|error| error.to_string())
            },
            mail_from
        ),
    ]
}

fn webhook_keys() -> Vec<Key> {
    vec![
        key(
            "webhook",
            "allow_private",
            "may webhooks lead to private networks and to this machine",
            |c, raw| raw.flag().map(|flag| c.alerts.webhook_private = flag),
            |c| Raw::Flag(c.alerts.webhook_private),
        ),
        maybe_file!(
            "webhook",
            "key_file",
            "what codes and secrets of webhooks are made from; none: webhook.key in the data directory",
            webhook_key
        ),
        maybe_text!(
            "webhook",
            "sms_url",
            "your gateway for SMS: gets a POST by the template sms.json; or none",
            |raw| {
                let text = raw.text()?.trim();
                address::url(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
            },
            sms_url
        ),
        maybe_file!(
            "webhook",
            "sms_authorization_file",
            "file of what the gateway wants in Authorization, or none",
            sms_authorization
        ),
    ]
}

/// A text on one line.
fn line(raw: &Raw) -> Result<String, String> {
    let text = raw.text()?.trim();
    if text.is_empty() || text.chars().count() > 200 || text.chars().any(char::is_control) {
        return Err("expected 1 to 200 characters on one line".to_owned());
    }
    Ok(text.to_owned())
}

fn portal(raw: &Raw) -> Result<String, String> {
    let text = raw.text()?.trim();
    address::url(text).map_err(|error| error.to_string())?;
    Ok(text.trim_end_matches('/').to_owned())
}

fn zone(raw: &Raw) -> Result<String, String> {
    let text = raw.text()?.trim();
    match jiff::tz::TimeZone::get(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!(
            "`{}` is not a time zone: expected an IANA name like Europe/London",
            text.escape_debug()
        )),
    }
}

const TLS: [(&str, MailTls); 4] = [
    ("implicit", MailTls::Implicit),
    ("required", MailTls::Required),
    ("optional", MailTls::Optional),
    ("none", MailTls::None),
];

fn tls(raw: &Raw) -> Result<MailTls, String> {
    let text = raw.text()?;
    let found = TLS.iter().find(|(name, _)| *name == text).map(|(_, tls)| *tls);
    found.ok_or_else(|| {
        format!("expected implicit, required, optional or none, found `{}`", text.escape_debug())
    })
}

fn tls_name(tls: MailTls) -> &'static str {
    TLS.iter().find(|(_, one)| *one == tls).map_or("required", |(name, _)| name)
}

/// What no key can see alone: the key, and what is wrong.
pub fn together(config: &Config) -> Vec<(&'static str, String)> {
    let alerts = &config.alerts;
    let mut wrong = Vec::new();
    if alerts.mail_user.is_some() != alerts.mail_password_file.is_some() {
        let (key, other) = match alerts.mail_user {
            Some(_) => ("mail.user", "mail.password_file"),
            None => ("mail.password_file", "mail.user"),
        };
        wrong.push((key, format!("needs {other}")));
    }
    if alerts.mail_user.is_some() && alerts.mail_tls == MailTls::None {
        wrong.push((
            "mail.tls",
            "a password is not sent without TLS: expected required or implicit".to_owned(),
        ));
    }
    if alerts.mail_user.is_some() && alerts.mail_tls == MailTls::Optional {
        wrong.push((
            "mail.tls",
            "a password needs TLS for certain: expected required or implicit".to_owned(),
        ));
    }
    if alerts.mail_server.is_some()
        && let Err(error) = sender(&config.mail_from())
    {
        wrong.push(("mail.from", error.to_string()));
    }
    wrong
}
