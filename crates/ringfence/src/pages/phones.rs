//! Phones and lines, as the pages show them. Lives here: putting together what the engine and the database know. Never
//! here: who may come in (engine), words.

use engine::{Agent, DeviceAt, Engine, days_old};
use store::{FactFilter, Reader};
use types::{
    AccountId, BindingRecord, Device, DeviceId, DeviceState, Fact, Line, LineStatus, Now,
    StalePhone,
};
use web::{DeskError, Outcome, Phone, PhoneDesk, PhoneLine, PhoneServer, Phones};

use super::desk::NodeUsers;
use crate::change::Change;
use crate::look::Question;
use sip::flow::Transport;

/// Milliseconds after which a phone that was heard with an old password is not shown any more.
const STALE_MS: u64 = 7 * 86_400_000;

/// Of an account, as far as the engine knows.
pub fn of(engine: &Engine, now: Now, account: AccountId) -> Phones {
    let Some(entry) = engine.account(account) else { return Phones::default() };
    let lines: Vec<&Line> = entry.lines().iter().filter_map(|id| engine.line(*id)).collect();
    let mut devices: Vec<Device> =
        lines.iter().flat_map(|line| engine.access().devices_of(line.id)).collect();
    devices.sort_by_key(|device| std::cmp::Reverse(device.id));
    devices.dedup_by_key(|device| device.id);
    let live = engine.live_of(now, account);
    let calls = |id: DeviceId| live.iter().filter(|(call, _)| call.device == Some(id)).count();
    let user = |id| lines.iter().find(|line| line.id == id).map(|line| line.user.clone());
    let known = |line: &Line| {
        let of_line = |device: &&Device| {
            device.state == DeviceState::Known && device.lines.contains(&line.id)
        };
        devices.iter().filter(of_line).count()
    };
    let old_until = |line: &Line| {
        let graces = line.former.iter().filter_map(|former| former.grace_until);
        graces.max().filter(|until| *until > now.wall)
    };
    let shown = lines.iter().map(|line| PhoneLine {
        id: line.id,
        user: line.user.clone(),
        kind: line.kind,
        is_active: line.status == LineStatus::Active,
        days: days_old(line, now.wall),
        wants_new_secret: line.wants_new_secret,
        old_until: old_until(line),
        known_phones: u32::try_from(known(line)).unwrap_or(u32::MAX),
    });
    let phones = devices.iter().map(|device| {
        let agent = Agent::read(&device.agent);
        Phone {
            name: agent.name.to_owned(),
            pbx: agent.pbx.map(str::to_owned),
            lines: device.lines.iter().filter_map(|line| user(*line)).collect(),
            calls: u32::try_from(calls(device.id)).unwrap_or(u32::MAX),
            is_registered: false,
            device: device.clone(),
        }
    });
    Phones {
        phones: phones.collect(),
        lines: shown.collect(),
        stale: engine.access().stale_of(account).cloned().collect(),
        server: PhoneServer::default(),
    }
}

fn is_at(binding: &BindingRecord, device: &Device) -> bool {
    device.lines.contains(&binding.line)
        && DeviceAt::new(binding.line, device).is_at(binding.peer, &binding.user_agent)
}

impl PhoneDesk for NodeUsers {
    fn phones(&self, account: AccountId) -> Result<Phones, DeskError> {
        let mut found: Phones = self.look(Question::Phones(account))?;
        let now = web::Desk::now(self);
        let since = types::UnixMicros(now.0.saturating_sub((STALE_MS * 1_000).cast_signed()));
        let (bindings, lines, told) = self.read(|reader| {
            let kind = Some("stale-secrets".to_owned());
            let since = Some(since);
            let filter = FactFilter { account: Some(account), since, kind, limit: 20, until: None };
            Ok((
                reader.bindings(Some(account))?,
                reader.lines(Some(account))?,
                reader.facts(&filter)?,
            ))
        })?;
        for phone in &mut found.phones {
            phone.is_registered = bindings.iter().any(|binding| is_at(binding, &phone.device));
        }
        for fact in told {
            if let Fact::StaleSecrets { phones, .. } = fact.fact {
                found.stale.extend(phones.into_iter().filter(|phone| {
                    let line = lines.iter().find(|line| line.id == phone.line);
                    line.is_some_and(|line| line.secret_set <= fact.at)
                }));
            }
        }
        found.stale = still_stale(found.stale, &bindings);
        found.server = self.server();
        Ok(found)
    }

    fn judge_phone(
        &self,
        account: AccountId,
        device: DeviceId,
        is_mine: bool,
    ) -> Result<Option<Outcome>, DeskError> {
        let found: Phones = self.look(Question::Phones(account))?;
        // A device is of one account, always.
        if !found.phones.iter().any(|phone| phone.device.id == device) {
            return Ok(None);
        }
        self.change(Change::JudgeDevice { device, is_mine }).map(Some)
    }
}

impl NodeUsers {
    fn server(&self) -> PhoneServer {
        let rank = |transport: Transport| match transport {
            Transport::Tls => 0,
            Transport::Tcp => 1,
            Transport::Udp => 2,
            Transport::Wss => 3,
        };
        let mut wanted: Vec<_> = self.listen.iter().collect();
        wanted.sort_by_key(|listen| rank(listen.transport));
        let listeners = wanted.into_iter().map(|listen| {
            // On all addresses: which one is right is for DNS to say.
            let host = match (self.advertise, listen.address.ip()) {
                (Some(told), _) => told.to_string(),
                (None, ip) if ip.is_unspecified() => self.realm.clone(),
                (None, ip) => ip.to_string(),
            };
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            let name = listen.transport.via_name().to_owned();
            (name, format!("{host}:{}", listen.address.port()))
        });
        PhoneServer { domain: self.realm.clone(), listeners: listeners.collect() }
    }
}

/// Each once, and without those that have registered with the new password since.
fn still_stale(mut phones: Vec<StalePhone>, bindings: &[BindingRecord]) -> Vec<StalePhone> {
    phones.retain(|phone| {
        let is_same = |binding: &BindingRecord| {
            binding.line == phone.line
                && binding.peer.ip().to_canonical() == phone.peer.ip().to_canonical()
                && binding.user_agent == phone.agent
        };
        !bindings.iter().any(is_same)
    });
    phones.sort_by(|a, b| (a.line, &a.agent, a.peer.ip()).cmp(&(b.line, &b.agent, b.peer.ip())));
    phones.dedup_by(|a, b| (a.line, &a.agent, a.peer.ip()) == (b.line, &b.agent, b.peer.ip()));
    phones
}
