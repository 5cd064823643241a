//! Where a leg goes and what its typed fields are. Lives here: trunks and phones as leg plans.
//! Never here: which trunks may be tried (engine), how an INVITE looks (sip::b2bua).

use std::net::SocketAddr;

use engine::{Target, dial_string};
use sip::b2bua::{CallKey, Credentials, HostPort, LegPlan, PeerKind};
use sip::dialog::is_sips;
use sip::flow::{Flow, Transport};
use sip::message::{Scheme, Uri};
use types::{E164, LineId, Trunk, TrunkAuth, TrunkId, TrunkTransport};

use crate::node::Node;

impl Node {
    /// The leg to a carrier.
    pub(crate) fn trunk_plan(&mut self, key: CallKey, trunk: TrunkId) -> Option<LegPlan> {
        let silence_ms = self.timers.trunk_silence_ms;
        let live = self.calls.find(key)?;
        let trunk = self.engine.trunk(trunk)?;
        let Target::Trunks { number, .. } = &live.target else { return None };
        let flow = trunk_flow(&self.settings.listeners, trunk)?;
        if live.sips && !flow.transport.is_secure() {
            return None;
        }
        let called = dial_string(trunk.number_format, number, &trunk.dial_plan)?;
        let host = trunk_host(trunk);
        let realm = &self.settings.realm;
        let number_shown = live.caller.parse::<E164>().ok();
        let private = live.private || number_shown.is_none();
        let from_uri = match number_shown {
            Some(number) if !private => format!("sip:{number}@{realm}"),
            _ => "sip:anonymous@anonymous.invalid".to_owned(),
        };
        Some(LegPlan {
            flow,
            request_uri: format!("sip:{called}@{host}{}", transport_param(flow.transport)),
            routes: Vec::new(),
            from_uri,
            display: None,
            to_uri: format!("sip:{called}@{host}"),
            identity: number_shown.map(|number| format!("sip:{number}@{realm}")),
            private,
            peer: PeerKind::Trunk(trunk.auth.as_ref().map(credentials)),
            silence_ms: Some(silence_ms),
            mark: trunk.id.0,
        })
    }

    /// The legs to all phones of some lines, but on none of the flows `without`.
    pub(crate) fn phone_plans(
        &mut self,
        key: CallKey,
        lines: &[LineId],
        without: &[Flow],
    ) -> Vec<LegPlan> {
        let Some(live) = self.calls.find(key) else { return Vec::new() };
        let realm = &self.settings.realm;
        let sips = live.sips;
        let caller = uri_user(&live.caller);
        let from_uri = match caller.as_str() {
            "" | "anonymous" => "sip:anonymous@anonymous.invalid".to_owned(),
            user => format!("sip:{user}@{realm}"),
        };
        let mut plans = Vec::new();
        for line in lines {
            let Some(user) = self.engine.line(*line).map(|line| line.user.clone()) else {
                continue;
            };
            let engine = &self.engine;
            let inside = |peer: SocketAddr| engine.ip_allowed(*line, peer.ip());
            let mut instances = Vec::new();
            let phones = self.registrar.contacts(*line).filter(|phone| {
                let flow = phone.flow();
                inside(flow.peer)
                    && (!sips || flow.transport.is_secure())
                    && !without.contains(&flow)
            });
            for binding in phones {
                // RFC 5626 §5.3: one phone rings once, on its newest flow that lives.
                if let Some(instance) = binding.instance() {
                    if instances.contains(&instance) {
                        continue;
                    }
                    instances.push(instance);
                }
                plans.push(LegPlan {
                    flow: binding.flow(),
                    request_uri: request_uri(binding.uri(), sips),
                    routes: binding.path().map(str::to_owned).collect(),
                    from_uri: from_uri.clone(),
                    display: None,
                    to_uri: format!("sip:{user}@{realm}"),
                    identity: None,
                    private: false,
                    peer: PeerKind::Phone,
                    silence_ms: None,
                    mark: line.0,
                });
            }
        }
        plans
    }

