//! What a walk along the chain finds, in words. Lives here: the kinds of breaks. Never here: looking for them.

use std::fmt;

use super::{Anchor, LinkKind, Place};
use crate::seal::KeyId;

/// Links from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "link {}", self.first),
            false => write!(f, "links {} to {}", self.first, self.last),
        }
    }
}

/// Where the record was changed by somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Break {
    /// Links are not there.
    Missing(Span),
    /// Links were changed, moved, or made by who has no key.
    Changed(Span),
    /// A link has a row of its own that nobody can read.
    Garbled {
        /// Which.
        link: u64,
        /// What of it.
        why: String,
    },
    /// Made with the key that everybody has, though there are keys.
    Public(Span),
    /// The newest links were made with a key that is not there: nothing shows that it was ours.
    Unproven(Span, KeyId),
    /// A row says something else than it did.
    Differs {
        /// Whose.
        place: Place,
        /// Which fields, as far as it is known.
        fields: Vec<&'static str>,
        /// Where it is on record.
        link: u64,
    },
    /// A row cannot be read.
    Unreadable {
        /// Whose.
        place: Place,
        /// Where it is on record.
        link: u64,
        /// Why not.
        why: String,
    },
    /// A row is gone.
    Gone {
        /// Whose.
        place: Place,
        /// Where it is on record.
        link: u64,
    },
    /// A row is there that no link tells of.
    Unlinked(Place),
    /// A row is there, though its removal is on record.
    Returned {
        /// Whose.
        place: Place,
        /// Where its removal is on record.
        link: u64,
    },
    /// A table has rows that belong to no link, or links that have no row, and it cannot be told which.
    Foreign {
        /// What is in it.
        kind: LinkKind,
        /// What is wrong with it.
        why: String,
    },
    /// The chain ends before the anchor.
    CutOff {
        /// The anchor.
        anchor: u64,
        /// The last link that is there; 0: none.
        head: u64,
    },
    /// The chain does not go through the anchor.
    OtherPast {
        /// The anchor.
        anchor: u64,
    },
}

impl fmt::Display for Break {
    /// One sentence for a person, without the full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Break::Missing(span) => write!(f, "{span} {} gone", are(*span)),
            Break::Changed(span) => {
                write!(f, "{span} {} changed, moved or forged: the key does not fit", were(*span))
            }
            Break::Garbled { link, why } => write!(f, "link {link} cannot be read: {why}"),
            Break::Public(span) => {
                write!(f, "{span} {} made without a key: anybody can make such links", were(*span))
            }
            Break::Unproven(span, key) => write!(
                f,
                "{span} {} made with key {key}, which is not here: nothing shows that it was ours",
                were(*span)
            ),
            Break::Differs { place, fields, link } if fields.is_empty() => {
                write!(f, "{place} differs from what was recorded at link {link}")
            }
            Break::Differs { place, fields, link } => {
                let verb = if fields.len() == 1 { "differs" } else { "differ" };
                let fields = fields.join(", ");
                write!(f, "{place}: {fields} {verb} from what was recorded at link {link}")
            }
            Break::Unreadable { place, link, why } => {
                write!(f, "{place}, recorded at link {link}, cannot be read: {why}")
            }
            Break::Gone { place, link } => write!(f, "{place}, recorded at link {link}, is gone"),
            Break::Unlinked(place) => write!(
                f,
                "{place} is on no link: it was inserted by somebody else, or the end of the chain was cut off"
            ),
            Break::Returned { place, link } => {
                write!(f, "{place} is there, though link {link} records that it was taken back")
            }
            Break::Foreign { kind, why } => {
                write!(f, "table {}: {why}", kind.table())
            }
            Break::CutOff { anchor, head: 0 } => {
                write!(f, "the chain is empty, the anchor is link {anchor}: its end was cut off")
            }
            Break::CutOff { anchor, head } => {
                write!(
                    f,
                    "the chain ends with link {head}, before the anchor at link {anchor}: its end was cut off"
                )
            }
            Break::OtherPast { anchor } => write!(
                f,
                "the chain does not go through the anchor: something up to link {anchor} was written anew"
            ),
        }
    }
}

const fn were(span: Span) -> &'static str {
    if span.first == span.last { "was" } else { "were" }
}

const fn are(span: Span) -> &'static str {
    if span.first == span.last { "is" } else { "are" }
}

/// Links made with one key, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The key; `None`: the public one.
    pub key: Option<KeyId>,
    /// Is it there?
    pub is_known: bool,
    /// Which links.
    pub span: Span,
}

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// Links looked at.
    pub links: u64,
    /// Rows compared with what was recorded.
    pub rows: u64,
    /// How far the chain reaches.
    pub head: Option<Anchor>,
    /// Were there keys? Without them anybody can have made all of it.
    pub has_keys: bool,
    /// Which key made which links, in their order.
    pub keys: Vec<KeyUse>,
    /// Where it breaks; empty is good.
    pub breaks: Vec<Break>,
    /// Breaks beyond those that were asked for.
    pub more_breaks: u64,
}

impl ChainReport {
    /// Links of keys that are not there, which later links vouch for.
    pub fn vouched_for(&self) -> impl Iterator<Item = (Span, KeyId)> {
        let used = self.keys.iter().filter(|used| self.has_keys && !used.is_known);
        used.filter_map(|used| used.key.map(|key| (used.span, key)))
    }
}
