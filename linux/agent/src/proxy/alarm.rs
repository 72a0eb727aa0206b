//! The time limit of heads.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};

/// The timer of one connection.
///
/// Heads have a minute, and take a millisecond. To set a timer of the runtime for each, and to take it away again,
/// would cost every request two locks that all connections share, and now and then the wake of a thread. So one that is
/// set is left as it is, rings too early if at all, and is then set to the deadline that is in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarm(Arc<Mutex<Option<Pin<Box<tokio::time::Sleep>>>>>);

impl Timer for Alarm {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let alarm = self.clone();
        Box::pin(Until { alarm, deadline })
    }
}

#[derive(Debug)]
struct Until {
    alarm: Alarm,
    deadline: Instant,
}

impl Sleep for Until {}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline.into();
        let mut set = self.alarm.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sleep = set.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until `deadline`, or gives up as soon as it is set, as for a head that arrives.
    async fn wait(alarm: &Alarm, deadline: Instant, gives_up: bool) {
        let mut sleep = alarm.sleep_until(deadline);
        std::future::poll_fn(|cx| match sleep.as_mut().poll(cx) {
            Poll::Pending if gives_up => Poll::Ready(()),
            polled => polled,
        })
        .await;
    }

    #[tokio::test]
    async fn a_deadline_is_kept_whatever_was_set_before() {
        let alarm = Alarm::default();
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        wait(&alarm, after(20), true).await;
        wait(&alarm, after(60), false).await;
        assert!(start.elapsed() >= Duration::from_millis(60), "not at 20");
        wait(&alarm, after(3_600_000), true).await;
        wait(&alarm, after(80), false).await;
        let now = start.elapsed();
        assert!(now >= Duration::from_millis(80) && now < Duration::from_secs(60));
    }
}
