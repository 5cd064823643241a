//! Tables of bodies: what is read and what is refused.

use super::*;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

fn sdp(more: &str) -> Result<BodySummary, BodyError> {
    inspect(Some("application/sdp"), format!("{SDP}{more}").as_bytes())
}

#[test]
fn sessions() {
    fn check(more: &str, media: u8, active: u8, direction: MediaDirection, is_hold: bool) {
        let session = sdp(more).expect(more).session.expect(more);
        assert_eq!(session, Session { media, active_media: active, direction, is_hold }, "{more}");
    }
    use MediaDirection::*;
    check("", 0, 0, SendRecv, false);
    check("m=audio 4000 RTP/AVP 0\r\n", 1, 1, SendRecv, false);
    check("m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n", 1, 1, SendOnly, true);
    check("a=inactive\r\nm=audio 4000 RTP/AVP 0\r\n", 1, 1, Inactive, true);
    check("a=inactive\r\nm=audio 4000 RTP/AVP 0\na=sendrecv", 1, 1, SendRecv, false);
    check("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n", 1, 1, SendRecv, true);
    check(
        "m=audio 0 RTP/AVP 0\r\na=sendonly\r\nm=video 4/2 RTP/AVP 0\r\na=recvonly\r\nm=x 1 y z\r\na=inactive",
        3,
        2,
        RecvOnly,
        false,
    );
}

#[test]
fn refuses_sessions() {
    fn check(body: &str, want: BodyError) {
        assert_eq!(inspect(Some("Application/SDP;x=y"), body.as_bytes()), Err(want), "{body}");
    }
    check("o=-", BodyError::SdpVersion);
    check("v=1\r\n", BodyError::SdpVersion);
    check("\r\n", BodyError::SdpVersion);
    check(&format!("{SDP}hello"), BodyError::SdpLine(6));
    check(&format!("{SDP}\r\nm=audio 1 x"), BodyError::SdpLine(6));
    check(&format!("{SDP}m=audio"), BodyError::SdpLine(6));
    check(&format!("{SDP}m=audio -1 x"), BodyError::SdpLine(6));
    check(&format!("{SDP}{}", "m=audio 1 x\r\n".repeat(MAX_MEDIA + 1)), BodyError::SdpTooLong);
    check(&format!("{SDP}{}", "a=x\r\n".repeat(MAX_SDP_LINES)), BodyError::SdpTooLong);
}

#[test]
fn other_bodies() {
    fn check(content_type: Option<&str>, body: &str, want: Result<u8, BodyError>) {
        assert_eq!(inspect(content_type, body.as_bytes()).map(|b| b.parts), want);
    }
    check(None, "", Ok(0));
    check(Some("nonsense"), "", Ok(0));
    check(None, "x", Err(BodyError::NoContentType));
    check(Some("text/plain"), "x", Ok(1));
    check(Some("text"), "x", Err(BodyError::ContentType(HeaderError::Token)));
    check(Some("multipart/mixed"), "x", Err(BodyError::ContentType(HeaderError::Missing)));
    check(
        Some("multipart/mixed;boundary=\"\""),
        "x",
        Err(BodyError::ContentType(HeaderError::Missing)),
    );
}

/// A multipart of these parts.
fn multipart(boundary: &str, parts: &[String]) -> String {
    let parts: String = parts.iter().map(|part| format!("--{boundary}\r\n{part}\r\n")).collect();
    format!("preamble\r\n{parts}--{boundary}--\r\nepilogue")
}

fn nested(depth: usize) -> String {
    let mut body = "Content-Type: application/sdp\r\n\r\nv=0\r\nm=audio 1 x".to_owned();
    for level in (0..depth).rev() {
        let inner = multipart(&format!("b{level}"), &[body]);
        body = format!("c : multipart/mixed; boundary=b{level}\r\n\r\n{inner}");
    }
    body.split_once("\r\n\r\n").expect("headers end").1.to_owned()
}

fn check_multipart(body: &str, want: Result<(u8, u8, bool), BodyError>) {
    let got = inspect(Some("multipart/mixed ; boundary=\"b0\""), body.as_bytes());
    assert_eq!(got.map(|b| (b.parts, b.depth, b.session.is_some())), want, "{body}");
}

#[test]
fn multiparts() {
    let text = "Content-Type: text/plain\r\n\r\nhello\0--b0".to_owned();
    let session = format!("Content-Type: application/sdp\r\n\r\n{SDP}");
    check_multipart(&multipart("b0", &[text.clone(), session]), Ok((2, 1, true)));
    check_multipart(&multipart("b0", &[text.clone(), String::new()]), Ok((2, 1, false)));
    check_multipart("--b0--", Ok((0, 1, false)));
    check_multipart("--b0\r\n\r\nx\r\n", Err(BodyError::Boundary));
    check_multipart("--b1\r\n\r\nx\r\n--b1--", Err(BodyError::Boundary));
    check_multipart(&multipart("b0", &vec![text.clone(); MAX_PARTS]), Ok((16, 1, false)));
    check_multipart(&multipart("b0", &vec![text; MAX_PARTS + 1]), Err(BodyError::TooManyParts));
    let bad = "Content-Type: application/sdp\r\n\r\nv=0\r\nhello".to_owned();
    check_multipart(&multipart("b0", &[bad]), Err(BodyError::SdpLine(2)));
    // The outer boundary ends an inner multipart that has no end of its own.
    let open = "Content-Type: multipart/x;boundary=in\r\n\r\n--in\r\n\r\nx".to_owned();
    check_multipart(&multipart("b0", &[open]), Ok((2, 2, false)));
}

#[test]
fn depth_is_bounded() {
    check_multipart(&nested(1), Ok((1, 1, true)));
    check_multipart(&nested(MAX_DEPTH), Ok((3, 3, true)));
    check_multipart(&nested(MAX_DEPTH + 1), Err(BodyError::TooDeep));
    check_multipart(&nested(1_000), Err(BodyError::TooDeep));
}
