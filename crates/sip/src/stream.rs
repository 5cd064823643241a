//! Messages out of a stream (RFC 3261 §18.3, RFC 5626 §3.5.1). Lives here: where one message ends and the next begins.
//! Never here: sockets, what a message says.
//!
//! Only what came is stored: a Content-Length reserves nothing, and is refused when it is too large before its body comes.

use crate::message::{MAX_HEAD, MAX_MESSAGE, Name};

/// An empty framer gives memory above this back.
const KEPT_BYTES: usize = 4 * 1024;

/// What a stream holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'f> {
    /// One message, all of it, for [`crate::message::Message::parse`].
    Message(&'f mut [u8]),
    /// The second of two line ends: a ping, to be answered with one line end.
    KeepAlivePing,
    /// A line end: an answer to our ping, or the first half of a ping, which cannot be known yet.
    Pong,
}

/// Why a stream cannot be read on. Nobody knows where the next message begins: answer 400 if
/// [`Framer::broken_head`] can be salvaged, and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A line feed without carriage return in the header section, where two readers might see different headers.
    #[error("line feed without carriage return")]
    BareLineFeed,
    /// Start line and headers do not end in time.
    #[error("header section too large")]
    HeadTooLarge,
    /// No Content-Length.
    #[error("Content-Length missing")]
    NoContentLength,
    /// Content-Length is not a number.
    #[error("Content-Length is not a number")]
    BadContentLength,
    /// Content-Length twice with different values.
    #[error("Content-Length given twice")]
    TwoContentLengths,
    /// Content-Length beyond what is taken.
    #[error("message too large")]
    TooLarge,
}

impl FrameError {
    /// The status that answers it.
    pub const fn status(self) -> u16 {
        match self {
            FrameError::HeadTooLarge | FrameError::TooLarge => 513,
            _ => 400,
        }
    }
}

/// Cuts one direction of a connection into frames. Take all frames with [`Framer::next`] after each [`Framer::push`]:
/// then it holds less than one message besides what was just pushed.
#[derive(Debug, Default)]
pub struct Framer {
    bytes: Vec<u8>,
    /// Everything before was handed out.
    from: usize,
    /// No end of a header section before here.
    scanned: usize,
    /// Length of the message at `from`, once its head is here.
    message_len: Option<usize>,
    /// Was the last frame a single line end?
    after_line_end: bool,
    failed: Option<FrameError>,
}

impl Framer {
    /// Nothing read yet.
    pub fn new() -> Framer {
        Framer::default()
    }

    /// Takes what was read from the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        self.forget_used();
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame; `None` until more was pushed. After an error there is only that error.
    #[expect(
        clippy::should_implement_trait,
        reason = "a frame borrows the framer; no iterator can"
    )]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.message_len.is_none() {
            match &self.bytes[self.from..] {
                [b'\r', b'\n', ..] => return Ok(Some(self.line_end())),
                [] => {
                    self.forget_used();
                    return Ok(None);
                }
                [b'\r'] => return Ok(None),
                _ => self.message_len = self.find_head().inspect_err(|&e| self.failed = Some(e))?,
            }
        }
        match self.message_len {
            Some(len) if self.bytes.len() - self.from >= len => {
                let from = self.from;
                self.from += len;
                (self.message_len, self.after_line_end) = (None, false);
                self.scanned = self.from;
                Ok(Some(Frame::Message(&mut self.bytes[from..from + len])))
            }
            _ => Ok(None),
        }
    }

    /// Is a message begun and not ended? Then the peer should not take long.
    pub fn is_inside(&self) -> bool {
        self.from < self.bytes.len()
    }

    /// After an error: the bytes that could not be framed, for [`crate::message::salvage`].
    pub fn broken_head(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    /// Bytes of memory held.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    fn line_end(&mut self) -> Frame<'static> {
        self.from += 2;
        self.scanned = self.from;
        self.after_line_end = !self.after_line_end;
        if self.after_line_end { Frame::Pong } else { Frame::KeepAlivePing }
    }

    fn forget_used(&mut self) {
        if self.from == self.bytes.len() {
            self.bytes.clear();
            if self.bytes.capacity() > KEPT_BYTES {
                self.bytes = Vec::new();
            }
        } else {
            self.bytes.drain(..self.from);
        }
        self.scanned -= self.from;
        self.from = 0;
    }

    /// The length of the message at `from`, if its head is complete. Looks at each byte once, however they come.
    fn find_head(&mut self) -> Result<Option<usize>, FrameError> {
        let limit = self.bytes.len().min(self.from + MAX_HEAD);
        let mut at = self.scanned;
        while at < limit {
            let Some(found) = self.bytes[at..limit].iter().position(|&b| b == b'\n') else {
                at = limit;
                break;
            };
            at += found;
            if at == self.from || self.bytes[at - 1] != b'\r' {
                return Err(FrameError::BareLineFeed);
            }
            at += 1;
            if at - self.from >= 4 && &self.bytes[at - 4..at] == b"\r\n\r\n" {
                self.scanned = at;
                return self.message_len(at).map(Some);
            }
        }
        self.scanned = at;
        match limit - self.from == MAX_HEAD {
            true => Err(FrameError::HeadTooLarge),
            false => Ok(None),
        }
    }

    fn message_len(&self, head_end: usize) -> Result<usize, FrameError> {
        let head = &self.bytes[self.from..head_end];
        let body = content_length(head)?.ok_or(FrameError::NoContentLength)?;
        let len = head.len().checked_add(body).filter(|&len| len <= MAX_MESSAGE);
        len.ok_or(FrameError::TooLarge)
    }
}

