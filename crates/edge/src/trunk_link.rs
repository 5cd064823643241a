//! Our standing with each carrier. Lives here: registrations there, who said nothing lately.
//! Never here: calls.

use std::collections::BTreeMap;

use sip::b2bua::{CallKey, HostPort, PeerKind, User};
use sip::flow::Flow;
use sip::message::{Message, Method, Name, print};
use types::{Fact, Millis, Record, Tick, TrunkId};

use crate::node::Node;
use crate::routing;

/// Asked of carriers, in seconds.
const EXPIRES_S: u64 = 3_600;
/// After a failed registration.
const RETRY_MS: Millis = 30_000;

/// A registration at a carrier.
#[derive(Debug)]
struct Registration {
    call_id: String,
    tag: String,
    cseq: u32,
    next: Tick,
    challenged: bool,
    registered: bool,
}

/// Our standing with each carrier.
#[derive(Debug, Default)]
pub struct TrunkLinks {
    registrations: BTreeMap<TrunkId, Registration>,
    resting: BTreeMap<TrunkId, Tick>,
}

impl TrunkLinks {
    /// Has the carrier said nothing lately?
    pub fn is_resting(&self, trunk: TrunkId, now: Tick) -> bool {
        self.resting.get(&trunk).is_some_and(|until| now < *until)
    }

    /// When the node looks after registrations next.
    pub fn next_timeout(&self) -> Option<Tick> {
        self.registrations.values().map(|registration| registration.next).min()
    }
}

impl Node {
    /// A carrier answered nothing to an INVITE.
    pub(crate) fn trunk_silent(&mut self, trunk: TrunkId) {
        let until = self.now.tick.plus_ms(self.timers.trunk_rest_ms);
        let was_resting = self.links.is_resting(trunk, self.now.tick);
        self.links.resting.insert(trunk, until);
        if !was_resting {
            let fact = Fact::TrunkReachable { trunk, reachable: false };
            self.must_store(vec![Record::Fact(self.now.wall, fact)]);
        }
    }

    /// A carrier that was silent has answered.
    fn trunk_heard(&mut self, trunk: TrunkId) {
        if self.links.resting.remove(&trunk).is_some() {
            let fact = Fact::TrunkReachable { trunk, reachable: true };
            self.must_store(vec![Record::Fact(self.now.wall, fact)]);
        }
    }

    /// A leg's peer said something: if it is a carrier that was silent, it no longer is.
    pub(crate) fn leg_heard(&mut self, call: CallKey, flow: &Flow) {
        if self.links.resting.is_empty() {
            return;
        }
        let Some(live) = self.calls.find(call) else { return };
        let leg = live.call.legs().iter().find(|leg| leg.plan.flow.peer == flow.peer);
        if let Some(leg) = leg.filter(|leg| matches!(leg.plan.peer, PeerKind::Trunk(_))) {
            let trunk = TrunkId(leg.plan.mark);
            self.trunk_heard(trunk);
        }
    }

    /// Lines and trunks may have changed: registrations at carriers and bindings follow.
    pub(crate) fn after_command(&mut self) {
        let wanted: Vec<TrunkId> = self
            .engine
            .trunks()
            .filter(|trunk| trunk.enabled && trunk.auth.as_ref().is_some_and(|auth| auth.register))
            .map(|trunk| trunk.id)
            .collect();
        self.links.registrations.retain(|trunk, _| wanted.contains(trunk));
        for trunk in wanted {
            let (call_id, tag) = (self.tokens.call_id().to_string(), self.tokens.tag().to_string());
            let now = self.now.tick;
            self.links.registrations.entry(trunk).or_insert(Registration {
                call_id,
                tag,
                cseq: 0,
                next: now,
                challenged: false,
                registered: false,
            });
        }
    }

    /// Registers anew where it is time.
    pub(crate) fn links_timeout(&mut self) {
        let now = self.now.tick;
        if self.links.next_timeout().is_none_or(|tick| tick > now) {
            return;
        }
        let due: Vec<TrunkId> = self
            .links
            .registrations
            .iter()
            .filter(|(_, registration)| registration.next <= now)
            .map(|(trunk, _)| *trunk)
            .collect();
        for trunk in due {
            if let Some(registration) = self.links.registrations.get_mut(&trunk) {
                registration.challenged = false;
                registration.next = now.plus_ms(RETRY_MS + 10_000);
            }
            self.register_at(trunk, None);
        }
    }

