//! Reading text from left to right. Lives here: classes of characters, a cursor, and searches that look at eight bytes
//! at once. Never here: what a header means. No loop here goes back, so everything is linear.

use super::error::{Fault, HeaderError};

/// RFC 3261 §25.1 `token`.
pub(crate) const TOKEN: u8 = 1;
/// User part of a SIP URI without `%`; `#` besides, because phones dial it.
pub(crate) const USER: u8 = 2;
/// Host name; `_` besides, because hosts are called so.
pub(crate) const HOST: u8 = 4;
/// Parameter of a URI without `%`.
pub(crate) const URI_PARAM: u8 = 8;
/// Value of a header parameter outside quotes: every printable character that does not end it.
pub(crate) const VALUE: u8 = 16;
/// Any character of a URI.
pub(crate) const URI: u8 = 32;
/// Headers of a URI without `%`.
pub(crate) const URI_HEADER: u8 = 64;
/// Display name outside quotes.
pub(crate) const DISPLAY: u8 = 128;

static CLASSES: [u8; 256] = classes();

const fn with(mut table: [u8; 256], class: u8, members: &[u8]) -> [u8; 256] {
    let mut i = 0;
    while i < members.len() {
        table[members[i] as usize] |= class;
        i += 1;
    }
    table
}

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        if (b as u8).is_ascii_alphanumeric() {
            table[b] = TOKEN | USER | HOST | URI_PARAM | VALUE | URI | URI_HEADER | DISPLAY;
        } else if b > 0x20 && b < 0x7f {
            table[b] = VALUE | URI | DISPLAY;
        } else if b >= 0x80 || b == 0x20 || b == 0x09 {
            table[b] = DISPLAY;
        }
        b += 1;
    }
    table = with(table, TOKEN, b"-.!%*_+`'~");
    table = with(table, USER, b"-_.!~*'()&=+$,;?/#");
    table = with(table, HOST, b"-._");
    table = with(table, URI_PARAM, b"-_.!~*'()[]/:&+$");
    table = with(table, URI_HEADER, b"-_.!~*'()[]/?:+$&=");
    let not_in = [(VALUE, b";,\"<>\\" as &[u8]), (URI, b"\"<>\\^`{|}"), (DISPLAY, b"\"<>;,\\")];
    let mut row = 0;
    while row < not_in.len() {
        let (class, members) = not_in[row];
        let mut i = 0;
        while i < members.len() {
            table[members[i] as usize] &= !class;
            i += 1;
        }
        row += 1;
    }
    table
}

/// Is the byte of the class?
#[inline]
pub(crate) fn is(class: u8, byte: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// The first byte from `from` on that is a control character (below SP, or DEL), or the end.
#[inline]
pub(crate) fn find_control(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = from;
    // Sixteen at once become two or three vector instructions.
    while let Some((sixteen, _)) = bytes[at..].split_first_chunk::<16>()
        && !sixteen.iter().fold(false, |found, &b| found | (b < 0x20) | (b == 0x7f))
    {
        at += 16;
    }
    while let Some(eight) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(eight.try_into().expect("eight bytes"));
        let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let flipped = word ^ (ONES * 0x7f);
        let delete = flipped.wrapping_sub(ONES) & !flipped & HIGHS;
        // A borrow can only flag bytes above a byte that is flagged rightly: the lowest flag is true.
        let first = (below_space | delete).trailing_zeros() as usize / 8;
        if first < 8 {
            return at + first;
        }
        at += 8;
    }
    while at < bytes.len() && bytes[at] >= 0x20 && bytes[at] != 0x7f {
        at += 1;
    }
    at
}

/// Text without spaces and tabs at both ends.
#[inline]
pub(crate) fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    let is_blank = |at: usize| matches!(bytes[at], b' ' | b'\t');
    let (mut from, mut to) = (0, bytes.len());
    while from < to && is_blank(from) {
        from += 1;
    }
    while from < to && is_blank(to - 1) {
        to -= 1;
    }
    &text[from..to]
}

/// Where the first `byte` is. For short text, where setting up a search costs more than the search.
#[inline]
pub(crate) fn find_byte(text: &str, byte: u8) -> Option<usize> {
    text.bytes().position(|b| b == byte)
}

/// What is before the first `byte` (ASCII) and after it.
#[inline]
pub(crate) fn split_byte(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = find_byte(text, byte)?;
    Some((&text[..at], &text[at + 1..]))
}

