//! Tables of URIs: what is read, refused, and the same.

use super::*;

#[test]
fn sip_uris() {
    fn check(text: &str, user: Option<&str>, host: &str, port: Option<u16>, params: &str) {
        let uri = Uri::parse(text).expect(text);
        assert_eq!(
            (uri.user, uri.host, uri.port, uri.params.as_str()),
            (user, host, port, params),
            "{text}"
        );
        assert_eq!(uri.raw, text);
        assert!(matches!(uri.scheme, Scheme::Sip | Scheme::Sips));
    }
    check("sip:a", None, "a", None, "");
    check("SIPS:a.b:5061", None, "a.b", Some(5061), "");
    check("sip:+44-20(7)@h", Some("+44-20(7)"), "h", None, "");
    check("sip:*#06#@h", Some("*#06#"), "h", None, "");
    check("sip:u:p%20w@h:05060;lr", Some("u"), "h", Some(5060), ";lr");
    check(
        "sip:u;par=x%40y;q?r@h;transport=tcp;x",
        Some("u;par=x%40y;q?r"),
        "h",
        None,
        ";transport=tcp;x",
    );
    check(
        "sip:a@[2001:db8::10]:70;maddr=[::1]",
        Some("a"),
        "[2001:db8::10]",
        Some(70),
        ";maddr=[::1]",
    );
    check("sip:[2001:db8::10:5070]", None, "[2001:db8::10:5070]", None, "");
    check("sip:null-%00-null@h", Some("null-%00-null"), "h", None, "");
    check("sip:h_1.example.;a=b:c/d", None, "h_1.example.", None, ";a=b:c/d");
    let uri = Uri::parse("sip:u:p@h?Subject=a%20b&x=").expect("good");
    assert_eq!((uri.password, uri.headers), (Some("p"), Some("Subject=a%20b&x=")));
}

#[test]
fn other_uris() {
    let uri = Uri::parse("tel:+1-(201)-555.0123;phone-context=+1;ext=7").expect("good");
    assert_eq!((uri.scheme, uri.user, uri.host), (Scheme::Tel, Some("+1-(201)-555.0123"), ""));
    assert_eq!(uri.params.value("Phone-Context"), Some("+1"));
    for good in ["tel:*#06#", "TEL:7042;phone-context=example.com", "tel:a1b"] {
        assert_eq!(Uri::parse(good).map(|uri| uri.scheme), Ok(Scheme::Tel), "{good}");
    }
    for good in ["urn:service:sos", "http://h/x?y", "soap.beep://192.0.2.1:3002", "a+b-c.d:e"] {
        let uri = Uri::parse(good).expect(good);
        assert_eq!((uri.scheme, uri.user, uri.host), (Scheme::Other, None, ""));
    }
}

#[test]
fn refused_uris() {
    fn check(text: &str, want: UriError) {
        assert_eq!(Uri::parse(text), Err(want), "{text}");
    }
    check("", UriError::Scheme);
    check("a", UriError::Scheme);
    check(":a", UriError::Scheme);
    check("1sip:a", UriError::Scheme);
    check("<sip:a>", UriError::Scheme);
    check("sip:", UriError::Host);
    check("sip:@h", UriError::User);
    check("sip::p@h", UriError::User);
    check("sip:a b@h", UriError::User);
    check("sip:a\"b@h", UriError::User);
    check("sip:é@h", UriError::User);
    check("sip:a%4@h", UriError::Escape);
    check("sip:a%4x@h", UriError::Escape);
    check("sip:a:p q@h", UriError::Password);
    check("sip:a:p:q@h", UriError::Password);
    check("sip:a@", UriError::Host);
    check("sip:a@b@c", UriError::Host);
    check("sip:a@h:", UriError::Port);
    check("sip:a@h:65536", UriError::Port);
    check("sip:a@h:-1", UriError::Port);
    check("sip:a@h:50x", UriError::Host);
    check("sip:2001:db8::10", UriError::Port);
    check("sip:[2001:db8::10", UriError::Host);
    check("sip:[2001:db8:10]", UriError::Host);
    check("sip:[]", UriError::Host);
    check("sip:[1.2.3.4]", UriError::Host);
    check("sip:[fe80::1%25eth0]", UriError::Host);
    check("sip:h ;lr", UriError::Host);
    check("sip:h; lr", UriError::Parameter);
    check("sip:h;", UriError::Parameter);
    check("sip:h;;lr", UriError::Parameter);
    check("sip:h;a=", UriError::Parameter);
    check("sip:h;=a", UriError::Parameter);
    check("sip:h;a=\"b\"", UriError::Parameter);
    check("sip:h;transport=udp;Transport=tcp", UriError::Duplicate);
    check("sip:h?", UriError::Headers);
    check("sip:h?a=<b>", UriError::Headers);
    assert!(Uri::parse(&format!("sip:h?a{}", "&a".repeat(MAX_PARAMS - 1))).is_ok());
    check(&format!("sip:h?a{}", "&a".repeat(MAX_PARAMS)), UriError::Headers);
    check("tel:", UriError::Number);
    check("tel:+", UriError::Number);
    check("tel:--", UriError::Number);
    check("tel:+12a", UriError::Number);
    check("tel:12 3", UriError::Number);
    check("tel:123;", UriError::Parameter);
    check("http:", UriError::Host);
    check("http:a b", UriError::Character);
    check("sip:h;x=1;X=1", UriError::Duplicate);
    check("tel:1;x;x", UriError::Duplicate);
    let many = |count| {
        let params: String = (0..count).map(|i| format!(";x{i}=1")).collect();
        format!("sip:h{params}")
    };
    assert!(Uri::parse(&many(MAX_PARAMS)).is_ok());
    check(&many(MAX_PARAMS + 1), UriError::Parameter);
}

