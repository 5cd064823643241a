//! What every response takes over from its request (RFC 3261 §8.2.6.2). Lives here: Via … CSeq, rendered once, of a good
//! request or of what can be read of a broken one. Never here: which response.

use arrayvec::ArrayVec;

use super::headers::Name;
use super::message::Message;
use super::name_addr::NameAddr;
use super::print;
use super::scan::{self, TOKEN, split_list, trim};
use super::via::Via;
use super::{MAX_HEAD, method::Method};
use crate::flow::{Flow, Outbox};

/// Most Via lines of a broken request that is answered.
const MAX_SALVAGED_VIAS: usize = 32;

/// Via … CSeq lines of a request, rendered once, to answer it any number of times, also after its bytes are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyHead {
    /// Via, From, To, Call-ID, CSeq; then Record-Route; then Timestamp.
    bytes: Vec<u8>,
    /// Where `;tag=` goes.
    tag_at: u32,
    head_end: u32,
    record_route_end: u32,
    to_has_tag: bool,
}

impl ReplyHead {
    /// Renders the head of answers to `request`. The topmost Via says where the request really came from (RFC 3261
    /// §18.2.1, RFC 3581).
    pub fn new(request: &Message<'_>, flow: &Flow) -> ReplyHead {
        ReplyHead::new_in(Vec::new(), request, flow)
    }

    /// As [`ReplyHead::new`], with the memory of an earlier one ([`ReplyHead::into_buffer`]).
    pub fn new_in(mut buffer: Vec<u8>, request: &Message<'_>, flow: &Flow) -> ReplyHead {
        buffer.clear();
        // The head is no longer than that of the request, but for `received`, `rport` and long names.
        buffer.reserve_exact(reserve_for(request));
        let tag_at = write_head(&mut buffer, &Parts::of(request), flow, "");
        let head_end = buffer.len();
        for value in request.headers(Name::RecordRoute) {
            print::header(&mut buffer, Name::RecordRoute, value);
        }
        let record_route_end = buffer.len();
        // RFC 3261 §8.2.6.1: 100 repeats the Timestamp.
        if let Some(value) = request.header(Name::Timestamp) {
            print::header(&mut buffer, Name::Timestamp, value);
        }
        ReplyHead {
            bytes: buffer,
            tag_at: tag_at as u32,
            head_end: head_end as u32,
            record_route_end: record_route_end as u32,
            to_has_tag: request.to().tag().is_some(),
        }
    }

    /// Status line and head. `to_tag` is added to To if that had no tag and `to_tag` is not empty (a 100 needs none).
    /// The caller writes more headers, then [`print::finish`].
    pub fn begin(&self, out: &mut Vec<u8>, status: u16, reason: &str, to_tag: &str) {
        let (tag_at, head_end) = (self.tag_at as usize, self.head_end as usize);
        print::status_line(out, status, reason);
        out.extend_from_slice(&self.bytes[..tag_at]);
        if !self.to_has_tag && !to_tag.is_empty() {
            out.extend_from_slice(b";tag=");
            out.extend_from_slice(to_tag.as_bytes());
        }
        out.extend_from_slice(&self.bytes[tag_at..head_end]);
        if status == 100 {
            out.extend_from_slice(&self.bytes[self.record_route_end as usize..]);
        }
    }

    /// The request's Record-Route lines, for responses that make a dialog (RFC 3261 §12.1.1).
    pub fn write_record_route(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes[self.head_end as usize..self.record_route_end as usize]);
    }

    /// Had To of the request a tag?
    pub fn to_has_tag(&self) -> bool {
        self.to_has_tag
    }

    /// Its memory, to be used again.
    pub fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }
}

/// How much a head may need.
fn reserve_for(request: &Message<'_>) -> usize {
    let values = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq, Name::RecordRoute];
    let len = |name| request.headers(name).map(|value| value.len() + 16).sum::<usize>();
    values.into_iter().map(len).sum::<usize>() + 64
}

/// Writes a whole response to `request` without keeping anything: for challenges and refusals.
pub fn reply_stateless(
    out: &mut Outbox,
    request: &Message<'_>,
    flow: &Flow,
    status: u16,
    to_tag: &str,
    more: impl FnOnce(&mut Vec<u8>),
) {
    let from = out.begin();
    write_reply(&mut out.arena, &Parts::of(request), flow, status, to_tag);
    more(&mut out.arena);
    print::finish(&mut out.arena, None, b"");
    out.finish(from, *flow);
}

