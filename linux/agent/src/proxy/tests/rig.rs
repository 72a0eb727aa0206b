//! A running proxy whose events can be read.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Duration,
};

use throughline_core::{Decision, Entropy, HttpRequest, Sequence, SessionId, Stamp};
use throughline_headers::{MapInjector, Names};
use throughline_rules::{Redaction, Rule};

use super::{
    super::{Authority, Gate, Proxy, Recorder, RulePolicy, Settings, Trust},
    wire::Wire,
};

/// An event as the recorder got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) method: String,
    pub(super) url: String,
    /// `allowed by ...` or `denied: ...`.
    pub(super) decision: String,
}

impl Event {
    pub(super) fn allowed(method: &str, url: &str) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            decision: format!("allowed by {ALLOW}"),
        }
    }

    pub(super) fn denied(method: &str, url: &str, reason: &str) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            decision: format!("denied: {reason}"),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<Event>>>);

impl Recorder for Log {
    fn record(&self, request: &HttpRequest<'_>) -> Stamp {
        let decision = match request.decision() {
            Decision::Allowed(rule) => format!("allowed by {}", rule.text()),
            Decision::Denied(reason) => format!("denied: {reason}"),
        };
        let mut events = self.0.lock().unwrap();
        let number = u32::try_from(events.len()).unwrap();
        events.push(Event {
            method: request.method().to_string(),
            url: request.url().to_string(),
            decision,
        });
        Stamp::new(session(), Sequence::new(number).unwrap())
    }
}

/// The session of every rig.
pub(super) fn session() -> SessionId {
    struct Sevens;
    impl Entropy for Sevens {
        fn random(&self) -> [u8; 16] {
            [7; 16]
        }
    }
    SessionId::draw(&Sevens)
}

/// What every rig allows: anything on its own machine under 127.0.0.1, but nothing under `/secret`.
pub(super) const ALLOW: &str = "domain=127.0.0.1 path=/open/*";
/// Also allowed, for tunnels.
pub(super) const CONNECT: &str = "method=CONNECT domain=127.0.0.1";
/// Also allowed: a spelling of 127.0.0.1 that only the resolver understands.
pub(super) const DISGUISED: &str = "domain=2130706433";
/// What is stamped.
pub(super) const INJECT: &str = "domain=127.0.0.1 path=/open/stamped,/open/stamped/*";

pub(super) struct Rig {
    pub(super) proxy: Proxy,
    log: Log,
}

impl Rig {
    pub(super) fn start() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let log = Log::default();
        let proxy = Proxy::start(listener, gate(log.clone()), settings).unwrap();
        Self { proxy, log }
    }

    /// A proxy that reads what is inside of tunnels, and trusts `upstream`.
    pub(super) fn reading(upstream: &str) -> (Self, Arc<Authority>) {
        Self::reading_with(upstream, Settings::default())
    }

    pub(super) fn reading_with(upstream: &str, settings: Settings) -> (Self, Arc<Authority>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let log = Log::default();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), upstream).unwrap();
        let policy = RulePolicy {
            allow: vec![Rule::parse("path=/open/*").unwrap()],
            inject: vec![Rule::parse("path=/open/stamped").unwrap()],
            pinned: Vec::new(),
        };
        let gate = Gate {
            policy: Box::new(policy),
            trust: Trust::load(Some(file.path())).unwrap(),
            ..gate(log.clone())
        };
        let authority = Arc::clone(&gate.authority);
        let proxy = Proxy::start(listener, gate, settings).unwrap();
        (Self { proxy, log }, authority)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// A new connection to the proxy.
    pub(super) async fn client(&self) -> Wire {
        Wire::connect(self.address()).await
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.log.0.lock().unwrap().clone()
    }

    /// The events, once there are as many as expected, or after a second whatever there is.
    pub(super) async fn settled(&self, count: usize) -> Vec<Event> {
        for _ in 0..100 {
            if self.events().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // One too many would come late.
        tokio::time::sleep(Duration::from_millis(30)).await;
        self.events()
    }

    /// Ends the proxy, so that every event is in.
    pub(super) async fn finish(self) -> Vec<Event> {
        self.proxy.shutdown(Duration::from_millis(200)).await;
        self.log.0.lock().unwrap().clone()
    }
}

pub(super) fn gate(recorder: impl Recorder) -> Gate {
    let rule = |text| Rule::parse(text).unwrap();
    let allow = vec![rule(CONNECT), rule(ALLOW), rule(DISGUISED)];
    let inject = vec![rule(INJECT)];
    let pinned = vec![rule("domain=*")];
    let policy = RulePolicy {
        allow,
        inject,
        pinned,
    };
    Gate {
        policy: Box::new(policy),
        recorder: Box::new(recorder),
        injector: Arc::new(MapInjector::new(&Names::DEFAULT, session())),
        redaction: Redaction::new().query_values(&["token"]),
        authority: Arc::new(Authority::new(session()).unwrap()),
        trust: Trust::default(),
        command_line: None,
    }
}

/// A recorder for a gate whose events nobody reads.
pub(super) fn unread() -> impl Recorder {
    Log::default()
}
