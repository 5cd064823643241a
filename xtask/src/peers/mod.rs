//! Ringfence among real peers, on real sockets, as an operator runs it. Lives here: the list of checks.
//! Never here: what one of them does; the program's own code.

mod alerts;
mod api;
mod attack_tools;
mod audit;
mod bans;
mod browser;
mod browser_calls;
mod burst;
mod canaries;
mod challenged;
mod crash;
mod cutting;
mod driven;
mod flood;
mod identity;
mod load;
mod lock;
mod login;
mod office;
mod phones;
mod portal;
mod portal_ids;
mod portal_phones;
mod portal_recovery;
mod portal_streams;
mod record;
mod registering;
mod restart;
mod right_secret;
mod secrets;
mod secure;
mod sipp;
mod stopping;
mod strangers;
mod timing;
mod tls_trunk;
mod torture;
mod trunks;
pub mod web_client;
mod wire_checks;

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::{Behaviour, Carrier, Phone};
use crate::tiers::Count;

/// One check.
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// An error when what it looks at is not so.
    run: fn() -> Result<()>,
}

macro_rules! checks {
    ($($name:literal: $run:path,)*) => {
        &[$(Check { name: $name, run: $run },)*]
    };
}

/// Checks with real peers, and those of security.md that need real sockets.
pub const PEERS: &[Check] = checks! {
    "sipp: 10000 calls over UDP, one record each, durations and sums agree": load::udp,
    "sipp: 10000 calls over TCP, one record each, durations and sums agree": load::tcp,
    "500 INVITEs at once, ten holds: ten reach the carrier and are cut": burst::five_hundred,
    "M5 2000 live calls, and their money ends": cutting::money,
    "M5 2000 live calls, and the account is frozen": cutting::freeze,
    "M5 2000 live calls, and an IP lock is set": cutting::ip_lock,
    "a lowered price cap cuts the dear call and leaves the cheap one": cutting::lowered_cap,
    "pjsua2: register, call, hold, no transfer, hang up; UDP, MD5": phones::pjsua2_udp_md5,
    "pjsua2: register, call, hold, no transfer, hang up; TCP, SHA-256": phones::pjsua2_tcp_sha256,
    "baresip: register, call, be called, hang up; UDP": phones::baresip_udp,
    "baresip: register, call, be called, hang up; TCP": phones::baresip_tcp,
    "pjsua2: register, call, hold, no transfer, hang up; TLS, SHA-256": phones::pjsua2_tls,
    "baresip: register, call, be called, hang up; TLS": phones::baresip_tls,
    "the portal in Chromium: 360 and 1280 px, light and dark, without script, by keyboard; axe": portal::pages,
    "the portal: a new phone is on the page and in a mail within two seconds; Not mine keeps it out": portal_phones::not_mine,
    "the portal: who is signed in is so after kill -9": portal_phones::stays_signed_in,
    "the portal: a recovery goes on after kill -9, in another browser, by another user, and ends in mails": portal_recovery::goes_on,
    "the portal: looking from outside, at one's own phone's address only, and not often": portal_recovery::looks_outside,
    "the API: the commands of the how-to do what it says": api::how_to,
    "the API: W6 another's is not there; keys hold over kill -9; S1 no token in any file": api::kept_apart,
    "the API: schemathesis finds nothing": api::schemathesis,
    "the portal: wapiti, signed in, finds nothing": api::wapiti,
    "the portal: 625 live streams at once": portal_streams::five_hundred,
    "W6 what belongs to another account is not there": portal_ids::another_s_are_not_there,
    "JsSIP in Chromium: register, call, be called; WSS": browser_calls::jssip,
    "a carrier by TLS, who has to prove his name": tls_trunk::verified,
    "TLS 1.2 and 1.3, nothing older": secure::versions,
    "a certificate is renewed under a live call": secure::renewal,
    "what is not SIP in WebSocket is refused": secure::web,
    "D3 5000 slow connections, a registration by TLS": secure::slow,
    "kamailio as carrier": phones::kamailio_carrier,
    "the caller sees why": phones::caller_sees_why,
    "a carrier's call to a number of ours": trunks::inbound,
    "the next carrier when one refuses or is silent": trunks::failover,
    "a caller gives up": trunks::cancel,
    "SIGTERM waits for a live call": stopping::waits,
    "SIGTERM twice ends at once, the call is taken up again": stopping::hurried,
    "SIGTERM and time is over, the call is taken up again": stopping::patience_ends,
    "P1 torture over UDP": torture::udp,
    "P1 torture over TCP": torture::tcp,
    "P1 torture over TLS": torture::tls,
    "P1 torture over WSS": torture::wss,
    "P2 1000 connections with impossible lengths": wire_checks::impossible_lengths,
    "D1 answers go to the packet's source only": wire_checks::source_only,
    "D2 200,000 strangers leave nothing behind": strangers::leave_nothing,
    "bans hold through kill -9, and nft and ipset take them": bans::reach_firewalls,
    "alerts: 220 new phones, a mail about each within two seconds": alerts::new_phones,
    "alerts: the second channel within a minute, signed": alerts::second_channel,
    "alerts: STARTTLS, a log-in, SMS; S1 no secret in any message": alerts::no_secret_leaves,
    "D4 a flood from other addresses": flood::elsewhere,
    "D4 a flood from the victims' own address": flood::own_address,
    "D4 a flood in the victims' names": flood::own_names,
    "A1 digest is bound to everything": login::bound_to_everything,
    "A2 credentials for another realm are absent": login::other_realm,
    "A3 nonces cannot be replayed": login::replay,
    "A4 SHA-256 is offered first, and a line can refuse MD5": registering::sha256_only,
    "A5 a phone that challenges us gets no credentials": challenged::by_a_phone,
    "A5 a carrier is answered for its own realm and address": challenged::by_a_carrier,
    "A7 an unknown user is a known one, in bytes and in time": timing::unknown_is_known,
    "A8 the right secret never passes a lock-out, to the millisecond": right_secret::never_passes,
    "A9 one key for all spellings of a user": login::spellings,
    "attack tools get nothing: svmap, svwar, svcrack, nmap": attack_tools::get_nothing,
    "phones live on while 200 sources guess at their account": office::victims,
    "50 phones behind one address after a secret change": office::stale_phones,
    "I1 the IP lock looks at the socket's peer only": lock::ip_lock,
    "F1 From and its friends decide nothing": identity::who_pays,
    "F3 the number rated is the number sent": identity::number_sent,
    "F4 emergency is an exact match": identity::emergency,
    "F6 a stranger with the right tags": identity::stranger,
    "F7 contacts: *, ten thousand, at a third party, at ourselves": registering::contacts,
    "a line by TLS only": registering::tls_only,
};

