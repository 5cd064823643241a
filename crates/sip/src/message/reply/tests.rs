//! What is answered, and to whom.

use super::super::Origin;
use super::*;

fn flow(peer: &str) -> Flow {
    Flow::udp("192.0.2.1:5060".parse().expect("address"), peer.parse().expect("address"))
}

fn request(via: &str, to: &str) -> String {
    format!(
        "OPTIONS sip:a@b SIP/2.0\r\nv: {via}\r\nVia: SIP/2.0/TCP z;branch=3\r\nf: <sip:c@d>;tag=1\r\nTo: {to}\r\n\
         Call-ID: x@y\r\nRecord-Route: <sip:p;lr>, <sip:q;lr>\r\nTimestamp: 54\r\nCSeq: 7  OPTIONS\r\n\r\n"
    )
}

fn answer(text: &str, peer: &str, status: u16) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let message = Message::parse(&mut bytes, Origin::Datagram).expect(text);
    let head = ReplyHead::new(&message, &flow(peer));
    let mut out = Vec::new();
    head.begin(&mut out, status, "Any", "t");
    let again = ReplyHead::new_in(vec![1; 9], &message, &flow(peer));
    assert_eq!(again, head);
    let mut stateless = Outbox::default();
    reply_stateless(&mut stateless, &message, &flow(peer), 200, "t", |_| ());
    let mut kept = Vec::new();
    head.begin(&mut kept, 200, "OK", "t");
    print::finish(&mut kept, None, b"");
    assert_eq!(stateless.iter().next().expect("one").1, kept);
    String::from_utf8(out).expect("text")
}

#[test]
fn the_topmost_via_says_where_it_came_from() {
    fn check(via: &str, peer: &str, want: &str) {
        let got = answer(&request(via, "<sip:a@b>"), peer, 200);
        let vias: Vec<&str> = got.lines().filter(|line| line.starts_with("Via:")).collect();
        assert_eq!(vias[0].strip_prefix("Via: SIP/2.0/"), Some(want), "{via}");
        assert_eq!(vias.last(), Some(&"Via: SIP/2.0/TCP z;branch=3"));
    }
    check("SIP/2.0/UDP 192.0.2.9;branch=1", "192.0.2.9:5060", "UDP 192.0.2.9;branch=1");
    check("SIP / 2.0 / UDP 192.0.2.9 ;branch=1", "192.0.2.9:1", "UDP 192.0.2.9;branch=1");
    check("SIP/2.0/UDP h:5070;branch=1", "192.0.2.9:9", "UDP h:5070;branch=1;received=192.0.2.9");
    check(
        "SIP/2.0/UDP 192.0.2.9;rport;branch=1",
        "192.0.2.9:9",
        "UDP 192.0.2.9;branch=1;received=192.0.2.9;rport=9",
    );
    check(
        "SIP/2.0/UDP h;rport=4; x = \"a;b\" ;received=10.0.0.1",
        "192.0.2.9:9",
        "UDP h;x = \"a;b\";received=192.0.2.9;rport=9",
    );
    check(
        "SIP/2.0/UDP 10.0.0.1;received=10.0.0.1",
        "192.0.2.9:9",
        "UDP 10.0.0.1;received=192.0.2.9",
    );
    check("SIP/2.0/UDP [2001:DB8::1];branch=1", "[2001:db8::1]:9", "UDP [2001:DB8::1];branch=1");
    check("SIP/2.0/UDP h", "[2001:db8::1]:9", "UDP h;received=2001:db8::1");
    check("SIP/2.0/UDP 192.0.2.9", "[::ffff:192.0.2.9]:9", "UDP 192.0.2.9");
    check(
        "SIP/2.0/UDP 192.0.2.9;branch=1, SIP/2.0/UDP k",
        "192.0.2.9:5060",
        "UDP 192.0.2.9;branch=1",
    );
}

