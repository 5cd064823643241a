//! A stream in pieces: cut the same as in one piece. The first byte says how large the pieces are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::message::{Message, Origin};
use sip::stream::{Frame, Framer};

/// What comes out, in words.
fn cut(stream: &[u8], step: usize) -> Vec<String> {
    let mut framer = Framer::new();
    let mut seen = Vec::new();
    for piece in stream.chunks(step) {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(bytes))) => {
                    let said = format!("{bytes:?}");
                    let parsed = Message::parse(bytes, Origin::Stream).err();
                    seen.push(format!("{said} {parsed:?}"));
                }
                Ok(Some(frame)) => seen.push(format!("{frame:?}")),
                Ok(None) => break,
                Err(error) => {
                    seen.push(format!("{error:?}"));
                    return seen;
                }
            }
        }
    }
    seen
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, stream)) = bytes.split_first() else { return };
    let whole = cut(stream, stream.len().max(1));
    assert_eq!(cut(stream, usize::from(first).max(1)), whole);
    assert_eq!(cut(stream, 1), whole);
});
