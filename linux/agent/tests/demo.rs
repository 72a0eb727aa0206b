//! `throughline demo`, the first thing that anybody runs.

mod support;

use support::{stderr, throughline};

#[test]
fn the_demo_shows_every_stamp_and_who_saw_it() {
    let output = throughline().arg("demo").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |act: &str| {
        let row = text.lines().find(|line| line.contains(act));
        row.unwrap_or_else(|| panic!("no row for {act} in\n{text}"))
    };
    assert!(row("/public/hello").contains("reached, no stamp"));
    assert!(row("/private/keys").contains("not reached"));
    assert!(row("/api/v2/aibridge/chat").contains("seen as 2"));
    assert!(row("/api/v2/aibridge/models").contains("seen as 3"));
    assert!(row("/public/forged").contains("reached, no stamp"));
    assert!(row("#truncated=").contains("reached, no stamp"));
    assert!(row("%FF").contains("not reached"));
    assert!(row("allow CONNECT").contains("read on the way"));
    assert!(row("deny POST").contains("not reached"));
    assert!(row("phase committed").contains("at 11"));
    assert!(text.contains("recorded 11, written 11, lost 0"), "{text}");
}
