use std::{cell::RefCell, os::unix::ffi::OsStrExt, path::Path, time::Duration};

use throughline_audit::{Counters, Extra, Field};
use throughline_core::{PhaseEmitter, PhaseRecord};

use super::reason::Reason;
use crate::kernel::Emitter;

/// Adds to each record what there is to say of its phase.
pub(super) struct Witness {
    emitter: Emitter,
    notes: RefCell<Vec<(Field, Vec<u8>)>>,
}

impl Witness {
    pub(super) fn new(emitter: Emitter) -> Self {
        Self {
            emitter,
            notes: RefCell::default(),
        }
    }

    /// What the next record says: why it came to this, where the result is, and by which command.
    ///
    /// The reason goes first, so that a long command is what is cut for want of room. Whoever may
    /// read the log could read the command anyway, in the list of processes, while it ran.
    pub(super) fn note(&self, reason: Option<&Reason>, file: Option<&Path>, script: Option<&str>) {
        let notes = [
            (Field::Reason, reason.map(|reason| reason.word.as_bytes())),
            (Field::File, file.map(|file| file.as_os_str().as_bytes())),
            (Field::Command, script.map(str::as_bytes)),
        ];
        let notes = notes.into_iter();
        *self.notes.borrow_mut() = notes
            .filter_map(|(field, value)| Some((field, value?.to_vec())))
            .collect();
    }

    pub(super) fn close(self, deadline: Duration) -> Counters {
        self.emitter.close(deadline)
    }
}

impl PhaseEmitter for Witness {
    fn emit(&self, record: &PhaseRecord<'_>) {
        let notes = self.notes.take();
        let extras: Vec<_> = notes
            .iter()
            .map(|(field, value)| Extra {
                field: *field,
                value,
            })
            .collect();
        self.emitter.emit_with(record, &extras);
    }
}
