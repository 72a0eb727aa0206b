use super::finding::{Finding, Kind, Place};

/// What was found line by line: how often each kind, and where first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// A handful of kinds at most; most sessions have none.
    seen: Vec<Finding>,
}

impl Faults {
    /// Places of a kind that are kept to be shown (count).
    const SHOWN: usize = 5;

    pub(crate) fn note(&mut self, kind: Kind, place: Place) {
        let found = self.seen.iter_mut().find(|seen| seen.kind == kind);
        match found {
            Some(seen) => {
                seen.count += 1;
                if seen.places.len() < Self::SHOWN {
                    seen.places.push(place);
                }
            }
            None => self.seen.push(Finding {
                places: vec![place],
                ..Finding::plain(kind)
            }),
        }
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        &self.seen
    }
}
