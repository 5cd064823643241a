//! JSON of what has no column of its own. Lives here: writing it, field by field, because every call
//! pays for it three times; reading it, which is left to serde. Never here: columns.
//!
//! Rates are arrays: `[connect_fee, per_minute, minimum_s, first_increment_s, increment_s]`.

use std::io::Write;
use std::net::SocketAddr;

use serde::Deserialize;
use types::cdr::{HangupSide, LegRecord};
use types::decision::{Destination, Explanation};
use types::record::Outbound;
use types::{BindingRecord, Cdr, DeviceId, Finding, Hold, InternationalTier, Rate};

/// What of a CDR has no column of its own.
#[derive(Deserialize)]
pub struct CdrDetail {
    #[serde(default)]
    pub device: Option<DeviceId>,
    pub caller: String,
    pub dialled: String,
    pub side: HangupSide,
    pub tier: Option<InternationalTier>,
    pub cost_rate: Option<Rate>,
    pub rate: Option<Rate>,
    pub rate_prefix: Option<String>,
    #[serde(default)]
    pub findings: Vec<Finding>,
    pub a_leg: LegRecord,
    pub b_leg: LegRecord,
}

/// What of a hold has no column of its own.
#[derive(Deserialize)]
pub struct HoldDetail {
    #[serde(default)]
    pub device: Option<DeviceId>,
    pub caller: String,
    pub dialled: String,
    pub destination: Destination,
    pub cost_rate: Option<Rate>,
    pub rate: Option<Rate>,
    pub rate_prefix: Option<String>,
    #[serde(default)]
    pub findings: Vec<Finding>,
}

/// What of a binding has no column of its own.
#[derive(Deserialize)]
pub struct BindingDetail {
    pub call_id: String,
    pub cseq: u32,
    pub transport: String,
    pub peer: SocketAddr,
    pub local: SocketAddr,
    pub user_agent: String,
    #[serde(default)]
    pub path: Vec<String>,
    #[serde(default)]
    pub outbound: Option<Outbound>,
}

