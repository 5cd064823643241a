//! A stranger's bytes through a real call: what leaves has one reading and only headers of ours.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| fuzz::bench::run(script));