    /// The flow of a phone has failed, or leads nowhere behind its proxy (430): another flow of the same phone
    /// rings, if there is one that was not tried (RFC 5626 §5.3).
    pub(crate) fn try_other_flow(&mut self, key: CallKey, leg: u8, status: u16) -> bool {
        let Some(live) = self.calls.find(key) else { return false };
        let failed = &live.call.legs()[usize::from(leg)].plan;
        if !matches!(failed.peer, PeerKind::Phone) || !matches!(status, 408 | 430) {
            return false;
        }
        let (line, flow) = (LineId(failed.mark), failed.flow);
        let tried: Vec<Flow> = live.call.legs().iter().map(|leg| leg.plan.flow).collect();
        let on = |flow: &Flow| self.registrar.bindings(line).find(|one| one.flow() == *flow);
        let Some(binding) = on(&flow).filter(|one| one.is_gone() || status == 430) else {
            return false;
        };
        let Some(instance) = binding.instance().map(str::to_owned) else { return false };
        let plans = self.phone_plans(key, &[line], &tried);
        let is_other = |plan: &LegPlan| {
            let mut phones = self.registrar.contacts(line);
            phones.any(|one| one.flow() == plan.flow && one.instance() == Some(&instance))
        };
        let Some(plan) = plans.into_iter().find(is_other) else { return false };
        let mut is_ringing = false;
        self.with_call(key, |live, wire, _| {
            if let Ok(leg) = live.call.prepare_leg(wire, plan) {
                live.call.start_leg(wire, leg);
                is_ringing = true;
            }
        });
        if is_ringing {
            self.record_ringing(key);
        }
        is_ringing
    }
}

/// The request line to a phone: its Contact. One that is sips stands for the same in sip, when nobody
/// asked for sips (RFC 5630 §4).
fn request_uri(contact: &str, sips: bool) -> String {
    match is_sips(contact) && !sips {
        true => format!("sip{}", &contact[4..]),
        false => contact.to_owned(),
    }
}

/// The way to a carrier: from our first socket of its transport and address family.
pub fn trunk_flow(listeners: &[sip::b2bua::Listener], trunk: &Trunk) -> Option<Flow> {
    let transport = match trunk.transport {
        TrunkTransport::Udp => Transport::Udp,
        TrunkTransport::Tcp => Transport::Tcp,
        TrunkTransport::Tls => Transport::Tls,
    };
    let fits = |local: SocketAddr| local.is_ipv4() == trunk.address.is_ipv4() || local.is_ipv6();
    let listener = listeners.iter().find(|l| l.transport == transport && fits(l.local))?;
    let connection = if transport.is_reliable() { Flow::ANY_CONNECTION } else { 0 };
    Some(Flow { transport, local: listener.local, peer: trunk.address, connection })
}

/// Host part of a carrier's addresses: its name, or where it is.
pub fn trunk_host(trunk: &Trunk) -> String {
    if trunk.host.is_empty() { HostPort(trunk.address).to_string() } else { trunk.host.clone() }
}

/// Our credentials at a carrier.
pub fn credentials(auth: &TrunkAuth) -> Credentials {
    Credentials { user: auth.user.clone(), secret: auth.secret.clone(), realm: auth.realm.clone() }
}

/// The transport parameter of a URI; nothing for UDP.
pub const fn transport_param(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
        Transport::Tls => ";transport=tls",
        Transport::Wss => ";transport=ws",
    }
}

/// The port of an address of ours that names none (RFC 3261 §19.1.2, RFC 7118 §5.2).
pub fn default_port(uri: &Uri<'_>) -> u16 {
    let is_transport = |name: &str| {
        uri.params.find("transport").flatten().is_some_and(|told| told.eq_ignore_ascii_case(name))
    };
    match uri.scheme {
        _ if is_transport("ws") || is_transport("wss") => 443,
        Scheme::Sips => 5061,
        _ if is_transport("tls") => 5061,
        _ => 5060,
    }
}

/// A caller's name as the user part of a SIP URI: what may not stand there is escaped.
fn uri_user(text: &str) -> String {
    let mut user = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            user.push(char::from(byte));
        } else {
            user.push_str(&format!("%{byte:02X}"));
        }
    }
    user
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_escaped() {
        assert_eq!(uri_user("+442079460000"), "+442079460000");
        assert_eq!(uri_user("a b@c>\r\n"), "a%20b%40c%3E%0D%0A");
    }
}
