//! What stays of a head, said once for measuring it and for copying it.

use crate::{
    line::{CRLF, FieldLine, Lines},
    owned::{Kind, List, Owned},
    text::Room,
};

/// Takes the parts of a head that stay, in order. Few lines are looked at so closely, so one copy of the
/// code that does is enough.
pub(crate) trait Keep {
    /// Takes the next part.
    fn keep(&mut self, part: &[u8]);
}

/// Counts the bytes that stay.
#[derive(Debug, Default)]
pub(crate) struct Counted(pub(crate) usize);

impl Keep for Counted {
    fn keep(&mut self, part: &[u8]) {
        self.0 = self.0.saturating_add(part.len());
    }
}

impl Keep for Room<'_> {
    fn keep(&mut self, part: &[u8]) {
        self.put(part);
    }
}

/// Keeps what stays of the field lines from `start` on. The head is known to be good.
pub(crate) fn keep_lines(owned: &Owned, head: &[u8], start: usize, keep: &mut dyn Keep) {
    let mut lines = Lines::from(head, start);
    // Lines that nothing is taken from are kept together.
    let mut run = start;
    while let Ok(Some(field)) = lines.field() {
        if owned.may_be_long(field.name_len)
            && let Ok(line) = field.line(head)
        {
            keep.keep(head.get(run..line.start).unwrap_or_default());
            keep_line(owned, head, line, keep);
            run = line.next;
        }
    }
    keep.keep(head.get(run..lines.end()).unwrap_or_default());
}

/// Keeps what stays of a field line; returns how many fields, or elements of one, do not.
pub(crate) fn keep_line(owned: &Owned, head: &[u8], line: FieldLine, keep: &mut dyn Keep) -> usize {
    match owned.kind(line.name(head)) {
        Some(Kind::Ours) => return 1,
        Some(Kind::List(list)) => {
            let elements = elements(line.value(head));
            let dropped = elements.filter(|text| owned.drops(list, text)).count();
            if dropped > 0 {
                keep_list(owned, head, line, list, keep);
                return dropped;
            }
        }
        None => {}
    }
    keep.keep(line.text(head));
    0
}

/// Keeps the name and the elements that stay; nothing at all if no element does.
fn keep_list(owned: &Owned, head: &[u8], line: FieldLine, list: List, keep: &mut dyn Keep) {
    let mut some = false;
    for element in elements(line.value(head)).filter(|text| owned.stays(list, text)) {
        if !some {
            keep.keep(line.name(head));
        }
        keep.keep(if some { b"," } else { b":" });
        keep.keep(element);
        some = true;
    }
    if some {
        keep.keep(CRLF);
    }
}

/// The elements of a list with the whitespace around them (RFC 9110 section 5.6.1).
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',')
}
