//! One HTTP/1 connection to an upstream, moved on by whoever waits for its answer.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::unconstrained,
};

use super::{attentive::Attentive, body::Upload, settings::Settings};

/// A connection, and the sender of its requests.
///
/// A connection of hyper is a future. With a task of its own it would cost each request two wakes of another task,
/// often on another thread, which is more than all the rest of forwarding. So it is moved on within the task that waits
/// for the answer, and stands still while it is kept. It gets a task when it has more to do than to give an answer.
///
/// It is moved on twice each time: first without asking to be woken, as what it has to give is taken from it at once,
/// and each piece that is taken would wake the very task that takes it; then, if there was nothing, to be woken.
pub(super) struct Http1 {
    sender: http1::SendRequest<Upload>,
    /// None once it has ended, or has a task of its own.
    connection: Option<Connection>,
}

/// Its errors come out at its sender.
type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

impl Http1 {
    pub(super) async fn open<S>(stream: S) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut builder = http1::Builder::new();
        builder
            .max_buf_size(Settings::ANSWER_HEAD_MAX as usize)
            // What every client takes by itself, and a proxy has to mend (RFC 9112 sections 5.1 and 5.2).
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true);
        let stream = TokioIo::new(Attentive::new(stream));
        let (sender, connection) = builder.handshake(stream).await?;
        Ok(Self {
            sender,
            connection: Some(Box::pin(connection.with_upgrades())),
        })
    }

    /// Sends a request as it is, and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Box<Request<Upload>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Upload>>> {
        let rest = request.body().rest();
        let (sender, connection) = (&mut self.sender, &mut self.connection);
        // Unconstrained, as it would ask in vain to be woken for having had its share.
        let mut answer = pin!(unconstrained(sender.try_send_request(*request)));
        let mut is_sent = false;
        let answer = poll_fn(|cx| {
            if connection.is_none() {
                return answer.as_mut().poll(cx);
            }
            // What is driven here answers here or not at all, so nobody has to be woken by its answer.
            if std::mem::replace(&mut is_sent, true) {
                drive(connection, &mut nobody());
                if let Poll::Ready(answer) = answer.as_mut().poll(&mut nobody()) {
                    return Poll::Ready(answer);
                }
            }
            drive(connection, cx);
            answer.as_mut().poll(&mut nobody())
        })
        .await;
        // The upstream may take its time for what is left, whether the client reads the answer or not.
        if rest.is_some_and(|rest| rest.strong_count() > 0) {
            self.detach();
        }
        answer
    }

    /// Whether it has no task of its own, and stands still unless it is [driven](Self::drive).
    pub(super) const fn is_driven(&self) -> bool {
        self.connection.is_some()
    }

    /// Moves it on, so that `cx` is woken when it can go on again.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.connection, cx);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until it can be used again; false if it never will be.
    pub(super) async fn ready(&mut self) -> bool {
        let ready = poll_fn(|cx| {
            drive(&mut self.connection, cx);
            self.sender.poll_ready(cx)
        });
        ready.await.is_ok()
    }

    /// Has the connection go on by itself.
    pub(super) fn detach(&mut self) {
        if let Some(connection) = self.connection.take() {
            tokio::spawn(connection);
        }
    }

    /// Closes a connection that was kept, with a word to the other side where there is one to be said.
    pub(super) fn close(self) {
        let Self {
            sender,
            mut connection,
        } = self;
        drop(sender);
        drive(&mut connection, &mut nobody());
    }
}

impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").finish_non_exhaustive()
    }
}

fn drive(connection: &mut Option<Connection>, cx: &mut Context<'_>) {
    if let Some(running) = connection
        && let Poll::Ready(_) = running.as_mut().poll(cx)
    {
        *connection = None;
    }
}

/// Whoever need not be woken.
const fn nobody() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
