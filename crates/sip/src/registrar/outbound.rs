//! Phones with flows of their own (RFC 5626). Lives here: who asks for outbound, what its parameters
//! may be. Never here: where requests go; the newest flow that lives is chosen by the caller.
//!
//! On streams only: on datagrams the phone would ask by STUN whether its flow lives, and the answer to
//! the shortest such question is longer than what we send to strangers (D1). There a REGISTER that would
//! like outbound is one without.

use std::fmt;

use super::table::{OutboundKey, RowId};
use super::{Asked, MAX_INSTANCE, Plan, RegisterError, Registrar, refused};
use crate::flow::Flow;
use crate::message::{Message, Name, NameAddr};

/// A phone that keeps its flow alive does so at least this often, in seconds (RFC 5626 §4.4).
pub(super) const FLOW_TIMER_S: u32 = 120;
/// RFC 5626 §4.2: `reg-id` is between 1 and 2³¹ − 1.
const MAX_REG_ID: u32 = (1 << 31) - 1;

impl Registrar {
    /// The binding that a Contact of a REGISTER is about: that of the same flow of the same phone, else
    /// the one with the same URI.
    pub(super) fn find_flow(
        &self,
        asked: &Asked<'_>,
        contact: &NameAddr<'_>,
        outbound: Option<OutboundKey<'_>>,
    ) -> Option<RowId> {
        let Some(key) = outbound else { return self.find(asked.line, contact.uri) };
        let mut rows = self.table.of_line(asked.line);
        let same_flow = rows.find(|(_, row)| row.outbound() == Some(key)).map(|(id, _)| id);
        same_flow.or_else(|| {
            let same_uri = self.find(asked.line, contact.uri);
            same_uri.filter(|id| self.table.row(*id).outbound().is_none())
        })
    }
}

/// Instance and number of a flow, if a Contact has both and the REGISTER asks for outbound.
pub(super) fn outbound_key<'a>(
    request: &Message<'_>,
    flow: &Flow,
    contact: &NameAddr<'a>,
) -> Result<Option<OutboundKey<'a>>, RegisterError> {
    if !is_wished(request, flow) {
        return Ok(None);
    }
    // RFC 5626 §6: a reg-id without an instance, or the other way round, is ignored.
    let (Some(instance), Some(reg_id)) =
        (contact.params.find("+sip.instance"), contact.params.find("reg-id"))
    else {
        return Ok(None);
    };
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    let instance = instance
        .filter(|text| !text.is_empty() && text.len() <= MAX_INSTANCE && text.bytes().all(is_plain))
        .ok_or(refused(400, "+sip.instance cannot be read"))?;
    let reg_id = reg_id
        .and_then(|text| text.parse().ok())
        .filter(|id| (1..=MAX_REG_ID).contains(id))
        .ok_or(refused(400, "reg-id is not a number from 1 to 2147483647"))?;
    Ok(Some(OutboundKey { instance, reg_id }))
}

/// Is outbound done for this REGISTER?
pub(super) fn asks_for_outbound(request: &Message<'_>, flow: &Flow) -> bool {
    let Ok(crate::message::Contacts::List(contacts)) = request.contacts() else { return false };
    contacts.iter().any(|contact| matches!(outbound_key(request, flow, contact), Ok(Some(_))))
}

/// What a REGISTER with outbound must be (RFC 5626 §6).
pub(super) fn check(
    request: &Message<'_>,
    flow: &Flow,
    plan: &Plan<'_>,
) -> Result<(), RegisterError> {
    if plan.iter().all(|planned| planned.outbound.is_none()) || !is_wished(request, flow) {
        return Ok(());
    }
    if plan.len() > 1 && plan.iter().any(|planned| planned.seconds > 0) {
        return Err(refused(400, "a REGISTER for a flow has one Contact"));
    }
    // Somebody stands between us and the phone; only if he keeps its flow can it be reached by it.
    let first_hop = request.values(Name::Path).last().and_then(|path| NameAddr::parse(path).ok());
    let keeps_flow =
        first_hop.and_then(|hop| hop.parse_uri().ok()).is_some_and(|uri| uri.params.has("ob"));
    match request.values(Name::Via).count() > 1 && !keeps_flow {
        true => Err(refused(439, "the first hop knows no outbound")),
        false => Ok(()),
    }
}

fn is_wished(request: &Message<'_>, flow: &Flow) -> bool {
    flow.transport.is_reliable()
        && (request.has_option(Name::Supported, "outbound")
            || request.has_option(Name::Require, "outbound"))
}

/// Prints the parameters of a Contact of a flow, or nothing.
pub(super) struct Params<'a>(pub Option<OutboundKey<'a>>);

impl fmt::Display for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(OutboundKey { instance, reg_id }) => {
                write!(f, ";+sip.instance=\"{instance}\";reg-id={reg_id}")
            }
            None => Ok(()),
        }
    }
}
