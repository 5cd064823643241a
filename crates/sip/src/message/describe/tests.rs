//! What a description says.

use super::super::Origin;
use super::*;

const TEXT: &str = "REGISTER sip:%61lice@h:5070;lr SIP/2.0\r\nv: SIP/2.0/UDP a:1;rport;branch=x, SIP/2.0/TCP b\r\n\
    f: \"A\u{202e}\" <sip:a@h>;tag=1\r\nTo: sip:a@h\r\ni: x\r\nCSeq: 7 REGISTER\r\nm: *\r\nContact: <sip:a@h:x>, <bad\r\n\
    Authorization: Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:h\",response=\"SECRET\"\r\n\
    k: path, gruu\r\nX-Y: a,\tb\r\nc: application/sdp\r\n\r\nv=0\r\nm=audio 1 x y\r\na=sendonly\r\n";

#[test]
fn says_it_in_words() {
    let mut bytes = TEXT.as_bytes().to_vec();
    let message = Message::parse(&mut bytes, Origin::Datagram).expect("well-formed");
    let want = "\
REGISTER request to sip:%61lice@h:5070;lr (user alice)
Via: SIP/2.0/UDP a:1;rport;branch=x, SIP/2.0/TCP b
    hop: UDP a:1, rport, branch=x
    hop: TCP b
From: \"A\\u{202e}\" <sip:a@h>;tag=1
    address: sip:a@h, called \"A\\u{202e}\", tag=1
To: sip:a@h
    address: sip:a@h
Call-ID: x
CSeq: 7 REGISTER
    number: 7 REGISTER
Contact: *
    all bindings
Contact: <sip:a@h:x>, <bad
    address: sip:a@h:x (malformed: bad port)
    malformed: `<` and `>` around the URI expected: <bad
Authorization: Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:h\",response=\"…\"
    credentials: user u realm r uri sip:h algorithm MD5 qop none nc none
Supported: path, gruu
    word: path
    word: gruu
X-Y: a,\\tb
Content-Type: application/sdp
body: 32 bytes of application/sdp, 1 media, on hold
";
    assert_eq!(describe(&message).to_string(), want);
}

#[test]
fn says_a_response() {
    let text = "SIP/2.0 401 No\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@h>\r\nTo: <sip:a@h>\r\nCall-ID: x\r\nCSeq: 1 X\r\n\
                WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", stale=true\r\n\r\nx";
    let mut bytes = text.as_bytes().to_vec();
    let message = Message::parse(&mut bytes, Origin::Datagram).expect("well-formed");
    let said = describe(&message);
    assert_eq!(said.start, StartDescription::Response { status: 401, reason: "No" });
    let challenge = Part::Challenge { realm: "r", algorithm: None, qop: Some("auth"), stale: true };
    assert_eq!(said.headers.last().map(|h| &h.parts), Some(&vec![challenge]));
    assert_eq!(said.body.error.as_deref(), Some("Content-Type missing"));
}

#[test]
fn says_it_as_data() {
    let mut bytes = TEXT.as_bytes().to_vec();
    let message = Message::parse(&mut bytes, Origin::Datagram).expect("well-formed");
    let json = serde_json::to_value(describe(&message)).expect("plain data");
    let at = |place: &str| json.pointer(place).unwrap_or_else(|| panic!("{place}")).to_string();
    assert_eq!(at("/start/kind"), "\"request\"");
    assert_eq!(at("/start/method"), "\"REGISTER\"");
    assert_eq!(at("/start/uri/user"), "\"alice\"");
    assert_eq!(at("/start/uri/port"), "5070");
    assert_eq!(at("/headers/0/name"), "\"Via\"");
    assert_eq!(
        at("/headers/0/parts/0"),
        r#"{"host":"a","kind":"via","params":[{"name":"rport"},{"name":"branch","value":"x"}],"port":1,"transport":"UDP"}"#
    );
    assert_eq!(at("/headers/4/parts/0"), r#"{"kind":"number","method":"REGISTER","number":7}"#);
    assert_eq!(at("/headers/5/parts/0"), r#"{"kind":"star"}"#);
    assert_eq!(at("/headers/6/parts/1/kind"), "\"malformed\"");
    assert_eq!(
        at("/body"),
        r#"{"bytes":32,"content_type":"application/sdp","error":null,"is_hold":true,"media":1,"parts":1}"#
    );
    assert!(!json.to_string().contains("SECRET"));
}

#[test]
fn shows_no_secret() {
    for value in ["Digest username=\"u\",response=\"SECRET\"", "Basic SECRET", "Digest SECRET="] {
        let text = format!(
            "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@h>\r\nTo: <sip:a@h>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\
             Authorization: {value}\r\n\r\n"
        );
        let mut bytes = text.into_bytes();
        let message = Message::parse(&mut bytes, Origin::Datagram).expect("well-formed");
        let said = describe(&message).to_string();
        assert!(!said.contains("SECRET") && said.contains("malformed"), "{said}");
    }
}
