//! Logging libraries that hand records to a thread: tracing with tracing-appender, and OpenTelemetry's
//! batch processor. Neither numbers its records, and both drop without saying which.

use std::{io, time::SystemTime};

use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    logs::{LogBatch, LogExporter, SdkLogger, SdkLoggerProvider},
};
use tracing::{Dispatch, dispatcher};
use tracing_appender::non_blocking::WorkerGuard;

use crate::events::Act;

/// tracing's formatter with tracing-appender's thread, whose writer keeps nothing.
pub struct Tracing {
    dispatch: Dispatch,
    _guard: WorkerGuard,
}

impl Tracing {
    /// Starts the thread.
    #[must_use]
    pub fn new() -> Self {
        let (writer, guard) = tracing_appender::non_blocking(io::sink());
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(writer)
            .finish();
        Self {
            dispatch: Dispatch::new(subscriber),
            _guard: guard,
        }
    }

    /// Runs `work` with this as the default subscriber; [`record`](Self::record) needs it.
    pub fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        dispatcher::with_default(&self.dispatch, work)
    }

    /// Logs one act.
    #[inline]
    pub fn record(number: u64, act: &Act) {
        tracing::info!(
            number,
            method = act.method,
            url = act.url,
            rule = act.rule,
            "allowed"
        );
    }
}

impl Default for Tracing {
    fn default() -> Self {
        Self::new()
    }
}

/// OpenTelemetry's batch log processor, whose exporter keeps nothing.
pub struct Telemetry {
    logger: SdkLogger,
    /// Ends the thread when it goes.
    _provider: SdkLoggerProvider,
}

impl Telemetry {
    /// Starts the thread.
    #[must_use]
    pub fn new() -> Self {
        let provider = SdkLoggerProvider::builder()
            .with_batch_exporter(Nowhere)
            .build();
        Self {
            logger: provider.logger("benches"),
            _provider: provider,
        }
    }

    /// Logs one act.
    #[inline]
    pub fn record(&self, number: i64, act: &Act) {
        let mut record = self.logger.create_log_record();
        record.set_timestamp(SystemTime::now());
        record.set_severity_number(Severity::Info);
        record.set_body(AnyValue::from("allowed"));
        record.add_attribute("number", number);
        record.add_attribute("method", act.method);
        record.add_attribute("url", act.url);
        record.add_attribute("rule", act.rule);
        self.logger.emit(record);
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug)]
struct Nowhere;

impl LogExporter for Nowhere {
    async fn export(&self, _: LogBatch<'_>) -> OTelSdkResult {
        Ok(())
    }
}
