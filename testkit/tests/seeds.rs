//! The committed inputs of every fuzz target, each tried once: those that broke a promise before it was
//! mended, and those that fuzzing starts from. So they are tried without a nightly compiler too.

use std::{fs, path::Path};

use throughline_testkit::{fuzz, link_decoder_fuzz};

/// What a target calls with an input.
type Run = fn(&[u8]);

/// What each target calls, by its name.
const TARGETS: [(&str, Run); 7] = [
    ("audit_record", fuzz::audit_record),
    ("link_feed", link_decoder_fuzz),
    ("protobuf_decode", fuzz::protobuf_decode),
    ("protobuf_differential", fuzz::protobuf_differential),
    ("raw_head_inject", fuzz::raw_head_inject),
    ("rule_parse_match", fuzz::rule_parse_match),
    ("trail_ops", fuzz::trail_ops),
];

#[test]
fn no_committed_input_breaks_a_promise() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    assert_eq!(names(&seeds), TARGETS.map(|(name, _)| name));
    for (target, run) in TARGETS {
        let folder = seeds.join(target);
        let names = names(&folder);
        assert!(names.len() > 5, "{target} has hardly a seed");
        for name in names {
            println!("{target}/{name}");
            run(&fs::read(folder.join(name)).unwrap());
        }
    }
}

#[test]
fn every_target_is_among_them() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/targets");
    let files = TARGETS.map(|(name, _)| format!("{name}.rs"));
    assert_eq!(names(&targets), files);
}

/// What lies in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}
