//! Bodies: sessions and multiparts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::sdp::{self, MAX_DEPTH, MAX_PARTS};

fuzz_target!(|body: &[u8]| {
    let _ = sdp::inspect(Some("application/sdp"), body);
    if let Ok(summary) = sdp::inspect(Some("multipart/mixed;boundary=b"), body) {
        assert!(usize::from(summary.parts) <= MAX_PARTS && usize::from(summary.depth) <= MAX_DEPTH);
    }
    if let Ok(text) = std::str::from_utf8(body) {
        let (content_type, body) = text.split_once('\n').unwrap_or((text, ""));
        let _ = sdp::inspect(Some(content_type), body.as_bytes());
    }
});