    fn register_at(&mut self, trunk: TrunkId, credentials: Option<Vec<u8>>) {
        let Some(trunk) = self.engine.trunk(trunk).cloned() else { return };
        let Some(auth) = &trunk.auth else { return };
        let Some(flow) = routing::trunk_flow(&self.settings.listeners, &trunk) else { return };
        let Some(registration) = self.links.registrations.get_mut(&trunk.id) else { return };
        let user = User::FOREIGN | u64::from(trunk.id.0);
        let Ok(tx) = self.transactions.new_client(user) else { return };
        registration.cseq += 1;
        let registration = &*registration;
        let branch = self.transactions.branch(tx);
        let (settings, host) = (&self.settings, routing::trunk_host(&trunk));
        self.transactions.send(
            self.now.tick,
            tx,
            flow,
            Method::Register,
            &mut self.out.sends,
            |out| {
                print::request_line(out, &Method::Register, format_args!("sip:{host}"));
                let sent_by = settings.sent_by(&flow);
                print::header(out, Name::Via, format_args!("{sent_by};branch={branch};rport"));
                print::header(out, Name::MaxForwards, 70);
                let address = format_args!("<sip:{}@{host}>", auth.user).to_string();
                print::header(out, Name::From, format_args!("{address};tag={}", registration.tag));
                print::header(out, Name::To, &address);
                print::header(out, Name::CallId, &registration.call_id);
                print::header(out, Name::CSeq, format_args!("{} REGISTER", registration.cseq));
                let (place, user) = (settings.listener(&flow).advertised, contact_user(trunk.id));
                let transport = routing::transport_param(flow.transport);
                let contact = format_args!("<sip:{user}@{}{transport}>", HostPort(place));
                print::header(out, Name::Contact, contact);
                print::header(out, Name::Expires, EXPIRES_S);
                if let Some(line) = &credentials {
                    out.extend_from_slice(line);
                }
                print::header(out, Name::UserAgent, &settings.product);
                print::finish(out, None, b"");
            },
        );
    }

    /// A carrier answered our REGISTER.
    pub(crate) fn link_response(&mut self, user: u64, response: &Message<'_>, flow: &Flow) {
        let trunk = TrunkId(user as u32);
        let status = response.status().unwrap_or(0);
        let now = self.now.tick;
        let Some(registration) = self.links.registrations.get_mut(&trunk) else { return };
        match status {
            0..=199 => {}
            200..=299 => {
                let granted = granted_expiry(response).unwrap_or(EXPIRES_S).clamp(60, EXPIRES_S);
                registration.next = now.plus_ms(granted * 500);
                if !std::mem::replace(&mut registration.registered, true) {
                    let fact = Fact::TrunkReachable { trunk, reachable: true };
                    self.must_store(vec![Record::Fact(self.now.wall, fact)]);
                }
            }
            401 | 407 if !registration.challenged => {
                registration.challenged = true;
                match self.link_credentials(trunk, response, flow) {
                    Some(credentials) => self.register_at(trunk, Some(credentials)),
                    None => self.link_failed(user),
                }
            }
            _ => self.link_failed(user),
        }
    }

    /// A5: only the trunk's own realm and address are answered.
    fn link_credentials(
        &mut self,
        trunk: TrunkId,
        response: &Message<'_>,
        flow: &Flow,
    ) -> Option<Vec<u8>> {
        let trunk = self.engine.trunk(trunk)?;
        if flow.peer != trunk.address {
            return None;
        }
        let credentials = routing::credentials(trunk.auth.as_ref()?);
        let uri = format!("sip:{}", routing::trunk_host(trunk));
        let mut wire = self.wire();
        sip::b2bua::credentials_for(&mut wire, response, Method::Register, &uri, &credentials)
    }

    /// A carrier refused our REGISTER, or said nothing.
    pub(crate) fn link_failed(&mut self, user: u64) {
        let trunk = TrunkId(user as u32);
        let next = self.now.tick.plus_ms(RETRY_MS);
        let Some(registration) = self.links.registrations.get_mut(&trunk) else { return };
        registration.next = next;
        if std::mem::replace(&mut registration.registered, false) {
            let fact = Fact::TrunkReachable { trunk, reachable: false };
            self.must_store(vec![Record::Fact(self.now.wall, fact)]);
        }
    }
}

/// The user part of our Contact at a carrier. Many carriers call it, whatever number was dialled.
pub fn contact_user(trunk: TrunkId) -> String {
    format!("trunk-{trunk}")
}

/// What the carrier granted: the expires parameter of our Contact, else Expires.
fn granted_expiry(response: &Message<'_>) -> Option<u64> {
    let from_contact = response
        .name_addrs(Name::Contact)
        .filter_map(Result::ok)
        .find_map(|contact| contact.param("expires")?.parse().ok());
    from_contact.or_else(|| response.expires().map(u64::from))
}
