//! From HTTP to WebSocket (RFC 6455 §4.2, RFC 7118 §4.1). Lives here: the one request that is taken, and
//! what is said to all others. Never here: frames, sockets.

use sha1::{Digest, Sha1};

/// Most bytes of the request.
pub const MAX_REQUEST: usize = 8 * 1024;
/// Most header lines of the request; browsers send some twenty.
const MAX_HEADERS: usize = 64;
/// RFC 6455 §1.3.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What to answer a whole request with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Not all of it is here.
    Wait,
    /// Frames follow: the answer, and where they begin.
    Open(String, usize),
    /// The answer, after which the connection is closed.
    Refuse(String),
}

/// Judges what came first on a connection. `origins`: which pages may connect; empty: all.
pub fn judge(bytes: &[u8], origins: &[String]) -> Answer {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let head = &bytes[..bytes.len().min(MAX_REQUEST)];
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) => match accept_key(&request, origins) {
            Ok(key) => Answer::Open(
                format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {key}\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
                ),
                length,
            ),
            Err(refusal) => Answer::Refuse(refusal.response()),
        },
        Ok(httparse::Status::Partial) if bytes.len() < MAX_REQUEST => Answer::Wait,
        Ok(httparse::Status::Partial) => Answer::Refuse(bad("the request is too long").response()),
        Err(_) => Answer::Refuse(bad("this is not HTTP").response()),
    }
}

struct Refusal {
    status: &'static str,
    more: &'static str,
    why: &'static str,
}

const fn bad(why: &'static str) -> Refusal {
    Refusal { status: "400 Bad Request", more: "", why }
}

impl Refusal {
    fn response(&self) -> String {
        let Refusal { status, more, why } = self;
        let length = why.len() + 1;
        format!(
            "HTTP/1.1 {status}\r\n{more}Content-Type: text/plain\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{why}\n"
        )
    }
}

/// RFC 6455 §4.2.1: the value of Sec-WebSocket-Accept, if the request is one we take.
fn accept_key(request: &httparse::Request<'_, '_>, origins: &[String]) -> Result<String, Refusal> {
    let values = |name: &'static str| {
        let named = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name);
        request.headers.iter().filter(named).filter_map(|h| std::str::from_utf8(h.value).ok())
    };
    let lists = |name: &'static str, token: &str| {
        values(name)
            .flat_map(|value| value.split(','))
            .any(|t| t.trim().eq_ignore_ascii_case(token))
    };
    if request.method != Some("GET") || request.version != Some(1) {
        return Err(bad("only GET of HTTP/1.1"));
    }
    if !lists("Connection", "upgrade") || !lists("Upgrade", "websocket") {
        return Err(bad("only WebSocket is spoken here"));
    }
    if !lists("Sec-WebSocket-Version", "13") {
        return Err(Refusal {
            status: "426 Upgrade Required",
            more: "Sec-WebSocket-Version: 13\r\n",
            why: "only version 13 of WebSocket",
        });
    }
    // RFC 7118 §4.1: both sides name the subprotocol.
    if !lists("Sec-WebSocket-Protocol", "sip") {
        return Err(bad("only the subprotocol sip"));
    }
    // RFC 6455 §10.2: a page of a stranger must not phone in the name of whoever looks at it.
    let is_allowed = |origin: &str| origins.iter().any(|one| one.eq_ignore_ascii_case(origin));
    if !origins.is_empty() && !values("Origin").any(is_allowed) {
        return Err(Refusal {
            status: "403 Forbidden",
            more: "",
            why: "this origin is not in wss.origins",
        });
    }
    let mut keys = values("Sec-WebSocket-Key");
    match (keys.next().map(str::trim), keys.next()) {
        // Sixteen bytes in base64.
        (Some(key), None) if key.len() == 24 => {
            let digest = Sha1::new().chain_update(key).chain_update(KEY_SUFFIX).finalize();
            Ok(base64(&digest))
        }
        _ => Err(bad("Sec-WebSocket-Key is not one key of 16 bytes")),
    }
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let sextet = ALPHABET[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= group.len() { char::from(sextet) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GET /sip HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://phone.example\r\n\
        Sec-WebSocket-Protocol: xmpp, sip\r\nSec-WebSocket-Version: 13\r\n\r\n";

    fn status(text: &str, origins: &[&str]) -> String {
        let origins: Vec<String> = origins.iter().map(|origin| origin.to_string()).collect();
        match judge(text.as_bytes(), &origins) {
            Answer::Wait => "wait".to_owned(),
            Answer::Open(response, _) | Answer::Refuse(response) => {
                response.split(' ').nth(1).unwrap_or("").to_owned()
            }
        }
    }

    #[test]
    fn the_example_of_the_rfc() {
        let Answer::Open(response, length) = judge(format!("{GOOD}frames").as_bytes(), &[]) else {
            panic!("refused")
        };
        assert!(response.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(response.contains("Sec-WebSocket-Protocol: sip\r\n"));
        assert_eq!(length, GOOD.len());
    }

    #[test]
    fn only_what_we_speak() {
        fn check(from: &str, to: &str, want: &str) {
            assert!(GOOD.contains(from), "{from}");
            assert_eq!(status(&GOOD.replace(from, to), &[]), want, "{to}");
        }
        check("GET", "GET", "101");
        check("GET", "POST", "400");
        check("HTTP/1.1", "HTTP/1.0", "400");
        check("WebSocket\r\nConn", "h2c\r\nConn", "400");
        check("keep-alive, Upgrade", "keep-alive", "400");
        check("Version: 13", "Version: 8", "426");
        check("xmpp, sip", "xmpp", "400");
        check("Sec-WebSocket-Protocol: xmpp, sip\r\n", "", "400");
        check("dGhlIHNhbXBsZSBub25jZQ==", "short", "400");
        check("Origin:", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin:", "400");
        check("GET /sip HTTP/1.1", "REGISTER sip:h SIP/2.0", "400");
        check("\r\n\r\n", "\r\n", "wait");
    }

    #[test]
    fn pages_that_may_connect() {
        assert_eq!(status(GOOD, &["https://phone.example"]), "101");
        assert_eq!(status(GOOD, &["https://other.example", "HTTPS://phone.example"]), "101");
        assert_eq!(status(GOOD, &["https://other.example"]), "403");
        assert_eq!(status(&GOOD.replace("Origin", "X"), &["https://phone.example"]), "403");
    }

    #[test]
    fn a_request_has_an_end() {
        let long = GOOD.replace("Host: h", &format!("Host: {}", "h".repeat(MAX_REQUEST)));
        assert_eq!(status(&long[..MAX_REQUEST - 1], &[]), "wait");
        assert_eq!(status(&long[..MAX_REQUEST], &[]), "400");
        let many = GOOD.replace("Host: h", &"X: y\r\n".repeat(MAX_HEADERS));
        assert_eq!(status(&many, &[]), "400");
        assert_eq!(status("\u{1}\u{2}garbage", &[]), "400");
    }

    #[test]
    fn base64_of_every_length() {
        for (bytes, want) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), want);
        }
    }
}