/// A cursor over a header value.
#[derive(Clone)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes over the byte that was peeked at; only for ASCII.
    #[inline]
    pub fn bump(&mut self) {
        self.at += 1;
    }

    #[inline]
    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    #[inline]
    pub fn since(&self, from: usize) -> &'a str {
        &self.text[from..self.at]
    }

    #[inline]
    pub fn skip_lws(&mut self) {
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Goes on to `rest`, which is the end of what is left.
    pub fn skip_to(&mut self, rest: &'a str) {
        self.at = self.text.len() - rest.len();
    }

    /// Goes over `byte` if it is next.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// The longest run of the class; may be empty.
    #[inline]
    pub fn run(&mut self, class: u8) -> &'a str {
        let rest = self.rest();
        let len = rest.bytes().position(|b| !is(class, b)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// A fault at the cursor.
    #[inline]
    pub fn fault<T>(&self, error: HeaderError) -> Result<T, Fault> {
        Err(Fault { error, at: self.at })
    }

    pub fn token(&mut self) -> Result<&'a str, Fault> {
        let token = self.run(TOKEN);
        if token.is_empty() { self.fault(HeaderError::Token) } else { Ok(token) }
    }

    /// A quoted string; the cursor stands on its first quote. Returns the inside, escapes as they are.
    pub fn quoted(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    self.at = at + 1;
                    return Ok(&self.text[start + 1..at]);
                }
                b'\\' if bytes.get(at + 1).is_some_and(u8::is_ascii) => at += 2,
                b'\\' => break,
                _ => at += 1,
            }
        }
        self.fault(HeaderError::Quote)
    }

    /// Digits as a number up to `max`.
    pub fn number(&mut self, max: u32) -> Result<u32, Fault> {
        let start = self.at;
        let mut value: u32 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            let next = value.checked_mul(10).and_then(|v| v.checked_add(u32::from(digit - b'0')));
            match next {
                Some(next) if next <= max => value = next,
                _ => {
                    return Err(Fault { error: HeaderError::Range, at: start });
                }
            }
            self.at += 1;
        }
        if self.at == start { self.fault(HeaderError::Number) } else { Ok(value) }
    }

    /// Nothing but white space may follow.
    pub fn end(&mut self) -> Result<(), Fault> {
        self.skip_lws();
        if self.at == self.text.len() { Ok(()) } else { self.fault(HeaderError::Trailing) }
    }
}

/// The first value of a comma list and what follows the comma; commas in quotes and `<>` do not count.
pub(crate) fn split_list(list: &str) -> (&str, Option<&str>) {
    let bytes = list.as_bytes();
    let (mut in_quotes, mut in_brackets) = (false, false);
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_quotes => at += 1,
            b'"' if !in_brackets => in_quotes = !in_quotes,
            b'<' if !in_quotes => in_brackets = true,
            b'>' if !in_quotes => in_brackets = false,
            b',' if !in_quotes && !in_brackets => {
                return (trim(&list[..at]), Some(&list[at + 1..]));
            }
            _ => {}
        }
        at += 1;
    }
    (trim(list), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_controls_wherever_they_are() {
        for len in 0..40 {
            for at in 0..len {
                for control in [0, 9, 10, 13, 0x1f, 0x7f] {
                    for fill in [b' ', b'a', 0x7e, 0x80, 0xff] {
                        let mut bytes = vec![fill; len];
                        bytes[at] = control;
                        assert_eq!(find_control(&bytes, 0), at, "{control} in {len} of {fill}");
                        assert_eq!(find_control(&bytes, at + 1), len);
                    }
                }
            }
        }
    }

    #[test]
    fn splits_lists() {
        fn check(list: &str, want: &[&str]) {
            let mut values = Vec::new();
            let mut rest = Some(list);
            while let Some(list) = rest {
                let (value, after) = split_list(list);
                values.push(value);
                rest = after;
            }
            assert_eq!(values, want);
        }
        check("a", &["a"]);
        check(" a , b", &["a", "b"]);
        check("\"a,b\" <sip:c,d@e>, <f>", &["\"a,b\" <sip:c,d@e>", "<f>"]);
        check("\"a\\\",b\",c", &["\"a\\\",b\"", "c"]);
        check("<a\"b>,c", &["<a\"b>", "c"]);
        check("a,", &["a", ""]);
        check("\"open, a", &["\"open, a"]);
        check("\"é\\", &["\"é\\"]);
    }
}
