//! Requests within dialogs. Lives here: whose they are, on which flow they may come, what they may be.
//! Never here: how they are passed on (sip::b2bua).

use sip::b2bua::{CallKey, DialogCheck, PeerKind, Purpose, Reply, Side, User, read_tag};
use sip::flow::Flow;
use sip::message::{Message, Method, Name};
use types::{DecisionId, Finding, LineId, TrunkId};

use crate::log_in::LogIn;
use crate::node::Node;
use crate::sip_reply;

/// Where a request within a dialog belongs.
#[derive(Clone, Copy)]
struct Place {
    key: CallKey,
    side: Side,
    index: u8,
}

/// Who sits at the end of a leg.
enum Party {
    /// A phone. `None`: of a call taken up after a restart, whose line is not known.
    Line(Option<LineId>),
    Trunk(TrunkId),
}

impl Node {
    /// A request with a To tag, but ACK.
    pub(crate) fn dialog_request(&mut self, request: &Message<'_>, flow: &Flow) {
        let Some((place, check)) = self.place_of(request, flow) else {
            return self.refuse_stateless(request, flow, 481);
        };
        if !self.may_speak(place, check, request, flow) {
            return;
        }
        let method = request.method().unwrap_or(Method::Other(""));
        match method {
            Method::Refer => return self.refuse_transfer(place, request, flow),
            Method::Invite
            | Method::Update
            | Method::Info
            | Method::Prack
            | Method::Options
            | Method::Bye => {}
            Method::Other(_) => return self.refuse_stateless(request, flow, 501),
            _ => return self.refuse_stateless(request, flow, 405),
        }
        if self.unsupported_option(request).is_some() {
            return self.refuse_bad_extension(request, flow);
        }
        let Some(live) = self.calls.find(place.key) else { return };
        let Some(fork) = live.call.fork_of(place.side, place.index, request) else { return };
        if !live.call.accept_cseq(place.side, fork, request) {
            return self.refuse_stateless(request, flow, 500);
        }
        let user = User { call: place.key, purpose: Purpose::Nothing }.pack();
        let Ok(tx) = self.transactions.create_server(self.now.tick, request, *flow, user) else {
            return self.refuse_stateless(request, flow, 503);
        };
        if method == Method::Invite {
            self.transactions.trying(self.now.tick, tx, &mut self.out.sends);
        }
        self.with_call(place.key, |live, wire, events| {
            live.call.side_spoke(place.side);
            if method == Method::Bye {
                live.call.handle_bye(wire, place.side, fork, tx, events);
            } else {
                live.call.handle_request(wire, place.side, fork, request, tx);
            }
        });
    }

    /// ACK of a 2xx.
    pub(crate) fn dialog_ack(&mut self, request: &Message<'_>, flow: &Flow) {
        let Some((place, check)) = self.place_of(request, flow) else { return };
        if check == DialogCheck::OtherFlow && !self.may_acknowledge(place, flow) {
            return;
        }
        let Some(live) = self.calls.find(place.key) else { return };
        let Some(fork) = live.call.fork_of(place.side, place.index, request) else { return };
        self.with_call(place.key, |live, wire, events| {
            live.call.handle_ack(wire, place.side, fork, request, events);
        });
    }

    /// The call and side that the tags of a request name, if it is really theirs.
    fn place_of(&mut self, request: &Message<'_>, flow: &Flow) -> Option<(Place, DialogCheck)> {
        let tag = request.to().tag()?;
        let named = read_tag(tag).map(|(key, side, index)| Place { key, side, index });
        let adopted = self.adopted.get(tag).copied().and_then(|key| {
            let side = self.calls.find(key)?.call.adopted_side(tag)?;
            Some(Place { key, side, index: 0 })
        });
        let check_place = |calls: &mut crate::legs::Calls, place: Place| {
            let live = calls.find(place.key)?;
            match live.call.check_dialog(place.side, place.index, request, flow) {
                DialogCheck::Unknown => None,
                check => Some((place, check)),
            }
        };
        adopted
            .and_then(|place| check_place(&mut self.calls, place))
            .or_else(|| named.and_then(|place| check_place(&mut self.calls, place)))
    }

