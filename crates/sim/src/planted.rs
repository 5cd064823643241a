//! Bugs planted on purpose around the node, to show that the checks of this crate find them. Lives here: the list.
//! Never here: production code, which has none of these switches.

/// A classical bug, played by the store, the clockwork or the world around the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// The store says that a batch is durable before it writes it.
    AckBeforeWrite,
    /// The store loses every hold, and says that it kept it.
    HoldLost,
    /// The store loses holds that replace another, and says that it kept them.
    ExtensionLost,
    /// The store answers requests in the wrong order: the answer of the newest comes first, before its write.
    AnswersReordered,
    /// The node is no longer told that time passes, once ten minutes are over.
    TickLost,
    /// CDRs and their transfers are written twice under two names.
    CdrTwice,
    /// The store loses CDRs, and says that it kept them.
    CdrLost,
    /// Only the first record of a batch is written.
    HalfBatch,
    /// The node's decks have half the prices of the deck that was signed.
    HalfPrice,
    /// After a crash the node is not told of the open holds.
    HoldsForgotten,
    /// After a crash the node is not told what was spent.
    SpendingForgotten,
    /// The node's BYEs never leave the house.
    ByeSwallowed,
    /// The node's BYEs leave twenty seconds late.
    ByeLate,
    /// The node charges the calls of a line to the account beside its own.
    WrongPayer,
    /// The node takes stop levels ten times higher than they were set.
    LevelsTenfold,
    /// The node does not know of IP locks.
    LockForgotten,
    /// The node does not know of barred classes and price caps.
    BarsForgotten,
    /// The node does not know of limits of calls at once, nor of hotspots. Found by the production auditor only.
    LimitsForgotten,
    /// The store loses what people posted, and says that it kept it.
    PostingLost,
    /// What people posted is written twice under two names.
    PostingTwice,
    /// The last call of each bill is left out.
    CallUnbilled,
}

impl Planted {
    /// All that the simulator's own auditor finds.
    pub const ALL: [Planted; 20] = [
        Planted::AckBeforeWrite,
        Planted::HoldLost,
        Planted::ExtensionLost,
        Planted::AnswersReordered,
        Planted::TickLost,
        Planted::CdrTwice,
        Planted::CdrLost,
        Planted::HalfBatch,
        Planted::HalfPrice,
        Planted::HoldsForgotten,
        Planted::SpendingForgotten,
        Planted::ByeSwallowed,
        Planted::ByeLate,
        Planted::WrongPayer,
        Planted::LevelsTenfold,
        Planted::LockForgotten,
        Planted::BarsForgotten,
        Planted::PostingLost,
        Planted::PostingTwice,
        Planted::CallUnbilled,
    ];

    /// Does it need a crash to show?
    pub const fn needs_crash(self) -> bool {
        matches!(self, Planted::HoldsForgotten | Planted::SpendingForgotten)
    }
}
