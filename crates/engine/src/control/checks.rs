//! Can a field be as it is given? Lives here: checks that need nothing but the thing itself.

use ipnet::IpNet;
use types::record::Deck;
use types::{
    Account, Controls, DialPlan, Line, LineKind, Money, Reseller, StopLevels, Trunk, UnixMicros,
    WebUser,
};

use super::{CommandError, Overlap};

/// Longest name of anything, in bytes.
const LONGEST_NAME: usize = 200;
/// Longest SIP user name.
const LONGEST_USER: usize = 64;
/// Most networks of a lock, most routes and sources of a trunk.
const LONGEST_LIST: usize = 1_000;
/// The longest time that two secrets of a line work.
const LONGEST_OVERLAP_MS: u64 = 30 * 86_400_000;
/// Most devices that may go on with an old secret.
const MOST_DEVICES: usize = 100;

pub(super) fn account(account: &Account) -> Result<(), CommandError> {
    id(account.id.0)?;
    name(&account.name)?;
    if !(1..=31).contains(&account.billing_day) {
        return wrong("billing_day", "expected a day of the month, 1 to 31");
    }
    controls(&account.controls)?;
    dial_plan(&account.dial_plan)
}

/// A web user's name is a mail address in small letters: that is what people remember.
pub(super) fn web_user(user: &WebUser) -> Result<(), CommandError> {
    id(user.id.0)?;
    name(&user.name)?;
    let is_plain = |part: &str| {
        let ends = part.starts_with('.') || part.ends_with('.');
        let odd = |c: char| {
            !c.is_ascii_graphic() || c.is_ascii_uppercase() || "@<>()[],:;\\\"".contains(c)
        };
        !part.is_empty() && !ends && !part.contains(odd)
    };
    match user.name.split_once('@') {
        Some((local, domain)) if is_plain(local) && is_plain(domain) => Ok(()),
        _ => wrong("name", "expected a mail address in small letters, as alice@example.com"),
    }
}

pub(super) fn reseller(reseller: &Reseller) -> Result<(), CommandError> {
    id(reseller.id.0)?;
    name(&reseller.name)?;
    stop_levels(&reseller.stop_levels)
}

fn stop_levels(levels: &StopLevels) -> Result<(), CommandError> {
    for (field, level) in levels.named() {
        if level.is_some_and(Money::is_negative) {
            return wrong(field, "cannot be negative");
        }
    }
    Ok(())
}

pub(super) fn line(line: &Line) -> Result<(), CommandError> {
    id(line.id.0)?;
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let user = line.user.as_str();
    if user.is_empty() || user.len() > LONGEST_USER || !user.bytes().all(good) {
        let problem = format!("`{user}`: expected 1 to {LONGEST_USER} of a-z 0-9 . _ -");
        return wrong("user", &problem);
    }
    if line.kind == LineKind::Sip2sim && line.ip_lock.is_empty() {
        let problem = "a SIP2SIM line is used from the platform's networks only: name them";
        return wrong("ip_lock", problem);
    }
    line.stop_levels.as_deref().map_or(Ok(()), stop_levels)?;
    networks("ip_lock", &line.ip_lock)
}

/// May the old secret keep working so long, for so many?
pub(super) fn overlap(overlap: Option<&Overlap>, now: UnixMicros) -> Result<(), CommandError> {
    let Some(Overlap { until, devices }) = overlap else { return Ok(()) };
    if *until <= now || until.ms_since(now) > LONGEST_OVERLAP_MS {
        return wrong("overlap", "expected up to 30 days from now");
    }
    if devices.is_empty() || devices.len() > MOST_DEVICES {
        return wrong("overlap", &format!("expected 1 to {MOST_DEVICES} devices"));
    }
    Ok(())
}

