//! What cannot be SIP by its size or first byte. Lives here: keep-alives, and everything else of that kind.
//! Never here: where it came from.

/// Is it worth parsing?
pub fn worth_parsing(bytes: &[u8]) -> bool {
    // RFC 3261 §7.5: line ends before the start line do not count. Two are a keep-alive's.
    let ends = bytes.iter().take(4).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let rest = &bytes[ends..];
    // The shortest request line is longer than this; keep-alives are 0, 2 or 4 bytes (RFC 5626 §3.5).
    if rest.len() < 20 {
        return false;
    }
    // Methods and `SIP/2.0` begin with a letter; STUN and most noise do not.
    rest[0].is_ascii_alphabetic()
}

/// Is it what phones send to keep their NAT's door open: nothing, zeroes, or line ends (RFC 5626 §3.5.1)?
pub fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.len() <= 4 && bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_alives_are_no_garbage() {
        for (bytes, want) in [
            (&b""[..], true),
            (b"\r\n\r\n", true),
            (b"\0", true),
            (b"\r\n\r\n\r\n", false),
            (b"hi", false),
        ] {
            assert_eq!(is_keep_alive(bytes), want, "{bytes:?}");
        }
    }

    #[test]
    fn noise_is_dropped() {
        assert!(worth_parsing(b"OPTIONS sip:a@b SIP/2.0\r\n"));
        assert!(worth_parsing(b"\r\n\r\nOPTIONS sip:a@b SIP/2.0\r\n"));
        assert!(!worth_parsing(b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"));
        assert!(!worth_parsing(b""));
        assert!(!worth_parsing(b"\r\n\r\n"));
        assert!(!worth_parsing(&[0; 64]));
        assert!(!worth_parsing(b"\x16\x03\x01 a TLS hello, long enough"));
    }
}
