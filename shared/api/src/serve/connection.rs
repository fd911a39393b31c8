//! A connection of the server: how it ends while the client is still sending, or has stopped receiving.
//!
//! A client that does not read its responses would keep them, and the connection, for as long as it likes. So the
//! socket limits the time for every 64 KiB of a response. It sets no timer before a write has to wait.
//!
//! A response may be complete before the request is: its body is too large, too slow, or not needed. If the server then
//! closed its socket, the system would answer the rest of the request with a reset, and many clients, which read the
//! response only after they have sent everything, would lose the response. So the server closes its direction only, and
//! discards what arrives, for a limited time and up to a limited size, until the client closes the other direction.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use axum::http::Request;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::limits::Limits;

/// The largest part of a request that the server discards after its response, in bytes.
const DISCARD_MAX_BYTES: usize = 16 * 1024 * 1024;

/// The number of bytes that are discarded at a time.
const CHUNK: usize = 16 * 1024;

/// The part of a response for which the client has the write timeout, in bytes. A client that reads, however slowly,
/// receives at least this part in that time.
const WRITE_PART: usize = 64 * 1024;

/// Whether bytes have arrived that belong to no complete request. The socket and the requests of a connection share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    /// Takes notice of the next request.
    pub(super) fn track(&self, request: Request<Incoming>) -> Request<RequestBody> {
        request.map(|inner| {
            let mut body = RequestBody {
                inner,
                unread: Some(self.clone()),
            };
            if body.is_end_stream() {
                body.note_end();
            }
            body
        })
    }

    fn set(&self, is_unread: bool) {
        self.0.store(is_unread, Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// A request's body, which notices its end.
#[derive(Debug)]
pub(super) struct RequestBody {
    inner: Incoming,
    /// `None` after the end.
    unread: Option<Unread>,
}

impl RequestBody {
    fn note_end(&mut self) {
        if let Some(unread) = self.unread.take() {
            unread.set(false);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        // A body of known length says that it has ended; one in chunks has no further frame.
        if frame.is_none() || self.is_end_stream() {
            self.note_end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A connection's socket.
pub(super) struct Socket {
    stream: TcpStream,
    unread: Unread,
    limits: Limits,
    discard: Option<Discard>,
    /// Set while a response waits for its client.
    waiting: Option<Waiting>,
}

/// A response that its client does not read as fast as it is written.
struct Waiting {
    /// The number of bytes that the client must receive before the timer elapses.
    bytes: usize,
    timer: Pin<Box<Sleep>>,
}

/// What is left of the limits while the rest of a request is discarded.
struct Discard {
    bytes: usize,
    timer: Pin<Box<Sleep>>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, unread: Unread, limits: Limits) -> Self {
        Self {
            stream,
            unread,
            limits,
            discard: None,
            waiting: None,
        }
    }

    /// Passes on what a write returned, and limits the time for which it has to wait.
    fn limit_write(&mut self, written: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(written)) => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.bytes = waiting.bytes.saturating_sub(written);
                    if waiting.bytes == 0 {
                        self.waiting = None;
                    }
                }
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let limit = self.limits.write;
                let waiting = self.waiting.get_or_insert_with(|| Waiting {
                    bytes: WRITE_PART,
                    timer: Box::pin(sleep(limit)),
                });
                ready!(waiting.timer.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl Discard {
    /// Discards what arrives until the client closes its direction or a limit is reached.
    fn poll(&mut self, stream: &mut TcpStream, context: &mut Context<'_>) -> Poll<()> {
        let mut chunk = [MaybeUninit::uninit(); CHUNK];
        while self.timer.as_mut().poll(context).is_pending() {
            let mut chunk = ReadBuf::uninit(&mut chunk);
            if ready!(Pin::new(&mut *stream).poll_read(context, &mut chunk)).is_err() {
                break;
            }
            match self.bytes.checked_sub(chunk.filled().len()) {
                Some(rest) if !chunk.filled().is_empty() => self.bytes = rest,
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if buffer.filled().len() > before {
            self.unread.set(true);
        }
        Poll::Ready(outcome)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limit_write(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.limit_write(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when it has written everything.
        self.waiting = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Closes the server's direction, and then waits for the rest of an unread request.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.discard.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            if !this.unread.get() {
                return Poll::Ready(Ok(()));
            }
        }
        let discard = this.discard.get_or_insert_with(|| Discard {
            bytes: DISCARD_MAX_BYTES,
            timer: Box::pin(sleep(this.limits.discard)),
        });
        discard.poll(&mut this.stream, context).map(Ok)
    }
}
