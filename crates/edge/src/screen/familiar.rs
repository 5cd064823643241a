//! Who looks like a customer's device although its socket is new: a NAT gave it another port, or it was
//! switched off and on. Lives here: what such a message has in common with a binding or a device.
//! Never here: proof.

use sip::digest::canonical_user;
use sip::flow::Flow;
use sip::message::{Contacts, Message};

use crate::log_in::claim;
use crate::node::Node;

impl Node {
    /// Is its Call-ID or its Contact that of a live binding from this source, or is it like a device of the
    /// line that it is from? An attacker behind the same address would have to know that; he gets no
    /// further than to a challenge by it.
    pub(crate) fn is_familiar(&self, message: &Message<'_>, flow: &Flow) -> bool {
        let source = flow.peer.ip();
        if self.registrar.knows_face(source, message.call_id()) {
            return true;
        }
        let is_bound = match message.contacts() {
            Ok(Contacts::List(contacts)) => {
                contacts.iter().any(|contact| self.registrar.knows_face(source, contact.uri))
            }
            _ => false,
        };
        is_bound || self.is_like_a_device(message, flow)
    }

    fn is_like_a_device(&self, message: &Message<'_>, flow: &Flow) -> bool {
        let Ok(from) = message.from().parse_uri() else { return false };
        let user = from.user.and_then(canonical_user);
        user.is_some_and(|user| self.engine.is_familiar(self.now, &claim(message, flow, &user)))
    }
}
