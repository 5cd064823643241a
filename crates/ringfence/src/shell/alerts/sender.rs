//! Threads that send. Lives here: one kind for mail, one for webhooks, each with its own queue; room in them. Never here: what is
//! sent, when it is tried again.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use notify::mail::Mailer;
use notify::message::{House, Message};
use notify::templates::Templates;
use notify::webhook::{Caller, Signed};
use notify::{Codes, Job, Outcome, address};
use types::Channel;
use zeroize::Zeroizing;

use super::Event;
use super::key::codes;
use crate::config::Config;
use crate::shell::clock::system_wall;

/// Threads that send mail, each with a connection of its own: one alone does 23 mails a second, as the kernel holds the end of each
/// back for the server's acknowledgement of its beginning.
const MAILERS: usize = 8;
/// Threads that call webhooks.
const CALLERS: usize = 4;
/// Messages that wait for each thread.
const QUEUE: usize = 8;
/// Messages on their way to one host of webhooks: one that hangs holds up no other.
const PER_HOST: usize = 1;

/// A message for a sender.
type Parcel = (Job, Message);

/// What all of them use.
struct Shared {
    templates: Templates,
    mailer: Option<Mailer>,
    caller: Caller,
    codes: Codes,
    sms_url: Option<String>,
    sms_authorization: Option<Zeroizing<String>>,
}

/// The threads' queues.
pub struct Senders {
    mail: SyncSender<Parcel>,
    web: SyncSender<Parcel>,
    shared: Arc<Shared>,
    house: House,
    /// Messages on their way, by queue and host.
    on_the_way: BTreeMap<String, usize>,
    sms_url: Option<String>,
}

/// The operator's templates, tried with every kind of message.
pub fn templates(config: &Config) -> anyhow::Result<Templates> {
    Templates::load(config.alerts.templates.as_deref()).context("alerts.templates")
}

impl Senders {
    pub fn start(config: &Config, ended: Sender<Event>) -> anyhow::Result<Senders> {
        let mailer = config.mail().map(|mail| Mailer::new(&mail)).transpose();
        let sms_authorization = config.alerts.sms_authorization.as_ref().map(|file| {
            let text = std::fs::read_to_string(file).map(Zeroizing::new);
            text.with_context(|| format!("cannot read {}", file.display()))
        });
        let shared = Arc::new(Shared {
            templates: templates(config)?,
            mailer: mailer.context("[mail]")?,
            caller: Caller::new(&config.webhook()),
            codes: codes(config)?,
            sms_url: config.alerts.sms_url.clone(),
            sms_authorization: sms_authorization.transpose()?,
        });
        let start = |name: &str, count: usize| -> anyhow::Result<SyncSender<Parcel>> {
            let (queue, parcels) = sync_channel(QUEUE * count);
            let parcels = Arc::new(Mutex::new(parcels));
            for _ in 0..count {
                let (shared, parcels, ended) = (shared.clone(), parcels.clone(), ended.clone());
                let work = move || work(&shared, &parcels, &ended);
                std::thread::Builder::new()
                    .name(name.to_owned())
                    .spawn(work)
                    .context("cannot start a thread that sends")?;
            }
            Ok(queue)
        };
        let (mail, web) = (start("mail", MAILERS)?, start("webhook", CALLERS)?);
        let (on_the_way, sms_url) = (BTreeMap::new(), config.alerts.sms_url.clone());
        Ok(Senders { mail, web, shared, house: config.house(), on_the_way, sms_url })
    }

    pub fn house(&self) -> &House {
        &self.house
    }

    pub fn codes(&self) -> &Codes {
        &self.shared.codes
    }

    /// Which queue, which host, and how many may be on their way there.
    fn place(&self, channel: &Channel) -> (String, usize) {
        let host = |url: &str| {
            let uri = address::url(url).ok();
            uri.and_then(|uri| uri.authority().map(ToString::to_string)).unwrap_or_default()
        };
        match channel {
            Channel::Mail { .. } => ("mail".to_owned(), MAILERS * QUEUE),
            Channel::Webhook { url, .. } => (format!("web {}", host(url)), PER_HOST),
            Channel::Sms { .. } => {
                (format!("sms {}", self.sms_url.as_deref().map(host).unwrap_or_default()), CALLERS)
            }
        }
    }

