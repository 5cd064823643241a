//! Messages as the scripts of the tests see them. Lives here: an owned message that came out of the
//! node, templates of what goes in. Never here: who sends, when.

use sip::flow::Flow;
use sip::message::{Message, Origin, StartLine};

/// A message that the node sent.
#[derive(Clone, Debug)]
pub struct Got {
    pub flow: Flow,
    pub bytes: Vec<u8>,
    /// Of a request, else empty.
    pub method: String,
    /// Of a request, else empty.
    pub uri: String,
    /// Of a response, else 0.
    pub status: u16,
    /// Of a response, else empty.
    pub phrase: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Got {
    /// Everything that the node sends must be what its own parser takes.
    pub fn parse(flow: Flow, bytes: &[u8]) -> Got {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut copy = bytes.to_vec();
        let origin = if flow.transport.is_reliable() { Origin::Stream } else { Origin::Datagram };
        let message = match Message::parse(&mut copy, origin) {
            Ok(message) => message,
            Err(_) if text.contains("Warning: 399 ringfence") => return Got::broken(flow, text),
            // Where there was no room for the warning.
            Err(_) if ["400", "505"].contains(&&text[8..11]) => return Got::broken(flow, text),
            Err(error) => panic!("the node sent what cannot be parsed: {error}\n{text}"),
        };
        let (method, uri, status, phrase) = match message.start {
            StartLine::Request { method, uri } => {
                (method.as_str().to_owned(), uri.to_owned(), 0, String::new())
            }
            StartLine::Response { status, reason } => {
                (String::new(), String::new(), status, reason.to_owned())
            }
        };
        let headers =
            message.lines().map(|line| (line.raw_name.to_owned(), line.value.to_owned())).collect();
        let body = String::from_utf8_lossy(message.body).into_owned();
        Got { flow, bytes: bytes.to_vec(), method, uri, status, phrase, headers, body }
    }

    /// The answer to a message that could not be parsed repeats what could not be parsed of it.
    fn broken(flow: Flow, text: String) -> Got {
        let status = text["SIP/2.0 ".len()..][..3].parse().expect("a status");
        let (method, uri, phrase) = (String::new(), String::new(), String::new());
        let (headers, body, bytes) = (Vec::new(), String::new(), text.into_bytes());
        Got { flow, bytes, method, uri, status, phrase, headers, body }
    }

    /// The value of the first header line with this name, or "".
    pub fn header(&self, name: &str) -> &str {
        let first = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        first.map_or("", |(_, value)| value)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let same = move |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    pub fn call_id(&self) -> &str {
        self.header("Call-ID")
    }

    pub fn cseq(&self) -> u32 {
        self.header("CSeq").split(' ').next().unwrap().parse().unwrap()
    }

    pub fn cseq_method(&self) -> &str {
        self.header("CSeq").split(' ').nth(1).unwrap()
    }

    pub fn tag_of_from(&self) -> &str {
        tag_of(self.header("From"))
    }

    pub fn to_tag(&self) -> &str {
        tag_of(self.header("To"))
    }

    /// The URI of Contact.
    pub fn contact(&self) -> &str {
        uri_of(self.header("Contact"))
    }

    pub fn branch(&self) -> &str {
        let via = self.header("Via");
        let from = via.find("branch=").map_or(via.len(), |at| at + 7);
        via[from..].split(';').next().unwrap()
    }

    /// What it is, in a word: a method, or a status with the method that it answers.
    pub fn name(&self) -> String {
        match self.status {
            0 => self.method.clone(),
            status if self.headers.is_empty() => status.to_string(),
            status => format!("{status} {}", self.cseq_method()),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

pub fn tag_of(value: &str) -> &str {
    value.split(";tag=").nth(1).unwrap_or("").split(';').next().unwrap()
}

pub fn uri_of(value: &str) -> &str {
    value.split('<').nth(1).unwrap_or(value).split('>').next().unwrap()
}

/// What a script waits for.
pub trait Pattern {
    fn fits(&self, got: &Got) -> bool;
    fn name(&self) -> String;
}

impl Pattern for u16 {
    fn fits(&self, got: &Got) -> bool {
        got.status == *self
    }
    fn name(&self) -> String {
        self.to_string()
    }
}

impl Pattern for i32 {
    fn fits(&self, got: &Got) -> bool {
        i32::from(got.status) == *self
    }
    fn name(&self) -> String {
        self.to_string()
    }
}

impl Pattern for &str {
    fn fits(&self, got: &Got) -> bool {
        got.method == *self
    }
    fn name(&self) -> String {
        (*self).to_owned()
    }
}

/// A status of a response to a method.
impl Pattern for (i32, &str) {
    fn fits(&self, got: &Got) -> bool {
        i32::from(got.status) == self.0 && got.cseq_method() == self.1
    }
    fn name(&self) -> String {
        format!("{} {}", self.0, self.1)
    }
}

pub const OFFER: &str = "v=0\r\no=a 1 1 IN IP4 203.0.113.7\r\ns=-\r\nc=IN IP4 203.0.113.7\r\n\
                         t=0 0\r\nm=audio 4000 RTP/AVP 8 0\r\na=sendrecv\r\n";
pub const ANSWER: &str = "v=0\r\no=b 2 2 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\n\
                          t=0 0\r\nm=audio 6000 RTP/AVP 8\r\na=x-odd:  kept \r\n";

/// The end of a message: Content-Type, Content-Length, empty line, body.
pub fn ending(body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!("{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}