/// The value of all Content-Length lines of a header section, if there are any.
fn content_length(head: &[u8]) -> Result<Option<usize>, FrameError> {
    let mut found = None;
    let mut from = 0;
    while from < head.len() {
        let to = unfolded_line_end(head, from);
        let line = &head[from..to];
        from = to;
        if !matches!(line[0], b'C' | b'c' | b'L' | b'l') {
            continue;
        }
        let Some(colon) = line.iter().position(|&b| b == b':') else {
            continue;
        };
        if Name::find(line[..colon].trim_ascii_end()) != Name::ContentLength {
            continue;
        }
        let value = read_length(&line[colon + 1..])?;
        match found.replace(value) {
            Some(other) if other != value => return Err(FrameError::TwoContentLengths),
            _ => {}
        }
    }
    Ok(found)
}

/// Where the line from `from` ends, with the folded lines that belong to it.
fn unfolded_line_end(head: &[u8], from: usize) -> usize {
    let mut to = from;
    loop {
        to = head[to..].iter().position(|&b| b == b'\n').map_or(head.len(), |end| to + end + 1);
        if !matches!(head.get(to), Some(b' ' | b'\t')) {
            return to;
        }
    }
}

/// Digits between white space. What is too large for a `usize` is too large.
fn read_length(value: &[u8]) -> Result<usize, FrameError> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(FrameError::BadContentLength);
    }
    let text = std::str::from_utf8(digits).map_err(|_| FrameError::BadContentLength)?;
    text.parse().map_err(|_| FrameError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: &str, body: &str) -> String {
        format!("OPTIONS sip:a SIP/2.0\r\n{headers}\r\n{body}")
    }

    /// All frames of a stream that comes in pieces of `step` bytes, and how it ended.
    fn frames(stream: &[u8], step: usize) -> (Vec<String>, Option<FrameError>) {
        let mut framer = Framer::new();
        let mut frames = Vec::new();
        for piece in stream.chunks(step) {
            framer.push(piece);
            loop {
                match framer.next() {
                    Ok(Some(Frame::Message(bytes))) => {
                        frames.push(String::from_utf8_lossy(bytes).into_owned());
                    }
                    Ok(Some(Frame::KeepAlivePing)) => frames.push("ping".to_owned()),
                    Ok(Some(Frame::Pong)) => frames.push("pong".to_owned()),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
        }
        (frames, None)
    }

    fn check(stream: &str, want: &[&str], error: Option<FrameError>) {
        for step in 1..=stream.len().max(1) {
            let (got, ended) = frames(stream.as_bytes(), step);
            assert_eq!(
                (got.iter().map(String::as_str).collect::<Vec<_>>(), ended),
                (want.to_vec(), error),
                "step {step} of {stream:?}"
            );
        }
    }

    #[test]
    fn cuts_the_same_however_it_comes() {
        let one = message("Content-Length: 5\r\n", "hello");
        let two = message("Subject: content-length: 7\r\nl \t:\r\n\t 0003 \r\nX: y\r\n", "a\nb");
        check(&format!("{one}{two}"), &[&one, &two], None);
        check(
            &format!("\r\n{one}\r\n\r\n{two}\r\n\r\n\r\n"),
            &["pong", &one, "pong", "ping", &two, "pong", "ping", "pong"],
            None,
        );
        check(&one[..one.len() - 1], &[], None);
        check("", &[], None);
        check("\r", &[], None);
        let twice = message("Content-Length: 5\r\nCONTENT-LENGTH: 05\r\n", "hello");
        check(&twice, &[&twice], None);
    }

    #[test]
    fn refuses() {
        let len = |value: &str| message(&format!("Content-Length: {value}\r\n"), "");
        check(&message("Subject: x\r\n", ""), &[], Some(FrameError::NoContentLength));
        check(&len("-1"), &[], Some(FrameError::BadContentLength));
        check(&len(""), &[], Some(FrameError::BadContentLength));
        check(&len("+1"), &[], Some(FrameError::BadContentLength));
        check(&len("0x10"), &[], Some(FrameError::BadContentLength));
        check(&len("1, 1"), &[], Some(FrameError::BadContentLength));
        check(&len("4294967297"), &[], Some(FrameError::TooLarge));
        check(&len("36893488147419103232"), &[], Some(FrameError::TooLarge));
        check(&len("65536"), &[], Some(FrameError::TooLarge));
        check(
            &message("l: 1\r\nContent-Length: 2\r\n", ""),
            &[],
            Some(FrameError::TwoContentLengths),
        );
        check(&message("A: b\nl: 1\r\n", ""), &[], Some(FrameError::BareLineFeed));
        check("\n", &[], Some(FrameError::BareLineFeed));
        check("\r\n\n", &["pong"], Some(FrameError::BareLineFeed));
        let ok = message("l: 0\r\n", "");
        check(&format!("{ok}{}", len("x")), &[&ok], Some(FrameError::BadContentLength));
    }

    #[test]
    fn a_header_section_ends_in_time() {
        let endless = message(&format!("X: {}", "y".repeat(MAX_HEAD)), "");
        assert_eq!(frames(endless.as_bytes(), 1000), (vec![], Some(FrameError::HeadTooLarge)));
        let fill = MAX_HEAD - message("l: 0\r\nX: \r\n", "").len();
        let fits = message(&format!("l: 0\r\nX: {}\r\n", "y".repeat(fill)), "");
        assert_eq!(fits.len(), MAX_HEAD);
        assert_eq!(frames(fits.as_bytes(), 999), (vec![fits.clone()], None));
        let over = message(&format!("l: 0\r\nX: {}\r\n", "y".repeat(fill + 1)), "");
        assert_eq!(frames(over.as_bytes(), 999), (vec![], Some(FrameError::HeadTooLarge)));
    }

    #[test]
    fn a_promise_of_length_costs_nothing() {
        // P2: 1,000 connections that promise much and send little.
        let mut framers: Vec<Framer> = (0..1000).map(|_| Framer::new()).collect();
        for framer in &mut framers {
            framer.push(message("Content-Length: 60000\r\n", "x").as_bytes());
            assert_eq!(framer.next(), Ok(None));
            assert!(framer.is_inside());
        }
        assert!(framers.iter().map(Framer::capacity).sum::<usize>() < 1 << 20);
    }

    #[test]
    fn memory_comes_back() {
        let mut framer = Framer::new();
        let large = message("Content-Length: 60000\r\n", &"x".repeat(60_000));
        framer.push(large.as_bytes());
        assert!(
            matches!(framer.next(), Ok(Some(Frame::Message(bytes))) if bytes == large.as_bytes())
        );
        assert_eq!(framer.next(), Ok(None));
        assert_eq!((framer.capacity(), framer.is_inside()), (0, false));
    }

    #[test]
    fn after_an_error_there_is_only_that_error() {
        let mut framer = Framer::new();
        let broken = message("Content-Length: -1\r\n", "");
        framer.push(broken.as_bytes());
        assert_eq!(framer.next(), Err(FrameError::BadContentLength));
        framer.push(message("l: 0\r\n", "").as_bytes());
        assert_eq!(framer.next(), Err(FrameError::BadContentLength));
        assert_eq!(
            (framer.broken_head(), FrameError::BadContentLength.status()),
            (broken.as_bytes(), 400)
        );
    }
}
