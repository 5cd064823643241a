//! The HTTP server. Lives here: a thread of its own with its runtime, connections with their bounds. Never here: routes, and
//! never the node's thread: it does not wait for a page.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::app::{MOST_STREAMS, Shared};
use crate::guard::Peer;
use crate::routes::router;
use crate::seats::Seats;
use crate::secrets;

/// Connections at once: the live streams, and as many again for pages.
const MOST_CONNECTIONS: usize = 2 * MOST_STREAMS;
/// Connections from one address at once, unless it is a proxy of ours.
const MOST_FROM_ONE: usize = MOST_STREAMS;
/// Threads that wait for the node and the disk.
const WAITERS: usize = 16;
/// The head of a request is there by then (D3).
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const LONGEST_HEAD: usize = 32 << 10;
/// After an error of `accept`, which is mostly a lack of descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// Serves pages on a socket until the process ends.
pub fn start(listener: TcpListener, app: Shared) -> std::io::Result<SocketAddr> {
    listener.set_nonblocking(true)?;
    let local = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(WAITERS)
        .thread_name("web-wait")
        .build()?;
    let serve = move || {
        secrets::prepare();
        runtime.block_on(async {
            if let Err(error) = accept(listener, &app).await {
                tracing::error!(%error, "the pages are not served any more");
            }
        });
    };
    std::thread::Builder::new().name("web".to_owned()).spawn(serve)?;
    Ok(local)
}

async fn accept(listener: TcpListener, app: &Shared) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (strangers, proxied) =
        (Seats::new(MOST_CONNECTIONS, MOST_FROM_ONE), Seats::new(MOST_CONNECTIONS, usize::MAX));
    let router = router(app);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let source = peer.ip().to_canonical();
                let seats = if app.is_proxy(source) { &proxied } else { &strangers };
                // One too many is closed at once: who waits in vain learns less.
                let Some(seat) = seats.take(source) else { continue };
                let router = router.clone();
                tokio::spawn(async move {
                    converse(stream, peer, router).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection of the pages failed");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, peer: SocketAddr, router: Router) {
    // Small answers leave at once.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.clone().call(request)
    });
    let outcome = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = outcome {
        tracing::trace!(%error, "a connection of the pages ended");
    }
}