fn write_reply(out: &mut Vec<u8>, parts: &Parts<'_, '_>, flow: &Flow, status: u16, to_tag: &str) {
    print::status_line(out, status, print::reason_phrase(status));
    let to_tag = if parts.to_has_tag { "" } else { to_tag };
    write_head(out, parts, flow, to_tag);
}

/// What a head is made of.
struct Parts<'p, 'a> {
    /// `None`: cannot be read, and goes back as it came.
    top: Option<Via<'a>>,
    vias: Vias<'p, 'a>,
    from: &'a str,
    to: &'a str,
    to_has_tag: bool,
    call_id: &'a str,
    cseq: &'a str,
}

enum Vias<'p, 'a> {
    Of(&'p Message<'a>),
    Salvaged(&'p [&'a str]),
}

impl<'p, 'a> Parts<'p, 'a> {
    fn of(request: &'p Message<'a>) -> Parts<'p, 'a> {
        let must = |name| request.header(name).expect("every message has it: the parser saw to it");
        Parts {
            top: Some(*request.via()),
            vias: Vias::Of(request),
            from: must(Name::From),
            to: must(Name::To),
            to_has_tag: request.to().tag().is_some(),
            call_id: request.call_id(),
            cseq: must(Name::CSeq),
        }
    }
}

/// Writes Via … CSeq, with a tag for To unless it is empty; returns where that goes.
fn write_head(out: &mut Vec<u8>, parts: &Parts<'_, '_>, flow: &Flow, to_tag: &str) -> usize {
    if let Some(top) = &parts.top {
        write_top_via(out, top, flow);
    }
    let is_top_done = parts.top.is_some();
    match parts.vias {
        Vias::Of(request) => request.vias().skip(1).for_each(|via| line(out, "Via: ", via)),
        Vias::Salvaged(lines) => {
            for (i, list) in lines.iter().enumerate() {
                let rest = if i == 0 && is_top_done { split_list(list).1 } else { Some(*list) };
                rest.into_iter().for_each(|rest| line(out, "Via: ", trim(rest)));
            }
        }
    }
    line(out, "From: ", parts.from);
    out.extend_from_slice(b"To: ");
    out.extend_from_slice(parts.to.as_bytes());
    let tag_at = out.len();
    if !to_tag.is_empty() {
        line(out, ";tag=", to_tag);
    } else {
        out.extend_from_slice(b"\r\n");
    }
    line(out, "Call-ID: ", parts.call_id);
    line(out, "CSeq: ", parts.cseq);
    tag_at
}

