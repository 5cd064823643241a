//! A call that is asked for, with everything the rules want to know of it. Lives here: steps 7 and 8,
//! classify and rate. Never here: what speaks against the call, writes.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rating::{Called, Slice};
use types::decision::Destination;
use types::{
    AccountId, AccountStatus, Controls, DecisionId, DestinationClass, DeviceId, Direction, LineId,
    Now, Number, Rate, TrunkId, TrunkNumberFormat,
};

use crate::caller_id;
use crate::directory::Directory;
use crate::engine::Engine;
use crate::intern::Shared;
use crate::live_call::charges;
use crate::off_hours::Zone;
use crate::routing;
use crate::verdict::{Attempt, Target};

/// Longest dialled string that is recorded, in bytes.
const DIALLED_KEPT: usize = 64;

/// Which rules are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Emergency and support calls: nearly none.
    Exempt,
    /// From a carrier to one of ours.
    Incoming,
    /// From one of ours to one of ours.
    OnNet,
    /// To a carrier: all.
    Paid,
}

/// A call that is asked for.
pub(crate) struct Case {
    pub kind: Kind,
    pub decision: DecisionId,
    pub account: AccountId,
    pub status: AccountStatus,
    pub controls: Arc<Shared<Controls>>,
    pub zone: Option<Arc<Zone>>,
    pub line: Option<LineId>,
    pub device: Option<DeviceId>,
    pub line_lock: Vec<IpNet>,
    pub peer: IpAddr,
    pub to_account: Option<AccountId>,
    pub direction: Direction,
    pub caller: String,
    pub dialled: String,
    pub destination: Destination,
    pub target: Target,
    pub rate: Option<Rate>,
    pub rate_prefix: Option<String>,
    /// The first slice, if the call costs money.
    pub slice: Option<Slice>,
    /// The trunk that an incoming call came by.
    pub trunk: Option<TrunkId>,
}

impl Case {
    pub fn is_chargeable(&self) -> bool {
        self.slice.is_some()
    }

    /// Was something dialled that a carrier could be asked for?
    pub fn is_number(&self) -> bool {
        match &self.target {
            Target::Trunks { number, .. } => {
                number.destination.e164.is_some() || number.short_code.is_some()
            }
            Target::Lines(_) => false,
        }
    }

    pub fn trunks(&self) -> &[TrunkId] {
        match &self.target {
            Target::Trunks { trunks, .. } => trunks,
            Target::Lines(_) => &[],
        }
    }

    pub fn lines(&self) -> &[LineId] {
        match &self.target {
            Target::Trunks { .. } => &[],
            Target::Lines(lines) => lines,
        }
    }
}

/// Where a call to one of ours leads.
struct OnNet {
    account: AccountId,
    lines: Vec<LineId>,
}

impl Engine {
    /// What a line asks for.
    pub(crate) fn outgoing_case(&mut self, now: Now, line: LineId, asked: &Attempt<'_>) -> Case {
        let mut case = self.blank_case(now, asked);
        case.line = Some(line);
        let Some(line) = self.directory.line(line) else {
            return case;
        };
        let Some(account) = self.directory.account(line.account) else {
            return case;
        };
        case.account = account.id;
        case.status = account.status;
        case.controls = Arc::clone(&account.controls);
        case.zone = Some(Arc::clone(&account.zone));
        case.line_lock = line.ip_lock.clone();
        let called = self.dial_cache.classify(&account.dial_plan, asked.dialled);
        let own = caller_id::own(&mut self.dial_cache, account, line, asked.claimed_caller);
        match own {
            Some(number) => case.caller = number.to_string(),
            None => case.caller = caller_id::ANONYMOUS.to_owned(),
        }
        let on_net = on_net(&self.directory, &called, asked.dialled);
        let is_exempt = is_exempt(&called.destination);
        match on_net {
            // Our own support desk; an emergency code is never one of our users.
            Some(ours) if called.destination.class != DestinationClass::Emergency => {
                if own.is_none() {
                    case.caller.clone_from(&line.user);
                }
                case.kind = if is_exempt { Kind::Exempt } else { Kind::OnNet };
                lead_on_net(&mut case, called.destination, ours);
            }
            _ => {
                case.kind = if is_exempt { Kind::Exempt } else { Kind::Paid };
                self.price(now, &mut case, account.sell_deck, &called);
                let trunks = trunks_for(&self.directory, &called);
                case.destination = called.destination.clone();
                case.destination.tier = tier(&case);
                case.target = Target::Trunks { number: called, trunks };
            }
        }
        case
    }

