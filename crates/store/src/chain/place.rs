//! What is chained. Lives here: the kinds of links, which record has which place. Never here: hashes.

use std::fmt;

use types::{AccountId, BillId, DecisionId, DeckId, E164, Record, Transfer, TransferKind};

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
    /// What moved for a decision; its kind is the part.
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
    /// A deck as it stood from a moment on, all rows of it; by deck and put.
    Deck = 9, "deck_state", "states of decks", false;
    /// Who ordered a transfer, and why; by its place in the order of commits.
    Posting = 10, "posting", "postings", false;
    /// A bill run: what was committed when it began, and whether it is done.
    BillRun = 11, "bill_run", "bill runs", true;
    /// A bill, by run and account.
    Bill = 12, "bill", "bills", false;
    /// A plan of instalments.
    Plan = 13, "instalment_plan", "plans of instalments", false;
    /// A reseller with his stop levels.
    Reseller = 14, "reseller", "resellers", true;
    /// What stood for an account from a moment on.
    Standing = 15, "account_history", "entries", false;
    /// What stood for a line from a moment on.
    LineStanding = 16, "line_history", "entries", false;
    /// What is beneath the controls of an account, by account.
    Raises = 17, "account_raises", "accounts with raises", true;
    /// An account has no raise any more.
    RaisesGone = 18, "account_raises", "accounts whose raises ended", true;
    /// A request to change controls.
    ControlRequest = 19, "control_request", "requests", true;
    /// How a contact stands from a moment on.
    Contact = 30, "contact_history", "entries", false;
    /// What stood for a trunk from a moment on.
    TrunkStanding = 20, "trunk_history", "entries", false;
    /// A web user, his sealed secret included.
    WebUser = 24, "web_user", "web users", true;
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
        matches!(self, LinkKind::NumberGone | LinkKind::RaisesGone)
    }
}

/// Which record a link is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Of what kind.
    pub kind: LinkKind,
    /// Its decision, number or id; of a bill: its run · 2³² + its account; of a deck's state: its number · 2³² + the
    /// deck.
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
                let id = DecisionId(key);
                match TransferKind::ALL.into_iter().find(|known| *known as u8 == part) {
                    Some(kind @ (TransferKind::Charge | TransferKind::Cost)) => {
                        write!(f, "{kind} of call {id}")
                    }
                    Some(kind) if kind.adjusts_call() => write!(f, "{kind} of call {id}"),
                    Some(kind) => write!(f, "{kind} {id}"),
                    None => write!(f, "transfer {part} of {id}"),
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
            LinkKind::Deck => {
                let (state, deck) = state_of(key);
                write!(f, "state {state} of deck {deck}")
            }
            LinkKind::Posting => write!(f, "posting {key}"),
            LinkKind::BillRun => write!(f, "bill run {key}"),
            LinkKind::Bill => {
                let (run, account) = bill_of(key);
                write!(f, "bill {}", BillId { run, account: AccountId(account) })
            }
            LinkKind::Plan => write!(f, "instalment plan {}", DecisionId(key)),
            LinkKind::Reseller => write!(f, "reseller {key}"),
            LinkKind::Standing => write!(f, "entry {key} of the history of accounts"),
            LinkKind::LineStanding => write!(f, "entry {key} of the history of lines"),
            LinkKind::TrunkStanding => write!(f, "entry {key} of the history of trunks"),
            LinkKind::Raises | LinkKind::RaisesGone => write!(f, "raises of account {key}"),
            LinkKind::ControlRequest => write!(f, "request {key}"),
            LinkKind::WebUser => write!(f, "web user {key}"),
            LinkKind::Contact => write!(f, "entry {key} of the history of contacts"),
        }
    }
}

/// The key of a bill.
pub const fn key_of_bill(bill: BillId) -> u64 {
    (bill.run as u64) << 32 | bill.account.0 as u64
}

/// Run and account in the key of a bill.
pub const fn bill_of(key: u64) -> (u32, u32) {
    ((key >> 32) as u32, key as u32)
}

/// The key of a deck's state: the deck's n-th put.
pub const fn key_of_state(deck: DeckId, state: u32) -> u64 {
    (state as u64) << 32 | deck.0 as u64
}

/// State and deck in the key of a deck's state.
pub const fn state_of(key: u64) -> (u32, u32) {
    ((key >> 32) as u32, key as u32)
}

/// The place of a transfer.
pub fn place_of_transfer(transfer: &Transfer) -> Place {
    Place { kind: LinkKind::Transfer, key: transfer.decision.0, part: transfer.kind as u8 }
}

/// The place of a record, if it is chained. The number of a fact, a posting, a deck's state or an entry of a
/// history is known only once it is written: 0 here. A posting has a transfer besides.
pub fn place_of(record: &Record) -> Option<Place> {
    let place = |kind, key: u64| Some(Place { kind, key, part: 0 });
    match record {
        Record::Cdr(cdr) => place(LinkKind::Call, cdr.decision.0),
        Record::Transfer(transfer) => Some(place_of_transfer(transfer)),
        Record::Posting(_) => place(LinkKind::Posting, 0),
        Record::BillRun(run) => place(LinkKind::BillRun, run.run.into()),
        Record::BillRunDone(run) => place(LinkKind::BillRun, (*run).into()),
        Record::Bill(bill) => place(LinkKind::Bill, key_of_bill(bill.id())),
        Record::Instalments(plan) => place(LinkKind::Plan, plan.id.0),
        Record::Fact(..) => place(LinkKind::Fact, 0),
        Record::Account(account) => place(LinkKind::Account, account.id.0.into()),
        Record::Line(line) => place(LinkKind::Line, line.id.0.into()),
        Record::Number(number) => place(LinkKind::Number, number.number.value()),
        Record::NumberGone(number) => place(LinkKind::NumberGone, number.value()),
        Record::Trunk(trunk) => place(LinkKind::Trunk, trunk.id.0.into()),
        Record::Deck(..) => place(LinkKind::Deck, 0),
        Record::Reseller(reseller) => place(LinkKind::Reseller, reseller.id.0.into()),
        Record::Standing(_) => place(LinkKind::Standing, 0),
        Record::LineStanding(_) => place(LinkKind::LineStanding, 0),
        Record::TrunkStanding(_) => place(LinkKind::TrunkStanding, 0),
        Record::Raises(raises) if raises.is_empty() => {
            place(LinkKind::RaisesGone, raises.account.0.into())
        }
        Record::Raises(raises) => place(LinkKind::Raises, raises.account.0.into()),
        Record::ControlRequest(request) => place(LinkKind::ControlRequest, request.id.into()),
        Record::WebUser(user) => place(LinkKind::WebUser, user.id.0.into()),
        Record::Contact(_) => place(LinkKind::Contact, 0),
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
        | Record::Alert(_)
        | Record::AlertMark(_)
        | Record::KeptAnswer(_)
        | Record::KeptAnswersGone(_)
        | Record::Audited(_)
        | Record::Alive(_) => None,
    }
}
