//! Requests that the layer makes from one that it sent. Lives here: the ACK to a refusal (RFC 3261
//! §17.1.1.3) and CANCEL (§9.1). Never here: ACK to 2xx, which is the dialog's.

/// What was written before, line by line, as far as the layer needs it.
struct Sent<'a> {
    uri: &'a [u8],
    via: &'a [u8],
    from: &'a [u8],
    to: &'a [u8],
    call_id: &'a [u8],
    cseq: &'a [u8],
}

/// Writes the ACK to a final response other than 2xx. `to` is the To header field of the response.
pub(super) fn ack(out: &mut Vec<u8>, invite: &[u8], to: &str) {
    derive(out, invite, b"ACK", Some(to.as_bytes()));
}

/// Writes the CANCEL of an INVITE.
pub(super) fn cancel(out: &mut Vec<u8>, invite: &[u8]) {
    derive(out, invite, b"CANCEL", None);
}

/// The sent-by of the first Via of a request that we wrote: host, and port or 0.
pub(super) fn sent_by(request: &[u8]) -> (&[u8], u16) {
    let via = field(request, b"Via").unwrap_or_default();
    let after_protocol = via.iter().position(|&byte| byte == b' ').map_or(0, |space| space + 1);
    let rest = &via[after_protocol..];
    let text =
        rest[..rest.iter().position(|&byte| byte == b';').unwrap_or(rest.len())].trim_ascii();
    let colon = text.iter().rposition(|&byte| byte == b':').filter(|_| !text.ends_with(b"]"));
    let Some(colon) = colon else {
        return (text, 0);
    };
    let port = std::str::from_utf8(&text[colon + 1..]).ok().and_then(|port| port.parse().ok());
    (&text[..colon], port.unwrap_or(0))
}

fn derive(out: &mut Vec<u8>, invite: &[u8], method: &[u8], to: Option<&[u8]>) {
    let Some(sent) = Sent::read(invite) else {
        debug_assert!(false, "an INVITE of ours lacks a header field");
        return;
    };
    for part in [method, b" ", sent.uri, b" SIP/2.0\r\n"] {
        out.extend_from_slice(part);
    }
    line(out, b"Via", sent.via);
    // RFC 3261 §17.1.1.3, §9.1: the same Route fields, so that it takes the same way.
    for route in fields(invite, b"Route") {
        line(out, b"Route", route);
    }
    line(out, b"Max-Forwards", b"70");
    line(out, b"From", sent.from);
    line(out, b"To", to.unwrap_or(sent.to));
    line(out, b"Call-ID", sent.call_id);
    out.extend_from_slice(b"CSeq: ");
    out.extend_from_slice(sent.cseq);
    out.push(b' ');
    out.extend_from_slice(method);
    out.extend_from_slice(b"\r\nContent-Length: 0\r\n\r\n");
}

impl<'a> Sent<'a> {
    fn read(request: &'a [u8]) -> Option<Sent<'a>> {
        let mut words = lines(request).next()?.split(|&byte| byte == b' ');
        let (_method, uri) = (words.next()?, words.next()?);
        let cseq = field(request, b"CSeq")?;
        Some(Sent {
            uri,
            via: field(request, b"Via")?,
            from: field(request, b"From")?,
            to: field(request, b"To")?,
            call_id: field(request, b"Call-ID")?,
            cseq: cseq.split(|&byte| byte == b' ').next()?,
        })
    }
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// The lines of the header section, without their ends.
fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    message
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty())
}

fn fields<'a>(message: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    lines(message).skip(1).filter_map(move |line| {
        let (head, rest) = line.split_at_checked(name.len())?;
        let value = rest.strip_prefix(b":")?;
        head.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    })
}

fn field<'a>(message: &'a [u8], name: &'a [u8]) -> Option<&'a [u8]> {
    fields(message, name).next()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:+4420@carrier.example SIP/2.0\r\n\
        Via: SIP/2.0/UDP Edge.example:5062;branch=z9hG4bKabc\r\n\
        Route: <sip:p1.example;lr>\r\nRoute: <sip:p2.example;lr>\r\n\
        Max-Forwards: 69\r\nFrom: \"A\" <sip:a@edge.example>;tag=1\r\nTo: <sip:+4420@carrier.example>\r\n\
        Call-ID: c1\r\nCSeq: 17 INVITE\r\nContact: <sip:edge.example>\r\nContent-Length: 4\r\n\r\nTo: x";

    #[test]
    fn an_ack_takes_the_to_of_the_response() {
        let mut out = Vec::new();
        ack(&mut out, INVITE, "<sip:+4420@carrier.example>;tag=z");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "ACK sip:+4420@carrier.example SIP/2.0\r\n\
             Via: SIP/2.0/UDP Edge.example:5062;branch=z9hG4bKabc\r\n\
             Route: <sip:p1.example;lr>\r\nRoute: <sip:p2.example;lr>\r\nMax-Forwards: 70\r\n\
             From: \"A\" <sip:a@edge.example>;tag=1\r\nTo: <sip:+4420@carrier.example>;tag=z\r\n\
             Call-ID: c1\r\nCSeq: 17 ACK\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_cancel_keeps_the_to_of_the_request() {
        let mut out = Vec::new();
        cancel(&mut out, INVITE);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("CANCEL sip:+4420@carrier.example SIP/2.0\r\n"), "{text}");
        assert!(text.contains("\r\nTo: <sip:+4420@carrier.example>\r\n"), "{text}");
        assert!(text.contains("\r\nCSeq: 17 CANCEL\r\n"), "{text}");
    }

    #[test]
    fn finds_the_sent_by() {
        fn check(via: &str, host: &str, port: u16) {
            let request = format!("BYE sip:x SIP/2.0\r\nVia: {via}\r\n\r\n");
            assert_eq!(sent_by(request.as_bytes()), (host.as_bytes(), port), "{via}");
        }
        check("SIP/2.0/UDP Edge.example:5062;branch=z9hG4bKabc", "Edge.example", 5062);
        check("SIP/2.0/TCP edge.example;branch=z9hG4bKabc", "edge.example", 0);
        check("SIP/2.0/UDP [2001:db8::1]:5060;rport", "[2001:db8::1]", 5060);
        check("SIP/2.0/UDP [2001:db8::1];rport", "[2001:db8::1]", 0);
        assert_eq!(sent_by(b"garbage"), (&b""[..], 0));
    }
}
