//! Along the chain, link by link. Lives here: what is compared with what, whatever the backend. Never here:
//! tables, words (`findings`).
//!
//! ```text
//! link ─► behind the one before? ─► signed? ─► of a row that stays: is the row what was hashed?
//!                                         └─► of one that is replaced: remembered, and compared at the end
//! end  ─► rows that no link tells of ─► rows as they are now, against the last link of each ─► anchor
//! ```

use std::collections::BTreeMap;

use super::findings::{Break, ChainReport, KeyUse, Span};
use super::place::{LinkKind, Place};
use super::{Anchor, ChainKey, Content, GENESIS, Hash, Link, body_of};
use crate::seal::{KeyId, Sealer};

/// Links read at once.
const STEP: u32 = 1_000;

/// How to walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainQuestion {
    /// Links only: rows are counted, not read.
    pub is_quick: bool,
    /// The chain must go through this.
    pub since: Option<Anchor>,
    /// So many breaks are named; the others are counted.
    pub most_breaks: usize,
}

impl Default for ChainQuestion {
    fn default() -> ChainQuestion {
        ChainQuestion { is_quick: false, since: None, most_breaks: 100 }
    }
}

/// A row that was looked for.
#[derive(Debug)]
pub enum Found {
    /// What it says.
    Row(Content),
    /// It is not there.
    Nothing,
    /// It is there, and cannot be read.
    Unreadable(String),
}

/// A link, or its number and why it cannot be read.
pub type ReadLink = Result<Link, (u64, String)>;

/// Takes rows, one by one.
pub type Each<'a> = &'a mut dyn FnMut(Option<u64>, Found);

/// What a backend has to answer for a walk, all as of one moment.
pub trait Links {
    /// What goes wrong when it is asked.
    type Error;

    /// How many links there are.
    fn count(&self) -> Result<u64, Self::Error>;

    /// Links from this number on, in order.
    fn links(&self, from: u64, most: u32) -> Result<Vec<ReadLink>, Self::Error>;

    /// A row of a kind that stays.
    fn row(&self, place: Place) -> Result<Found, Self::Error>;

    /// How many rows of a kind there are.
    fn rows(&self, kind: LinkKind) -> Result<u64, Self::Error>;

    /// Rows of a kind that stays that no link tells of.
    fn unlinked(&self, kind: LinkKind, most: usize) -> Result<Vec<Place>, Self::Error>;

