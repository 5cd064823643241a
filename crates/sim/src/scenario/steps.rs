//! What happens, and what is expected of it. Never here: what there is.

use types::record::Deck;
use types::{AccountId, AccountStatus, Money, RateRow, Reason, UnixMicros};

use super::Plan;
use super::words::{count, duration, millis, money};
use crate::actor::Actor;
use crate::agent::CallState;
use crate::carrier;
use crate::customers;
use crate::network::NetworkFaults;
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
        ["staff", rest @ ..] => staff(world, plan, rest)?,
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
    let text = words.join(" ");
    world.story.tell(world.now, || format!("staff: {text}"));
    world.at(world.now, Deed::Command(Box::new(command)));
    Ok(())
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
        ["account", name, "spent", "at", "most", amount] => {
            let spent = usage(world, plan.account(name)?)?.spent_all_24h;
            if spent <= money(amount)? {
                Ok(())
            } else {
                Err(format!("{spent} spent, more than {amount}"))
            }
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
