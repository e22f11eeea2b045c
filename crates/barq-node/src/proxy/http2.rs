//! HTTP/2: a client's connection with many requests at once, and heads in the form that hyper wants.
//!
//! Inside, every head is one of HTTP/1.1, so that one set of rules holds for all; here it is translated on the way in and on
//! the way out. Each stream is carried by a task of its own. When the node stops, the client is told (GOAWAY) and its streams
//! end. It must not know what becomes of a request.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;

use super::deadline::Deadline;
use super::exchange::{Entry, exchange};
use super::forward::Asked;
use super::http1::{FIELDS_MAX, Field, Framing, Line, Refused, Target, Version};
use super::limits::{CONNECTION_WINDOW_BYTES, HEADER_BYTES_MAX, STREAM_WINDOW_BYTES, STREAMS_MAX};
use super::request::{self, Origin};
use super::respond::{Responding, reply};
use super::response::Reply;
use super::transport::Transport;
use super::wire::{Stream, Wire};
use super::worker::Worker;

/// What a client begins with that speaks HTTP/2 without asking (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Without a sign of life for so long a client is asked for one …
const PING_AFTER: Duration = Duration::from_secs(60);
/// … and has so long to give it.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs hyper's tasks on the thread that they were made on.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnThisThread;

/// A head that can't be said in HTTP/2.
#[derive(Debug)]
pub(super) struct Unsayable;

impl<F> hyper::rt::Executor<F> for OnThisThread
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(
    worker: Rc<Worker>,
    entry: Rc<Entry>,
    transport: Transport,
    origin: Rc<Origin>,
) {
    let watched = Rc::clone(&worker);
    let service = service_fn(move |asked: Request<Incoming>| {
        let (respond, responding) = oneshot::channel();
        let (head, body) = asked.into_parts();
        let length = body.size_hint().exact();
        let framing = match (body.is_end_stream(), length) {
            (true, _) if head.headers.contains_key(header::CONTENT_LENGTH) => Framing::Length(0),
            (true, _) => Framing::None,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::Chunked,
        };
        let wire = Wire::Stream(Box::new(Stream::of_client(body, respond)));
        let (worker, entry, origin) = (Rc::clone(&worker), Rc::clone(&entry), Rc::clone(&origin));
        tokio::task::spawn_local(answer(worker, entry, origin, head, framing, wire));
        // Without an answer the stream is reset.
        responding
    });
    let connection = hyper::server::conn::http2::Builder::new(OnThisThread)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT)
        .serve_connection(TokioIo::new(transport), service);
    tokio::pin!(connection);
    let mut is_told = false;
    let ended = poll_fn(|context| {
        if watched.is_stopping() && !std::mem::replace(&mut is_told, true) {
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "a connection ended");
    }
}

async fn answer(
    worker: Rc<Worker>,
    entry: Rc<Entry>,
    origin: Rc<Origin>,
    head: http::request::Parts,
    framing: Framing,
    mut wire: Wire,
) {
    let (mut request, mut deadline) = (worker.spare_request(), Deadline::default());
    if let Err(refused) = read(&mut request, &head, framing, &origin, &worker) {
        let mut responding = Responding {
            worker: &worker,
            request: None,
            client: &mut wire,
            deadline: &mut deadline,
        };
        reply(&mut responding, &Reply::refused(refused)).await;
        return;
    }
    drop(head);
    let mut asked = Asked {
        worker: &worker,
        request: &request,
        client: &mut wire,
        deadline: &mut deadline,
    };
    exchange(&entry, &origin, &mut asked).await;
    worker.keep_request(request);
}

fn read(
    request: &mut request::Request,
    head: &http::request::Parts,
    framing: Framing,
    origin: &Origin,
    worker: &Worker,
) -> Result<(), Refused> {
    let mut fields = fields_of(&head.headers);
    if fields.len() > FIELDS_MAX {
        return Err(Refused::bad("there are too many fields"));
    }
    let cookies = joined_cookies(&head.headers);
    if let Some(cookies) = &cookies {
        fields.retain(|field| field.name != "cookie");
        let (name, value) = ("cookie", cookies.as_slice());
        fields.push(Field { name, value });
    }
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    let path = head.uri.path_and_query();
    let line = Line {
        method: head.method.as_str(),
        target: Target {
            authority,
            path: path.map_or("/", http::uri::PathAndQuery::as_str),
        },
        version: Version::Http2,
    };
    request.read(line, framing, &fields, origin, &worker.random)
}

/// Cookies come in crumbs and leave whole (RFC 9113, section 8.2.3).
fn joined_cookies(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    let mut joined = crumbs.next()?.as_bytes().to_vec();
    let mut is_joined = false;
    for crumb in crumbs {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
        is_joined = true;
    }
    is_joined.then_some(joined)
}

/// The fields of a map, one by one.
pub(super) fn fields_of(headers: &HeaderMap) -> Vec<Field<'_>> {
    let fields = headers.iter();
    fields
        .map(|(name, value)| Field {
            name: name.as_str(),
            value: value.as_bytes(),
        })
        .collect()
}

/// A request from its head. Fields of the connection are left out: HTTP/2 has none.
pub(super) fn request<B>(head: &[u8], body: B) -> Result<Request<B>, Unsayable> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX * 2];
    let mut parsed = httparse::Request::new(&mut fields);
    let is_whole = parsed.parse(head).is_ok_and(|status| status.is_complete());
    let (Some(method), Some(path), true) = (parsed.method, parsed.path, is_whole) else {
        return Err(Unsayable);
    };
    let host = parsed
        .headers
        .iter()
        .find(|field| field.name == "host")
        .ok_or(Unsayable)?;
    let uri = Uri::builder()
        .scheme("http")
        .authority(host.value)
        .path_and_query(path)
        .build()
        .map_err(|_| Unsayable)?;
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .version(http::Version::HTTP_2)
        .body(body)
        .map_err(|_| Unsayable)?;
    copy_fields(parsed.headers, request.headers_mut())?;
    // Without it an instance that speaks gRPC refuses the request.
    let trailers = HeaderValue::from_static("trailers");
    request.headers_mut().insert(header::TE, trailers);
    Ok(request)
}

/// A response from its first line and its fields.
pub(super) fn response<B>(head: &[u8], body: B) -> Result<Response<B>, Unsayable> {
    let mut whole = head.to_vec();
    whole.extend_from_slice(b"\r\n");
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX * 2];
    let mut parsed = httparse::Response::new(&mut fields);
    let is_whole = parsed
        .parse(&whole)
        .is_ok_and(|status| status.is_complete());
    let (Some(status), true) = (parsed.code, is_whole) else {
        return Err(Unsayable);
    };
    let mut response = Response::builder()
        .status(status)
        .body(body)
        .map_err(|_| Unsayable)?;
    copy_fields(parsed.headers, response.headers_mut())?;
    Ok(response)
}

fn copy_fields(fields: &[Field<'_>], into: &mut HeaderMap) -> Result<(), Unsayable> {
    into.reserve(fields.len());
    for field in fields {
        if matches!(
            field.name,
            "host" | "connection" | "transfer-encoding" | "upgrade"
        ) {
            continue;
        }
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Unsayable)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| Unsayable)?;
        into.append(name, value);
    }
    Ok(())
}
