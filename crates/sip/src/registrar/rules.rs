//! What a REGISTER may ask for. Lives here: judging it, Contact by Contact (RFC 3261 §10.3). Never
//! here: doing it.

use types::LineId;

use super::outbound::outbound_key;
use super::table::{Row, RowId};
use super::{Asked, MAX_CONTACT, MAX_PATH, Plan, Planned, RegisterError, Registrar, cut, refused};
use crate::flow::Flow;
use crate::message::{Message, Name, NameAddr, Scheme, Uri, delta_seconds};

impl Registrar {
    /// Judges one Contact.
    pub(super) fn plan<'a>(
        &self,
        asked: &Asked<'a>,
        contact: NameAddr<'a>,
    ) -> Result<Planned<'a>, RegisterError> {
        let outbound = outbound_key(asked.request, asked.flow, &contact)?;
        let existing = self.find_flow(asked, &contact, outbound);
        if let Some(id) = existing {
            in_order(self.table.row(id), asked.request)?;
        }
        let seconds = self.granted(asked.request, &contact)?;
        if seconds > 0 {
            self.check_place(&contact, asked)?;
        }
        Ok(Planned { contact, outbound, existing, seconds, q: read_q(&contact)? })
    }

    /// Life of a binding in seconds; 0: it is to be removed.
    fn granted(&self, request: &Message<'_>, contact: &NameAddr<'_>) -> Result<u32, RegisterError> {
        let limits = &self.limits;
        let asked = match contact.params.find("expires") {
            // RFC 3261 §20.10: what cannot be read counts as 3600.
            Some(value) => value.and_then(delta_seconds).unwrap_or(3_600),
            None => request.expires().unwrap_or(limits.default_expires_s),
        };
        match asked {
            0 => Ok(0),
            asked if asked < limits.min_expires_s => Err(RegisterError {
                min_expires: Some(limits.min_expires_s),
                ..refused(423, "the registration is too short")
            }),
            asked => Ok(asked.min(limits.max_expires_s)),
        }
    }

    /// A Contact must be a place at which a phone can be (F7).
    fn check_place(&self, contact: &NameAddr<'_>, asked: &Asked<'_>) -> Result<(), RegisterError> {
        let flow = asked.flow;
        if contact.uri.len() > MAX_CONTACT {
            return Err(refused(400, "Contact is too long"));
        }
        let uri = contact.parse_uri().map_err(|_| refused(400, "Contact URI cannot be read"))?;
        match uri.scheme {
            Scheme::Sip => {}
            Scheme::Sips => check_sips(asked)?,
            Scheme::Tel | Scheme::Other => return Err(refused(400, "Contact is no SIP URI")),
        }
        if uri.headers.is_some() || uri.params.has("method") {
            return Err(refused(400, "Contact has what no request line may have"));
        }
        if self.is_own(&uri, flow) {
            return Err(refused(403, "Contact is at the registrar itself"));
        }
        Ok(())
    }

    fn is_own(&self, uri: &Uri<'_>, flow: &Flow) -> bool {
        let port = uri.port.unwrap_or(5060);
        match uri.host_ip() {
            Some(ip) => self
                .own
                .iter()
                .chain([&flow.local])
                .any(|own| own.port() == port && own.ip().to_canonical() == ip.to_canonical()),
            None => self.own_hosts.iter().any(|own| own.eq_ignore_ascii_case(uri.host)),
        }
    }

    pub(super) fn find(&self, line: LineId, contact: &str) -> Option<RowId> {
        let mut rows = self.table.of_line(line);
        rows.find(|(_, row)| same_uri(row.contact(), contact)).map(|(id, _)| id)
    }

    /// Bindings that have to go for the new ones: such whose stream is closed, then what the same
    /// phone left behind when it began anew on another port, the oldest first.
    pub(super) fn make_room(
        &self,
        asked: &Asked<'_>,
        plan: &Plan<'_>,
    ) -> Result<Vec<RowId>, RegisterError> {
        let line = asked.line;
        let added = plan.iter().filter(|p| p.existing.is_none() && p.seconds > 0).count();
        let removed = plan.iter().filter(|p| p.existing.is_some() && p.seconds == 0).count();
        let after = self.table.of_line(line).count() + added - removed;
        let excess = after.saturating_sub(self.limits.bindings_per_line);
        if excess == 0 || added == 0 {
            return Ok(Vec::new());
        }
        let is_planned = |id: RowId| plan.iter().any(|planned| planned.existing == Some(id));
        let others = || self.table.of_line(line).filter(|(id, _)| !is_planned(*id));
        let gone = others().filter(|(_, row)| row.gone);
        let mut left: Vec<(u32, RowId)> = others()
            .filter(|(_, row)| !row.gone && self.is_same_phone(row, asked))
            .map(|(id, row)| (row.expires_s, id))
            .collect();
        left.sort_unstable_by_key(|(expires_s, _)| *expires_s);
        let left = left.into_iter().map(|(_, id)| id);
        let evicted: Vec<RowId> = gone.map(|(id, _)| id).chain(left).take(excess).collect();
        match evicted.len() == excess {
            true => Ok(evicted),
            false => Err(refused(403, "too many bindings")),
        }
    }

    /// Is a datagram binding of the phone that asks now? It keeps its Call-ID, or says the same of
    /// itself; a stream is closed when it is left.
    fn is_same_phone(&self, row: &Row, asked: &Asked<'_>) -> bool {
        let user_agent = cut(asked.request.header(Name::UserAgent).unwrap_or(""));
        let says_the_same = !user_agent.is_empty() && self.table.user_agent(row) == user_agent;
        let is_stream = self.table.flow(row).transport.is_reliable();
        !is_stream && (says_the_same || row.call_id() == asked.request.call_id())
    }
}

