//! SIP as the simulated peers read and write it. Lives here: a small strict reader and a writer of the sim's own.
//! Never here: our product's parser, so that a bug of ours is not shared by those who watch us.

use std::fmt::Write as _;

/// A message as a peer holds it: start line, header lines in order, body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    /// Request line or status line.
    pub start: String,
    /// Long name as written, value trimmed.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// Compact forms (RFC 3261 §7.3.3 and later), with their long names.
const COMPACT: [(&str, &str); 13] = [
    ("v", "Via"),
    ("f", "From"),
    ("t", "To"),
    ("i", "Call-ID"),
    ("m", "Contact"),
    ("l", "Content-Length"),
    ("c", "Content-Type"),
    ("k", "Supported"),
    ("e", "Content-Encoding"),
    ("s", "Subject"),
    ("r", "Refer-To"),
    ("x", "Session-Expires"),
    ("o", "Event"),
];

/// Headers every message needs, exactly once each.
const SINGLE: [&str; 4] = ["From", "To", "Call-ID", "CSeq"];

impl Wire {
    /// Reads a whole message. Strict: what our node sends must be beyond reproach.
    pub fn parse(bytes: &[u8]) -> Result<Wire, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or("no empty line")?;
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        for line in lines {
            if line.contains(['\r', '\n', '\0']) {
                return Err(format!("stray control character in `{line}`"));
            }
            let (name, value) = line.split_once(':').ok_or(format!("no colon in `{line}`"))?;
            if name.is_empty() || name.contains([' ', '\t']) {
                return Err(format!("bad header name in `{line}`"));
            }
            let long = COMPACT.iter().find(|(short, _)| name.eq_ignore_ascii_case(short));
            headers.push((long.map_or(name, |found| found.1).to_owned(), value.trim().to_owned()));
        }
        let wire = Wire { start, headers, body: body.to_owned() };
        wire.check()?;
        Ok(wire)
    }

    fn check(&self) -> Result<(), String> {
        let fields: Vec<&str> = self.start.splitn(3, ' ').collect();
        let is_response = self.start.starts_with("SIP/2.0 ") && self.status().is_some();
        let is_request = fields.len() == 3 && fields[2] == "SIP/2.0" && fields[1].contains(':');
        if !is_response && !is_request {
            return Err(format!("bad start line `{}`", self.start));
        }
        for name in SINGLE {
            if self.all(name).count() != 1 {
                return Err(format!("{} lines of {name}", self.all(name).count()));
            }
        }
        if self.get("Via").is_none() || self.branch().is_empty() {
            return Err("no Via with a branch".to_owned());
        }
        let (number, method) = self.cseq();
        if number == 0 && method.is_empty() || is_request && method != self.method() {
            return Err(format!("CSeq `{}` does not fit", self.get("CSeq").unwrap_or_default()));
        }
        let length = self.get("Content-Length").map_or(Ok(self.body.len()), str::parse);
        if length != Ok(self.body.len()) {
            return Err(format!("Content-Length is not {}", self.body.len()));
        }
        if is_request && self.get("Max-Forwards").is_none() {
            return Err("no Max-Forwards".to_owned());
        }
        Ok(())
    }

    /// Is it a request?
    pub fn is_request(&self) -> bool {
        !self.start.starts_with("SIP/2.0 ")
    }

    /// The method of a request; of a response: that of its CSeq.
    pub fn method(&self) -> &str {
        if self.is_request() {
            self.start.split(' ').next().unwrap_or_default()
        } else {
            self.cseq().1
        }
    }

    /// The Request-URI.
    pub fn uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The user part of the Request-URI, without parameters, `%2B` read as `+`.
    pub fn dialled(&self) -> String {
        user_of(self.uri())
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        let code = self.start.strip_prefix("SIP/2.0 ")?.get(..3)?;
        code.parse().ok().filter(|status| (100..700).contains(status))
    }

    /// First value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// All lines of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(have, _)| have.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Number and method of CSeq.
    pub fn cseq(&self) -> (u32, &str) {
        let value = self.get("CSeq").unwrap_or_default();
        let (number, method) = value.split_once(' ').unwrap_or((value, ""));
        (number.parse().unwrap_or(0), method.trim())
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        self.get("Call-ID").unwrap_or_default()
    }

    /// Branch of the topmost Via.
    pub fn branch(&self) -> &str {
        param(self.get("Via").unwrap_or_default(), "branch").unwrap_or_default()
    }

    /// Tag of From.
    pub fn from_tag(&self) -> &str {
        param(after_uri(self.get("From").unwrap_or_default()), "tag").unwrap_or_default()
    }

    /// Tag of To; empty when there is none.
    pub fn to_tag(&self) -> &str {
        param(after_uri(self.get("To").unwrap_or_default()), "tag").unwrap_or_default()
    }

    /// The URI of the first Contact.
    pub fn contact(&self) -> Option<String> {
        self.get("Contact").map(uri_of)
    }

    /// Values of Record-Route in order of appearance, lists split.
    pub fn record_routes(&self) -> Vec<String> {
        self.all("Record-Route")
            .flat_map(|line| line.split(','))
            .map(|one| one.trim().to_owned())
            .collect()
    }

    /// As sent.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            write!(text, "{name}: {value}\r\n").expect("writing to a String cannot fail");
        }
        write!(text, "Content-Length: {}\r\n\r\n{}", self.body.len(), self.body)
            .expect("writing to a String cannot fail");
        text.into_bytes()
    }

    /// A message begun with its start line.
    pub fn new(start: String) -> Wire {
        Wire { start, headers: Vec::new(), body: String::new() }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Wire {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a body of session description.
    #[must_use]
    pub fn with_sdp(mut self, sdp: &str) -> Wire {
        if !sdp.is_empty() {
            self.headers.push(("Content-Type".to_owned(), "application/sdp".to_owned()));
            self.body = sdp.to_owned();
        }
        self
    }

    /// The response to this request, with `to_tag` added when the request had none (RFC 3261 §8.2.6).
    pub fn reply(&self, status: u16, reason: &str, to_tag: &str) -> Wire {
        let mut reply = Wire::new(format!("SIP/2.0 {status} {reason}"));
        for via in self.all("Via") {
            reply = reply.with("Via", via);
        }
        let to = self.get("To").unwrap_or_default();
        let to = if self.to_tag().is_empty() && status > 100 {
            format!("{to};tag={to_tag}")
        } else {
            to.to_owned()
        };
        reply
            .with("From", self.get("From").unwrap_or_default())
            .with("To", to)
            .with("Call-ID", self.call_id())
            .with("CSeq", self.get("CSeq").unwrap_or_default())
    }

    /// What our node says about it: the text of its Reason header, if it has one.
    pub fn why(&self) -> String {
        let text = self.get("Reason").and_then(|reason| reason.split_once("text=\""));
        text.map_or(String::new(), |(_, text)| format!(": {}", text.trim_end_matches('"')))
    }
}

/// The value of `;name=value` in a header value; quotes are not looked into.
pub fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').skip(1).find_map(|one| {
        let (key, value) = one.trim().split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// What stands between `<` and `>`, or all before the first `;`.
pub fn uri_of(value: &str) -> String {
    match (value.find('<'), value.find('>')) {
        (Some(open), Some(close)) if open < close => value[open + 1..close].to_owned(),
        _ => value.split(';').next().unwrap_or_default().trim().to_owned(),
    }
}

/// The user part of a URI, without parameters.
pub fn user_of(uri: &str) -> String {
    let rest = uri.split_once(':').map_or(uri, |found| found.1);
    let user = rest.split_once('@').map_or("", |found| found.0);
    user.split(';').next().unwrap_or_default().replace("%2B", "+").replace("%2b", "+")
}

/// The socket that the host part of a URI names, when it is an address.
pub fn host_of(uri: &str) -> Option<std::net::SocketAddr> {
    let rest = uri.split_once(':').map_or(uri, |found| found.1);
    let host = rest.rsplit_once('@').map_or(rest, |found| found.1);
    let host = host.split([';', '?']).next().unwrap_or_default();
    host.parse().ok().or_else(|| host.parse().ok().map(|ip| std::net::SocketAddr::new(ip, 5060)))
}

fn after_uri(value: &str) -> &str {
    value.rfind('>').map_or(value, |close| &value[close..])
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    const GOOD: &str = "BYE sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx\r\n\
        Max-Forwards: 70\r\nFrom: <sip:b@h;x=1>;tag=f\r\nt: \"To;tag=no\" <sip:a@h>;tag=t\r\n\
        Call-ID: c\r\nCSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn reads_what_it_should_and_refuses_the_rest() {
        fn check(text: String, want: Result<(), &str>) {
            match (Wire::parse(text.as_bytes()), want) {
                (Ok(_), Ok(())) => {}
                (Err(got), Err(want)) => assert!(got.contains(want), "{got} / {want}"),
                (got, want) => panic!("{got:?} / {want:?} of {text}"),
            }
        }
        check(GOOD.into(), Ok(()));
        check(GOOD.replace("Length: 0", "Length: 1"), Err("Content-Length"));
        check(GOOD.replace("7 BYE", "7 INVITE"), Err("CSeq"));
        check(GOOD.replace(";branch=z9hG4bKx", ""), Err("branch"));
        check(GOOD.replace("Call-ID: c\r\n", ""), Err("Call-ID"));
        check(GOOD.replace("Call-ID: c\r\n", "Call-ID: c\r\ni: d\r\n"), Err("2 lines"));
        check(GOOD.replace("Max-Forwards: 70", "Max Forwards: 70"), Err("header name"));
        check(GOOD.replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"), Err("start line"));
        check(GOOD.replace("Max-Forwards: 70\r\n", ""), Err("Max-Forwards"));
        check(GOOD.replace("\r\n\r\n", "\r\n"), Err("no empty line"));
    }

    #[test]
    fn finds_its_parts() {
        let wire = Wire::parse(GOOD.as_bytes()).unwrap();
        assert_eq!((wire.from_tag(), wire.to_tag(), wire.branch()), ("f", "t", "z9hG4bKx"));
        assert_eq!(wire.cseq(), (7, "BYE"));
        assert_eq!(user_of("sip:%2B4420;phone-context=x@h"), "+4420");
        assert_eq!(host_of("sip:a@192.0.2.7;transport=tcp"), "192.0.2.7:5060".parse().ok());
        assert_eq!(host_of("sip:a@192.0.2.7:99"), "192.0.2.7:99".parse().ok());
        let reply = wire.reply(200, "OK", "new");
        assert_eq!(Wire::parse(&reply.bytes()).unwrap().to_tag(), "t");
    }
}