fn line(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The topmost Via with the address that the request came from. What the peer itself wrote there is not taken over.
fn write_top_via(out: &mut Vec<u8>, via: &Via<'_>, flow: &Flow) {
    use std::io::Write;
    let peer = flow.peer.ip().to_canonical();
    out.extend_from_slice(b"Via: SIP/2.0/");
    out.extend_from_slice(via.transport.as_bytes());
    out.push(b' ');
    out.extend_from_slice(via.host.as_bytes());
    if let Some(port) = via.port {
        write!(out, ":{port}").expect("memory takes all text");
    }
    if via.received.is_none() && via.rport.is_none() {
        out.extend_from_slice(via.params.as_str().as_bytes());
    } else {
        write_other_params(out, via);
    }
    if via.rport.is_some() {
        write!(out, ";received={peer};rport={}", flow.peer.port()).expect("memory takes all text");
    } else if via.host_ip().map(|ip| ip.to_canonical()) != Some(peer) {
        write!(out, ";received={peer}").expect("memory takes all text");
    }
    out.extend_from_slice(b"\r\n");
}

/// All parameters but `received` and `rport`, spelled as they came.
fn write_other_params(out: &mut Vec<u8>, via: &Via<'_>) {
    for (name, text) in via.params.spelled() {
        if !name.eq_ignore_ascii_case("received") && !name.eq_ignore_ascii_case("rport") {
            out.push(b';');
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// What is left of a broken request, enough to answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged<'a> {
    /// Its method, never ACK.
    pub method: Method<'a>,
    /// Its topmost Via, if that can be read.
    pub via: Option<Via<'a>>,
    vias: ArrayVec<&'a str, MAX_SALVAGED_VIAS>,
    from: &'a str,
    to: &'a str,
    call_id: &'a str,
    cseq: &'a str,
}

impl Salvaged<'_> {
    /// Writes a whole response with the usual words for `status`; `more` writes further headers.
    pub fn reply(
        &self,
        out: &mut Outbox,
        flow: &Flow,
        status: u16,
        to_tag: &str,
        more: impl FnOnce(&mut Vec<u8>),
    ) {
        let from = out.begin();
        self.write(&mut out.arena, flow, status, to_tag, more);
        out.finish(from, *flow);
    }

    /// As [`Salvaged::reply`], to any place.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        flow: &Flow,
        status: u16,
        to_tag: &str,
        more: impl FnOnce(&mut Vec<u8>),
    ) {
        self.write_head(out, flow, status, to_tag);
        more(out);
        print::finish(out, None, b"");
    }

    /// Status line and head only: the caller writes the end.
    pub fn write_head(&self, out: &mut Vec<u8>, flow: &Flow, status: u16, to_tag: &str) {
        let parts = Parts {
            top: self.via,
            vias: Vias::Salvaged(&self.vias),
            from: self.from,
            to: self.to,
            // Of a To that cannot be read, rather no tag than two.
            to_has_tag: NameAddr::parse(self.to).map_or(true, |to| to.tag().is_some()),
            call_id: self.call_id,
            cseq: self.cseq,
        };
        write_reply(out, &parts, flow, status, to_tag);
    }
}

/// Enough of a broken request to answer it: its method and its Via, From, To, Call-ID and CSeq lines, whatever they
/// say, if they are text. `None` for anything else, for responses and for ACK: not answered.
pub fn salvage(bytes: &[u8]) -> Option<Salvaged<'_>> {
    let mut rest = &bytes[..bytes.len().min(MAX_HEAD)];
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        rest = after;
    }
    let start = next_line(&mut rest)?;
    let method_end = start.iter().position(|&b| !scan::is(TOKEN, b))?;
    let method = Method::find(std::str::from_utf8(&start[..method_end]).ok()?);
    if start.get(method_end) != Some(&b' ') || method_end == 0 || method == Method::Ack {
        return None;
    }
    let mut vias = ArrayVec::new();
    let [mut from, mut to, mut call_id, mut cseq] = [None; 4];
    let mut last = Name::Other;
    while let Some(line) = next_line(&mut rest) {
        match (line.first(), last) {
            (None, _) => break,
            (Some(b' ' | b'\t'), Name::Other) => continue,
            // Still folded: the line before it is not all of its value.
            (Some(b' ' | b'\t'), _) => return None,
            _ => {}
        }
        let name_end = line.iter().position(|&b| !scan::is(TOKEN, b)).unwrap_or(line.len());
        last = Name::find(&line[..name_end]);
        let place = match last {
            Name::Via => {
                vias.try_push(value_of(&line[name_end..])?).ok()?;
                continue;
            }
            Name::From => &mut from,
            Name::To => &mut to,
            Name::CallId => &mut call_id,
            Name::CSeq => &mut cseq,
            _ => {
                last = Name::Other;
                continue;
            }
        };
        if place.is_none() {
            *place = Some(value_of(&line[name_end..])?);
        }
    }
    let via = Via::parse(split_list(vias.first()?).0).ok();
    Some(Salvaged { method, via, vias, from: from?, to: to?, call_id: call_id?, cseq: cseq? })
}

/// Up to the next CR LF, or to the end if there is none.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let end = rest.windows(2).position(|two| two == b"\r\n").unwrap_or(rest.len());
    let line = &rest[..end];
    *rest = rest.get(end + 2..).unwrap_or_default();
    Some(line)
}

/// The value behind the colon, if it is text and not empty.
fn value_of(after_name: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(after_name).ok()?;
    let value = trim(trim(text).strip_prefix(':')?);
    let is_clean = value.bytes().all(|b| b == b'\t' || (b >= 0x20 && b != 0x7f));
    (is_clean && !value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests;