    /// Gives all rows of a kind that is replaced to `each`, with the number in their key, if it can be read.
    fn present(&self, kind: LinkKind, each: Each<'_>) -> Result<(), Self::Error>;
}

/// Walks the whole chain. `progress` hears how many links of how many are done.
pub fn walk<L: Links>(
    source: &L,
    sealer: Option<&Sealer>,
    question: &ChainQuestion,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<ChainReport, L::Error> {
    let mut walker = Walker::new(sealer, *question);
    let count = source.count()?;
    let mut from = 0;
    loop {
        progress(walker.report.links, count);
        let links = source.links(from, STEP)?;
        let Some(last) = links.last() else { break };
        from = match last {
            Ok(link) => link.seq,
            Err((seq, _)) => *seq,
        } + 1;
        for link in links {
            walker.link(link, source)?;
        }
    }
    walker.end_of_links();
    for kind in LinkKind::that_stay() {
        walker.strangers(kind, source)?;
    }
    for kind in LinkKind::ALL.iter().filter(|kind| kind.is_replaced() && !kind.is_removal()) {
        walker.present(*kind, source)?;
    }
    Ok(walker.finish())
}

/// What the last link of a row said.
struct Last {
    link: u64,
    kind: LinkKind,
    body: Hash,
    marks: Vec<u8>,
}

struct Walker<'s> {
    question: ChainQuestion,
    sealer: Option<&'s Sealer>,
    /// The chain keys in hand.
    keys: BTreeMap<Option<KeyId>, ChainKey>,
    report: ChainReport,
    /// The link before: its number, and its hash if it could be read.
    before: (u64, Option<Hash>),
    /// Links that do not fit, one after the other, still growing.
    changed: Option<Span>,
    of_kind: BTreeMap<LinkKind, u64>,
    /// By table and key.
    last: BTreeMap<(&'static str, u64), Last>,
    /// Does the chain go through the anchor?
    anchored: Option<bool>,
}

impl<'s> Walker<'s> {
    fn new(sealer: Option<&'s Sealer>, question: ChainQuestion) -> Walker<'s> {
        let mut keys = BTreeMap::from([(None, ChainKey::public())]);
        if let Some(sealer) = sealer {
            let known = sealer.keys();
            keys.extend(known.iter().map(|key| (Some(key.id()), key.chain().clone())));
        }
        let report = ChainReport { has_keys: sealer.is_some(), ..ChainReport::default() };
        Walker {
            question,
            sealer,
            keys,
            report,
            before: (0, Some(GENESIS)),
            changed: None,
            of_kind: BTreeMap::new(),
            last: BTreeMap::new(),
            anchored: None,
        }
    }

    fn found(&mut self, broken: Break) {
        if self.report.breaks.len() < self.question.most_breaks {
            self.report.breaks.push(broken);
        } else {
            self.report.more_breaks += 1;
        }
    }

    fn link<L: Links>(&mut self, read: ReadLink, source: &L) -> Result<(), L::Error> {
        self.report.links += 1;
        let seq = match &read {
            Ok(link) => link.seq,
            Err((seq, _)) => *seq,
        };
        if seq != self.before.0 + 1 {
            self.tell_changed();
            self.found(Break::Missing(Span {
                first: self.before.0 + 1,
                last: seq.saturating_sub(1),
            }));
            self.before.1 = None;
        }
        let link = match read {
            Ok(link) => link,
            Err((link, why)) => {
                self.tell_changed();
                self.found(Break::Garbled { link, why });
                self.before = (link, None);
                return Ok(());
            }
        };
        self.note_key(&link);
        *self.of_kind.entry(link.place.kind).or_default() += 1;
        if let Some(anchor) = self.question.since.filter(|anchor| anchor.seq == seq) {
            self.anchored = Some(anchor.hash == link.hash);
        }
        self.compare(&link, source)?;
        self.before = (seq, Some(link.hash));
        if link.place.kind.is_replaced() {
            let Link { seq, place, body, marks, .. } = link;
            let last = Last { link: seq, kind: place.kind, body: body.unwrap_or(GENESIS), marks };
            self.last.insert((place.kind.table(), place.key), last);
        }
        Ok(())
    }

    fn compare<L: Links>(&mut self, link: &Link, source: &L) -> Result<(), L::Error> {
        let Link { place, seq, .. } = *link;
        // `None`: its key is not there, or the one before it is not.
        let is_signed = self.before.1.and_then(|before| {
            self.keys.get(&link.key).map(|key| key.tag(&before, link) == link.mac)
        });
        let mut fits = is_signed != Some(false);
        let row = match place.kind.is_replaced() {
            true => None,
            false if self.question.is_quick => None,
            false => Some(source.row(place)?),
        };
        let broken = match row {
            None => {
                if let (Some(body), Some(before)) = (&link.body, &self.before.1) {
                    fits &= link.hash == link.hash_for(before, body);
                }
                fits &= link.body.is_some() == place.kind.is_replaced();
                None
            }
            Some(Found::Nothing) => Some(Break::Gone { place, link: seq }),
            Some(Found::Unreadable(why)) => Some(Break::Unreadable { place, link: seq, why }),
            Some(Found::Row(content)) => {
                self.report.rows += 1;
                let fields = content.fields_unlike(&link.marks);
                let body = body_of(&content);
                let is_same =
                    self.before.1.map(|before| link.hash == link.hash_for(&before, &body));
                match (is_same, is_signed) {
                    // What is signed is what was recorded: it is the row that changed.
                    (Some(false), Some(true)) => Some(Break::Differs { place, fields, link: seq }),
                    (Some(false), _) if fields.is_empty() => {
                        fits = false;
                        None
                    }
                    (Some(false), _) => Some(Break::Differs { place, fields, link: seq }),
                    (None, _) if !fields.is_empty() => {
                        Some(Break::Differs { place, fields, link: seq })
                    }
                    _ => None,
                }
            }
        };
        self.note_fit(seq, fits);
        if let Some(broken) = broken {
            self.found(broken);
        }
        Ok(())
    }

    /// Links that do not fit come in runs: a run is one break.
    fn note_fit(&mut self, seq: u64, fits: bool) {
        match &mut self.changed {
            Some(span) if !fits && span.last + 1 == seq => span.last = seq,
            _ => {
                self.tell_changed();
                self.changed = (!fits).then_some(Span { first: seq, last: seq });
            }
        }
    }

    fn tell_changed(&mut self) {
        if let Some(span) = self.changed.take() {
            self.found(Break::Changed(span));
        }
    }

    fn note_key(&mut self, link: &Link) {
        match self.report.keys.last_mut() {
            Some(last) if last.key == link.key => last.span.last = link.seq,
            _ => {
                let is_known = self.keys.contains_key(&link.key);
                let span = Span { first: link.seq, last: link.seq };
                self.report.keys.push(KeyUse { key: link.key, is_known, span });
            }
        }
    }

    fn end_of_links(&mut self) {
        self.tell_changed();
        let (seq, hash) = self.before;
        self.report.head = hash.filter(|_| seq > 0).map(|hash| Anchor { seq, hash });
        if let Some(anchor) = self.question.since {
            match self.anchored {
                Some(true) => {}
                Some(false) => self.found(Break::OtherPast { anchor: anchor.seq }),
                None if anchor.seq > seq => {
                    self.found(Break::CutOff { anchor: anchor.seq, head: seq });
                }
                None if anchor.seq == 0 => {}
                None => self.found(Break::OtherPast { anchor: anchor.seq }),
            }
        }
        if self.sealer.is_none() {
            return;
        }
        let public: Vec<Span> = self
            .report
            .keys
            .iter()
            .filter(|used| used.key.is_none())
            .map(|used| used.span)
            .collect();
        public.into_iter().for_each(|span| self.found(Break::Public(span)));
        if let Some(KeyUse { key: Some(key), is_known: false, span }) =
            self.report.keys.last().copied()
        {
            self.found(Break::Unproven(span, key));
        }
    }

    /// Rows that no link tells of. Every link of a row that stays was looked up: where all were found,
    /// and there are as many rows, there is no other.
    fn strangers<L: Links>(&mut self, kind: LinkKind, source: &L) -> Result<(), L::Error> {
        let linked = self.of_kind.get(&kind).copied().unwrap_or(0);
        if self.report.breaks.is_empty() && source.rows(kind)? == linked {
            return Ok(());
        }
        let room = self.question.most_breaks.saturating_sub(self.report.breaks.len());
        let unlinked = source.unlinked(kind, room + 1)?;
        let has_none = unlinked.is_empty();
        unlinked.into_iter().for_each(|place| self.found(Break::Unlinked(place)));
        let rows = source.rows(kind)?;
        if has_none && self.report.breaks.is_empty() && rows != linked {
            let why = format!("{linked} links tell of {rows} {}", kind.many());
            self.found(Break::Foreign { kind, why });
        }
        Ok(())
    }

    /// Rows as they are, against the last link of each.
    fn present<L: Links>(&mut self, kind: LinkKind, source: &L) -> Result<(), L::Error> {
        if self.question.is_quick {
            return Ok(());
        }
        source.present(kind, &mut |key, found| self.row(kind, key, found))
    }

    fn row(&mut self, kind: LinkKind, key: Option<u64>, found: Found) {
        self.report.rows += 1;
        let Some(key) = key else {
            if let Found::Unreadable(why) = found {
                let why = format!("a row cannot be read: {why}");
                self.found(Break::Foreign { kind, why });
            }
            return;
        };
        let place = Place { kind, key, part: 0 };
        let Some(last) = self.last.remove(&(kind.table(), key)) else {
            return self.found(Break::Unlinked(place));
        };
        let link = last.link;
        match found {
            _ if last.kind.is_removal() => self.found(Break::Returned { place, link }),
            Found::Unreadable(why) => self.found(Break::Unreadable { place, link, why }),
            Found::Row(content) if body_of(&content) != last.body => {
                let fields = content.fields_unlike(&last.marks);
                self.found(Break::Differs { place, fields, link });
            }
            Found::Row(_) | Found::Nothing => {}
        }
    }

    fn finish(mut self) -> ChainReport {
        if !self.question.is_quick {
            let gone = std::mem::take(&mut self.last).into_iter();
            for ((_, key), last) in gone.filter(|(_, last)| !last.kind.is_removal()) {
                let place = Place { kind: last.kind, key, part: 0 };
                self.found(Break::Gone { place, link: last.link });
            }
        }
        self.report
    }
}