    /// Is there room for one more to there? Then it is taken.
    pub fn take_room(&mut self, channel: &Channel) -> bool {
        let is_web = !matches!(channel, Channel::Mail { .. });
        let all_web: usize =
            self.on_the_way.iter().filter(|(name, _)| *name != "mail").map(|(_, n)| n).sum();
        if is_web && all_web >= CALLERS * QUEUE {
            return false;
        }
        let (place, most) = self.place(channel);
        let count = self.on_the_way.entry(place).or_default();
        if *count >= most {
            return false;
        }
        *count += 1;
        true
    }

    /// One that took room has ended.
    pub fn ended(&mut self, channel: &Channel) {
        let (place, _) = self.place(channel);
        if let Some(count) = self.on_the_way.get_mut(&place) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.on_the_way.remove(&place);
            }
        }
    }

    /// Hands over one that took room.
    pub fn send(&self, job: Job, message: Message) {
        let queue = match job.entry.contact.channel {
            Channel::Mail { .. } => &self.mail,
            Channel::Webhook { .. } | Channel::Sms { .. } => &self.web,
        };
        if queue.try_send((job, message)).is_err() {
            // Its threads have gone: then the process is ending, and the next one sends it.
            tracing::error!("an alert finds nobody who sends it");
        }
    }
}

fn work(shared: &Shared, parcels: &Mutex<Receiver<Parcel>>, ended: &Sender<Event>) {
    loop {
        let parcel = parcels.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, message)) = parcel else { return };
        let outcome = shared.send(&job, message);
        let (id, channel) = (job.alert.id, job.entry.contact.channel);
        match &outcome {
            Outcome::Delivered => {
                tracing::info!(alert = %id, channel = channel.code(), "an alert is delivered");
            }
            Outcome::Failed(why) | Outcome::Refused(why) => {
                tracing::warn!(alert = %id, channel = channel.code(), %why, "an alert is not delivered");
            }
        }
        if ended.send(Event::Ended(id, channel, outcome)).is_err() {
            return;
        }
    }
}

impl Shared {
    fn send(&self, job: &Job, message: Message) -> Outcome {
        let message = match self.templates.with_text(message) {
            Ok(message) => message,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let contact = &job.entry.contact;
        match (&contact.channel, &self.mailer) {
            (Channel::Mail { address }, Some(mailer)) => {
                mailer.send(address, &message, &self.templates)
            }
            (Channel::Mail { .. }, None) => {
                Outcome::Failed("no mail server is configured: mail.server".to_owned())
            }
            (Channel::Webhook { url, template }, _) => {
                let body = match template {
                    None => serde_json::to_string(&message).map_err(|error| error.to_string()),
                    Some(name) => self
                        .templates
                        .render(&format!("{name}.json"), &message)
                        .map_err(|error| error.to_string()),
                };
                let secret = self.codes.webhook(contact);
                self.post(url, body, &secret, None, &message)
            }
            (Channel::Sms { .. }, _) => {
                let Some(url) = &self.sms_url else {
                    return Outcome::Failed("no gateway is configured: webhook.sms_url".to_owned());
                };
                let body = self.templates.render("sms.json", &message);
                let body = body.map_err(|error| error.to_string());
                let secret = self.codes.webhook(contact);
                let authorization = self.sms_authorization.as_deref().map(|text| text.trim());
                self.post(url, body, &secret, authorization, &message)
            }
        }
    }

    fn post(
        &self,
        url: &str,
        body: Result<String, String>,
        secret: &str,
        authorization: Option<&str>,
        message: &Message,
    ) -> Outcome {
        let body = match body {
            Ok(body) => body,
            Err(why) => return Outcome::Failed(why),
        };
        self.caller.send(&Signed {
            url,
            body: &body,
            secret,
            now: system_wall(),
            id: &message.id,
            alert: &message.alert,
            authorization,
        })
    }
}
