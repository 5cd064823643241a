//! A SIP message as text, read plainly: start line, headers, body.

/// One message that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Request or status line.
    pub start: String,
    /// Names and values in order.
    pub headers: Vec<(String, String)>,
    /// What follows the empty line.
    pub body: String,
}

impl Message {
    /// Reads one whole message; `None` when it is none.
    pub fn parse(bytes: &[u8]) -> Option<Message> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        if !start.contains("SIP/2.0") {
            return None;
        }
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.trim().to_owned(), value.trim().to_owned()))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(Message { start, headers, body: body.to_owned() })
    }

    /// Status of a response.
    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// Method of a request; empty for a response.
    pub fn method(&self) -> &str {
        if self.status().is_some() { "" } else { self.start.split(' ').next().unwrap_or("") }
    }

    /// Request-URI of a request.
    pub fn uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or("")
    }

    /// Every value of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The first value of a header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value.as_str())
    }

    /// Method in CSeq.
    pub fn cseq_method(&self) -> &str {
        self.header("CSeq").rsplit(' ').next().unwrap_or("")
    }

    /// Number in CSeq.
    pub fn cseq_number(&self) -> u32 {
        self.header("CSeq").split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// URI of the Contact.
    pub fn contact_uri(&self) -> &str {
        uri_of(self.header("Contact"))
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        self.header("Call-ID")
    }

    /// Record-Route values as the caller uses them: last first.
    pub fn route_set(&self) -> Vec<String> {
        let mut routes: Vec<String> = self
            .all("Record-Route")
            .flat_map(|line| line.split(','))
            .map(|route| route.trim().to_owned())
            .collect();
        routes.reverse();
        routes
    }

    /// Head and body of a response to this request; `tag` goes into To when it has none.
    pub fn reply(&self, status: u16, phrase: &str, tag: &str, extra: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status} {phrase}\r\n");
        for name in ["Via", "Record-Route", "From"] {
            for value in self.all(name) {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let to = self.header("To");
        let tag = if to.contains(";tag=") || tag.is_empty() {
            String::new()
        } else {
            format!(";tag={tag}")
        };
        text.push_str(&format!(
            "To: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}",
            self.call_id(),
            self.header("CSeq")
        ));
        if !body.is_empty() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        text
    }
}

/// The URI between angle brackets, or the text before the first semicolon.
pub fn uri_of(name_addr: &str) -> &str {
    match name_addr.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => name_addr.split(';').next().unwrap_or(name_addr),
    }
}

/// The value of `;tag=`.
pub fn tag_of(name_addr: &str) -> &str {
    let after = name_addr.split_once(";tag=").map_or("", |(_, rest)| rest);
    after.split(';').next().unwrap_or(after)
}

/// User part of a SIP URI.
pub fn user_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or("", |(user, _)| user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_replies() {
        let text = b"BYE sip:a@b SIP/2.0\r\nVia: v1\r\nVia: v2\r\nFrom: <sip:x@y>;tag=1\r\nTo: sip:a@b\r\nCall-ID: c\r\nCSeq: 7 BYE\r\n\r\nbody";
        let message = Message::parse(text).expect("a message");
        assert_eq!(
            (message.method(), message.uri(), message.body.as_str()),
            ("BYE", "sip:a@b", "body")
        );
        assert_eq!(tag_of(message.header("from")), "1");
        let reply = message.reply(200, "OK", "t", "", "");
        let reply = Message::parse(reply.as_bytes()).expect("a reply");
        assert_eq!(reply.status(), Some(200));
        assert_eq!(reply.all("Via").collect::<Vec<_>>(), ["v1", "v2"]);
        assert_eq!(reply.header("To"), "sip:a@b;tag=t");
        assert_eq!(reply.cseq_number(), 7);
        assert!(Message::parse(b"garbage\r\n\r\n").is_none());
        assert_eq!(user_of("sip:+44@x"), "+44");
    }
}
