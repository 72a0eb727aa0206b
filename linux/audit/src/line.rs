/// Something with cache lines of its own, so that those who write next to it do not slow it down.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Line<T>(pub(crate) T);
