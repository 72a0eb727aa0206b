#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| throughline_testkit::fuzz::trail_ops(bytes));
