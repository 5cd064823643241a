//! Transactions of alerts and contacts: the node has no part in them. Lives here: their tickets, who waits for them. Never here:
//! what is written (alerts), the store's own queue (`store_link`).

use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;

use edge::StoreRequest;
use serde_json::Value;
use types::Record;

use super::control::JobReply;

/// Their tickets count upwards from here; the node's do from 1.
const FIRST: u64 = 1 << 62;

/// Those that are under way.
#[derive(Default)]
pub struct Writes {
    waiting: BTreeMap<u64, SyncSender<JobReply>>,
    begun: u64,
}

impl Writes {
    /// What the store is asked; `reply` is told when it is on disk.
    pub fn begin(&mut self, records: Vec<Record>, reply: SyncSender<JobReply>) -> StoreRequest {
        let ticket = FIRST + self.begun;
        self.begun += 1;
        self.waiting.insert(ticket, reply);
        StoreRequest { ticket, records }
    }

    /// The store has dealt with a ticket; `false`: it is none of these.
    pub fn stored(&mut self, ticket: u64, ok: bool) -> bool {
        if ticket < FIRST {
            return false;
        }
        if let Some(reply) = self.waiting.remove(&ticket) {
            let told =
                if ok { Ok(Value::Null) } else { Err("the store does not take it".to_owned()) };
            // Who asked may have gone.
            drop(reply.try_send(told));
        }
        true
    }
}
