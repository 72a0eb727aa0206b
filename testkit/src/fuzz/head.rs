use throughline_core::{Sequence, SessionId, Stamp};
use throughline_headers::{HeadInjector, MapInjector, Names, RewriteError};
use uuid::Uuid;

use super::choices::Choices;
use crate::naive_head::{Head, sorted};

/// A head that passes means the same to another parser before and after, but for what was to change;
/// a map of its fields changes likewise; and a buffer that is too small is left as it was.
pub fn raw_head_inject(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let number = u32::from(choices.byte()) << 23;
    let stamp = Sequence::new(number).map(|number| Stamp::new(SESSION, number));
    let input = choices.rest();

    let injector = HeadInjector::new(&Names::DEFAULT, SESSION);
    let mut output = vec![0; input.len() + ROOM];
    let Ok(done) = injector.rewrite(input, &mut output, stamp) else {
        return;
    };
    output.truncate(done.written);
    assert_no_room(&injector, input, stamp, done.written);
    assert_idempotent(&injector, &output, stamp);

    // The other parser wants UTF-8 in a target, which is not for a rewriting to judge.
    let line = input.split(|byte| *byte == b'\r').next();
    if !line.unwrap_or_default().is_ascii() {
        return;
    }
    let before = Head::parse(input).expect("what passes is a good head to others");
    let after = Head::parse(&output).expect("and so is what comes out");
    assert_eq!((before.len, after.len), (done.consumed, output.len()));
    assert_eq!(before.start, after.start);
    assert_map_agrees(&before, &after, stamp);
    assert_eq!(after.normal(), before.stamped(stamp).normal());
}

fn assert_no_room(injector: &HeadInjector, input: &[u8], stamp: Option<Stamp>, needed: usize) {
    let mut small = vec![0xa5; needed - 1];
    let refused = injector.rewrite(input, &mut small, stamp);
    assert_eq!(refused, Err(RewriteError::NoRoom { needed }));
    assert!(small.iter().all(|byte| *byte == 0xa5));
}

fn assert_idempotent(injector: &HeadInjector, once: &[u8], stamp: Option<Stamp>) {
    let mut twice = vec![0; once.len() + ROOM];
    let done = injector
        .rewrite(once, &mut twice, stamp)
        .expect("what comes out passes");
    assert_eq!(&twice[..done.written], once);
}

fn assert_map_agrees(before: &Head, after: &Head, stamp: Option<Stamp>) {
    let (Some(mut map), Some(expected)) = (before.to_map(), after.to_map()) else {
        return;
    };
    let injector = MapInjector::new(&Names::DEFAULT, SESSION);
    injector.rewrite(&mut map, stamp).expect("there is room");
    assert_eq!(sorted(&map), sorted(&expected));
}

const SESSION: SessionId = SessionId::from_uuid(Uuid::from_u128(7));

/// More than the two fields take (bytes).
const ROOM: usize = 512;