#[test]
fn addresses() {
    fn check(host: &str, want: Option<&str>) {
        assert_eq!(host_ip(host).map(|ip| ip.to_string()).as_deref(), want, "{host}");
    }
    check("192.0.2.1", Some("192.0.2.1"));
    check("[2001:db8::1]", Some("2001:db8::1"));
    check("2001:db8::1", Some("2001:db8::1"));
    check("[::ffff:192.0.2.2]", Some("::ffff:192.0.2.2"));
    // RFC 5118 §4.10
    check("[2001:db8:::192.0.2.1]", Some("2001:db8::c000:201"));
    check("[2001:db8:::1]", None);
    check("[::::1.2.3.4]", None);
    check("192.0.2.256", None);
    check("1.2.3", None);
    check("a", None);
    check("", None);
}

#[test]
fn decodes() {
    fn check(text: &str, want: &str) {
        assert_eq!(decode(text), want);
    }
    check("a+b", "a+b");
    check("%61%6C%69ce", "alice");
    check("%c3%a9", "é");
    check("%ff", "\u{fffd}");
    check("%", "%");
    check("%4", "%4");
    check("%zz", "%zz");
    check("%2525", "%25");
    assert_eq!(Uri::parse("sip:%2b44@h").expect("good").user_decoded(), "+44");
    assert_eq!(Uri::parse("sip:h").expect("good").user_decoded(), "");
}

#[test]
fn the_same_and_not_the_same() {
    fn check(a: &str, b: &str, want: bool) {
        let (a, b) = (Uri::parse(a).expect(a), Uri::parse(b).expect(b));
        assert_eq!(a.equivalent(&b), want, "{} {}", a.raw, b.raw);
        assert_eq!(b.equivalent(&a), want, "{} {}", b.raw, a.raw);
    }
    // RFC 3261 §19.1.4, its rules one by one.
    check("sip:%61lice@h;transport=TCP", "sip:alice@H;Transport=tcp", true);
    check("sip:c@h", "sip:c@h;newparam=5", true);
    check("sip:c@h;security=on", "sip:c@h;newparam=5", true);
    check("sip:h?a=1&b=2", "sip:h?b=2&A=1", true);
    check("sip:h;method=REGISTER?to=a%40b", "sip:h;method=REGISTER?to=a%40b", true);
    check("sip:Alice@h", "sip:alice@h", false);
    check("sip:a:P@h", "sip:a:p@h", false);
    check("sip:a@h", "sip:h", false);
    check("sip:a@h", "sips:a@h", false);
    check("sip:a@h", "sip:a@h:5060", false);
    check("sip:a@h", "sip:a@h;transport=udp", false);
    check("sip:a@h", "sip:a@h;maddr=1.2.3.4", false);
    check("sip:a@h;security=on", "sip:a@h;security=off", false);
    check("sip:a@h?s=1", "sip:a@h", false);
    check("sip:a@h?s=1", "sip:a@h?s=2", false);
    check("sip:a@h?s=1", "sip:a@h?s=1&s=1", false);
    check("sip:a@h?s=1&s=1&t=2", "sip:a@h?s=1&t=2&t=2", false);
    check("sip:a@h?s=1&&", "sip:a@h?&s=1&", true);
    check("sip:a@h", "sip:a@192.0.2.1", false);
    check("sip:[2001:DB8:0::1]", "sip:[2001:db8::1]", true);
    check("tel:+1-201-555", "tel:+1201.555", true);
    check("tel:+1201;ext=1-2", "tel:+1201;EXT=12", true);
    check("tel:201;phone-context=+1-2", "tel:201;phone-context=+12", true);
    check("tel:201;phone-context=A.b", "tel:201;phone-context=a.b", true);
    check("tel:+1201;x=1;y", "tel:+1201;y;x=1", true);
    check("tel:+1201", "tel:1201", false);
    check("tel:+1201", "tel:+1201;x=1", false);
    check("tel:+1201", "sip:+1201@h", false);
    check("urn:a:b", "urn:a:b", true);
    check("urn:a:b", "urn:a:B", false);
}
