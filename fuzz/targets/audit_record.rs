#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| throughline_testkit::fuzz::audit_record(bytes));
