use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

/// What a connection is used for.
///
/// Bytes do not tell: over HTTP/2 each side asks the other whether it is still there, and has to answer.
#[derive(Debug, Default)]
pub(super) struct Uses {
    recent: Arc<AtomicBool>,
}

/// One use, for as long as it is held.
#[derive(Debug)]
pub(super) struct Use {
    recent: Arc<AtomicBool>,
}

impl Uses {
    pub(super) fn begin(&self) -> Use {
        let recent = Arc::clone(&self.recent);
        Use { recent }
    }

    /// Ends when there has been no use for one to two times `idle`.
    pub(super) async fn none_for(&self, idle: Duration) {
        loop {
            sleep(idle).await;
            let recent = self.recent.swap(false, Ordering::Relaxed);
            if !recent && Arc::strong_count(&self.recent) == 1 {
                return;
            }
        }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.recent.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_use_counts_for_as_long_as_it_is_held() {
        let idle = Duration::from_millis(20);
        let uses = Uses::default();
        let long = uses.begin();
        assert!(timeout(idle * 10, uses.none_for(idle)).await.is_err());
        drop(long);
        timeout(idle * 100, uses.none_for(idle)).await.unwrap();
    }
}
