//! Who looks like a customer's device although its socket is new: a NAT gave it another port, or it was
//! switched off and on. Lives here: what such a message has in common with a binding. Never here: proof.

use sip::flow::Flow;
use sip::message::{Contacts, Message};

use crate::node::Node;

impl Node {
    /// Is its Call-ID or its Contact that of a live binding from this source? An attacker behind the
    /// same address would have to know one of them; he gets no further than to a challenge by it.
    pub(crate) fn is_familiar(&self, message: &Message<'_>, flow: &Flow) -> bool {
        let source = flow.peer.ip();
        if self.registrar.knows_face(source, message.call_id()) {
            return true;
        }
        match message.contacts() {
            Ok(Contacts::List(contacts)) => {
                contacts.iter().any(|contact| self.registrar.knows_face(source, contact.uri))
            }
            _ => false,
        }
    }
}
