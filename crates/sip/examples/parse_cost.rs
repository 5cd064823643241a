//! What parsing costs: nanoseconds per message, best of several rounds. Run with `--release`.
//! `cargo run --release -p sip --example parse_cost [PART-OF-A-NAME]`

use std::hint::black_box;
use std::time::Instant;

use sip::flow::{Flow, Outbox};
use sip::message::{Contacts, Message, Name, Origin, Uri, reply_stateless};

const ROUNDS: usize = 1_000;
const MESSAGES: u32 = 200;

const REGISTER: &str = "REGISTER sip:voip.example.net SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bK-7d4c2a91;rport\r\n\
Max-Forwards: 70\r\n\
From: \"Reception\" <sip:4401632960001@voip.example.net>;tag=a73kszlfl\r\n\
To: \"Reception\" <sip:4401632960001@voip.example.net>\r\n\
Call-ID: 1j9FpLxk3uxtm8tn@192.168.1.20\r\n\
CSeq: 2 REGISTER\r\n\
Contact: <sip:4401632960001@192.168.1.20:5060;transport=udp>\r\n\
User-Agent: Deskphone T46S 66.84.0.15\r\n\
Allow: INVITE, ACK, BYE, CANCEL\r\n\
Expires: 3600\r\n\
Content-Length: 0\r\n\r\n";

const INVITE: &str = "INVITE sip:02079460000@voip.example.net SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bK-58f2b1c7;rport\r\n\
Max-Forwards: 70\r\n\
From: \"Reception\" <sip:4401632960001@voip.example.net>;tag=k4ds9\r\n\
To: <sip:02079460000@voip.example.net>\r\n\
Call-ID: 7Hq0vS2nLw@192.168.1.20\r\n\
CSeq: 1 INVITE\r\n\
Contact: <sip:4401632960001@192.168.1.20:5060>\r\n\
Supported: replaces, timer\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 210\r\n\r\n\
v=0\r\no=- 20026 20026 IN IP4 192.168.1.20\r\ns=-\r\nc=IN IP4 192.168.1.20\r\nt=0 0\r\n\
m=audio 11796 RTP/AVP 9 0 8 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

/// Best time of one call of `work`, over rounds of many.
#[expect(clippy::disallowed_methods, reason = "this measures time")]
fn measure(name: &str, bytes: usize, mut work: impl FnMut()) {
    if std::env::args().nth(1).is_some_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        (0..MESSAGES).for_each(|_| work());
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(MESSAGES));
    }
    println!("{name:<44} {bytes:>5} bytes  {best:>7.0} ns");
}

fn parse(bytes: &mut [u8]) -> Message<'_> {
    Message::parse(black_box(bytes), Origin::Datagram).expect("well-formed")
}

fn main() {
    println!("Message: {} bytes of memory", size_of::<Message<'_>>());
    for (name, text) in [("REGISTER", REGISTER), ("INVITE with SDP", INVITE)] {
        let mut bytes = text.as_bytes().to_vec();
        measure(&format!("{name}: parse"), bytes.len(), || {
            black_box(parse(&mut bytes));
        });
    }
    let mut bytes = REGISTER.as_bytes().to_vec();
    measure("REGISTER: parse, contacts and their URIs", bytes.len(), || {
        let message = parse(&mut bytes);
        if let Ok(Contacts::List(list)) = message.contacts() {
            list.iter().for_each(|contact| {
                black_box(Uri::parse(contact.uri)).expect("well-formed");
            });
        }
        black_box(message.expires());
        black_box(message.has_option(Name::Supported, "path"));
    });
    let address = |text: &str| text.parse().expect("an address");
    let flow = Flow::udp(address("192.0.2.1:5060"), address("198.51.100.7:40000"));
    let mut out = Outbox::default();
    measure("REGISTER: parse and refuse", bytes.len(), || {
        let message = parse(&mut bytes);
        out.clear();
        reply_stateless(&mut out, &message, &flow, 403, "a1b2c3d4", |_| ());
        black_box(&out);
    });
}
