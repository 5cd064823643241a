//! The keys of `[alerts]`, `[mail]` and `[webhook]`. Lives here: name, help, how each is read and shown. Never here: what they do.

use notify::address;
use notify::mail::{MailTls, sender};

use super::Raw;
use super::readers::{host, path};
use super::schema::{Key, key};

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
            "where the control pages are, for links; or none: web.url, and without it messages have no links",
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