/// Writes the detail of a CDR.
pub fn cdr(out: &mut Vec<u8>, cdr: &Cdr) {
    out.clear();
    text(out, br#"{"caller":"#, &cdr.caller);
    device(out, cdr.device);
    text(out, br#","dialled":"#, &cdr.dialled);
    let side: &[u8] = match cdr.side {
        HangupSide::Caller => br#","side":"caller""#,
        HangupSide::Callee => br#","side":"callee""#,
        HangupSide::Ringfence => br#","side":"ringfence""#,
    };
    out.extend_from_slice(side);
    if let Some(tier) = cdr.destination.tier {
        out.extend_from_slice(br#","tier":"#);
        out.extend_from_slice(tier_code(tier));
    }
    rate(out, br#","cost_rate":"#, cdr.cost_rate.as_ref());
    explanation(out, &cdr.explanation);
    leg(out, br#","a_leg":"#, &cdr.a_leg);
    leg(out, br#","b_leg":"#, &cdr.b_leg);
    out.push(b'}');
}

/// Writes the detail of a hold.
pub fn hold(out: &mut Vec<u8>, hold: &Hold) {
    out.clear();
    text(out, br#"{"caller":"#, &hold.caller);
    device(out, hold.device);
    text(out, br#","dialled":"#, &hold.dialled);
    destination(out, &hold.destination);
    rate(out, br#","cost_rate":"#, hold.cost_rate.as_ref());
    explanation(out, &hold.explanation);
    out.push(b'}');
}

/// Writes the detail of a binding.
pub fn binding(out: &mut Vec<u8>, binding: &BindingRecord) {
    out.clear();
    text(out, br#"{"call_id":"#, &binding.call_id);
    number(out, br#","cseq":"#, binding.cseq.into());
    text(out, br#","transport":"#, &binding.transport);
    socket(out, br#","peer":"#, binding.peer);
    socket(out, br#","local":"#, binding.local);
    text(out, br#","user_agent":"#, &binding.user_agent);
    if !binding.path.is_empty() {
        out.extend_from_slice(br#","path":["#);
        for (index, hop) in binding.path.iter().enumerate() {
            text(out, if index == 0 { b"" } else { b"," }, hop);
        }
        out.push(b']');
    }
    if let Some(outbound) = &binding.outbound {
        text(out, br#","outbound":{"instance":"#, &outbound.instance);
        number(out, br#","reg_id":"#, outbound.reg_id.into());
        out.push(b'}');
    }
    out.push(b'}');
}

fn device(out: &mut Vec<u8>, device: Option<DeviceId>) {
    if let Some(device) = device {
        number(out, br#","device":"#, device.0.into());
    }
}

fn explanation(out: &mut Vec<u8>, explanation: &Explanation) {
    rate(out, br#","rate":"#, explanation.rate.as_ref());
    if let Some(prefix) = &explanation.rate_prefix {
        text(out, br#","rate_prefix":"#, prefix);
    }
    if !explanation.findings.is_empty() {
        out.extend_from_slice(br#","findings":"#);
        serde_json::to_writer(&mut *out, &explanation.findings)
            .expect("findings have string keys only, and memory takes every byte");
    }
}

fn destination(out: &mut Vec<u8>, destination: &Destination) {
    text(out, br#","destination":{"class":"#, destination.class.code());
    if let Some(e164) = destination.e164 {
        number(out, br#","e164":"#, e164.value());
    }
    if let Some(region) = &destination.region {
        text(out, br#","region":"#, region.as_str());
    }
    if let Some(tier) = destination.tier {
        out.extend_from_slice(br#","tier":"#);
        out.extend_from_slice(tier_code(tier));
    }
    let hotspot: &[u8] =
        if destination.hotspot { br#","hotspot":true}"# } else { br#","hotspot":false}"# };
    out.extend_from_slice(hotspot);
}

const fn tier_code(tier: InternationalTier) -> &'static [u8] {
    match tier {
        InternationalTier::Low => br#""low""#,
        InternationalTier::Mid => br#""mid""#,
        InternationalTier::High => br#""high""#,
    }
}

fn leg(out: &mut Vec<u8>, key: &[u8], leg: &LegRecord) {
    out.extend_from_slice(key);
    text(out, br#"{"call_id":"#, &leg.call_id);
    text(out, br#","user_agent":"#, &leg.user_agent);
    if let Some(peer) = leg.peer {
        socket(out, br#","peer":"#, peer);
    }
    out.push(b'}');
}

fn rate(out: &mut Vec<u8>, key: &[u8], rate: Option<&Rate>) {
    let Some(rate) = rate else { return };
    out.extend_from_slice(key);
    let fields = [
        rate.connect_fee.micros(),
        rate.per_minute.micros(),
        rate.minimum_s.into(),
        rate.first_increment_s.into(),
        rate.increment_s.into(),
    ];
    for (index, field) in fields.into_iter().enumerate() {
        out.push(if index == 0 { b'[' } else { b',' });
        if field < 0 {
            out.push(b'-');
        }
        digits(out, field.unsigned_abs());
    }
    out.push(b']');
}

fn number(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    digits(out, value);
}

fn digits(out: &mut Vec<u8>, mut value: u64) {
    let mut room = [0; 20];
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&room[at..]);
}

fn socket(out: &mut Vec<u8>, key: &[u8], socket: SocketAddr) {
    out.extend_from_slice(key);
    out.push(b'"');
    match socket {
        SocketAddr::V4(v4) => {
            for (index, octet) in v4.ip().octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                digits(out, octet.into());
            }
            out.push(b':');
            digits(out, v4.port().into());
        }
        SocketAddr::V6(v6) => write!(out, "{v6}").expect("memory takes every byte"),
    }
    out.push(b'"');
}

/// A JSON string (RFC 8259 §7).
fn text(out: &mut Vec<u8>, key: &[u8], text: &str) {
    out.extend_from_slice(key);
    out.push(b'"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(br#"\""#),
            b'\\' => out.extend_from_slice(br"\\"),
            control => write!(out, "\\u{control:04x}").expect("memory takes every byte"),
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain_from..]);
    out.push(b'"');
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_serde_reads() {
        let every: String =
            (0..0x300).filter_map(char::from_u32).chain("🦀\u{2028}".chars()).collect();
        for want in ["", "plain", "a\"b\\c\nd\0\u{7f}", &every] {
            let mut out = Vec::new();
            text(&mut out, b"", want);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), want);
        }
    }

    #[test]
    fn numbers_are_what_serde_reads() {
        for want in [0, 9, 10, 12_500, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, b"", want);
            assert_eq!(serde_json::from_slice::<u64>(&out).unwrap(), want);
        }
        for want in ["192.0.2.7:5060", "0.0.0.0:0", "255.255.255.255:65535", "[2001:db8::1]:5060"] {
            let mut out = Vec::new();
            socket(&mut out, b"", want.parse().unwrap());
            assert_eq!(out, format!("\"{want}\"").into_bytes());
        }
    }
}
