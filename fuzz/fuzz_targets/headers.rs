//! Header values by type: Via, addresses, lists, media types, numbers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::message::{Message, Name, NameAddr, Origin, Via, delta_seconds, media_type};

fuzz_target!(|text: &str| {
    let _ = (media_type(text), delta_seconds(text));
    if let Ok(via) = Via::parse(text) {
        let again = Via::parse(via.raw).expect("the same");
        assert_eq!((again.host, again.port, again.branch), (via.host, via.port, via.branch));
        let _ = (via.host_ip(), via.received_ip());
    }
    if let Ok(address) = NameAddr::parse(text) {
        assert_eq!(address.tag(), address.param("tag"));
        address.params.iter().for_each(|param| assert!(!param.name.is_empty()));
    }
    if text.contains(['\r', '\n']) {
        return;
    }
    // In a message, each of them means the same as alone.
    let head = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n";
    let mut bytes = format!(
        "{head}Contact: {text}\r\nSession-Expires: {text}\r\nRAck: {text}\r\nRSeq: {text}\r\n\r\n"
    )
    .into_bytes();
    if let Ok(message) = Message::parse(&mut bytes, Origin::Datagram) {
        let _ = (message.contacts(), message.session_expires(), message.rack(), message.rseq());
        let alone = NameAddr::parse(text.trim_matches([' ', '\t']));
        if let (1, Ok(alone)) = (message.values(Name::Contact).count(), alone) {
            assert_eq!(message.name_addrs(Name::Contact).next(), Some(Ok(alone)));
        }
    }
});
