//! What happens, and what is expected of it. Never here: what there is.

use store::Reader;
use types::record::Deck;
use types::{AccountId, AccountStatus, By, Controls, Money, Proof, RateRow, Reason, UnixMicros};

use super::Plan;
use super::people::set_control;
use super::words::{count, duration, millis, money};
use crate::actor::Actor;
use crate::agent::CallState;
use crate::carrier;
use crate::customers;
use crate::network::NetworkFaults;
use crate::office::{Errand, GiveBack};
use crate::town;
use crate::world::{Deed, World};

/// One sentence, now.
pub(super) fn step(world: &mut World, plan: &Plan, words: &[&str]) -> Result<(), String> {
    let now = world.now;
    match words {
        ["expect", rest @ ..] => return expect(world, plan, rest),
        ["crash", "for", time] => {
            world.at(now, Deed::Crash { back_after_ms: millis(time)?, clock_jump_us: 0 });
        }
        ["crash", "for", time, "losing", "what", "is", "written"] => {
            world.at(now, Deed::LoseWrite);
            world.at(now, Deed::Crash { back_after_ms: millis(time)?, clock_jump_us: 0 });
        }
        ["crash", "for", time, "clock", jump] => {
            let (sign, size) = match jump.strip_prefix('-') {
                Some(rest) => (-1, rest),
                None => (1, jump.trim_start_matches('+')),
            };
            let clock_jump_us = sign * duration(size)? as i64;
            world.at(now, Deed::Crash { back_after_ms: millis(time)?, clock_jump_us });
        }
        ["store", "hangs", time] => world.at(now, Deed::Stall(millis(time)?)),
        ["disk", "full", time] => world.at(now, Deed::Full(millis(time)?)),
        ["network", "loses", percent] => {
            let percent: u64 = count(percent.trim_end_matches('%'))?;
            world.set_network(NetworkFaults {
                loss_per_mille: percent * 10,
                ..NetworkFaults::CLEAN
            });
        }
        ["node", "stops"] => world.at(now, Deed::Shutdown),
        ["staff" | "holder", ..] if world.node().is_none() => {
            let text = words.join(" ");
            world.story.tell(now, || format!("nobody hears: {text}"));
        }
        ["staff", rest @ ..] => staff(world, plan, rest)?,
        ["office", rest @ ..] => office(world, plan, rest)?,
        ["holder", rest @ ..] => {
            let command = change(world, plan, By::Holder { proof: Proof::Fresh }, rest)?;
            order(world, "holder", rest, command);
        }
        [who, rest @ ..] => {
            let at = find(world, who)?;
            world.act(at, |actor, now, story| match actor {
                Actor::Phone(phone) => phone_step(phone, now, story, rest),
                Actor::Carrier(carrier) => carrier_step(carrier, now, story, rest),
                Actor::Racer(_) => Err("a thief does as he likes".to_owned()),
            })?;
        }
        [] => return Err("what happens?".to_owned()),
    }
    // What was ordered for this instant happens before anything is looked at.
    world.run_until(now);
    Ok(())
}

fn find(world: &World, who: &str) -> Result<usize, String> {
    let racer = |actor: &Actor| matches!(actor, Actor::Racer(_));
    let found = world.actors.iter().position(|actor| !racer(actor) && actor.agent().user == who);
    found.ok_or(format!("there is no {who}"))
}

fn phone_step(
    phone: &mut customers::Phone,
    now: u64,
    story: &mut crate::story::Story,
    words: &[&str],
) -> Result<(), String> {
    use customers::Manner;
    match words {
        ["calls", number] => {
            phone.shown = None;
            phone.call(now, number, story);
        }
        ["calls", number, "showing", shown] => {
            phone.shown = Some((*shown).to_owned());
            phone.call(now, number, story);
        }
        ["hangs", "up"] => phone.hang_up_all(now, story),
        ["holds"] => phone.reinvite_all(now, "sendonly", story),
        ["resumes"] => phone.reinvite_all(now, "sendrecv", story),
        ["transfers", "to", number] => phone.refer_all(now, number, story),
        ["loses", "power"] => phone.pull_plug(now, story),
        ["has", "power"] => phone.power_up(now, story),
        ["loses", "its", "acks"] => phone.agent.loses_acks = true,
        ["answers", "after", time] => phone.manner = Some(Manner::Answer(millis(time)?)),
        ["rejects", status] => phone.manner = Some(Manner::Reject(count(status)?, 1_000)),
        ["ignores"] => phone.manner = Some(Manner::Ignore),
        ["is", "silent"] => phone.manner = Some(Manner::Silent),
        other => return Err(format!("a phone cannot `{}`", other.join(" "))),
    }
    Ok(())
}