    /// F6 and I1. The dialog's own flow, always; else a phone shows fresh credentials of its own line,
    /// and a carrier, which has none, comes from the networks that its calls to us come from, on
    /// whatever port. And the phone's IP lock, on its own flow as well, but for a BYE there.
    fn may_speak(
        &mut self,
        place: Place,
        check: DialogCheck,
        request: &Message<'_>,
        flow: &Flow,
    ) -> bool {
        let Some((party, exempt)) = self.party(place) else { return false };
        // Hanging up does no harm, wherever the dialog's own end has come to sit.
        if check == DialogCheck::SameFlow && request.method() == Some(Method::Bye) {
            return true;
        }
        match party {
            Party::Trunk(trunk) => {
                if check == DialogCheck::SameFlow || self.is_source_of(trunk, flow) {
                    return true;
                }
                self.refuse_stateless(request, flow, 403);
                false
            }
            Party::Line(line) => {
                if !exempt && line.is_some_and(|line| !self.engine.ip_allowed(line, flow.peer.ip()))
                {
                    self.refuse_locked(request, flow);
                    return false;
                }
                check == DialogCheck::SameFlow || self.proves_itself(place, line, request, flow)
            }
        }
    }

    /// May the ACK of a 2xx come this way, which is not the dialog's own? It cannot be challenged:
    /// another port of the phone's host will do, another host will not.
    fn may_acknowledge(&mut self, place: Place, flow: &Flow) -> bool {
        match self.party(place) {
            Some((Party::Trunk(trunk), _)) => self.is_source_of(trunk, flow),
            Some((Party::Line(_), _)) => self.is_same_host(place, flow),
            None => false,
        }
    }

    /// Who sits there, and does his IP lock not count?
    fn party(&mut self, place: Place) -> Option<(Party, bool)> {
        let live = self.calls.find(place.key)?;
        let party = match place.side {
            Side::Caller => match live.from_trunk {
                Some(trunk) => Party::Trunk(trunk),
                None => Party::Line(live.from_line),
            },
            Side::Callee => {
                let plan = &live.call.legs().get(usize::from(place.index))?.plan;
                match plan.peer {
                    PeerKind::Phone => Party::Line(Some(LineId(plan.mark))),
                    PeerKind::Trunk(_) => Party::Trunk(TrunkId(plan.mark)),
                }
            }
        };
        Some((party, live.exempt && place.side == Side::Caller))
    }

    fn is_source_of(&self, trunk: TrunkId, flow: &Flow) -> bool {
        let peer = flow.peer.ip().to_canonical();
        let trunk = self.engine.trunk(trunk);
        trunk.is_some_and(|trunk| {
            let is_source = trunk.sources.iter().any(|network| network.contains(&peer));
            is_source || trunk.registrar() == Some(peer)
        })
    }

    /// Fresh credentials of the dialog's own line move the dialog to the new flow.
    fn proves_itself(
        &mut self,
        place: Place,
        line: Option<LineId>,
        request: &Message<'_>,
        flow: &Flow,
    ) -> bool {
        let LogIn::Line(proved, _) = self.log_in(request, flow, Name::ProxyAuthorization) else {
            return false;
        };
        if line != Some(proved) {
            self.refuse_stateless(request, flow, 403);
            return false;
        }
        if let Some(live) = self.calls.find(place.key)
            && let Some(fork) = live.call.fork_of(place.side, place.index, request)
        {
            live.call.move_flow(place.side, fork, flow);
            if place.side == Side::Caller {
                let decision = live.decision;
                self.engine.sits_at(decision, flow.peer.ip());
            }
        }
        true
    }

    fn is_same_host(&mut self, place: Place, flow: &Flow) -> bool {
        self.calls.find(place.key).is_some_and(|live| {
            let known = live.call.flow_of(place.side, place.index);
            known.is_some_and(|known| {
                known.peer.ip().to_canonical() == flow.peer.ip().to_canonical()
            })
        })
    }

    /// REFER: refused until it goes through the gate.
    fn refuse_transfer(&mut self, place: Place, request: &Message<'_>, flow: &Flow) {
        let decision = self.calls.find(place.key).map_or(DecisionId(0), |live| live.decision);
        let told = sip_reply::told(&[Finding::TransferRefused], decision);
        let tag = self.tokens.tag();
        let reply = Reply {
            phrase: Some(&told.phrase),
            reason: Some(&told.reason),
            ..Reply::new(told.status, tag.as_str())
        };
        sip_reply::stateless(&mut self.out.sends, &self.settings, request, flow, &reply);
    }
}
