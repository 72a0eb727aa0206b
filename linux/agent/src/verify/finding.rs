use std::{fmt, ops::RangeInclusive, rc::Rc};

use serde::{Serialize, Serializer, ser::SerializeStruct};
use throughline_core::SessionId;

use crate::log::Clean;

/// What keeps a session, or a witness, from being whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Numbers that are neither written nor reported as lost.
    Missing,
    /// Numbers that are reported as lost, and were written or reported already.
    Surplus,
    /// Numbers that are reported as lost, where that is not to be.
    Lost,
    /// Events that are there twice.
    Duplicate,
    /// Events behind one of a higher number.
    Disorder,
    /// Events with a time before that of a lower number.
    TimeBack,
    /// Lines behind the end of their session.
    AfterEnd,
    /// A session without an end.
    NoEnd,
    /// An end whose counts are not those of the trail.
    EndDiffers,
    /// Upstream requests with a number that the trail does not have.
    Unrecorded,
    /// Upstream requests with the stamp of a request that was denied.
    Denied,
    /// Upstream requests with a stamp that was seen before.
    Repeated,
    /// Upstream requests with half a stamp, or none that could be one.
    NoStamp,
    /// Upstream requests of a session that no trail has.
    UnknownSession,
    /// Records in the kernel's log of a session that no trail has.
    NoTrail,
    /// A session's close in the kernel's log with other counts than the trail.
    CloseDiffers,
    /// A session that ended, and of which the kernel's log has the open and no close.
    NoClose,
    /// Phases that lie behind all that the trail has.
    PhaseBeyond,
    /// Lines that are none of their file's format.
    Malformed,
}

/// Something that was found, how often, and where first.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) count: u64,
    pub(crate) ranges: Vec<RangeInclusive<u32>>,
    pub(crate) places: Vec<Place>,
    /// What else there is to say: the counts that differ.
    pub(crate) detail: Option<String>,
}

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Rc<str>,
    /// From 1.
    pub(crate) line: u64,
    pub(crate) what: What,
}

/// What was found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The line itself.
    Line,
    Number(u32),
    Session(SessionId),
    Reason(String),
}

impl Kind {
    /// The word for it where a machine reads.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Surplus => "loss_of_written",
            Self::Lost => "lost",
            Self::Duplicate => "duplicate",
            Self::Disorder => "out_of_order",
            Self::TimeBack => "time_back",
            Self::AfterEnd => "after_end",
            Self::NoEnd => "no_end",
            Self::EndDiffers => "end_differs",
            Self::Unrecorded => "upstream_unrecorded",
            Self::Denied => "upstream_denied",
            Self::Repeated => "upstream_repeated",
            Self::NoStamp => "upstream_no_stamp",
            Self::UnknownSession => "upstream_unknown_session",
            Self::NoTrail => "audit_no_trail",
            Self::CloseDiffers => "audit_close_differs",
            Self::NoClose => "audit_no_close",
            Self::PhaseBeyond => "audit_phase_beyond",
            Self::Malformed => "malformed",
        }
    }

    /// What it means, for a person.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Missing => "neither written nor reported as lost",
            Self::Surplus => "reported as lost, and written or reported already",
            Self::Lost => "reported as lost",
            Self::Duplicate => "written twice",
            Self::Disorder => "behind a higher number",
            Self::TimeBack => "with a time before that of a lower number",
            Self::AfterEnd => "behind the end of the session",
            Self::NoEnd => {
                "no end: the session goes on, was killed, or the last of its trail is gone"
            }
            Self::EndDiffers => "the end of the session and its trail differ",
            Self::Unrecorded => {
                "upstream with a number that the trail does not have: forged, or lost"
            }
            Self::Denied => "upstream with the stamp of a request that was denied: forged",
            Self::Repeated => "upstream with a stamp seen before: replayed, or sent again",
            Self::NoStamp => "upstream with half a stamp, or none that could be one: forged",
            Self::UnknownSession => {
                "upstream of a session that no trail has: forged, or its trail is not here"
            }
            Self::NoTrail => "in the kernel's log of a session that no trail has",
            Self::CloseDiffers => "the close in the kernel's log and the trail differ",
            Self::NoClose => "the kernel's log has the open of the session and not its close",
            Self::PhaseBeyond => "phases in the kernel's log behind all that the trail has",
            Self::Malformed => "not understood",
        }
    }
}

impl Finding {
    /// A finding that says all by its kind.
    pub(crate) const fn plain(kind: Kind) -> Self {
        Self {
            kind,
            count: 1,
            ranges: Vec::new(),
            places: Vec::new(),
            detail: None,
        }
    }

    /// `count` of a kind.
    pub(crate) fn counted(kind: Kind, count: u64) -> Self {
        Self {
            count,
            ..Self::plain(kind)
        }
    }

    /// Counts that differ.
    pub(crate) fn differing(kind: Kind, detail: String) -> Self {
        Self {
            detail: Some(detail),
            ..Self::plain(kind)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_counted = !matches!(
            self.kind,
            Kind::NoEnd | Kind::EndDiffers | Kind::CloseDiffers | Kind::NoClose
        );
        if is_counted {
            write!(f, "{} ", self.count)?;
        }
        f.write_str(self.kind.meaning())?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        let mut between = ": ";
        for range in &self.ranges {
            write!(f, "{between}{}", Run(range))?;
            between = ", ";
        }
        for place in &self.places {
            write!(f, "{between}{place}")?;
            between = ", ";
        }
        let ranges = self.ranges.iter().map(|run| run.clone().count());
        let shown = self.places.len() + ranges.sum::<usize>();
        if shown > 0 && self.count > shown as u64 {
            f.write_str(", ...")?;
        }
        Ok(())
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ranges: Vec<_> = self
            .ranges
            .iter()
            .map(|run| (run.start(), run.end()))
            .collect();
        let mut finding = serializer.serialize_struct("Finding", 5)?;
        finding.serialize_field("kind", self.kind.as_str())?;
        finding.serialize_field("count", &self.count)?;
        finding.serialize_field("ranges", &ranges)?;
        finding.serialize_field("places", &self.places)?;
        finding.serialize_field("text", &self.to_string())?;
        finding.end()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Line => write!(f, "{}:{}", self.file, self.line),
            What::Number(number) => write!(f, "{number} ({}:{})", self.file, self.line),
            What::Session(session) => write!(f, "{session} ({}:{})", self.file, self.line),
            What::Reason(why) => write!(f, "{}:{} {}", self.file, self.line, Clean(why)),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut place = serializer.serialize_struct("Place", 3)?;
        place.serialize_field("file", &*self.file)?;
        place.serialize_field("line", &self.line)?;
        match &self.what {
            What::Line => {}
            What::Number(number) => place.serialize_field("seq", number)?,
            What::Session(session) => place.serialize_field("session", &session.to_string())?,
            What::Reason(why) => place.serialize_field("reason", why)?,
        }
        place.end()
    }
}

/// A run of numbers for a person: `7`, or `7-9`.
pub(crate) struct Run<'a>(pub(crate) &'a RangeInclusive<u32>);

impl fmt::Display for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.0.start(), self.0.end());
        if first == last {
            return write!(f, "{first}");
        }
        write!(f, "{first}-{last}")
    }
}
