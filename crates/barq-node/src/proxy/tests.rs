//! The whole data path on real sockets: clients, the proxy's threads, the control, and back ends in this process.

mod harness;
mod http2;
mod judging;
mod overload;
mod passing;
mod routing;
mod secured;
mod smuggling;
