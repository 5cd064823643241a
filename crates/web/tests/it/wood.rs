//! The desk of wood, for phones, passwords and alerts. Lives here: what it shows, and what it was asked.

use std::net::SocketAddr;

use types::{
    AccountId, Alert, AlertId, AlertState, By, Channel, Contact, ContactId, Device, DeviceId,
    DeviceState, EventClass, LineId, LineKind, Money, Place, Proof, Severity, StalePhone,
    UnixMicros,
};
use web::{
    AlertDesk, ContactAsk, Desk, DeskError, Event, NewSecret, Outcome, Phone, PhoneDesk, PhoneLine,
    PhoneServer, Phones, SecretDesk, SecretShape, ToldAlert,
};

use crate::world::Wood;

/// What markup a phone calls itself.
pub const AGENT: &str = "Evil <img src=x onerror=alert(1)>";
/// The code of contact 1.
pub const CODE: &str = "7K3QD-M2XVA";
/// What is made as a new password.
pub const SECRET: &str = "lusab-babad-gutih-tugad-dobud";

/// What the desk was asked.
#[derive(Default)]
pub struct Told {
    pub judged: Vec<(DeviceId, bool)>,
    pub made: Vec<(LineId, SecretShape, Option<u64>)>,
    pub changed: Vec<ContactAsk>,
    pub acknowledged: Vec<AlertId>,
    pub confirmed: bool,
    pub is_empty: bool,
}

pub fn alert_id() -> AlertId {
    AlertId { fact: 812, entry: 7 }
}

fn contact(now: UnixMicros, confirmed: bool) -> Contact {
    Contact {
        name: "Amy <b>".to_owned(),
        channel: Channel::Mail { address: "amy@example.com".to_owned() },
        confirmed: confirmed.then_some(now),
        since: now,
        at: now,
        ..types::record_samples::contact(1)
    }
}

fn told(now: UnixMicros, is_known: bool) -> ToldAlert {
    let state = match is_known {
        true => AlertState::Acknowledged { at: now, by: By::Holder { proof: Proof::LoggedIn } },
        false => AlertState::Delivered { at: now },
    };
    ToldAlert {
        alert: Alert {
            id: alert_id(),
            account: Some(AccountId(1)),
            contact: ContactId(1),
            class: EventClass::Devices,
            severity: Severity::Important,
            made: now,
            order: 0,
            wait_ms: 0,
            state,
            tries: 1,
            trouble: String::new(),
            members: Vec::new(),
        },
        happened: now,
        kind: "new-device",
        title: "A new phone uses your account".to_owned(),
        sentence: format!("a new phone {AGENT} on line alice"),
        advice: "Is it yours?".to_owned(),
        device: Some(DeviceId(4)),
        to: "amy@example.com".to_owned(),
    }
}

impl AlertDesk for Wood {
    fn contacts(&self, account: AccountId) -> Result<Vec<Contact>, DeskError> {
        let state = self.state();
        let added = state.told.changed.iter().filter(|ask| matches!(ask, ContactAsk::Add(_)));
        let mut all = vec![contact(self.now(), state.told.confirmed)];
        all.extend(
            (11..)
                .zip(added)
                .map(|(id, _)| Contact { id: ContactId(id), ..contact(self.now(), false) }),
        );
        all.retain(|_| account == AccountId(1));
        Ok(all)
    }

    fn alerts(&self, account: AccountId, _: u32) -> Result<Vec<ToldAlert>, DeskError> {
        Ok(self.alert(account, alert_id())?.into_iter().collect())
    }

    fn alert(&self, account: AccountId, id: AlertId) -> Result<Option<ToldAlert>, DeskError> {
        let is_known = !self.state().told.acknowledged.is_empty();
        let is_there = (account, id) == (AccountId(1), alert_id());
        Ok(is_there.then(|| told(self.now(), is_known)))
    }

    fn change_contact(
        &self,
        _: AccountId,
        ask: ContactAsk,
        proof: Proof,
    ) -> Result<Outcome, DeskError> {
        match &ask {
            ContactAsk::Set(_, settings) | ContactAsk::Add(settings) => {
                if let Some((_, value)) = settings.iter().find(|(name, _)| name == "quiet")
                    && value == "never"
                {
                    return Err(DeskError::Refused("quiet=never: expected hours".to_owned()));
                }
                if settings.iter().any(|(_, value)| value == "nowhere") {
                    return Err(DeskError::Refused("`nowhere` is no mail address".to_owned()));
                }
                if settings
                    .iter()
                    .any(|(name, value)| (name.as_str(), value.as_str()) == ("on", "no"))
                    && proof != Proof::Fresh
                {
                    return Err(DeskError::NeedsProof);
                }
            }
            ContactAsk::Remove(_) if proof != Proof::Fresh => return Err(DeskError::NeedsProof),
            ContactAsk::Remove(_) | ContactAsk::Test(_) => {}
        }
        self.state().told.changed.push(ask);
        Ok(Outcome { message: "done".to_owned() })
    }