/// Checks that kill.
pub const CRASH: &[Check] = checks! {
    "kill -9 during 200 live calls": restart::live_calls,
    "kill -9 again and again while calls come and go": crash::again_and_again,
    "kill -9 again and again, and the record of decisions holds": record::survives,
    "the database is copied under load, and restored": record::is_copied,
    "alerts: no mail server, kill -9; none lost, none twice": alerts::none_lost_none_twice,
    "the auditor accuses nobody while decks and controls change and the node dies": audit::accuses_nobody,
    "S1 secrets are found nowhere, a crash with a journal included": secrets::found_nowhere,
};

/// Runs the checks whose name contains `only`, one after the other.
pub fn run(checks: &[Check], only: Option<&str>) -> Count {
    let mut count = Count::default();
    for check in checks.iter().filter(|check| only.is_none_or(|part| check.name.contains(part))) {
        let start = Instant::now();
        let done = (check.run)();
        let seconds = start.elapsed().as_secs_f64();
        match done {
            Ok(()) => {
                count.passed += 1;
                println!("  ok    {} ({seconds:.1} s)", check.name);
            }
            Err(error) => {
                count.failed += 1;
                println!("  FAIL  {} ({seconds:.1} s): {error:#}", check.name);
            }
        }
    }
    count
}

/// A number of the deck of the tests that costs a penny a minute by the second.
const LONDON: &str = "+442083661177";
/// The secret of every line of the tests.
const SECRET: &str = "vuzon-kilud-tapos-47";

/// A running server with accounts `a` (line alice) and `b` (line bob) and one carrier.
struct House {
    ringfence: Ringfence,
    carrier: Carrier,
}

impl House {
    fn open(setup: Setup, decide: impl Fn(&str) -> Behaviour + Send + 'static) -> Result<House> {
        let mut ringfence = Ringfence::prepare(setup)?;
        let carrier = Carrier::start(decide)?;
        ringfence.add_trunk("carrier", carrier.address(), &["--emergency"])?;
        for (account, user, number) in
            [("a", "alice", "+442033221100"), ("b", "bob", "+442033221101")]
        {
            ringfence.add_account(account, "residential")?;
            ringfence.set(account, &["stop_level_off_hours=none"])?;
            ringfence.add_line(account, user, SECRET)?;
            ringfence.command(&["number", "add", number, account, user])?;
        }
        ringfence.start()?;
        Ok(House { ringfence, carrier })
    }

    /// Call records, once there are at least so many: they are written after the caller has his answer.
    fn records(&self, count: usize) -> Result<Vec<serde_json::Value>> {
        let what = format!("{count} call records");
        crate::process::until(Duration::from_secs(5), &what, || {
            self.ringfence.calls().ok().filter(|records| records.len() >= count)
        })
    }

    fn phone(&self, user: &str) -> Result<Phone> {
        Phone::udp(self.ringfence.address(), user, SECRET)
    }

    /// The account number of a name.
    fn account(&self, name: &str) -> Result<u64> {
        let shown = self.ringfence.json(&["account", "show", name])?;
        let first = shown.first().unwrap_or(&serde_json::Value::Null);
        let id = first["id"].as_u64().or_else(|| first["account"]["id"].as_u64());
        anyhow::Context::context(id, format!("account show {name} --json has no id: {first}"))
    }
}

/// What an account owes so far, in millionths, from `account show --json`.
fn unbilled(shown: &[serde_json::Value]) -> Result<i64> {
    let first = shown.first().unwrap_or(&serde_json::Value::Null);
    let found = [&first["unbilled"], &first["usage"]["unbilled"]]
        .into_iter()
        .find_map(crate::money::micros);
    anyhow::Context::context(found, format!("account show --json has no unbilled: {first}"))
}