pub(super) fn trunk(trunk: &Trunk) -> Result<(), CommandError> {
    id(trunk.id.0)?;
    name(&trunk.name)?;
    let host_byte = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if trunk.host.is_empty() || trunk.host.len() > 255 || !trunk.host.bytes().all(host_byte) {
        return wrong("host", "expected a host name or an address");
    }
    if trunk.address.port() == 0 {
        return wrong("address", "port 0 cannot be called");
    }
    networks("sources", &trunk.sources)?;
    dial_plan(&trunk.dial_plan)?;
    if trunk.dial_plan.outside_line.is_some() || trunk.dial_plan.area_code.is_some() {
        return wrong("dial_plan", "a carrier has neither outside line nor area code");
    }
    if trunk.routes.len() > LONGEST_LIST {
        return wrong("routes", &format!("more than {LONGEST_LIST}"));
    }
    for route in &trunk.routes {
        digits("routes.prefix", &route.prefix, 15)?;
    }
    if let Some(auth) = &trunk.auth
        && (auth.user.is_empty() || auth.realm.is_empty())
    {
        return wrong("auth", "user and realm are needed");
    }
    if trunk.enabled && trunk.auth.as_ref().is_some_and(|auth| auth.secret.is_empty()) {
        return wrong("auth", "the secret is missing: set it, or leave the trunk disabled");
    }
    Ok(())
}

pub(super) fn deck(deck: &Deck) -> Result<(), CommandError> {
    id(deck.id.0)?;
    name(&deck.name)
}

pub(super) fn note(words: &str) -> Result<(), CommandError> {
    let is_readable = !words.trim().is_empty() && words.chars().count() <= 500;
    if !is_readable || words.chars().any(char::is_control) {
        return wrong("note", "expected 1 to 500 characters on one line");
    }
    Ok(())
}

fn id(id: u32) -> Result<(), CommandError> {
    if id == 0 { wrong("id", "ids start at 1") } else { Ok(()) }
}

fn name(name: &str) -> Result<(), CommandError> {
    if name.trim().is_empty() {
        return wrong("name", "a name is needed");
    }
    if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return wrong("name", &format!("at most {LONGEST_NAME} bytes, no control characters"));
    }
    Ok(())
}

pub(super) fn controls(controls: &Controls) -> Result<(), CommandError> {
    let amounts = [
        ("price_cap_national", Some(controls.price_cap_national)),
        ("price_cap_international", Some(controls.price_cap_international)),
        ("connect_fee_cap", Some(controls.connect_fee_cap)),
        ("warning_level", Some(controls.warning_level)),
        ("stop_level_1h", controls.stop_level_1h),
        ("stop_level_24h", Some(controls.stop_level_24h)),
        ("stop_level_7d", controls.stop_level_7d),
        ("stop_level_off_hours", controls.stop_level_off_hours),
        ("stop_level_all_24h", Some(controls.stop_level_all_24h)),
        ("new_device_cap", controls.new_device_cap),
    ];
    for (field, amount) in amounts {
        if amount.is_some_and(Money::is_negative) {
            return wrong(field, "cannot be negative");
        }
    }
    networks("ip_lock", &controls.ip_lock)
}

fn dial_plan(plan: &DialPlan) -> Result<(), CommandError> {
    digits("dial_plan.national_prefix", &plan.national_prefix, 4)?;
    digits("dial_plan.international_prefix", &plan.international_prefix, 5)?;
    digits("dial_plan.area_code", plan.area_code.as_deref().unwrap_or(""), 8)?;
    if plan.outside_line.is_some_and(|digit| !digit.is_ascii_digit()) {
        return wrong("dial_plan.outside_line", "expected a digit");
    }
    Ok(())
}

fn digits(field: &'static str, text: &str, longest: usize) -> Result<(), CommandError> {
    if text.len() > longest || !text.bytes().all(|b| b.is_ascii_digit()) {
        return wrong(field, &format!("`{text}`: expected at most {longest} digits"));
    }
    Ok(())
}

/// Networks are compared with canonical addresses, so a v4-mapped one would never match.
fn networks(field: &'static str, networks: &[IpNet]) -> Result<(), CommandError> {
    if networks.len() > LONGEST_LIST {
        return wrong(field, &format!("more than {LONGEST_LIST} networks"));
    }
    networks.iter().try_for_each(|net| network(field, net))
}

/// One network, not v4-mapped.
pub(super) fn network(field: &'static str, net: &IpNet) -> Result<(), CommandError> {
    if net.prefix_len() >= 96 && net.addr().to_canonical() != net.addr() {
        return wrong(field, &format!("`{net}`: write the IPv4 network itself"));
    }
    Ok(())
}

fn wrong(field: &'static str, problem: &str) -> Result<(), CommandError> {
    Err(CommandError::Field { field, problem: problem.to_owned() })
}
