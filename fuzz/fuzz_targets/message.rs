//! One datagram: parsed, asked everything, answered; the answer is parsed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::flow::{Flow, Outbox};
use sip::message::{Message, Name, Origin, describe, reply_stateless, salvage};
use sip::sdp;

fuzz_target!(|bytes: &[u8]| {
    let address = |text: &str| text.parse().expect("an address");
    let flow = Flow::udp(address("192.0.2.1:5060"), address("[2001:db8::9]:5062"));
    let mut bytes = bytes.to_vec();
    let mut out = Outbox::default();
    let message = match Message::parse(&mut bytes, Origin::Datagram) {
        Ok(message) => message,
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control));
            if let Some(salvaged) = salvage(&bytes) {
                salvaged.reply(&mut out, &flow, error.status(), "tag", |_| ());
            }
            return;
        }
    };
    for name in Name::all() {
        let _ = message.name_addrs(name).flatten().filter(|a| a.parse_uri().is_ok()).count();
        let _ = message.credentials(name).count() + message.challenges(name).count();
    }
    let _ = (message.contacts(), message.session_expires(), message.rack(), message.rseq());
    let _ = sdp::inspect(message.content_type(), message.body);
    assert!(!describe(&message).to_string().is_empty());
    if message.is_request() {
        reply_stateless(&mut out, &message, &flow, 403, "tag", |_| ());
        let mut reply = out.iter().next().expect("one").1.to_vec();
        if reply.len() < 16_000 {
            let reply = Message::parse(&mut reply, Origin::Stream).expect("our own answer");
            assert_eq!(reply.call_id(), message.call_id());
            assert_eq!(reply.via().branch, message.via().branch);
            assert_eq!(reply.vias().count(), message.vias().count());
            assert!(reply.to().tag().is_some() || message.to().tag().is_some());
        }
    }
});
