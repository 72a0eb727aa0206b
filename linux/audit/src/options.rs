use std::{fmt, io, process::Command, sync::Arc, thread, time::Duration};

use crate::{
    AuditEmitter, Identity, Notice, RecordType, Template,
    gate::{Gate, Netlink, Patience},
    link::Link,
    notice::Announcer,
    shared::Shared,
    worker::{Direct, Outlet, Worker},
};

/// How an emitter works, and the way to start one.
#[must_use]
pub struct Options {
    record_type: RecordType,
    identity: Identity,
    capacity: usize,
    hand_off_wait: Duration,
    patience: Patience,
    observer: Option<Box<dyn FnMut(Notice) + Send>>,
}

impl Options {
    /// The defaults: type 1111, this process's identity, 1024 entries in the queue, one second for
    /// a hand-off, one second of rest after a send of more than 250 ms, 30 seconds between tries
    /// of a kernel that refuses, nobody to hear notices.
    ///
    /// A kernel whose queue is full holds a sender for 600 ms or more; less than 250 ms can be
    /// another program's turn on a busy machine, and no reason to drop records.
    pub fn new() -> Self {
        Self {
            record_type: RecordType::default(),
            identity: Identity::of_this_process(),
            capacity: 1024,
            hand_off_wait: Duration::from_secs(1),
            patience: Patience {
                slow_send: Duration::from_millis(250),
                rest: Duration::from_secs(1),
                retry: Duration::from_secs(30),
            },
            observer: None,
        }
    }

    /// The number that records are filed under.
    pub const fn record_type(mut self, record_type: RecordType) -> Self {
        self.record_type = record_type;
        self
    }

    /// On whose behalf and by which program records are made.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// How many entries may wait (count). It is raised to a power of two, within 2..=2^20. Each
    /// place takes up less than one KiB.
    pub const fn capacity(mut self, entries: usize) -> Self {
        self.capacity = entries;
        self
    }

    /// How long the helper may leave a record waiting before records are dropped. The wait is the
    /// forwarding thread's, not the caller's.
    pub const fn hand_off_wait(mut self, wait: Duration) -> Self {
        self.hand_off_wait = wait;
        self
    }

    /// After a send that takes longer than `slow`, records are dropped for `rest`.
    pub const fn rest_after(mut self, slow: Duration, rest: Duration) -> Self {
        self.patience.slow_send = slow;
        self.patience.rest = rest;
        self
    }

    /// How long after a refusal, or after the helper's end, the next record is tried.
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.patience.retry = wait;
        self
    }

    /// Who hears of turns to the worse and the better. It is called on the emitter's own thread,
    /// which it holds up, and which ends if it panics.
    pub fn observer(mut self, observer: impl FnMut(Notice) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Starts an emitter that sends from a thread of this process.
    ///
    /// While the kernel holds that thread, which can take a minute, **the process cannot end**, not
    /// even by `SIGKILL`. Take a [helper](Self::start_helper) where that matters.
    ///
    /// # Errors
    ///
    /// No thread or no descriptor is to be had.
    pub fn start_thread(self) -> io::Result<AuditEmitter> {
        let announcer = Announcer::new(self.observer);
        let gate = Gate::new(Netlink::default(), self.patience);
        let outlet = Direct::new(gate, announcer);
        let template = Template::new(self.record_type, &self.identity);
        start(self.capacity, template, outlet)
    }

    /// Starts an emitter that sends from a helper process, so that nothing the kernel does to the
    /// sender touches this one.
    ///
    /// `command` is a program that calls [`helper::run`](crate::helper::run), such as this one by
    /// `/proc/self/exe` with an argument that leads there. Its standard input is the hand-off, its
    /// output and error go to `/dev/null`, and it has a process group of its own. In the records
    /// the kernel's `pid=` is the helper's.
    ///
    /// # Errors
    ///
    /// The program cannot be started; no thread or no descriptor is to be had.
    pub fn start_helper(self, command: Command) -> io::Result<AuditEmitter> {
        let announcer = Announcer::new(self.observer);
        let outlet = Link::start(command, self.hand_off_wait, self.patience, announcer)?;
        let template = Template::new(self.record_type, &self.identity);
        start(self.capacity, template, outlet)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("record_type", &self.record_type)
            .field("identity", &self.identity)
            .field("capacity", &self.capacity)
            .field("hand_off_wait", &self.hand_off_wait)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

pub(crate) fn start(
    capacity: usize,
    template: Template,
    outlet: impl Outlet + Send + 'static,
) -> io::Result<AuditEmitter> {
    let shared = Arc::new(Shared::new(capacity)?);
    let worker = Worker {
        shared: Arc::clone(&shared),
        template,
        outlet,
    };
    thread::Builder::new()
        .name("audit".to_owned())
        .spawn(move || worker.run())?;
    Ok(AuditEmitter::new(shared))
}