    fn confirm_contact(&self, contact: ContactId, code: &str) -> Result<bool, DeskError> {
        let is_right = (contact, code) == (ContactId(1), CODE);
        self.state().told.confirmed |= is_right;
        Ok(is_right)
    }

    fn acknowledge(&self, _: AccountId, id: AlertId) -> Result<(), DeskError> {
        self.state().told.acknowledged.push(id);
        Ok(())
    }
}

fn device(now: UnixMicros, id: u32, agent: &str, state: DeviceState) -> Device {
    Device {
        id: DeviceId(id),
        account: AccountId(1),
        state,
        agent: agent.to_owned(),
        instance: None,
        contact: "192.0.2.7:5060".to_owned(),
        peer: SocketAddr::from(([192, 0, 2, 7], 5_060)),
        transport: "udp".to_owned(),
        place: Place { country: None, asn: Some(64_500) },
        first_seen: now,
        last_seen: now,
        lines: vec![LineId(1)],
    }
}

impl PhoneDesk for Wood {
    fn phones(&self, account: AccountId) -> Result<Phones, DeskError> {
        let now = self.now();
        let told = &self.state().told;
        if account != AccountId(1) {
            return Ok(Phones::default());
        }
        let judged = |id: u32| told.judged.iter().rev().find(|(one, _)| one.0 == id);
        let state = |id: u32, first: DeviceState| match judged(id) {
            Some((_, true)) => DeviceState::Known,
            Some((_, false)) => DeviceState::Banned,
            None => first,
        };
        let seasoning = DeviceState::Seasoning { until: now.plus_ms(60_000), spent: Money::ZERO };
        let phone = |id: u32, agent: &str, first| Phone {
            device: device(now, id, agent, state(id, first)),
            name: agent.to_owned(),
            pbx: None,
            lines: vec!["alice".to_owned()],
            calls: u32::from(id == 4),
            is_registered: true,
        };
        let phones = match told.is_empty {
            true => Vec::new(),
            false => {
                vec![phone(4, AGENT, seasoning), phone(3, "Yealink SIP-T46S", DeviceState::Known)]
            }
        };
        let stale = StalePhone {
            line: LineId(1),
            user: "alice".to_owned(),
            agent: AGENT.to_owned(),
            peer: SocketAddr::from(([192, 0, 2, 8], 5_060)),
            changed: now,
        };
        Ok(Phones {
            phones,
            lines: vec![PhoneLine {
                id: LineId(1),
                user: "alice".to_owned(),
                kind: LineKind::Phone,
                is_active: true,
                days: Some(93),
                wants_new_secret: told.judged.iter().any(|(_, is_mine)| !is_mine),
                old_until: None,
                known_phones: 1,
            }],
            stale: if told.is_empty { Vec::new() } else { vec![stale] },
            server: PhoneServer {
                domain: "voice.example.com".to_owned(),
                listeners: vec![("TLS".to_owned(), "198.51.100.7:5061".to_owned())],
            },
        })
    }

    fn judge_phone(
        &self,
        account: AccountId,
        device: DeviceId,
        is_mine: bool,
    ) -> Result<Option<Outcome>, DeskError> {
        if account != AccountId(1) || ![3, 4].contains(&device.0) {
            return Ok(None);
        }
        self.state().told.judged.push((device, is_mine));
        Ok(Some(Outcome { message: "done".to_owned() }))
    }
}

impl SecretDesk for Wood {
    fn new_secret(
        &self,
        account: AccountId,
        line: LineId,
        shape: SecretShape,
        overlap_ms: Option<u64>,
    ) -> Result<Option<NewSecret>, DeskError> {
        if (account, line) != (AccountId(1), LineId(1)) {
            return Ok(None);
        }
        self.state().told.made.push((line, shape, overlap_ms));
        Ok(Some(NewSecret {
            user: "alice".to_owned(),
            text: SECRET.to_owned().into(),
            bits: 80,
            domain: "voice.example.com".to_owned(),
            old_until: overlap_ms.map(|ms| self.now().plus_ms(ms)),
        }))
    }

    fn access_log(&self, _: AccountId, _: u32) -> Result<Vec<Event>, DeskError> {
        let words = format!("a new phone {AGENT}");
        Ok(vec![Event { at: self.now(), words }])
    }
}
