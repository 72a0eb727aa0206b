/// Counts `by` more, up to the greatest number.
///
/// Kept out of line: on small machines a 64-bit sum is long, and there are many of them.
#[inline(never)]
pub(crate) fn add(counter: &mut u64, by: u32) {
    *counter = counter.saturating_add(by.into());
}
