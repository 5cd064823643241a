//! A URI: parsed, compared with itself and with a second one (after a line feed).
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::message::{Uri, decode, host_ip};

fuzz_target!(|text: &str| {
    let _ = (decode(text), host_ip(text));
    let (first, second) = text.split_once('\n').unwrap_or((text, text));
    let (Ok(first), Ok(second)) = (Uri::parse(first), Uri::parse(second)) else { return };
    assert!(first.equivalent(&first) && second.equivalent(&second));
    assert_eq!(first.equivalent(&second), second.equivalent(&first));
    let _ = (first.user_decoded(), first.host_ip(), first.transport(), first.is_loose());
    first.params.iter().for_each(|param| assert!(!param.name.is_empty()));
});