fn carrier_step(
    carrier: &mut carrier::Carrier,
    now: u64,
    story: &mut crate::story::Story,
    words: &[&str],
) -> Result<(), String> {
    use carrier::Manner;
    let (words, prefix) = match words {
        [words @ .., "for", prefix] => (words, prefix.trim_start_matches('+').to_owned()),
        words => (words, String::new()),
    };
    let manner = match words {
        ["calls", number, "showing", shown] => {
            carrier.call(now, number, shown, story);
            return Ok(());
        }
        ["hangs", "up"] => {
            carrier.hang_up_all(now, story);
            return Ok(());
        }
        ["ends", "calls", "after", time] => {
            carrier.session_limit_ms = millis(time)?;
            return Ok(());
        }
        ["answers", "after", time] => Manner::Answer { after_ms: millis(time)?, talk_ms: None },
        ["answers", "after", time, "and", "talks", talk] => {
            Manner::Answer { after_ms: millis(time)?, talk_ms: Some(millis(talk)?) }
        }
        ["answers", "cancelled", "calls"] => Manner::AnswerCancelled,
        ["rejects", status] => Manner::Reject { status: count(status)?, after_ms: 200 },
        ["redirects"] => Manner::Redirect,
        ["rings"] => Manner::Ring,
        ["is", "silent"] => Manner::Silent,
        ["only", "tries"] => Manner::Trying,
        ["forks", "and", "answers", "after", time] => Manner::Fork { after_ms: millis(time)? },
        ["forks", "and", "answers", "twice", "after", time] => {
            Manner::ForkTwice { after_ms: millis(time)? }
        }
        other => return Err(format!("a carrier cannot `{}`", other.join(" "))),
    };
    carrier.manners.push((prefix, manner));
    Ok(())
}

fn staff(world: &mut World, plan: &Plan, words: &[&str]) -> Result<(), String> {
    let command = match words {
        ["set", ..] => change(world, plan, By::STAFF, words)?,
        ["approve", request] => judge(world, request, true, None)?,
        ["approve", request, "until", time] => judge(world, request, true, Some(time))?,
        ["refuse", request] => judge(world, request, false, None)?,
        ["price", prefix, "sold", price] => {
            let deck = plan.decks[0].clone();
            let from = UnixMicros(plan.start.0 + world.now as i64);
            engine::Command::PutDeck(repriced(&deck, prefix, Some(money(price)?), from))
        }
        ["stop-level", name, level] => {
            let id = plan.account(name)?;
            let mut account = plan.accounts[id.0 as usize - 1].clone();
            account.controls.stop_level_24h = money(level)?;
            account.controls.stop_level_off_hours = None;
            engine::Command::PutAccount(account)
        }
        [verb, name] => {
            let status = match *verb {
                "freeze" => AccountStatus::Frozen,
                "limit" => AccountStatus::Limited,
                "watch" => AccountStatus::Watched,
                "suspend" => AccountStatus::Suspended,
                "activate" => AccountStatus::Active,
                "close" => AccountStatus::Closed,
                other => return Err(format!("staff cannot `{other}`")),
            };
            engine::Command::SetStatus(plan.account(name)?, status)
        }
        other => return Err(format!("staff cannot `{}`", other.join(" "))),
    };
    order(world, "staff", words, command);
    Ok(())
}

/// What is ordered of money: the newest paid call is meant where one is.
fn office(world: &mut World, plan: &Plan, words: &[&str]) -> Result<(), String> {
    let errand = match words {
        ["books", amount, "from", name, "as", reference] => {
            Errand::Payment(plan.account(name)?, money(amount)?, (*reference).to_owned())
        }
        ["gives", amount, "to", name] => Errand::Goodwill(plan.account(name)?, money(amount)?),
        ["zero-rates", "the", "last", "call"] => Errand::GiveBack(GiveBack::ZeroRate, 0),
        ["charges", "the", "last", "call", "at", "cost"] => {
            Errand::GiveBack(GiveBack::CostPrice, 0)
        }
        ["gets", "the", "last", "call", "credited"] => Errand::GiveBack(GiveBack::CarrierCredit, 0),
        ["bills"] => {
            let runs = world.disk.store().bill_runs().expect("memory can always be read").len();
            Errand::BillRun(UnixMicros::from_seconds(86_400 * i64::try_from(runs).unwrap_or(0)))
        }
        other => return Err(format!("the office cannot `{}`", other.join(" "))),
    };
    let text = words.join(" ");
    world.story.tell(world.now, || format!("the office {text}"));
    world.at(world.now, Deed::Errand(Box::new(errand)));
    Ok(())
}

