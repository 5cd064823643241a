//! The chain in memory. Lives here: links as they are kept, the records that they are of. Never here: what a
//! break is (`chain`).

use std::convert::Infallible;

use types::{
    AccountId, Bill, Cdr, DecisionId, DeckId, E164, InstalmentPlan, KnownRun, LineId, LineStanding,
    Posting, Record, ResellerId, Standing, TransferKind, TrunkId, WebUserId,
};

use super::state::State;
use crate::chain::{self, Content, Each, Found, Hash, Link, LinkKind, Links, Place, ReadLink, Tag};

/// A link, in little room: its number is its place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub hash: Hash,
    place: Place,
    mac: Tag,
    marks: Box<[u8]>,
    body: Option<Box<Hash>>,
}

impl Kept {
    pub fn of(link: Link) -> Kept {
        let Link { place, body, marks, hash, mac, .. } = link;
        Kept { hash, place, mac, marks: marks.into(), body: body.map(Box::new) }
    }

    fn link(&self, seq: u64) -> Link {
        Link {
            seq,
            key: None,
            place: self.place,
            body: self.body.as_deref().copied(),
            marks: self.marks.to_vec(),
            hash: self.hash,
            mac: self.mac,
        }
    }
}

fn run_content(run: &KnownRun) -> Content {
    let mut content = Content::default();
    chain::write_run(&mut content, run);
    content
}

fn content(record: &Record) -> Content {
    let mut content = Content::default();
    chain::write(&mut content, record, None);
    content
}

fn small(key: u64) -> Option<u32> {
    u32::try_from(key).ok()
}

impl State {
    /// The calls on the links after one, as far as another.
    pub fn calls_on(&self, after: u64, upto: u64) -> Vec<(u64, Cdr)> {
        let numbered = (1..).zip(&self.links).skip(after as usize);
        let links = numbered.take_while(|(seq, _)| *seq <= upto);
        let calls = links.filter(|(_, link)| link.place.kind == LinkKind::Call);
        let found = calls.map(|(seq, link)| (seq, self.cdrs.get(&DecisionId(link.place.key))));
        found.filter_map(|(seq, cdr)| Some((seq, Cdr::clone(cdr?)))).collect()
    }

    fn record(&self, place: Place) -> Option<Record> {
        let Place { kind, key, part } = place;
        match kind {
            LinkKind::Call => {
                let cdr = self.cdrs.get(&DecisionId(key))?;
                Some(Record::Cdr(Box::new(Cdr::clone(cdr))))
            }
            LinkKind::Transfer => {
                let from = (DecisionId(key), TransferKind::Charge);
                let mut of_call =
                    self.transfers.range(from..).take_while(|((id, _), _)| id.0 == key);
                let found = of_call.find(|((_, kind), _)| *kind as u8 == part);
                found.map(|(_, transfer)| Record::Transfer(*transfer))
            }
            LinkKind::Fact => {
                let index = usize::try_from(key.checked_sub(1)?).ok()?;
                let (at, fact) = self.facts.get(index)?;
                Some(Record::Fact(*at, types::Fact::clone(fact)))
            }
            LinkKind::Account => {
                let account = self.accounts.get(&AccountId(small(key)?))?;
                Some(Record::Account(Box::new(types::Account::clone(account))))
            }
            LinkKind::Line => {
                self.lines.get(&LineId(small(key)?)).cloned().map(Box::new).map(Record::Line)
            }
            LinkKind::Number | LinkKind::NumberGone => {
                self.numbers.get(&E164::try_from(key).ok()?).cloned().map(Record::Number)
            }
            LinkKind::Trunk => {
                self.trunks.get(&TrunkId(small(key)?)).cloned().map(Box::new).map(Record::Trunk)
            }
            LinkKind::Deck => {
                let (state, id) = chain::state_of(key);
                let (at, deck) = self.decks.get(&DeckId(id))?.state(DeckId(id), state)?;
                Some(Record::Deck(at, Box::new(deck)))
            }
            _ => self.office_record(place),
        }
    }

    /// What the office wrote: postings, bills, resellers, histories, requests.
    fn office_record(&self, place: Place) -> Option<Record> {
        let Place { kind, key, .. } = place;
        let index = || usize::try_from(key.checked_sub(1)?).ok();
        match kind {
            LinkKind::Posting => {
                let posting = self.postings.get(index()?)?;
                Some(Record::Posting(Box::new(Posting::clone(posting))))
            }
            LinkKind::Bill => {
                let (run, account) = chain::bill_of(key);
                let bill = self.bills.get(&(AccountId(account), run))?;
                Some(Record::Bill(Box::new(Bill::clone(bill))))
            }
            LinkKind::Plan => {
                let plan = self.plans.get(&DecisionId(key))?;
                Some(Record::Instalments(Box::new(InstalmentPlan::clone(plan))))
            }
            LinkKind::Reseller => {
                let reseller = self.resellers.get(&ResellerId(small(key)?)).cloned();
                reseller.map(Box::new).map(Record::Reseller)
            }
            LinkKind::Standing => {
                let standing = self.history.get(self.standings.get(index()?)?)?;
                Some(Record::Standing(Box::new(Standing::clone(standing))))
            }
            LinkKind::LineStanding => {
                let standing = self.line_history.get(self.line_standings.get(index()?)?)?;
                Some(Record::LineStanding(Box::new(LineStanding::clone(standing))))
            }
            LinkKind::Contact => {
                let contact = self.telling.contacts.get(index()?).cloned();
                contact.map(Box::new).map(Record::Contact)
            }
            LinkKind::TrunkStanding => {
                let standing = self.trunk_history.get(self.trunk_standings.get(index()?)?)?;
                Some(Record::TrunkStanding(*standing))
            }
            LinkKind::Raises | LinkKind::RaisesGone => {
                let raises = self.raises.get(&AccountId(small(key)?)).cloned();
                raises.map(Box::new).map(Record::Raises)
            }
            LinkKind::ControlRequest => {
                let request = self.requests.get(&small(key)?).cloned();
                request.map(Box::new).map(Record::ControlRequest)
            }
            LinkKind::WebUser => {
                let user = self.web_users.get(&WebUserId(small(key)?)).cloned();
                user.map(Box::new).map(Record::WebUser)
            }
            _ => None,
        }
    }
}

