//! Settings of alerts: when people are told, by which server, in which forms. Never here: who they are.

use std::path::PathBuf;
use std::time::Duration;

use notify::Rules;
use notify::mail::{MailConfig, MailTls, sender};
use notify::message::House;
use notify::webhook::WebhookConfig;

use super::Config;

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
            portal_url: self.alerts.portal_url.clone().or_else(|| self.web_url.clone()),
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
