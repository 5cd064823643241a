//! Engine words to SIP words. Lives here: which status a finding has, the Reason header.
//! Never here: decisions.

use sip::b2bua::{Reply, Settings};
use sip::flow::{Flow, Outbox};
use sip::message::{Message, Name, ParseError, ReplyHead, print};
use types::{DecisionId, Finding, Reason};

/// RFC 3261 §20.14: only a stream needs a Content-Length, and on a stream no answer need be short.
const END_WITHOUT_LENGTH: &[u8] = b"\r\n";

/// The SIP status of a refusal.
pub const fn status_of(reason: Reason) -> u16 {
    match reason {
        Reason::BadContact => 400,
        Reason::InvalidNumber | Reason::UnknownNumber => 404,
        // RFC 5630 §5.4: what sips asks for is not there now.
        Reason::NotRegistered | Reason::NotSecure => 480,
        Reason::CallLimit | Reason::CostlyCallLimit => 486,
        Reason::NoTrunk | Reason::StoreDown | Reason::Overload => 503,
        Reason::AccountStatus
        | Reason::IpLock
        | Reason::BarredClass
        | Reason::BarredCountry
        | Reason::BarredHour
        | Reason::NoRate
        | Reason::PriceCap
        | Reason::ConnectFeeCap
        | Reason::StopLevel
        | Reason::HotspotLimit
        | Reason::TransferRefused
        | Reason::NewDeviceCap
        | Reason::TlsOnly
        | Reason::Sha256Only
        | Reason::OldSecret => 403,
    }
}

/// What a caller is told of a refusal.
pub struct Told {
    /// SIP status.
    pub status: u16,
    /// Reason phrase: a sentence that a softphone shows.
    pub phrase: String,
    /// Value of the Reason header (RFC 3326), with the decision that `explain` knows.
    pub reason: String,
}

/// What a caller is told of these findings; the first one decides.
pub fn told(findings: &[Finding], decision: DecisionId) -> Told {
    let Some(first) = findings.first() else {
        return Told { status: 500, phrase: "Refused".to_owned(), reason: String::new() };
    };
    let status = status_of(first.reason());
    let phrase = quotable(&first.to_string());
    let reason = format!("SIP;cause={status};text=\"{phrase} [{} {decision}]\"", first.reason());
    Told { status, phrase: capitalised(&phrase), reason }
}

/// What whoever knows the secret is told of a log-in that is refused all the same: it is no decision.
pub fn told_of_log_in(finding: &Finding) -> Told {
    let (status, phrase) = (status_of(finding.reason()), quotable(&finding.to_string()));
    let reason = format!("SIP;cause={status};text=\"{phrase} [{}]\"", finding.reason());
    Told { status, phrase: capitalised(&phrase), reason }
}

/// The Reason header of a call that Ringfence cuts.
pub fn cut_reason(text: &str, decision: DecisionId) -> String {
    format!("SIP;cause=402;text=\"{} [{decision}]\"", quotable(text))
}

fn quotable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && *c != '"' && *c != '\\').take(160).collect()
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Answers a request outside of any transaction: nothing of it stays behind. For those who have shown
/// who they are.
pub fn stateless(
    out: &mut Outbox,
    settings: &Settings,
    request: &Message<'_>,
    flow: &Flow,
    reply: &Reply<'_>,
) {
    let head = ReplyHead::new(request, flow);
    let start = out.begin();
    reply.write(&head, settings, &mut out.arena);
    out.finish(start, *flow);
}

/// As [`stateless`], for anybody: an answer longer than `most` bytes goes without what it could do
/// without, and one that is still too long not at all.
pub fn to_anybody(
    out: &mut Outbox,
    settings: &Settings,
    request: &Message<'_>,
    flow: &Flow,
    reply: &Reply<'_>,
    most: usize,
) {
    let head = ReplyHead::new(request, flow);
    let start = out.begin();
    reply.write(&head, settings, &mut out.arena);
    if out.arena.len() - start > most {
        out.abandon(start);
        let phrase = if reply.status == 200 { "OK" } else { "Refused" };
        head.begin(&mut out.arena, reply.status, phrase, reply.to_tag);
        out.arena.extend_from_slice(END_WITHOUT_LENGTH);
    }
    send_if_short(out, start, flow, most);
}

/// Answers a request that cannot be parsed, when enough of it can be read.
pub fn malformed(
    out: &mut Outbox,
    bytes: &[u8],
    error: &ParseError,
    flow: &Flow,
    tag: &str,
    most: usize,
) {
    let Some(salvaged) = sip::message::salvage(bytes) else { return };
    let phrase: String = error.to_string().chars().filter(|c| !c.is_control()).take(100).collect();
    let warning = format!("399 ringfence \"{}\"", quotable(&phrase));
    let start = out.begin();
    salvaged.write(&mut out.arena, flow, error.status(), tag, |out| {
        print::header(out, Name::Warning, &warning);
    });
    if out.arena.len() - start > most {
        out.abandon(start);
        salvaged.write_head(&mut out.arena, flow, error.status(), tag);
        out.arena.extend_from_slice(END_WITHOUT_LENGTH);
    }
    send_if_short(out, start, flow, most);
}

/// D1: whoever sends datagrams may have put another's address on them, so that the answer hits him. What
/// a stranger is answered is no longer than what he asked, in bytes; a socket that has shown who it is
/// gets half again as much, and so do challenges: phones cannot do without, and the shortest REGISTER of
/// one leaves no room for two in its own length.
pub const fn most_answer(flow: &Flow, asked: usize, is_known: bool) -> usize {
    match (flow.transport.is_reliable(), is_known) {
        (true, _) => usize::MAX,
        (false, true) => asked + asked / 2,
        (false, false) => asked,
    }
}

fn send_if_short(out: &mut Outbox, start: usize, flow: &Flow, most: usize) {
    if out.arena.len() - start > most {
        out.abandon(start);
    } else {
        out.finish(start, *flow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_caller_why() {
        let decision = DecisionId(7);
        let class = types::DestinationClass::Premium;
        let told = told(&[Finding::BarredClass { class }, Finding::NoRate], decision);
        assert_eq!(told.status, 403);
        assert_eq!(told.phrase, "Calls of class premium are barred");
        assert_eq!(
            told.reason,
            "SIP;cause=403;text=\"calls of class premium are barred [barred-class 0000000000007]\""
        );
    }

    #[test]
    fn strangers_text_cannot_break_out() {
        let dialled = "1\"\r\nX: y".to_owned();
        let told = told(&[Finding::InvalidNumber { dialled }], DecisionId(1));
        assert_eq!(told.status, 404);
        assert!(!told.reason.contains(['\r', '\n']));
        assert_eq!(told.reason.matches('"').count(), 2);
    }
}