fn order(world: &mut World, who: &str, words: &[&str], command: engine::Command) {
    let text = words.join(" ");
    world.story.tell(world.now, || format!("{who}: {text}"));
    world.at(world.now, Deed::Command(Box::new(command)));
}

/// `set ACCOUNT CONTROL VALUE [until TIME]`
fn change(
    world: &mut World,
    plan: &Plan,
    by: By,
    words: &[&str],
) -> Result<engine::Command, String> {
    let (words, time) = match words {
        [words @ .., "until", time] => (words, Some(*time)),
        words => (words, None),
    };
    let ["set", name, control, value] = words else {
        return Err("expected: set ACCOUNT CONTROL VALUE [until TIME]".to_owned());
    };
    let account = plan.account(name)?;
    let until = time.map(|time| until(world, account, time)).transpose()?;
    let node = world.node().ok_or("the node is down")?;
    let known = node.engine().account(account).ok_or("the node does not know it")?;
    let mut wished = Controls::clone(&known.controls);
    match *control {
        "lock" => {
            wished.ip_lock = vec![value.parse().map_err(|error| format!("`{value}`: {error}"))?]
        }
        control => set_control(&mut wished, control, value)?,
    }
    let changes = engine::changes((known.status, &known.controls), (known.status, &wished));
    let (settings, why) = (changes.into_iter().map(|change| change.to).collect(), String::new());
    let change = engine::ControlChange { account, settings, by, why, until };
    Ok(engine::Command::ChangeControls(Box::new(change)))
}

fn judge(
    world: &mut World,
    request: &str,
    approve: bool,
    time: Option<&str>,
) -> Result<engine::Command, String> {
    let (by, reason, request) = (By::STAFF, "as asked".to_owned(), count(request)?);
    let node = world.node().ok_or("the node is down")?;
    let known = node.engine().requests().find(|known| known.id == request);
    let account = known.ok_or(format!("there is no request {request}"))?.account;
    let until = time.map(|time| until(world, account, time)).transpose()?;
    let judgement = engine::Judgement { request, approve, by, reason, until };
    Ok(engine::Command::JudgeRequest(Box::new(judgement)))
}

/// The next such time of day where the account is.
fn until(world: &mut World, account: AccountId, time: &str) -> Result<UnixMicros, String> {
    let now = world.node_now().wall;
    let node = world.node().ok_or("the node is down")?;
    let known = node.engine().account(account).ok_or("the node does not know it")?;
    let until = engine::next_time_of_day(known.time_zone(), time, now);
    until.ok_or(format!("`{time}` is no time of day"))
}

/// The deck with another price for a prefix, from a moment on; `None` takes the prefix out.
pub(super) fn repriced(
    deck: &Deck,
    prefix: &str,
    price: Option<Money>,
    effective: UnixMicros,
) -> Deck {
    let mut deck = deck.clone();
    let old = deck.rows.iter().find(|row| row.prefix == prefix).map(|row| row.rate);
    let Some(per_minute) = price else {
        deck.rows.retain(|row| row.prefix != prefix);
        return deck;
    };
    deck.rows.retain(|row| row.prefix != prefix || row.effective < effective);
    let rate = types::Rate { per_minute, ..old.unwrap_or(types::Rate::FREE) };
    deck.rows.push(RateRow { prefix: prefix.to_owned(), name: prefix.into(), rate, effective });
    deck
}

