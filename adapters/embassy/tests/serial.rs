//! What a serial line carries, from its greeting to the session's end.

mod support;

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embedded_io_async::{ErrorType, Write};
use support::block_on;
use throughline_core::{
    Change, Clock, HttpRequest, Phase, SessionId, Settings, Timestamp, Trail, Transaction,
    TransactionId,
};
use throughline_embassy::{Device, Phases, Serial, drive};
use throughline_postcard::{Decoder, Fed, LinkFormat, Message};

static TRAIL: Trail<
    CriticalSectionRawMutex,
    Device<CriticalSectionRawMutex>,
    LinkFormat,
    Box<[u8]>,
    2,
> = Trail::new(Device::new(|| [0x11; 16]), LinkFormat);

static PHASES: Phases<CriticalSectionRawMutex, 4> = Phases::new();

#[test]
fn greeting_phases_events_and_end_are_read_at_the_other_end() {
    for _ in 0..2 {
        assert!(TRAIL.lane(0).lend(vec![0; 1024].into()).is_ok());
    }
    let device = TRAIL.platform();
    device.set_wall(Timestamp::from_nanos(1_790_000_000_000_000_000));
    let uart = Uart::default();
    let wire = Arc::clone(&uart.0);
    let task = thread::spawn(move || {
        let source = PHASES.beside(TRAIL.lane(0));
        let mut line = Serial::new(uart, (&TRAIL, 0));
        block_on(drive(device, 0, &source, &mut line, Settings::DEFAULT))
    });
    while wire.lock().unwrap().is_empty() {
        thread::sleep(Duration::from_millis(1));
    }

    TRAIL.record(&HttpRequest::denied("GET", "http://a/", "no rule"));
    let emitter = PHASES.emitter(TRAIL.session());
    let change = Change {
        transaction: TransactionId::from_uuid(uuid::Uuid::from_u128(9)),
        name: "calibrate",
        position: Some(TRAIL.position()),
    };
    Transaction::start(&emitter, change)
        .captured()
        .applied()
        .validated()
        .committed();
    assert_eq!(PHASES.dropped(), 1, "a queue of four holds four of five");
    device.finish(0, Duration::from_secs(1));
    let ended = task.join().unwrap();
    assert!(ended.is_drained, "{ended:?}");

    let heard = hear(&wire.lock().unwrap(), TRAIL.session());
    let phases = [
        Phase::Started,
        Phase::Capture,
        Phase::Apply,
        Phase::Validate,
    ];
    let phases = phases.map(|phase| format!("phase {phase} at 1"));
    let mut expected = vec!["begin".to_owned()];
    expected.extend(phases);
    expected.push("event 0 http://a/".to_owned());
    expected.push("end 1=1+0".to_owned());
    assert_eq!(heard, expected);
    assert!(device.wall() > Timestamp::from_nanos(1_790_000_000_000_000_000));
}

fn hear(wire: &[u8], session: SessionId) -> Vec<String> {
    let mut decoder: Decoder = Decoder::new();
    let mut heard = Vec::new();
    let mut rest = wire;
    while let Fed::Packet(packet, behind) = decoder.feed(rest) {
        assert_eq!(packet.session, session);
        match packet.message {
            Message::Begin { .. } => heard.push("begin".to_owned()),
            Message::Events(mut events) => events.for_each(|event| {
                heard.push(format!("event {} {}", event.sequence, event.request.url()));
            }),
            Message::Report(report) => {
                let end = report.end.expect("nothing is lost");
                heard.push(format!("end {}={}+{}", end.recorded, end.written, end.lost));
            }
            Message::Phase(record) => {
                let position = record.change.position.expect("it has one");
                heard.push(format!("phase {} at {}", record.phase, position.recorded));
            }
            other => panic!("nothing else is sent: {other:?}"),
        }
        rest = behind;
    }
    heard
}

/// A UART that takes three bytes at once.
#[derive(Default)]
struct Uart(Arc<Mutex<Vec<u8>>>);

impl ErrorType for Uart {
    type Error = core::convert::Infallible;
}

impl Write for Uart {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        let len = bytes.len().min(3);
        self.0.lock().unwrap().extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}
