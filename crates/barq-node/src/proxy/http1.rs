//! HTTP/1.1 as bytes: where a head ends, what it says, where a body ends. Sans I/O: everything here is a function of bytes.
//!
//! It refuses whatever two parties could read in two ways (RFC 9112, section 11.2): a line that ends without a carriage
//! return, white space before a colon, a folded line, a length beside a transfer coding, two lengths, two hosts. `httparse`
//! cuts a head into fields; what it lets pass is refused here. It must not know sockets, routes or what a field means beyond
//! the framing of the message.

mod decoder;
mod encoder;
mod fields;
mod framing;
mod head_end;
mod host;
mod request;
mod response;

pub(super) use decoder::{Decoded, Decoder, Malformed};
pub(super) use encoder::{Encoder, WrongLength};
pub(super) use fields::{Field, Known, is_listed, known, list_items};
pub(super) use framing::Framing;
pub(super) use head_end::HeadEnd;
pub(super) use host::host_of;
pub(super) use request::{Line, Refused, Target, Version, read_line, request_framing};
pub(super) use response::{ResponseLine, response_framing};

/// Fields of a request or response; more are refused.
pub(super) const FIELDS_MAX: usize = 128;

#[cfg(test)]
mod tests;
