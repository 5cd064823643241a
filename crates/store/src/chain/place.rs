//! What is chained. Lives here: the kinds of links, which record has which place. Never here: hashes.

use std::fmt;

use types::{DecisionId, E164, Record, TransferKind};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $table:literal, $word:literal, $replaced:literal;)*) => {
        /// What a link is of. The code stands in the database, and in what is signed: it is never given again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum LinkKind { $($(#[$doc])* $name = $code),* }

        impl LinkKind {
            /// All of them.
            pub const ALL: &[LinkKind] = &[$(LinkKind::$name),*];

            /// The table its rows are in.
            pub const fn table(self) -> &'static str {
                match self { $(LinkKind::$name => $table),* }
            }

            /// Several of them, for people.
            pub const fn many(self) -> &'static str {
                match self { $(LinkKind::$name => $word),* }
            }

            /// May the row be replaced or removed later? Then the link keeps what it hashed to.
            pub const fn is_replaced(self) -> bool {
                match self { $(LinkKind::$name => $replaced),* }
            }
        }
    };
}

kinds! {
    /// The CDR of a decision, admitted or refused.
    Call = 1, "cdr", "calls", false;
    /// A posting of a decision; its kind is the part.
    Transfer = 2, "transfer", "transfers", false;
    /// Anything else that changed or was noticed.
    Fact = 3, "fact", "facts", false;
    /// An account with its controls.
    Account = 4, "account", "accounts", true;
    /// A line, its sealed verifiers included.
    Line = 5, "line", "lines", true;
    /// A number of ours.
    Number = 6, "number", "numbers", true;
    /// A number that was taken back.
    NumberGone = 7, "number", "numbers taken back", true;
    /// A trunk with its routes and its sealed secret.
    Trunk = 8, "trunk", "trunks", true;
    /// A deck, all rows of it.
    Deck = 9, "deck", "decks", true;
}

impl LinkKind {
    /// The kind of a code.
    pub fn from_code(code: i64) -> Option<LinkKind> {
        LinkKind::ALL.iter().copied().find(|kind| *kind as i64 == code)
    }

    /// Those whose rows stay as they are.
    pub fn that_stay() -> impl Iterator<Item = LinkKind> {
        LinkKind::ALL.iter().copied().filter(|kind| !kind.is_replaced())
    }

    /// What removes a row of this kind, if anything does.
    pub const fn is_removal(self) -> bool {
        matches!(self, LinkKind::NumberGone)
    }
}

/// Which record a link is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Of what kind.
    pub kind: LinkKind,
    /// Its decision, number or id.
    pub key: u64,
    /// Tells rows of one key apart; mostly 0.
    pub part: u8,
}

impl Place {
    /// What is signed of it.
    pub(super) fn bytes(self) -> [u8; 10] {
        let mut bytes = [0; 10];
        (bytes[0], bytes[1]) = (self.kind as u8, self.part);
        bytes[2..].copy_from_slice(&self.key.to_le_bytes());
        bytes
    }
}

impl fmt::Display for Place {
    /// As people call it: `call 0D5KZQ4M2T8GR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { kind, key, part } = *self;
        match kind {
            LinkKind::Call => write!(f, "call {}", DecisionId(key)),
            LinkKind::Transfer => {
                let known = [TransferKind::Charge, TransferKind::Cost];
                match known.iter().find(|known| **known as u8 == part) {
                    Some(kind) => write!(f, "{} of call {}", word(*kind), DecisionId(key)),
                    None => write!(f, "transfer {part} of {}", DecisionId(key)),
                }
            }
            LinkKind::Fact => write!(f, "fact {key}"),
            LinkKind::Account => write!(f, "account {key}"),
            LinkKind::Line => write!(f, "line {key}"),
            LinkKind::Number | LinkKind::NumberGone => match E164::try_from(key) {
                Ok(number) => write!(f, "number {number}"),
                Err(_) => write!(f, "number {key}"),
            },
            LinkKind::Trunk => write!(f, "trunk {key}"),
            LinkKind::Deck => write!(f, "deck {key}"),
        }
    }
}

const fn word(kind: TransferKind) -> &'static str {
    match kind {
        TransferKind::Charge => "charge",
        TransferKind::Cost => "cost",
    }
}

/// The place of a record, if it is chained. The number of a fact is known only once it is written:
/// 0 here.
pub fn place_of(record: &Record) -> Option<Place> {
    let place = |kind, key: u64| Some(Place { kind, key, part: 0 });
    match record {
        Record::Cdr(cdr) => place(LinkKind::Call, cdr.decision.0),
        Record::Transfer(transfer) => Some(Place {
            kind: LinkKind::Transfer,
            key: transfer.decision.0,
            part: transfer.kind as u8,
        }),
        Record::Fact(..) => place(LinkKind::Fact, 0),
        Record::Account(account) => place(LinkKind::Account, account.id.0.into()),
        Record::Line(line) => place(LinkKind::Line, line.id.0.into()),
        Record::Number(number) => place(LinkKind::Number, number.number.value()),
        Record::NumberGone(number) => place(LinkKind::NumberGone, number.value()),
        Record::Trunk(trunk) => place(LinkKind::Trunk, trunk.id.0.into()),
        Record::Deck(deck) => place(LinkKind::Deck, deck.id.0.into()),
        // What comes and goes by itself; what people change of it is told by a fact.
        Record::Hold(_)
        | Record::HoldClosed(_)
        | Record::Binding(_)
        | Record::BindingGone(..)
        | Record::Device(_)
        | Record::DeviceGone(_)
        | Record::LockOut(_)
        | Record::LockOutGone(_)
        | Record::Ban(_)
        | Record::BanGone(_)
        | Record::Alive(_) => None,
    }
}
