//! What is a message, what is none, and where it breaks.

use super::super::{HeaderError, Method, Refresher, UriError};
use super::*;

/// Headers that every request must have, for a start line and more headers around them.
const MUST: &str = "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: x\r\n";

fn options(more: &str) -> String {
    format!("OPTIONS sip:b@h SIP/2.0\r\n{MUST}CSeq: 1 OPTIONS\r\n{more}\r\n")
}

fn with<T>(text: &str, see: impl FnOnce(Message<'_>) -> T) -> T {
    let mut bytes = text.as_bytes().to_vec();
    see(Message::parse(&mut bytes, Origin::Datagram).unwrap_or_else(|e| panic!("{e}: {text:.400}")))
}

fn check_error(bytes: &[u8], want: ParseErrorKind, line: usize) -> String {
    let mut bytes = bytes.to_vec();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let error = Message::parse(&mut bytes, Origin::Datagram).err();
    let error = error.unwrap_or_else(|| panic!("taken: {text:.400}"));
    assert_eq!((error.kind, error.line), (want, line), "{error}: {text:.400}");
    error.to_string()
}

fn check(text: &str, want: ParseErrorKind, line: usize) {
    check_error(text.as_bytes(), want, line);
}

#[test]
fn a_request() {
    let text = "INVITE sip:+44123@h;user=phone SIP/2.0\r\nv: SIP/2.0/UDP a:1;branch=z9hG4bK1 , SIP/2.0/TCP b\r\n\
                Via: SIP/2.0/UDP c\r\nf : \"A\" <sip:a@h>;tag=1\r\nt:sip:b@h\r\ni: x@y\r\nCSeq: 7 INVITE\r\n\
                Max-Forwards: 70\r\nContact: <sip:a@1.2.3.4>;q=0.5,\r\n\t<sip:b@h>\r\nk: timer, 100rel\r\n\
                Supported: path\r\nSession-Expires: 90;refresher=uac\r\nMin-SE: 90\r\nX-Foo: 1, 2\r\nx-foo: 3\r\n\
                Expires: 60\r\nc: application/sdp\r\nl: 3\r\n\r\nv=0tail";
    with(text, |message| {
        assert_eq!((message.method(), message.status()), (Some(Method::Invite), None));
        assert_eq!(message.request_uri(), Some("sip:+44123@h;user=phone"));
        assert_eq!(message.target().and_then(|uri| uri.user), Some("+44123"));
        assert_eq!((message.via().host, message.via().port), ("a", Some(1)));
        let vias: Vec<_> = message.vias().collect();
        assert_eq!(vias, ["SIP/2.0/UDP a:1;branch=z9hG4bK1", "SIP/2.0/TCP b", "SIP/2.0/UDP c"]);
        assert_eq!((message.from().display, message.from().tag()), (Some("A"), Some("1")));
        assert_eq!((message.to().uri, message.to().tag()), ("sip:b@h", None));
        assert_eq!((message.call_id(), message.cseq().number), ("x@y", 7));
        assert_eq!((message.max_forwards(), message.expires()), (Some(70), Some(60)));
        let Ok(super::super::Contacts::List(contacts)) = message.contacts() else {
            panic!("contacts")
        };
        assert_eq!(
            contacts.iter().map(|c| c.uri).collect::<Vec<_>>(),
            ["sip:a@1.2.3.4", "sip:b@h"]
        );
        assert_eq!(contacts[0].param("Q"), Some("0.5"));
        assert!(
            message.has_option(Name::Supported, "100rel")
                && message.has_option(Name::Supported, "Path")
        );
        assert!(
            !message.has_option(Name::Supported, "100re")
                && !message.has_option(Name::Require, "timer")
        );
        let session = message.session_expires().expect("there").expect("good");
        assert_eq!((session.seconds, session.refresher), (90, Some(Refresher::Uac)));
        assert_eq!(message.min_se(), Some(Ok(90)));
        assert_eq!(message.named("X-FOO").collect::<Vec<_>>(), ["1, 2", "3"]);
        assert_eq!(message.content_type(), Some("application/sdp"));
        assert_eq!(message.body, b"v=0");
        assert_eq!(message.lines().count(), 17);
        assert_eq!(message.lines().next().map(|l| (l.name, l.raw_name)), Some((Name::Via, "v")));
        assert_eq!(message.header(Name::Route), None);
        assert_eq!(message.values(Name::Route).count(), 0);
    });
}

#[test]
fn a_response() {
    let text = |line: &str| format!("{line}\r\n{MUST}CSeq: 1 INVITE\r\nRSeq: 5\r\n\r\n");
    fn status(text: &str) -> (u16, String) {
        with(text, |message| match message.start {
            StartLine::Response { status, reason } => (status, reason.to_owned()),
            StartLine::Request { .. } => panic!("a response"),
        })
    }
    assert_eq!(status(&text("SIP/2.0 200 OK")), (200, "OK".to_owned()));
    assert_eq!(status(&text("SIP/2.0 100 ")), (100, String::new()));
    assert_eq!(status(&text("sip/2.0 699")), (699, String::new()));
    assert_eq!(status(&text("SIP/2.0 200 = 2**3 * 5**2 но")), (200, "= 2**3 * 5**2 но".to_owned()));
    with(&text("SIP/2.0 183 x"), |message| {
        assert_eq!(
            (message.rseq(), message.is_request(), message.target()),
            (Some(Ok(5)), false, None)
        );
    });
    for bad in [
        "SIP/2.0 99 x",
        "SIP/2.0 700 x",
        "SIP/2.0 4294967301 x",
        "SIP/2.0 20a x",
        "SIP/2.0  200 OK",
        "SIP/2.0 +20 x",
    ] {
        check(&text(bad), ParseErrorKind::Status, 1);
    }
    check(&text("SIP/3.0 200 OK"), ParseErrorKind::Version, 1);
    check(&text("SIP/2.0"), ParseErrorKind::StartLine, 1);
    check(&text("SIP/2 200 OK"), ParseErrorKind::StartLine, 1);
}

#[test]
fn request_lines() {
    fn check(line: &str, want: ParseErrorKind) {
        super::tests::check(&format!("{line}\r\n{MUST}CSeq: 1 OPTIONS\r\n\r\n"), want, 1);
    }
    check("OPTIONS sip:h SIP/7.0", ParseErrorKind::Version);
    check("OPTIONS sip:h SIP/2.1", ParseErrorKind::Version);
    check("OPTIONS sip:h SIP/2", ParseErrorKind::StartLine);
    check("OPTIONS sip:h SIP/2.0.0", ParseErrorKind::StartLine);
    check("OPTIONS sip:h HTTP/1.1", ParseErrorKind::StartLine);
    check("OPTIONS sip:h", ParseErrorKind::StartLine);
    check("OPTIONS", ParseErrorKind::StartLine);
    check("OPTIONS sip:h SIP/2.0 ", ParseErrorKind::StartLine);
    check("OPTIONS  sip:h SIP/2.0", ParseErrorKind::StartLine);
    check("OPTIONS sip:h  SIP/2.0", ParseErrorKind::StartLine);
    check("OPTIONS\tsip:h\tSIP/2.0", ParseErrorKind::StartLine);
    check(" OPTIONS sip:h SIP/2.0", ParseErrorKind::Method);
    check("OPT:IONS sip:h SIP/2.0", ParseErrorKind::Method);
    check("OPTIONS sip:h; lr SIP/2.0", ParseErrorKind::StartLine);
    check("OPTIONS <sip:h> SIP/2.0", ParseErrorKind::RequestUri(UriError::Scheme));
    check("OPTIONS sip:h?Route=x SIP/2.0", ParseErrorKind::RequestUri(UriError::Headers));
    check("OPTIONS sip:a%@h SIP/2.0", ParseErrorKind::RequestUri(UriError::Escape));
    check("OPTIONS * SIP/2.0", ParseErrorKind::RequestUri(UriError::Scheme));
    let folded = options("").replacen("\r\n", "\r\n folded\r\n", 1);
    super::tests::check(&folded, ParseErrorKind::HeaderName, 2);
}

#[test]
fn lines() {
    check("", ParseErrorKind::Empty, 1);
    check("\r\n\r\n", ParseErrorKind::Empty, 3);
    check("hello", ParseErrorKind::Truncated, 1);
    check(&options("").replace("\r\n\r\n", "\r\n"), ParseErrorKind::Truncated, 7);
    check(&options("")[..options("").len() - 1], ParseErrorKind::Truncated, 7);
    check(&options("A: b\nC: d\r\n"), ParseErrorKind::BareLineFeed, 7);
    check(&options("").replace("\r\n", "\n"), ParseErrorKind::BareLineFeed, 1);
    check(&options("A: b\rC: d\r\n"), ParseErrorKind::BareCarriageReturn, 7);
    check(&options("A: b\0\r\n"), ParseErrorKind::Control, 7);
    check(&options("A: b\x7f\r\n"), ParseErrorKind::Control, 7);
    check(&options("A: b\x1b[0m\r\n"), ParseErrorKind::Control, 7);
    check(&options("A\r\n"), ParseErrorKind::HeaderName, 7);
    check(&options(": b\r\n"), ParseErrorKind::HeaderName, 7);
    check(&options("A B: c\r\n"), ParseErrorKind::HeaderName, 7);
    check(&options("A(): c\r\n"), ParseErrorKind::HeaderName, 7);
    check(&options(&format!("{}: c\r\n", "a".repeat(256))), ParseErrorKind::HeaderName, 7);
    check(&options("A\r\n : c\r\n"), ParseErrorKind::HeaderName, 8);
}

#[test]
fn control_characters_only_escaped_in_quotes() {
    with(&options("m: \"a\\\0\\\x7f\\\x07\" <sip:a>\r\n"), |message| {
        let contact = message.name_addrs(Name::Contact).next().expect("there").expect("good");
        assert_eq!(contact.display, Some("a\\\0\\\x7f\\\x07"));
    });
    for bad in ["\"a\0\"", "\"a\\\\\0\"", "a\\\0", "\"a\"\\\0\"\"", "\"\\\0\" \\\0", "\\\0\"\\\0\""]
    {
        check(&options(&format!("m: {bad} <sip:a>\r\n")), ParseErrorKind::Control, 7);
    }
    check(&options("m: \"a\\\r\" <sip:a>\r\n"), ParseErrorKind::BareCarriageReturn, 7);
    check(&options("m: \"a\\\n\" <sip:a>\r\n"), ParseErrorKind::BareLineFeed, 7);
    check("OPTIONS sip:\\\0 SIP/2.0\r\n\r\n", ParseErrorKind::Control, 1);
}

#[test]
fn text() {
    let mut bytes = options("A: ?\r\n").into_bytes();
    let at = bytes.iter().rposition(|&b| b == b'?').expect("there");
    bytes[at] = 0xff;
    check_error(&bytes, ParseErrorKind::NotUtf8, 7);
    // A body may be anything.
    let mut bytes = options("").into_bytes();
    bytes.extend([0, 0xff, b'\n']);
    let message = Message::parse(&mut bytes, Origin::Datagram).expect("good");
    assert_eq!(message.body, [0, 0xff, b'\n']);
}

#[test]
fn folding() {
    with(
        &options("Subject: a\r\n\tb\r\n  \r\n c\t d \r\nA:\r\n b\r\nB:\r\nC: \t \r\n"),
        |message| {
            assert_eq!(message.header(Name::Subject), Some("a   b       c\t d"));
            assert_eq!(message.named("a").collect::<Vec<_>>(), ["b"]);
            assert_eq!(message.named("b").chain(message.named("c")).collect::<Vec<_>>(), ["", ""]);
        },
    );
    // Lines count as they came.
    let error = check_error(
        options("A: b\r\n c\r\n d\r\nMax-Forwards: 7x\r\n").as_bytes(),
        ParseErrorKind::Header(Name::MaxForwards, HeaderError::Trailing),
        10,
    );
    assert_eq!(error, "line 10: Max-Forwards: end of value expected, found `x`");
}

#[test]
fn leading_line_ends_are_overlooked() {
    with(&format!("\r\n\r\n{}", options("")), |message| assert_eq!(message.cseq().number, 1));
    check(&format!("\r\n{}", options("Q\r\n")), ParseErrorKind::HeaderName, 8);
}

#[test]
fn mandatory_headers() {
    let good = options("");
    for (line, name) in [
        ("Via", Name::Via),
        ("From", Name::From),
        ("To", Name::To),
        ("Call-ID", Name::CallId),
        ("CSeq", Name::CSeq),
    ] {
        let without: String =
            good.split_inclusive("\r\n").filter(|l| !l.starts_with(&format!("{line}:"))).collect();
        let error = check_error(without.as_bytes(), ParseErrorKind::Missing(name), 6);
        assert_eq!(error, format!("line 6: {line} missing"));
    }
    with(&good, |message| assert_eq!(message.max_forwards(), None));
}

#[test]
fn singletons_stand_once() {
    for name in Name::all().filter(|name| name.kind() == Kind::One) {
        let line = format!("{name}: 1\r\n");
        let there_already = MUST.contains(&format!("{name}:")) || name == Name::CSeq;
        let (more, at) = if there_already { (line, 7) } else { (line.repeat(2), 8) };
        check(&options(&more), ParseErrorKind::Duplicate(name), at);
    }
    check(&options("f: <sip:a@h>;tag=1\r\n"), ParseErrorKind::Duplicate(Name::From), 7);
    with(&options("Route: <sip:a>\r\nRoute: <sip:b>, <sip:c>\r\n"), |message| {
        let uris: Vec<_> = message.name_addrs(Name::Route).map(|r| r.expect("good").uri).collect();
        assert_eq!(uris, ["sip:a", "sip:b", "sip:c"]);
    });
}

#[test]
fn numbers() {
    fn check(more: &str, name: Name, want: HeaderError) {
        super::tests::check(&options(more), ParseErrorKind::Header(name, want), 7);
    }
    check("Max-Forwards: 256\r\n", Name::MaxForwards, HeaderError::Range);
    check("Max-Forwards: -1\r\n", Name::MaxForwards, HeaderError::Number);
    check("Max-Forwards:\r\n", Name::MaxForwards, HeaderError::Number);
    check("Content-Length: -1\r\n", Name::ContentLength, HeaderError::Number);
    check("Content-Length: 4294967296\r\n", Name::ContentLength, HeaderError::Range);
    check("Content-Length: 1 2\r\n", Name::ContentLength, HeaderError::Trailing);
    check("Content-Length: 0x0\r\n", Name::ContentLength, HeaderError::Trailing);
    with(&options("Max-Forwards: 00255\r\n"), |message| {
        assert_eq!(message.max_forwards(), Some(255))
    });
}

#[test]
fn methods_agree() {
    check(&options("").replace("1 OPTIONS", "1 options"), ParseErrorKind::MethodMismatch, 6);
    check(&options("").replace("1 OPTIONS", "1 INVITE"), ParseErrorKind::MethodMismatch, 6);
    check(
        &options("").replace("1 OPTIONS", "2147483648 OPTIONS"),
        ParseErrorKind::Header(Name::CSeq, HeaderError::Range),
        6,
    );
}

#[test]
fn faults_name_the_place() {
    fn check(more: &str, want: &str) {
        let mut bytes = options(more).into_bytes();
        let error = Message::parse(&mut bytes, Origin::Datagram).expect_err(more);
        assert_eq!(error.to_string(), want);
        assert!(
            bytes[error.at..].starts_with(error.found().as_bytes()) || error.found().contains('?')
        );
    }
    check("v: SIP/2.0/UDP h:x\r\n", "line 7: Via: port is not a number up to 65535, found `h:x`");
    check("v: SIP/2.0/UDP a, SIP/2.0/UDP b;;c\r\n", "line 7: Via: parameter expected, found `;c`");
    check(
        "v: SIP/2.0/UDP a,\r\n",
        "line 7: Via: `SIP/2.0/` and a transport expected, found the end of the line",
    );
    check("A\u{1}: b\r\n", "line 7: control character, found `?:`");
    check("Content-Length: 5\r\n", "line 7: Content-Length: body is shorter, found `5`");
    let mut bytes = options("").replace("From: <sip:a@h>", "From: \"A <sip:a@h>").into_bytes();
    let error = Message::parse(&mut bytes, Origin::Datagram).expect_err("open quote");
    assert_eq!(error.to_string(), "line 3: From: quoted string does not end, found `\"A`");
}

#[test]
fn bodies() {
    fn body(more: &str, body: &str, origin: Origin) -> Result<String, ParseErrorKind> {
        let mut bytes = format!("{}{body}", options(more)).into_bytes();
        let message = Message::parse(&mut bytes, origin).map_err(|error| error.kind)?;
        Ok(String::from_utf8_lossy(message.body).into_owned())
    }
    use Origin::{Datagram, Stream};
    assert_eq!(body("", "hello", Datagram), Ok("hello".to_owned()));
    assert_eq!(body("", "hello", Stream), Err(ParseErrorKind::Missing(Name::ContentLength)));
    for origin in [Datagram, Stream] {
        assert_eq!(body("l: 5\r\n", "hello", origin), Ok("hello".to_owned()));
        assert_eq!(body("l: 3\r\n", "hello", origin), Ok("hel".to_owned()));
        assert_eq!(body("l: 0\r\n", "", origin), Ok(String::new()));
        assert_eq!(body("l: 6\r\n", "hello", origin), Err(ParseErrorKind::BodyTooShort));
    }
}

#[test]
fn sizes() {
    let many = |count: usize| options(&"A: b\r\n".repeat(count));
    with(&many(MAX_HEADERS - 5), |message| assert_eq!(message.lines().count(), MAX_HEADERS));
    check(&many(MAX_HEADERS - 4), ParseErrorKind::TooManyHeaders, MAX_HEADERS + 2);
    let long = |len: usize| options(&format!("A: {}\r\n", "b".repeat(len)));
    let fits = MAX_HEAD - long(0).len();
    with(&long(fits), |message| assert_eq!(message.head().len(), MAX_HEAD));
    check(&long(fits + 1), ParseErrorKind::HeadTooLarge, 8);
    check(&long(fits + 2), ParseErrorKind::HeadTooLarge, 8);
    check(&long(fits + 100), ParseErrorKind::HeadTooLarge, 7);
    let full = |len: usize| format!("{}{}", options(""), "b".repeat(len - options("").len()));
    with(&full(MAX_MESSAGE), |message| assert!(message.body.len() > 65_000));
    check(&full(MAX_MESSAGE + 1), ParseErrorKind::TooLarge, 1);
    assert_eq!(ParseErrorKind::TooLarge.status(), 513);
    assert_eq!(ParseErrorKind::Version.status(), 505);
    assert_eq!(ParseErrorKind::StartLine.status(), 400);
}

#[test]
fn contacts() {
    use super::super::{Contacts, MAX_CONTACTS};
    fn check(more: &str, want: Result<Option<usize>, HeaderError>) {
        with(&options(more), |message| {
            let got = message.contacts().map(|contacts| match contacts {
                Contacts::Star => None,
                Contacts::List(list) => Some(list.len()),
            });
            assert_eq!(got, want, "{more}");
        });
    }
    check("", Ok(Some(0)));
    check("m: *\r\n", Ok(None));
    check("m: *,<sip:a>\r\n", Err(HeaderError::Star));
    check("m: <sip:a>\r\nContact: *\r\n", Err(HeaderError::Star));
    check("m: *;expires=0\r\n", Err(HeaderError::Uri(UriError::Scheme)));
    check("m: <sip:a>,\r\n", Err(HeaderError::Empty));
    check("m:\r\n", Err(HeaderError::Empty));
    check("m: sip:a?x=y\r\n", Err(HeaderError::Bracket));
    check(
        &format!("m: <sip:a>{}\r\n", ",<sip:a>".repeat(MAX_CONTACTS - 1)),
        Ok(Some(MAX_CONTACTS)),
    );
    check(&format!("m: <sip:a>{}\r\n", ",<sip:a>".repeat(MAX_CONTACTS)), Err(HeaderError::TooMany));
}

#[test]
fn expires() {
    fn check(value: &str, want: Option<u32>) {
        with(&options(&format!("Expires: {value}\r\n")), |m| assert_eq!(m.expires(), want));
    }
    check("0", Some(0));
    check("3600", Some(3600));
    check("1000000000000000000000", Some(u32::MAX));
    check("", None);
    check("-1", None);
    check("soon", None);
    check("Thu, 01 Dec 1994 16:00:00 GMT", None);
}

#[test]
fn a_slot_stays_small() {
    assert!(size_of::<Slot>() <= 10, "{}", size_of::<Slot>());
    assert!(size_of::<Message<'_>>() <= 2_100, "{}", size_of::<Message<'_>>());
}
