//! Tells what happens. Lives here: watching records and live calls, lines for people and programs.
//! Never here: making anything happen.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use store::{CallFilter, Reader, SqliteStore};
use types::cdr::HangupCause;
use types::decision::Outcome;
use types::{Cdr, DecisionId, Direction};

use super::super::output::{line, printable};
use super::super::when::span;
use super::cast::PEOPLE;
use crate::shell::clock::system_wall;
use crate::shell::control::{Client, Request};

/// More lines of one kind at once are told as one.
const FEW: usize = 3;

/// Prints, or does not.
#[derive(Clone, Copy, Debug)]
pub struct Teller {
    /// One object a line.
    pub json: bool,
    /// Only beginning and end.
    pub quiet: bool,
}

impl Teller {
    /// Tells something that happened.
    pub fn say(&self, kind: &str, text: &str) {
        self.tell(json!({ "event": kind }), text);
    }

    fn tell(&self, mut event: Value, text: &str) {
        if self.quiet {
            return;
        }
        let now = system_wall().to_string();
        let told = if self.json {
            event["at"] = now.clone().into();
            event["text"] = text.into();
            line(&event.to_string())
        } else {
            line(&format!("{}  {}", &now[11..19], printable(text)))
        };
        // The reader went away: the story goes on without him.
        drop(told);
    }
}

/// Watches a node and tells what it does.
pub struct Narrator {
    teller: Teller,
    reader: SqliteStore,
    node: Client,
    /// Live calls told of, and whether their answer was.
    live: BTreeSet<String>,
    told: DecisionId,
}

impl Narrator {
    /// Of this node and its database.
    pub fn new(teller: Teller, reader: SqliteStore, node: Client) -> Narrator {
        Narrator { teller, reader, node, live: BTreeSet::new(), told: DecisionId(0) }
    }

    /// Tells what is new.
    pub fn look(&mut self) -> anyhow::Result<()> {
        self.admitted()?;
        self.ended()
    }

    fn admitted(&mut self) -> anyhow::Result<()> {
        let Value::Array(calls) = self.node.ask(&Request::Live)? else { return Ok(()) };
        let mut news: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
        let mut live = BTreeSet::new();
        for call in calls {
            let decision = call["decision"].as_str().unwrap_or_default().to_owned();
            if !self.live.contains(&decision) {
                news.entry(call["account"].as_u64().unwrap_or(0)).or_default().push(call);
            }
            live.insert(decision);
        }
        self.live = live;
        for (account, calls) in news {
            if calls.len() > FEW {
                let held = calls.iter().filter_map(|call| call["held"].as_str()?.parse().ok());
                let held = held.fold(types::Money::ZERO, types::Money::saturating_add);
                let text = format!(
                    "admitted  {}: {} calls at once, £{held} held before the carrier saw them",
                    name(account),
                    calls.len()
                );
                self.teller.tell(json!({ "event": "admitted", "account": account, "calls": calls.len(), "held": held.to_string() }), &text);
            } else {
                calls.iter().for_each(|call| self.one_admitted(account, call));
            }
        }
        Ok(())
    }

    fn one_admitted(&self, account: u64, call: &Value) {
        let text = |name: &str| call[name].as_str().unwrap_or_default();
        let money = match call["chargeable"].as_bool() {
            Some(true) => format!("£{} held before the carrier saw it", text("held")),
            _ => "nobody pays".to_owned(),
        };
        let told = match text("direction") {
            "incoming" => {
                format!("admitted  {} is called by {}: {money}", name(account), text("caller"))
            }
            _ => format!("admitted  {} calls {}: {money}", name(account), text("dialled")),
        };
        self.teller.tell(json!({ "event": "admitted", "account": account, "call": call }), &told);
    }

    fn ended(&mut self) -> anyhow::Result<()> {
        let filter = CallFilter { limit: 500, ..CallFilter::default() };
        let mut groups: BTreeMap<(u32, String), Vec<Cdr>> = BTreeMap::new();
        let mut newest = self.told;
        for cdr in self.reader.calls(&filter)? {
            // By the time of the end, not of the decision: long calls are told too.
            if !self.seen(&cdr) {
                newest = newest.max(end_key(&cdr));
                groups.entry((cdr.account.0, kind(&cdr))).or_default().push(cdr);
            }
        }
        self.told = newest;
        for ((account, kind), calls) in groups {
            if calls.len() > FEW {
                let price = calls
                    .iter()
                    .fold(types::Money::ZERO, |sum, call| sum.saturating_add(call.price));
                let told = format!(
                    "{kind}  {}: {} calls, {}, £{price}",
                    name(account.into()),
                    calls.len(),
                    why(&calls[0])
                );
                self.teller.tell(json!({ "event": kind.trim(), "account": account, "calls": calls.len(), "price": price.to_string(), "why": why(&calls[0]) }), &told);
            } else {
                calls.iter().rev().for_each(|call| self.one_ended(account, &kind, call));
            }
        }
        Ok(())
    }

    fn seen(&self, cdr: &Cdr) -> bool {
        end_key(cdr) <= self.told
    }

    fn one_ended(&self, account: u32, kind: &str, cdr: &Cdr) {
        let whom = match cdr.direction {
            Direction::Incoming => format!("called by {}", cdr.caller),
            _ => cdr.dialled.clone(),
        };
        let talk = cdr
            .answered
            .map_or_else(String::new, |_| format!("{}, £{}, ", span(cdr.duration_ms), cdr.price));
        let told = format!("{kind}  {} → {whom}: {talk}{}", name(account.into()), why(cdr));
        let event = json!({
            "event": kind.trim(), "account": account, "decision": cdr.decision.to_string(), "dialled": cdr.dialled,
            "duration_ms": cdr.duration_ms, "price": cdr.price.to_string(), "why": why(cdr),
        });
        self.teller.tell(event, &told);
    }
}

/// Calls in the order of their ends: the end in microseconds, as decisions have it.
fn end_key(cdr: &Cdr) -> DecisionId {
    DecisionId(u64::try_from(cdr.ended.0).unwrap_or(0))
}

fn kind(cdr: &Cdr) -> String {
    match (cdr.explanation.outcome, cdr.cause) {
        (Outcome::Refused, _) => "refused ",
        (_, HangupCause::MoneyEnded | HangupCause::Cut) => "cut     ",
        _ => "ended   ",
    }
    .to_owned()
}

fn why(cdr: &Cdr) -> String {
    if let Some(finding) = cdr.explanation.findings.first() {
        return finding.to_string();
    }
    match cdr.cause {
        HangupCause::Normal => "hung up".to_owned(),
        HangupCause::MoneyEnded => "no more money could be held".to_owned(),
        cause => cause.to_string(),
    }
}

fn name(account: u64) -> &'static str {
    let at = usize::try_from(account).unwrap_or(0).wrapping_sub(1);
    PEOPLE.get(at).map_or("nobody", |(name, ..)| name)
}
