//! The chain in memory. Lives here: links as they are kept, the records that they are of. Never here: what a
//! break is (`chain`).

use std::convert::Infallible;
use std::sync::Arc;

use types::record::Deck;
use types::{AccountId, Cdr, DecisionId, DeckId, E164, LineId, Record, TransferKind, TrunkId};

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

fn content(record: &Record) -> Content {
    let mut content = Content::default();
    chain::write(&mut content, record, None);
    content
}

fn small(key: u64) -> Option<u32> {
    u32::try_from(key).ok()
}

impl State {
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
                let id = DeckId(small(key)?);
                let deck = Arc::clone(self.decks.get(&id)?);
                let rows = deck.rows.values().cloned().collect();
                Some(Record::Deck(Box::new(Deck { id, name: deck.name.clone(), rows })))
            }
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
        Ok(self.record(place).map_or(Found::Nothing, |record| Found::Row(content(&record))))
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
            LinkKind::Deck => self.decks.len(),
        };
        Ok(count as u64)
    }

    fn unlinked(&self, kind: LinkKind, most: usize) -> Result<Vec<Place>, Infallible> {
        let linked: std::collections::BTreeSet<Place> =
            self.links.iter().map(|link| link.place).collect();
        let place = |key, part| Place { kind, key, part };
        let mut there: Vec<Place> = match kind {
            LinkKind::Call => self.cdrs.keys().map(|id| place(id.0, 0)).collect(),
            LinkKind::Transfer => {
                self.transfers.keys().map(|(id, kind)| place(id.0, *kind as u8)).collect()
            }
            LinkKind::Fact => (1..=self.facts.len() as u64).map(|seq| place(seq, 0)).collect(),
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
            LinkKind::Deck => self.decks.keys().map(|id| id.0.into()).collect(),
            _ => Vec::new(),
        };
        for key in keys {
            each(Some(key), self.row(Place { kind, key, part: 0 })?);
        }
        Ok(())
    }
}
