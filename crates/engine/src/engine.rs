//! The engine. Signatures first; bodies follow.
#![allow(unused_variables, clippy::todo, missing_docs)]
use std::net::IpAddr;

use types::cdr::LegRecord;
use types::{
    AccountId, DecisionId, Hold, Line, LineId, Now, Record, Snapshot, Tick, Trunk, TrunkId,
};

use crate::*;

pub struct Engine {}

impl Engine {
    pub fn new(config: EngineConfig, snapshot: &Snapshot, now: Now) -> Result<Engine, EngineError> {
        todo!()
    }
    /// The usable line of a user: not of a disabled line, nor of a closed account.
    pub fn line_by_user(&self, user: &str) -> Option<&Line> {
        todo!()
    }
    pub fn line(&self, line: LineId) -> Option<&Line> {
        todo!()
    }
    pub fn account(&self, account: AccountId) -> Option<&AccountEntry> {
        todo!()
    }
    pub fn trunk(&self, trunk: TrunkId) -> Option<&Trunk> {
        todo!()
    }
    pub fn trunks(&self) -> impl Iterator<Item = &Trunk> {
        std::iter::empty()
    }
    pub fn trunk_by_source(&self, peer: IpAddr) -> Option<TrunkId> {
        todo!()
    }
    pub fn ip_allowed(&self, line: LineId, peer: IpAddr) -> bool {
        todo!()
    }
    pub fn admit(&mut self, now: Now, attempt: Attempt<'_>) -> Verdict {
        todo!()
    }
    pub fn use_trunk(&mut self, decision: DecisionId, trunk: TrunkId) {
        todo!()
    }
    pub fn hold(&self, decision: DecisionId) -> Option<Hold> {
        todo!()
    }
    pub fn answered(&mut self, now: Now, decision: DecisionId) -> Deadlines {
        todo!()
    }
    pub fn deadlines(&self, decision: DecisionId) -> Option<Deadlines> {
        todo!()
    }
    pub fn extend(&mut self, now: Now, decision: DecisionId) -> Extension {
        todo!()
    }
    pub fn extension_stored(&mut self, now: Now, decision: DecisionId) -> Deadlines {
        todo!()
    }
    pub fn extension_failed(&mut self, now: Now, decision: DecisionId) -> Deadlines {
        todo!()
    }
    pub fn end(&mut self, now: Now, decision: DecisionId, ended: Ended) -> Vec<Record> {
        todo!()
    }
    pub fn refused(
        &mut self,
        now: Now,
        refusal: Refusal,
        a_leg: LegRecord,
        status: u16,
    ) -> Vec<Record> {
        todo!()
    }
    pub fn recovered(&self) -> Vec<DecisionId> {
        todo!()
    }
    pub fn next_timeout(&self) -> Option<Tick> {
        todo!()
    }
    pub fn handle_timeout(&mut self, now: Now) -> Vec<CallOrder> {
        todo!()
    }
    pub fn store_health(&mut self, up: bool) {
        todo!()
    }
    pub fn command(&mut self, now: Now, command: Command) -> Result<Done, CommandError> {
        todo!()
    }
    /// Facts noticed since the last call (warning levels at extensions); what is not taken comes with the next `end`.
    pub fn take_facts(&mut self) -> Vec<Record> {
        todo!()
    }
    pub fn usage(&self, now: Now, account: AccountId) -> Option<Usage> {
        todo!()
    }
    pub fn live(&self) -> impl Iterator<Item = LiveCall<'_>> {
        std::iter::empty()
    }
}