fn expect(world: &mut World, plan: &Plan, words: &[&str]) -> Result<(), String> {
    let differ = |what: &str, got: String, want: &str| {
        if got == want { Ok(()) } else { Err(format!("{what}: {got}, expected {want}")) }
    };
    match words {
        ["account", name, "spent", amount] => {
            let usage = usage(world, plan.account(name)?)?;
            differ("spent", usage.spent_all_24h.to_string(), amount)
        }
        ["account", name, "has", "un-billed", amount] => {
            let usage = usage(world, plan.account(name)?)?;
            differ("un-billed", usage.unbilled.to_string(), amount)
        }
        ["account", name, "owes", amount] => {
            let account = types::LedgerAccount::Receivable(plan.account(name)?);
            let balances = world.disk.store().balances().expect("memory can always be read");
            let mine = balances.iter().find(|balance| balance.account == account);
            let owed = mine.map_or(Money::ZERO, |one| one.debits.saturating_sub(one.credits));
            differ("owed", owed.to_string(), amount)
        }
        ["account", name, "spent", "at", "most", amount] => {
            let spent = usage(world, plan.account(name)?)?.spent_all_24h;
            if spent <= money(amount)? {
                Ok(())
            } else {
                Err(format!("{spent} spent, more than {amount}"))
            }
        }
        ["account", name, "has", control, value] => {
            let account = plan.account(name)?;
            let node = world.node().ok_or("the node is down")?;
            let known = node.engine().account(account).ok_or("the node does not know it")?;
            let mut wished = Controls::clone(&known.controls);
            set_control(&mut wished, control, value)?;
            let changes = engine::changes((known.status, &known.controls), (known.status, &wished));
            match changes.first() {
                None => Ok(()),
                Some(change) => differ(change.to.name(), change.from.to_string(), value),
            }
        }
        ["requests", waiting] => {
            let node = world.node().ok_or("the node is down")?;
            differ("requests", node.engine().requests().count().to_string(), waiting)
        }
        ["account", name, "holds", amount] => {
            let usage = usage(world, plan.account(name)?)?;
            differ("held", usage.held.to_string(), amount)
        }
        [who, "got", calls, "calls"] => {
            let at = find(world, who)?;
            let got = world.actors[at].agent().calls.iter().filter(|call| call.incoming).count();
            differ("calls", got.to_string(), calls)
        }
        [who, "bills", "at", "most", amount] => {
            let Actor::Carrier(carrier) = &world.actors[find(world, who)?] else {
                return Err(format!("{who} is no carrier"));
            };
            let bill: i64 = carrier.bill.iter().map(|one| carrier.charge(one, world.now)).sum();
            let bill = Money::from_micros(bill);
            if bill <= money(amount)? {
                Ok(())
            } else {
                Err(format!("{who} bills {bill}, more than {amount}"))
            }
        }
        [who, "refused", reason] => {
            let line = plan.line(who)?;
            let cdr = world.auditor.last_cdr(line).ok_or(format!("{who} has made no call yet"))?;
            let reasons: Vec<Reason> =
                cdr.explanation.findings.iter().map(|one| one.reason()).collect();
            let codes: Vec<&str> = reasons.iter().map(|one| one.code()).collect();
            if codes.contains(reason) {
                Ok(())
            } else {
                Err(format!("{who}: refused for {codes:?}, not {reason}"))
            }
        }
        [who, "hears", status] => {
            let at = find(world, who)?;
            let last = world.actors[at].agent().calls.last();
            differ(who, last.map_or("nothing".to_owned(), |call| call.status.to_string()), status)
        }
        [who, "shows", number] => {
            let at = find(world, who)?;
            let last = world.actors[at].agent().calls.iter().rfind(|call| call.incoming);
            let from = last.and_then(|call| call.invite.get("From")).map(crate::wire::uri_of);
            differ(who, from.map_or("nothing".to_owned(), |uri| crate::wire::user_of(&uri)), number)
        }
        [who, state] => {
            let at = find(world, who)?;
            let live =
                world.actors[at].agent().calls.iter().rfind(|call| call.state != CallState::Over);
            let got = match live.map(|call| call.state) {
                None => "idle",
                Some(CallState::Calling) => "calling",
                Some(CallState::Ringing) => "ringing",
                Some(CallState::Talking) => "talking",
                Some(CallState::Ending | CallState::Over) => "ending",
            };
            differ(who, got.to_owned(), state)
        }
        other => Err(format!("nothing is known about `{}`", other.join(" "))),
    }
}

fn usage(world: &mut World, account: AccountId) -> Result<engine::Usage, String> {
    let now = world.node_now();
    let node = world.node().ok_or("the node is down")?;
    node.engine().usage(now, account).ok_or(format!("the node does not know {}", town::DOMAIN))
}
