//! Reading answers at load: a few headers of messages that a server under test sends, by plain search.
//! Never here: leniency that matters; what is not understood counts as unexpected.

/// Status of a response.
pub fn status(message: &[u8]) -> Option<u16> {
    let digits = message.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Every value of a header, by its long name and its compact form.
pub fn headers<'a>(message: &'a [u8], long: &str, compact: &str) -> impl Iterator<Item = &'a str> {
    let text = std::str::from_utf8(message).unwrap_or("");
    let section = text.split("\r\n\r\n").next().unwrap_or("");
    let (long, compact) = (long.to_owned(), compact.to_owned());
    section.split("\r\n").skip(1).filter_map(move |line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim();
        let known = name.eq_ignore_ascii_case(&long) || name.eq_ignore_ascii_case(&compact);
        known.then_some(value.trim())
    })
}

/// The first value of a header, or an empty text.
pub fn header<'a>(message: &'a [u8], long: &str, compact: &str) -> &'a str {
    headers(message, long, compact).next().unwrap_or("")
}

/// The method in CSeq.
pub fn cseq_method(message: &[u8]) -> &str {
    header(message, "CSeq", "CSeq").rsplit(' ').next().unwrap_or("")
}

/// The URI between angle brackets.
pub fn uri_of(name_addr: &str) -> &str {
    let inner = name_addr.split_once('<').map_or(name_addr, |(_, rest)| rest);
    inner.split_once('>').map_or(inner, |(uri, _)| uri)
}

/// The number after `prefix` at the start of a Call-ID: which operation a message belongs to.
pub fn operation(message: &[u8], prefix: char) -> Option<usize> {
    let call_id = header(message, "Call-ID", "i");
    let digits = call_id.strip_prefix(prefix)?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_response() {
        let message = b"SIP/2.0 200 OK\r\nv: a\r\nVia: b\r\nCall-ID: c17@x\r\nCSeq: 2 BYE\r\nContact: <sip:a@b>;q=1\r\n\r\nVia: body";
        assert_eq!(status(message), Some(200));
        assert_eq!(headers(message, "Via", "v").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(operation(message, 'c'), Some(17));
        assert_eq!(operation(message, 'r'), None);
        assert_eq!(cseq_method(message), "BYE");
        assert_eq!(uri_of(header(message, "Contact", "m")), "sip:a@b");
        assert_eq!(status(b"BYE sip:x SIP/2.0\r\n\r\n"), None);
    }
}