/// RFC 3261 §10.3 step 7: within one Call-ID only a higher CSeq changes a binding.
pub(super) fn in_order(row: &Row, request: &Message<'_>) -> Result<(), RegisterError> {
    match row.call_id() == request.call_id() && request.cseq().number <= row.cseq {
        true => Err(refused(500, "CSeq is out of order")),
        false => Ok(()),
    }
}

/// The Path values with a line end after each; none when the phone does not know Path: then it
/// would not know what is done in its name (RFC 3327 §5.3).
pub(super) fn read_path(request: &Message<'_>) -> Result<String, RegisterError> {
    let mut path = String::new();
    if !request.has_option(Name::Supported, "path") {
        return Ok(path);
    }
    for value in request.values(Name::Path) {
        let uri = NameAddr::parse(value).ok().and_then(|address| address.parse_uri().ok());
        if uri.is_none_or(|uri| uri.host.is_empty()) {
            return Err(refused(400, "Path cannot be read"));
        }
        path.push_str(value);
        path.push('\n');
        if path.len() > MAX_PATH {
            return Err(refused(400, "Path is too long"));
        }
    }
    Ok(path)
}

/// The q parameter in thousandths; 1,000 when there is none.
fn read_q(contact: &NameAddr<'_>) -> Result<u16, RegisterError> {
    let Some(value) = contact.params.find("q") else { return Ok(1_000) };
    let bad = refused(400, "q is not between 0 and 1");
    let (whole, fraction) = value.ok_or(bad)?.split_once('.').unwrap_or((value.unwrap_or(""), ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths = fraction
        .bytes()
        .chain(*b"000")
        .take(3)
        .fold(0, |sum, byte| 10 * sum + u16::from(byte.wrapping_sub(b'0')));
    match (whole, is_number, thousandths) {
        ("0", true, thousandths) => Ok(thousandths),
        ("1", true, 0) => Ok(1_000),
        _ => Err(bad),
    }
}

/// RFC 5630 §5.3: nobody is led from a sips URI to where others can listen.
fn check_sips(asked: &Asked<'_>) -> Result<(), RegisterError> {
    if !asked.flow.transport.is_secure() {
        return Err(refused(403, "a sips Contact is registered over TLS"));
    }
    let is_sips = |uri: Option<Uri<'_>>| uri.is_some_and(|uri| uri.scheme == Scheme::Sips);
    let target = asked.request.request_uri().and_then(|uri| Uri::parse(uri).ok());
    let path_is_sips = asked.path.lines().all(|value| {
        is_sips(NameAddr::parse(value).ok().and_then(|address| address.parse_uri().ok()))
    });
    match is_sips(target) && path_is_sips {
        true => Ok(()),
        false => Err(refused(400, "a sips Contact needs a sips Request-URI and Path")),
    }
}

pub(super) fn same_contact(one: &NameAddr<'_>, other: &NameAddr<'_>) -> bool {
    same_uri(one.uri, other.uri)
}

fn same_uri(one: &str, other: &str) -> bool {
    one == other
        || match (Uri::parse(one), Uri::parse(other)) {
            (Ok(one), Ok(other)) => one.equivalent(&other),
            _ => false,
        }
}
