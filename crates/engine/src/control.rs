//! Commands of staff and operator. Lives here: what can be changed, and whether it makes sense.
//! Never here: who may give a command, how it travels.

use serde::{Deserialize, Serialize};
use types::record::Deck;
use types::{
    Account, AccountId, AccountStatus, DecisionId, DeckId, E164, Line, LineId, Number, Record,
    Trunk, TrunkId,
};

/// A change. It travels over the control socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Adds or changes an account.
    PutAccount(Account),
    /// Changes what an account may do at all.
    SetStatus(AccountId, AccountStatus),
    /// Adds or changes a line.
    PutLine(Line),
    /// Adds or changes a number.
    PutNumber(Number),
    /// Takes a number back.
    RemoveNumber(E164),
    /// Adds or changes a trunk.
    PutTrunk(Trunk),
    /// Adds or replaces a deck.
    PutDeck(Deck),
    /// Hangs up a live call.
    Cut(DecisionId),
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// To be written, one transaction.
    pub records: Vec<Record>,
    /// Live calls to hang up with `HangupCause::Cut`.
    pub cut: Vec<DecisionId>,
    /// What was done, in words.
    pub message: String,
}

/// Why a command makes no sense. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such account.
    #[error("there is no account {0}")]
    UnknownAccount(AccountId),
    /// No such line.
    #[error("there is no line {0}")]
    UnknownLine(LineId),
    /// No such number.
    #[error("{0} is not a number of ours")]
    UnknownNumber(E164),
    /// No such deck.
    #[error("there is no rate deck {0}")]
    UnknownDeck(DeckId),
    /// No such call.
    #[error("there is no call {0} in progress")]
    UnknownCall(DecisionId),
    /// The user name belongs to another line.
    #[error("user `{user}` is taken by line {line}")]
    UserTaken {
        /// The user name.
        user: String,
        /// Whose it is.
        line: LineId,
    },
    /// The number belongs to another account.
    #[error("number {number} is taken by account {account}")]
    NumberTaken {
        /// The number.
        number: E164,
        /// Whose it is.
        account: AccountId,
    },
    /// The line belongs to another account.
    #[error("line {line} belongs to account {account}")]
    LineElsewhere {
        /// The line.
        line: LineId,
        /// Whose it is.
        account: AccountId,
    },
    /// A field cannot be as given.
    #[error("{field}: {problem}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The rows are not a deck.
    #[error("rate deck {deck}: {problem}")]
    Deck {
        /// Which deck.
        deck: DeckId,
        /// What is wrong with it.
        problem: String,
    },
    /// Ids start at 1.
    #[error("trunk {0}: ids start at 1")]
    TrunkId(TrunkId),
}