    /// What a carrier asks for: only our own numbers can be called from outside.
    pub(crate) fn incoming_case(&mut self, now: Now, trunk: TrunkId, asked: &Attempt<'_>) -> Case {
        let mut case = self.blank_case(now, asked);
        case.kind = Kind::Incoming;
        case.direction = Direction::Incoming;
        case.trunk = Some(trunk);
        case.target = Target::Lines(Vec::new());
        let plan = self.directory.trunk_plan(trunk).unwrap_or_else(|| Arc::clone(&self.no_plan));
        let format = self.directory.trunk(trunk).map(|trunk| trunk.number_format);
        let called = self.dial_cache.classify(&plan, &as_written(format, asked.dialled));
        let number = called.destination.e164.and_then(|number| self.directory.number(number));
        let known = self.directory.trunk(trunk).is_some_and(|trunk| trunk.enabled);
        case.destination = called.destination;
        let claimed = asked.claimed_caller.map(|claimed| as_written(format, claimed));
        case.caller = caller_id::foreign(&mut self.dial_cache, &plan, claimed.as_deref());
        if let Some(number) = number.filter(|_| known) {
            case.account = number.account;
            case.line = number.line;
            case.destination =
                Destination { class: DestinationClass::OnNet, hotspot: false, ..case.destination };
            case.target = Target::Lines(self.directory.ringing(number));
        }
        case
    }

    /// A call of nobody to nowhere.
    fn blank_case(&mut self, now: Now, asked: &Attempt<'_>) -> Case {
        let destination = Destination {
            class: DestinationClass::Invalid,
            e164: None,
            region: None,
            tier: None,
            hotspot: false,
        };
        let number = Called { destination: destination.clone(), short_code: None };
        Case {
            kind: Kind::Paid,
            decision: self.next_decision(now.wall),
            account: AccountId(0),
            status: AccountStatus::Closed,
            controls: Arc::clone(&self.no_controls),
            zone: None,
            line: None,
            device: asked.device,
            line_lock: Vec::new(),
            peer: asked.peer,
            to_account: None,
            direction: Direction::Outgoing,
            caller: caller_id::ANONYMOUS.to_owned(),
            dialled: clipped(asked.dialled).to_owned(),
            destination,
            target: Target::Trunks { number, trunks: Vec::new() },
            rate: None,
            rate_prefix: None,
            slice: None,
            trunk: None,
        }
    }

    /// Step 8: the price by the account's deck, and the first slice of it.
    fn price(&self, now: Now, case: &mut Case, deck: types::DeckId, called: &Called) {
        if case.kind == Kind::Exempt {
            return;
        }
        let found = self.decks.get(&deck).and_then(|deck| deck.rate_for(called, now.wall));
        let Some((rate, row)) = found else {
            return;
        };
        if charges(&rate) {
            // A rate that gives no first slice is no price.
            let Ok(slice) = rating::first_slice(&rate, self.config.first_slice_ms) else {
                return;
            };
            case.slice = Some(slice);
        }
        case.rate = Some(rate);
        case.rate_prefix = row.map(|row| row.prefix.clone());
    }
}

/// Does the called string belong to one of ours? A number does if it is in the number table. A user
/// name does only where no number could be meant: nobody can name himself after a bank's number.
fn on_net(directory: &Directory, called: &Called, dialled: &str) -> Option<OnNet> {
    let destination = &called.destination;
    if let Some(number) = destination.e164.and_then(|number| directory.number(number)) {
        return Some(ring(directory, number));
    }
    let may_be_user = destination.class == DestinationClass::Invalid
        || destination.class == DestinationClass::Support && called.short_code.is_some();
    let line = directory.line_of_user(dialled).filter(|_| may_be_user)?;
    let usable = directory.is_usable(line);
    usable.then(|| OnNet { account: line.account, lines: vec![line.id] })
}

fn ring(directory: &Directory, number: &Number) -> OnNet {
    OnNet { account: number.account, lines: directory.ringing(number) }
}

/// What a carrier wrote: one that leaves out the `+` means a number with its country code all the same.
fn as_written(format: Option<TrunkNumberFormat>, text: &str) -> Cow<'_, str> {
    let is_bare = format == Some(TrunkNumberFormat::E164)
        && !text.starts_with('0')
        && text.len() > 6
        && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_bare { Cow::Owned(format!("+{text}")) } else { Cow::Borrowed(text) }
}

fn lead_on_net(case: &mut Case, destination: Destination, ours: OnNet) {
    case.direction = Direction::OnNet;
    case.to_account = Some(ours.account);
    case.target = Target::Lines(ours.lines);
    let class = match destination.class {
        DestinationClass::Support => DestinationClass::Support,
        _ => DestinationClass::OnNet,
    };
    case.destination = Destination { class, hotspot: false, ..destination };
}

fn trunks_for(directory: &Directory, called: &Called) -> Vec<TrunkId> {
    match (called.destination.class, called.destination.e164, &called.short_code) {
        (DestinationClass::Emergency, ..) => routing::for_emergency(directory.trunks()),
        (_, Some(number), _) => routing::for_number(directory.trunks(), number),
        (_, None, Some(_)) => routing::for_short_code(directory.trunks()),
        (_, None, None) => Vec::new(),
    }
}

fn is_exempt(destination: &Destination) -> bool {
    matches!(destination.class, DestinationClass::Emergency | DestinationClass::Support)
}

fn tier(case: &Case) -> Option<types::InternationalTier> {
    let rate = case.rate.filter(|_| case.destination.class == DestinationClass::International)?;
    Some(rating::tier(&rate))
}

/// The beginning of a stranger's text, cut between characters.
fn clipped(text: &str) -> &str {
    &text[..text.floor_char_boundary(DIALLED_KEPT)]
}
