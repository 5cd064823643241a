//! Credentials and challenges.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::message::{Challenge, Credentials};

fuzz_target!(|text: &str| {
    if let Ok(given) = Credentials::parse(text) {
        // One more of the same parameter makes it ambiguous, so it is refused.
        assert!(Credentials::parse(&format!("{text}, realm=\"x\"")).is_err());
        assert!(text.contains(given.username) && text.contains(given.response));
    }
    if Challenge::parse(text).is_ok() {
        assert!(Challenge::parse(&format!("{text}, NONCE=x")).is_err());
    }
});