#[test]
fn the_rest_is_as_it_came() {
    let got = answer(&request("SIP/2.0/UDP 192.0.2.9", "\"B\" <sip:a@b>"), "192.0.2.9:5060", 200);
    let want = "SIP/2.0 200 Any\r\nVia: SIP/2.0/UDP 192.0.2.9\r\nVia: SIP/2.0/TCP z;branch=3\r\nFrom: <sip:c@d>;tag=1\r\n\
                To: \"B\" <sip:a@b>;tag=t\r\nCall-ID: x@y\r\nCSeq: 7  OPTIONS\r\n";
    assert_eq!(got, want);
    let got = answer(&request("SIP/2.0/UDP 192.0.2.9", "<sip:a@b>;tag=own"), "192.0.2.9:5060", 100);
    assert!(
        got.contains("\r\nTo: <sip:a@b>;tag=own\r\n") && got.ends_with("\r\nTimestamp: 54\r\n"),
        "{got}"
    );
}

#[test]
fn record_routes_are_kept_in_order() {
    let mut bytes = request("SIP/2.0/UDP 192.0.2.9", "<sip:a@b>").into_bytes();
    let message = Message::parse(&mut bytes, Origin::Datagram).expect("well-formed");
    let mut out = Vec::new();
    ReplyHead::new(&message, &flow("192.0.2.9:1")).write_record_route(&mut out);
    assert_eq!(out, b"Record-Route: <sip:p;lr>, <sip:q;lr>\r\n");
}

#[test]
fn salvages_what_can_be_answered() {
    fn check(text: &str, want: Option<&str>) {
        let mut bytes = text.as_bytes().to_vec();
        Message::parse(&mut bytes, Origin::Datagram).expect_err("broken on purpose");
        let mut out = Outbox::default();
        if let Some(salvaged) = salvage(&bytes) {
            salvaged.reply(&mut out, &flow("192.0.2.9:9"), 400, "t", |_| ());
        }
        let got = out.iter().next().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
        assert_eq!(got.as_deref(), want, "{text}");
    }
    let good = "\r\nVia: SIP/2.0/UDP h, SIP/2.0/UDP k\r\nTo: <sip:a@b>\r\nFrom: <sip:a@b>\r\ni: 1\r\nCSeq: 99999999999 BYE\r\n";
    let want = "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP h;received=192.0.2.9\r\nVia: SIP/2.0/UDP k\r\nFrom: <sip:a@b>\r\n\
                To: <sip:a@b>;tag=t\r\nCall-ID: 1\r\nCSeq: 99999999999 BYE\r\nContent-Length: 0\r\n\r\n";
    check(&format!("BYE sip:a SIP/2.0{good}\r\n"), Some(want));
    check(&format!("BYE sip:a b SIP/2.0{good}Subject: \0\r\nnonsense\r\n\r\n"), Some(want));
    check(&format!("ACK sip:a SIP/2.0{good}\r\n"), None);
    check(&format!("SIP/2.0 200 OK{good}\r\n"), None);
    check(&format!("BYE sip:a SIP/2.0{good}Subject: \0\r\n folded\r\n\r\n"), Some(want));
    let folded =
        "BYE sip:a SIP/2.0\r\nA\r\nVia: x\r\n y\r\nTo: a\r\nFrom: b\r\ni: c\r\nCSeq: d\r\n\r\n";
    check(folded, None);
    check("BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n", None);
    check(&format!("BYE sip:a SIP/2.0{}\r\n", good.replace("UDP h", "UDP \0")), None);
    let odd_via = |text: &str| text.replace("Via: SIP/2.0/UDP h,", "Via: SIP/7.0/UDP ;;,");
    let want_odd =
        want.replace("Via: SIP/2.0/UDP h;received=192.0.2.9\r\nVia:", "Via: SIP/7.0/UDP ;;,");
    check(&odd_via(&format!("BYE sip:a SIP/2.0{good}\r\n")), Some(&want_odd));
    check("", None);
    check("hello", None);
}
