//! The auditor's second opinion on who called, from where, and whether he might. Lives here: what INVITEs at the node's door
//! say of their sender, and the controls of his account as they were signed. Never here: `engine`, `edge`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use types::cdr::Direction;
use types::decision::Outcome;
use types::{AccountId, Cdr, DestinationClass, Line, LineId, UnixMicros, WeekHour};

use super::Auditor;
use crate::wire::Wire;

/// Who sent INVITEs with credentials, and the lines that there are.
#[derive(Debug, Default)]
pub(super) struct Senders {
    lines: BTreeMap<String, (LineId, AccountId)>,
    /// By Call-ID: the digest user and the socket's peer. A call has one sender.
    seen: BTreeMap<String, (String, IpAddr)>,
}

impl Senders {
    pub fn put(&mut self, line: &Line) {
        self.lines.insert(line.user.clone(), (line.id, line.account));
    }

    /// An INVITE came to the node.
    pub fn received(&mut self, peer: IpAddr, wire: &Wire) {
        let is_new = wire.is_request() && wire.method() == "INVITE" && wire.to_tag().is_empty();
        let credentials = wire.get("Proxy-Authorization").filter(|_| is_new);
        let user = credentials.and_then(|text| text.split("username=\"").nth(1)?.split('"').next());
        if let Some(user) = user {
            self.seen.insert(wire.call_id().to_owned(), (user.to_lowercase(), peer));
        }
    }
}

/// The hour of the week in a zone; `None`: there is no such zone.
fn week_hour(zone: &str, at: UnixMicros) -> Option<WeekHour> {
    let at = jiff::Timestamp::from_microsecond(at.0).ok()?.in_tz(zone).ok()?;
    let day = u8::try_from(at.weekday().to_monday_zero_offset()).ok()?;
    Some(WeekHour { day, hour: u8::try_from(at.hour()).ok()? })
}

impl Auditor {
    /// An admitted call is paid by the account of the digest user, from within its IP lock, to a class that it may
    /// call, at a price below its caps. Whatever the node's own record says of that.
    pub(super) fn judge(&self, cdr: &Cdr) -> Result<(), String> {
        let exempt = [DestinationClass::Emergency, DestinationClass::Support];
        let is_ours = cdr.explanation.outcome == Outcome::Admitted
            && cdr.direction != Direction::Incoming
            && !exempt.contains(&cdr.destination.class);
        let Some((user, peer)) = self.senders.seen.get(&cdr.a_leg.call_id).filter(|_| is_ours)
        else {
            return Ok(());
        };
        let decision = cdr.decision;
        let Some((line, account)) = self.senders.lines.get(user) else {
            return Err(format!("{decision} was let in for {user}, whom nobody knows"));
        };
        if (cdr.account, cdr.line) != (*account, Some(*line)) {
            let (who, whose) = (cdr.account, cdr.line.map_or(0, |line| line.0));
            return Err(format!("{decision} of {user} is paid by account {who}, line {whose}"));
        }
        let Some(account) = self.accounts.get(account) else { return Ok(()) };
        let (_, controls) = self.office.stood(account, decision.time());
        if !controls.ip_lock.is_empty() && !controls.ip_lock.iter().any(|net| net.contains(peer)) {
            return Err(format!("{decision} of {user} came from {peer}, outside of the IP lock"));
        }
        if controls.barred.contains(cdr.destination.class) {
            let class = cdr.destination.class.code();
            return Err(format!("{decision} of {user} went to class {class}, which is barred"));
        }
        let region = cdr.destination.region;
        if !cdr.destination.class.is_national()
            && region.is_some_and(|region| controls.barred_countries.contains(&region))
        {
            return Err(format!("{decision} of {user} went to {region:?}, which is barred"));
        }
        let rate = self.rates.get(&decision).copied().flatten();
        let costs =
            rate.is_some_and(|rate| !rate.per_minute.is_zero() || !rate.connect_fee.is_zero());
        let hour = week_hour(&account.time_zone, cdr.started)
            .filter(|at| costs && controls.barred_hours.contains(*at));
        if let Some(at) = hour {
            return Err(format!("{decision} of {user} was let out on {at}, which is barred"));
        }
        let is_dear = rate.is_some_and(|rate| {
            let cap = match cdr.destination.class.is_national() {
                true => controls.price_cap_national,
                false => controls.price_cap_international,
            };
            rate.per_minute > cap || rate.connect_fee > controls.connect_fee_cap
        });
        if is_dear {
            Err(format!("{decision} of {user} is dearer than allowed: {rate:?}"))
        } else {
            Ok(())
        }
    }
}
