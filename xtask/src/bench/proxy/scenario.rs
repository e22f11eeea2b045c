//! What is measured: the scenarios, as data.

use super::barq::Size;
use super::outcome::{Better, Column};

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    /// For `--scenario`.
    pub(super) name: &'static str,
    /// In words.
    pub(super) title: &'static str,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// All proxies under load by HTTP/1.1.
    Http1(Http1),
    /// All proxies under load by HTTP/2.
    Http2(Http2),
    /// barq with one service against itself with many.
    Table(Size, Http1),
    /// All proxies with so many connections on which nothing happens.
    Idle(usize),
}

/// A load by HTTP/1.1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Http1 {
    pub(super) connections: u32,
    pub(super) path: &'static str,
    /// Bytes of each request's body; 0: a GET.
    pub(super) upload_bytes: usize,
    /// A connection for each request.
    pub(super) close: bool,
    pub(super) tls: bool,
}

/// A load by HTTP/2: small GETs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Http2 {
    pub(super) connections: u32,
    /// Requests at a time on each connection.
    pub(super) streams: u32,
    pub(super) tls: bool,
}

/// What each round of a load tells.
pub(super) const LOAD_COLUMNS: &[Column] = &[
    Column::new("requests/s", Better::More, 0),
    Column::new("CPU µs/request", Better::Less, 1),
    Column::new("p50 ms", Better::Less, 2),
    Column::new("p99 ms", Better::Less, 2),
    Column::new("memory MB", Better::Less, 1),
];

/// What each round of idle connections tells.
pub(super) const IDLE_COLUMNS: &[Column] = &[
    Column::new("KiB/connection", Better::Less, 1),
    Column::new("MB before", Better::Less, 1),
    Column::new("MB with them", Better::Less, 1),
];

const SMALL: Http1 = Http1 {
    connections: 64,
    path: "/small",
    upload_bytes: 0,
    close: false,
    tls: false,
};

/// A small request on some connections, over and over.
const HTTP2: Http2 = Http2 {
    connections: 16,
    streams: 16,
    tls: false,
};

/// All of them.
pub(super) const SCENARIOS: [Scenario; 12] = [
    Scenario {
        name: "small-64",
        title: "Small GET, 64 connections that are kept",
        kind: Kind::Http1(SMALL),
    },
    Scenario {
        name: "small-1000",
        title: "Small GET, 1000 connections that are kept",
        kind: Kind::Http1(Http1 {
            connections: 1000,
            ..SMALL
        }),
    },
    Scenario {
        name: "down-64k",
        title: "Responses of 64 KiB, 64 connections",
        kind: Kind::Http1(Http1 {
            path: "/64k",
            ..SMALL
        }),
    },
    Scenario {
        name: "down-1m",
        title: "Responses of 1 MiB, 16 connections",
        kind: Kind::Http1(Http1 {
            path: "/1m",
            connections: 16,
            ..SMALL
        }),
    },
    Scenario {
        name: "up-64k",
        title: "Requests of 64 KiB, 64 connections",
        kind: Kind::Http1(Http1 {
            upload_bytes: 64 << 10,
            ..SMALL
        }),
    },
    Scenario {
        name: "up-1m",
        title: "Requests of 1 MiB, 16 connections",
        kind: Kind::Http1(Http1 {
            upload_bytes: 1 << 20,
            connections: 16,
            ..SMALL
        }),
    },
    Scenario {
        name: "new-connections",
        title: "Small GET, a new connection for each, 64 at a time",
        kind: Kind::Http1(Http1 {
            close: true,
            ..SMALL
        }),
    },
    Scenario {
        name: "tls",
        title: "Small GET by HTTP/1.1 and TLS, 64 connections that are kept",
        kind: Kind::Http1(Http1 { tls: true, ..SMALL }),
    },
    Scenario {
        name: "http2",
        title: "Small GET by HTTP/2 without TLS, 16 connections, 16 requests at a time on each",
        kind: Kind::Http2(HTTP2),
    },
    Scenario {
        name: "http2-tls",
        title: "Small GET by HTTP/2 and TLS, 16 connections, 16 requests at a time on each",
        kind: Kind::Http2(Http2 { tls: true, ..HTTP2 }),
    },
    Scenario {
        name: "services",
        title: "1000 services of 10 revisions in the table: small GET, 64 connections",
        kind: Kind::Table(
            Size {
                services: 1000,
                revisions: 10,
            },
            SMALL,
        ),
    },
    Scenario {
        name: "idle",
        title: "10,000 connections on which nothing happens",
        kind: Kind::Idle(10_000),
    },
];
