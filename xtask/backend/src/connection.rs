//! One connection: what it has read of a request, and what it has still to send.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use crate::answers::{Answers, Which};
use crate::request::{self, Request};

/// Bytes of a head that comes in parts.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A proxy's connection.
pub(crate) struct Connection {
    stream: TcpStream,
    /// What was read and not yet understood: a part of a head, or what came before its turn.
    kept: Vec<u8>,
    /// Bytes of the body that are still to come, and what is asked for behind them.
    body: Option<Request>,
    sending: Option<Sending>,
}

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// More of a request.
    ToRead,
    /// Room for the rest of an answer.
    ToWrite,
    /// It is over.
    Nothing,
}

struct Sending {
    which: Which,
    sent: usize,
    last: bool,
}

impl Connection {
    /// A new one.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            kept: Vec::new(),
            body: None,
            sending: None,
        }
    }

    /// Its socket.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// What it waits for.
    pub(crate) fn wants(&self) -> Wants {
        match self.sending {
            Some(_) => Wants::ToWrite,
            None => Wants::ToRead,
        }
    }

    /// Does what it waited for, as far as it goes.
    pub(crate) fn go_on(&mut self, buffer: &mut [u8], answers: &Answers) -> io::Result<Wants> {
        if self.sending.is_some() {
            let wants = self.send(answers)?;
            if wants != Wants::ToRead || self.kept.is_empty() {
                return Ok(wants);
            }
            let kept = std::mem::take(&mut self.kept);
            return self.take(&kept, answers);
        }
        let count = match self.stream.read(buffer) {
            Ok(0) => return Ok(Wants::Nothing),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Wants::ToRead),
            count => count?,
        };
        if self.kept.is_empty() {
            return self.take(&buffer[..count], answers);
        }
        let mut kept = std::mem::take(&mut self.kept);
        kept.extend_from_slice(&buffer[..count]);
        self.take(&kept, answers)
    }

    /// Answers every request that is complete; keeps the rest.
    fn take(&mut self, mut bytes: &[u8], answers: &Answers) -> io::Result<Wants> {
        loop {
            let request = match self.body.take() {
                Some(request) => request,
                None => {
                    let Some(head_bytes) = request::head_bytes(bytes) else {
                        return self.keep(bytes);
                    };
                    let (head, rest) = bytes.split_at(head_bytes);
                    bytes = rest;
                    request::parse(head)
                }
            };
            let swallowed = request.body_bytes.min(bytes.len());
            bytes = &bytes[swallowed..];
            if swallowed < request.body_bytes {
                let body_bytes = request.body_bytes - swallowed;
                self.body = Some(Request {
                    body_bytes,
                    ..request
                });
                return Ok(Wants::ToRead);
            }
            self.sending = Some(Sending {
                which: request.which,
                sent: 0,
                last: request.last,
            });
            let wants = self.send(answers)?;
            if wants != Wants::ToRead || bytes.is_empty() {
                self.kept = bytes.to_vec();
                return Ok(wants);
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> io::Result<Wants> {
        if bytes.len() > HEAD_BYTES_MAX {
            return Ok(Wants::Nothing);
        }
        self.kept = bytes.to_vec();
        Ok(Wants::ToRead)
    }

    fn send(&mut self, answers: &Answers) -> io::Result<Wants> {
        let Some(sending) = &mut self.sending else {
            return Ok(Wants::ToRead);
        };
        let bytes = answers.bytes(sending.which);
        while sending.sent < bytes.len() {
            match self.stream.write(&bytes[sending.sent..]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Wants::ToWrite);
                }
                sent => sending.sent += sent?,
            }
        }
        let last = sending.last;
        self.sending = None;
        Ok(if last { Wants::Nothing } else { Wants::ToRead })
    }
}