impl Links for State {
    type Error = Infallible;

    fn count(&self) -> Result<u64, Infallible> {
        Ok(self.links.len() as u64)
    }

    fn links(&self, from: u64, most: u32) -> Result<Vec<ReadLink>, Infallible> {
        let numbered = (1..).zip(&self.links).skip(from.saturating_sub(1) as usize);
        Ok(numbered.take(most as usize).map(|(seq, link)| Ok(link.link(seq))).collect())
    }

    fn row(&self, place: Place) -> Result<Found, Infallible> {
        let content = match place.kind {
            LinkKind::BillRun => {
                small(place.key).and_then(|run| self.bill_runs.get(&run)).map(run_content)
            }
            _ => self.record(place).as_ref().map(content),
        };
        Ok(content.map_or(Found::Nothing, Found::Row))
    }

    fn rows(&self, kind: LinkKind) -> Result<u64, Infallible> {
        let count = match kind {
            LinkKind::Call => self.cdrs.len(),
            LinkKind::Transfer => self.transfers.len(),
            LinkKind::Fact => self.facts.len(),
            LinkKind::Account => self.accounts.len(),
            LinkKind::Line => self.lines.len(),
            LinkKind::Number | LinkKind::NumberGone => self.numbers.len(),
            LinkKind::Trunk => self.trunks.len(),
            LinkKind::Deck => self.decks.values().map(|table| table.puts() as usize).sum(),
            LinkKind::Posting => self.postings.len(),
            LinkKind::BillRun => self.bill_runs.len(),
            LinkKind::Bill => self.bills.len(),
            LinkKind::Plan => self.plans.len(),
            LinkKind::Reseller => self.resellers.len(),
            LinkKind::Standing => self.history.len(),
            LinkKind::LineStanding => self.line_history.len(),
            LinkKind::TrunkStanding => self.trunk_history.len(),
            LinkKind::Raises | LinkKind::RaisesGone => self.raises.len(),
            LinkKind::ControlRequest => self.requests.len(),
            LinkKind::WebUser => self.web_users.len(),
            LinkKind::Contact => self.telling.contacts.len(),
        };
        Ok(count as u64)
    }

    fn unlinked(&self, kind: LinkKind, most: usize) -> Result<Vec<Place>, Infallible> {
        let linked: std::collections::BTreeSet<Place> =
            self.links.iter().map(|link| link.place).collect();
        let place = |key, part| Place { kind, key, part };
        let numbered = |count: usize| (1..=count as u64).map(|seq| place(seq, 0)).collect();
        let mut there: Vec<Place> = match kind {
            LinkKind::Call => self.cdrs.keys().map(|id| place(id.0, 0)).collect(),
            LinkKind::Transfer => {
                self.transfers.keys().map(|(id, kind)| place(id.0, *kind as u8)).collect()
            }
            LinkKind::Fact => numbered(self.facts.len()),
            LinkKind::Posting => numbered(self.postings.len()),
            LinkKind::Standing => numbered(self.standings.len()),
            LinkKind::LineStanding => numbered(self.line_standings.len()),
            LinkKind::Contact => numbered(self.telling.contacts.len()),
            LinkKind::TrunkStanding => numbered(self.trunk_standings.len()),
            LinkKind::Bill => {
                self.bills.values().map(|bill| place(chain::key_of_bill(bill.id()), 0)).collect()
            }
            LinkKind::Plan => self.plans.keys().map(|id| place(id.0, 0)).collect(),
            LinkKind::Deck => {
                let states = self.decks.iter().flat_map(|(id, table)| {
                    (1..=table.puts()).map(|state| chain::key_of_state(*id, state))
                });
                states.map(|key| place(key, 0)).collect()
            }
            _ => Vec::new(),
        };
        there.retain(|place| !linked.contains(place));
        there.truncate(most);
        Ok(there)
    }

    fn present(&self, kind: LinkKind, each: Each<'_>) -> Result<(), Infallible> {
        let keys: Vec<u64> = match kind {
            LinkKind::Account => self.accounts.keys().map(|id| id.0.into()).collect(),
            LinkKind::Line => self.lines.keys().map(|id| id.0.into()).collect(),
            LinkKind::Number => self.numbers.keys().map(|number| number.value()).collect(),
            LinkKind::Trunk => self.trunks.keys().map(|id| id.0.into()).collect(),
            LinkKind::Reseller => self.resellers.keys().map(|id| id.0.into()).collect(),
            LinkKind::BillRun => self.bill_runs.keys().map(|run| (*run).into()).collect(),
            LinkKind::Raises => self.raises.keys().map(|id| id.0.into()).collect(),
            LinkKind::ControlRequest => self.requests.keys().map(|id| (*id).into()).collect(),
            LinkKind::WebUser => self.web_users.keys().map(|id| id.0.into()).collect(),
            _ => Vec::new(),
        };
        for key in keys {
            each(Some(key), self.row(Place { kind, key, part: 0 })?);
        }
        Ok(())
    }
}
