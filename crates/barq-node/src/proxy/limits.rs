//! The proxy's limits and time-outs: every wait and every buffer on a request's path has one, with its unit.
//!
//! The constants are the product's; the struct exists so that tests need not wait for them.

use std::time::Duration;

/// A request's head, and the pause between two requests of a connection.
pub(crate) const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a request's head, its first line included: what nginx and Apache accept by default, taken together.
pub(crate) const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Connections of one thread; further ones wait in the listening socket.
pub(crate) const CONNECTIONS_MAX: usize = 8192;
/// Requests at a time on an HTTP/2 connection; as many as RFC 9113 asks for at least.
pub(crate) const STREAMS_MAX: u32 = 128;
/// Bytes of a body in flight on an HTTP/2 stream …
pub(crate) const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// … and of all of them on a connection.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// A connection that waits for a request while the node stops: whoever is about to ask still can.
pub(crate) const STOPPING_IDLE: Duration = Duration::from_secs(2);
/// After the last response, for the client to have read it.
pub(crate) const LINGER: Duration = Duration::from_secs(2);
/// Bytes that are read and dropped meanwhile.
pub(crate) const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// Requests of one thread whose memory is kept for the next.
pub(crate) const SPARE_REQUESTS_MAX: usize = 1024;
/// Opening a connection to an instance on the same machine.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// From the request's last byte to the response's first: Cloud Run's default request time-out.
pub(crate) const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(300);
/// The same for a canary while stable can answer in its place: a client should not wait long for a canary that hangs.
pub(crate) const FIRST_BYTE_SHIELDED_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two parts of a body.
pub(crate) const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// For an instance to become ready, or free.
pub(crate) const INSTANCE_WAIT: Duration = Duration::from_secs(10);
/// Between two looks for one when nobody says that there is room.
pub(crate) const INSTANCE_POLL: Duration = Duration::from_millis(50);
/// When a request that found no room may be made again, in seconds.
pub(crate) const RETRY_AFTER_S: u64 = 1;
/// Requests of one thread that wait for an instance.
pub(crate) const WAITING_MAX: usize = 1024;
/// Instances tried when connections are refused, and connections tried when kept ones turn out closed.
pub(crate) const TRIES_MAX: usize = 4;
/// A kept connection is used again for so long: below the five seconds after which common servers (Node) close it.
pub(crate) const POOL_IDLE: Duration = Duration::from_secs(4);
/// Connections kept to one instance by one thread.
pub(crate) const POOL_CONNECTIONS_MAX: usize = 1024;
/// Requests in flight when the node stops.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);
/// After the system has refused to accept a connection (out of file descriptors).
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The time-outs that tests shorten.
#[derive(Debug, Clone)]
pub struct ProxyLimits {
    /// For a request's head, and between two requests of a connection: 60 s.
    pub header_read: Duration,
    /// From the request's last byte to the response's first: 300 s, Cloud Run's default.
    pub first_byte: Duration,
    /// The same for a canary with a shield behind it: 5 s.
    pub first_byte_shielded: Duration,
    /// Between two parts of a body: 120 s.
    pub body_idle: Duration,
    /// For an instance to become ready, or free: 10 s.
    pub instance_wait: Duration,
    /// For requests in flight when the node stops: 30 s.
    pub drain: Duration,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        Self {
            header_read: HEADER_READ_TIMEOUT,
            first_byte: FIRST_BYTE_TIMEOUT,
            first_byte_shielded: FIRST_BYTE_SHIELDED_TIMEOUT,
            body_idle: BODY_IDLE_TIMEOUT,
            instance_wait: INSTANCE_WAIT,
            drain: DRAIN,
        }
    }
}
