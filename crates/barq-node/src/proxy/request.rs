//! A request as the instance gets it: what is refused, what is taken out, what is added.
//!
//! Whatever protocol it came by, it is kept as the head of an HTTP/1.1 request, in one vector that the connection uses again
//! for the next. Framing is written anew, hop-by-hop fields end here (RFC 9110, section 7.6.1), and what says on whose behalf
//! the request is made is written by this proxy alone. It must not know routing.

use std::net::IpAddr;
use std::ops::Range;

use http::StatusCode;

use super::http1::{
    Field, Framing, Known, Line, Refused, Version, host_of, is_listed, known, list_items,
};
use super::random::Random;

/// Characters of a request id that is kept.
const REQUEST_ID_LENGTH_MAX: usize = 128;
/// Longest name that is looked at for an underscore in the place of a dash.
const LOOKALIKE_LENGTH_MAX: usize = 32;

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) address: IpAddr,
    /// The same as text.
    pub(super) text: String,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
}

/// A request, ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Request {
    head: Vec<u8>,
    host: String,
    method: Range<usize>,
    path: Range<usize>,
    id: Range<usize>,
    framing: Option<Framing>,
    /// The client's connection ends with the response.
    pub(super) closes: bool,
    /// How it was asked.
    pub(super) version: Version,
    /// The client sends its body when it is asked to.
    pub(super) waits_to_continue: bool,
    /// It asks to change the protocol.
    pub(super) upgrades: bool,
    /// It came over TLS.
    pub(super) is_secure: bool,
}

/// Which fields of a head are not passed on, by their place.
#[derive(Debug, Default)]
struct Learned<'a> {
    dropped: u128,
    host: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    upgrade: Option<&'a [u8]>,
    is_asked_to_upgrade: bool,
    closes: bool,
    keeps: bool,
    expects: bool,
}

impl Origin {
    pub(super) fn new(address: IpAddr, scheme: &'static str) -> Self {
        // An IPv4 client of a socket that takes both is told as what it is.
        let address = address.to_canonical();
        let text = address.to_string();
        Self {
            address,
            text,
            scheme,
        }
    }
}

impl Request {
    /// Takes in a head.
    ///
    /// # Errors
    /// When it is not to be passed on.
    pub(super) fn read(
        &mut self,
        line: Line<'_>,
        framing: Framing,
        fields: &[Field<'_>],
        origin: &Origin,
        random: &Random,
    ) -> Result<(), Refused> {
        if matches!(line.method, "CONNECT" | "TRACE") {
            return Err(Refused {
                status: StatusCode::METHOD_NOT_ALLOWED,
                detail: "CONNECT and TRACE are not passed on",
            });
        }
        let learned = learn(fields)?;
        let authority = match (line.target.authority, learned.host) {
            (None, None) => return Err(Refused::bad("there is no host")),
            (None, Some(host)) => host,
            (Some(authority), Some(host))
                if line.version == Version::Http2 && authority.as_bytes() != host =>
            {
                return Err(Refused::bad("there are two hosts"));
            }
            (Some(_), None) if line.version == Version::Http11 => {
                return Err(Refused::bad("there is no host"));
            }
            (Some(authority), _) => authority.as_bytes(),
        };
        self.host.clear();
        if !host_of(authority, &mut self.host) {
            return Err(Refused::bad("the host is not valid"));
        }
        self.framing = Some(framing);
        self.is_secure = origin.scheme == "https";
        self.version = line.version;
        let is_old = line.version == Version::Http10;
        self.closes = learned.closes || (is_old && !learned.keeps);
        self.waits_to_continue = learned.expects && !is_old && !framing.is_empty();
        // A change to HTTP/2 within the connection would hide what follows from whoever reads only the first request.
        let upgrade = learned.upgrade.filter(|protocol| {
            learned.is_asked_to_upgrade
                && line.version == Version::Http11
                && framing == Framing::None
                && !is_listed(protocol, b"h2c")
        });
        self.upgrades = upgrade.is_some();
        self.write_line(line, authority);
        self.write_fields(fields, learned.dropped);
        self.write_origin(fields, origin, authority);
        self.write_id(learned.id, random);
        self.write_end(upgrade);
        Ok(())
    }

    /// The head, its empty line included.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// How the client frames the body.
    pub(super) fn framing(&self) -> Framing {
        self.framing.unwrap_or(Framing::None)
    }

    /// Lower case, without port.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn method(&self) -> &str {
        self.text(&self.method)
    }

    /// Without the query.
    pub(super) fn path(&self) -> &str {
        self.text(&self.path)
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        let rest = self.text(&(self.path.start..self.head.len()));
        rest.split(' ').next().unwrap_or_default()
    }

    /// As the client wrote it, with its port.
    pub(super) fn authority(&self) -> &str {
        let rest = self.text(&(self.path.start..self.head.len()));
        let line = rest.split("\r\n").nth(1).unwrap_or_default();
        line.strip_prefix("host: ").unwrap_or_default()
    }

    /// `x-request-id`: the client's if it is sane, else one of our own.
    pub(super) fn id(&self) -> &str {
        self.text(&self.id)
    }

    pub(super) fn is_head(&self) -> bool {
        self.method() == "HEAD"
    }

    /// Whether it is safe to send again: a safe method (RFC 9110, section 9.2.1) without a body.
    pub(super) fn is_replayable(&self) -> bool {
        self.framing().is_empty() && matches!(self.method(), "GET" | "HEAD" | "OPTIONS")
    }

    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(&self.head[range.clone()]).unwrap_or_default()
    }

    fn write_line(&mut self, line: Line<'_>, authority: &[u8]) {
        let head = &mut self.head;
        head.clear();
        head.extend_from_slice(line.method.as_bytes());
        self.method = 0..head.len();
        head.push(b' ');
        let path = line.target.path.as_bytes();
        let length = memchr::memchr(b'?', path).unwrap_or(path.len());
        self.path = head.len()..head.len() + length;
        head.extend_from_slice(path);
        head.extend_from_slice(b" HTTP/1.1\r\nhost: ");
        head.extend_from_slice(authority);
        head.extend_from_slice(b"\r\n");
    }

    fn write_fields(&mut self, fields: &[Field<'_>], dropped: u128) {
        for (index, field) in fields.iter().enumerate() {
            if dropped & (1 << index) == 0 {
                write_field(&mut self.head, field.name.as_bytes(), field.value);
            }
        }
    }

    /// The client's own claims on protocol and host are replaced; its chain of addresses is continued. `Forwarded` says the
    /// same in another way and could contradict it: it was dropped.
    fn write_origin(&mut self, fields: &[Field<'_>], origin: &Origin, authority: &[u8]) {
        let head = &mut self.head;
        head.extend_from_slice(b"x-forwarded-for: ");
        for field in fields {
            if known(field.name.as_bytes()) == Some(Known::XForwardedFor) && !field.value.is_empty()
            {
                head.extend_from_slice(field.value);
                head.extend_from_slice(b", ");
            }
        }
        head.extend_from_slice(origin.text.as_bytes());
        head.extend_from_slice(b"\r\nx-forwarded-proto: ");
        head.extend_from_slice(origin.scheme.as_bytes());
        head.extend_from_slice(b"\r\nx-forwarded-host: ");
        head.extend_from_slice(authority);
    }

    fn write_id(&mut self, theirs: Option<&[u8]>, random: &Random) {
        self.head.extend_from_slice(b"\r\nx-request-id: ");
        let start = self.head.len();
        match theirs {
            Some(id) => self.head.extend_from_slice(id),
            None => {
                for number in [random.next(), random.next()] {
                    write_hexadecimal(&mut self.head, number);
                }
            }
        }
        self.id = start..self.head.len();
    }

    fn write_end(&mut self, upgrade: Option<&[u8]>) {
        let head = &mut self.head;
        match self.framing {
            Some(Framing::Length(length)) => {
                head.extend_from_slice(b"\r\ncontent-length: ");
                write_decimal(head, length);
            }
            Some(Framing::Chunked) => head.extend_from_slice(b"\r\ntransfer-encoding: chunked"),
            Some(Framing::None | Framing::UntilClose) | None => {}
        }
        if let Some(protocol) = upgrade {
            head.extend_from_slice(b"\r\nconnection: upgrade\r\nupgrade: ");
            head.extend_from_slice(protocol);
        }
        head.extend_from_slice(b"\r\n\r\n");
    }
}

/// Appends a field's line.
pub(super) fn write_field(into: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    into.extend_from_slice(name);
    into.extend_from_slice(b": ");
    into.extend_from_slice(value);
    into.extend_from_slice(b"\r\n");
}

/// Appends a number.
pub(super) fn write_decimal(into: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    into.extend_from_slice(&digits[at..]);
}

fn write_hexadecimal(into: &mut Vec<u8>, number: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    into.extend(
        (0..16)
            .rev()
            .map(|place| DIGITS[(number >> (4 * place)) as usize & 15]),
    );
}

fn learn<'a>(fields: &[Field<'a>]) -> Result<Learned<'a>, Refused> {
    let mut learned = Learned::default();
    let mut ids = 0;
    for (index, field) in fields.iter().enumerate() {
        let name = field.name.as_bytes();
        let Some(which) = known(name) else {
            refuse_lookalike(name)?;
            continue;
        };
        let is_dropped = match which {
            Known::Connection => {
                drop_listed(field.value, fields, &mut learned)?;
                true
            }
            Known::Host => {
                if learned.host.replace(field.value).is_some() {
                    return Err(Refused::bad("there are two hosts"));
                }
                true
            }
            Known::Upgrade => {
                learned.upgrade.get_or_insert(field.value);
                true
            }
            Known::Expect => {
                if !field.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refused {
                        status: StatusCode::EXPECTATION_FAILED,
                        detail: "the only expectation is 100-continue",
                    });
                }
                learned.expects = true;
                true
            }
            Known::XRequestId => {
                ids += 1;
                learned.id = Some(field.value).filter(|id| ids == 1 && is_sane_id(id));
                true
            }
            Known::Traceparent => !is_traceparent(field.value),
            Known::GrpcStatus | Known::XBarqRevision => false,
            Known::ContentLength
            | Known::Forwarded
            | Known::Http2Settings
            | Known::KeepAlive
            | Known::ProxyAuthenticate
            | Known::ProxyAuthorization
            | Known::ProxyConnection
            | Known::Te
            | Known::TransferEncoding
            | Known::XForwardedFor
            | Known::XForwardedHost
            | Known::XForwardedProto => true,
        };
        if is_dropped {
            learned.dropped |= 1 << index;
        }
    }
    Ok(learned)
}

/// Takes out the fields that `Connection` lists: they are for this connection only. What decides where a request goes, where
/// it ends and who asks is not, whoever says so.
fn drop_listed<'a>(
    value: &[u8],
    fields: &[Field<'a>],
    learned: &mut Learned<'a>,
) -> Result<(), Refused> {
    for option in list_items(value) {
        if option.eq_ignore_ascii_case(b"close") {
            learned.closes = true;
        } else if option.eq_ignore_ascii_case(b"keep-alive") {
            learned.keeps = true;
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            learned.is_asked_to_upgrade = true;
        } else {
            let is_for_all = matches!(
                known(option),
                Some(Known::Host | Known::ContentLength | Known::TransferEncoding)
            ) || option.eq_ignore_ascii_case(b"authorization")
                || option.eq_ignore_ascii_case(b"cookie");
            if is_for_all {
                return Err(Refused::bad(
                    "Connection lists a field that is not for one connection",
                ));
            }
            for (index, field) in fields.iter().enumerate() {
                if field.name.as_bytes().eq_ignore_ascii_case(option) {
                    learned.dropped |= 1 << index;
                }
            }
        }
    }
    Ok(())
}

/// `X_Forwarded_For` is another field for the proxy and the same for an application that reads its fields as variables.
fn refuse_lookalike(name: &[u8]) -> Result<(), Refused> {
    if name.len() > LOOKALIKE_LENGTH_MAX || !name.contains(&b'_') {
        return Ok(());
    }
    let mut dashed = [0; LOOKALIKE_LENGTH_MAX];
    for (to, from) in dashed.iter_mut().zip(name) {
        *to = if *from == b'_' { b'-' } else { *from };
    }
    match known(&dashed[..name.len()]) {
        Some(_) => Err(Refused::bad(
            "a field's name is easily mistaken for another",
        )),
        None => Ok(()),
    }
}

fn is_sane_id(id: &[u8]) -> bool {
    let is_sane =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    (1..=REQUEST_ID_LENGTH_MAX).contains(&id.len()) && id.iter().all(is_sane)
}

/// Whether it says where a request belongs as the W3C's Trace Context (level 1, section 3.2) has it; what does not would
/// begin a trace of its own at each instance that reads it otherwise.
fn is_traceparent(value: &[u8]) -> bool {
    const DIGITS: [usize; 4] = [2, 32, 16, 2];
    let parts: Vec<&[u8]> = value.split(|byte| *byte == b'-').collect();
    let is_hexadecimal = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    parts.len() >= DIGITS.len()
        && (parts.len() == DIGITS.len() || parts[0] != b"00")
        && parts
            .iter()
            .zip(DIGITS)
            .all(|(part, digits)| part.len() == digits && part.iter().all(is_hexadecimal))
        && parts[0] != b"ff"
        && [parts[1], parts[2]]
            .iter()
            .all(|id| id.iter().any(|digit| *digit != b'0'))
}

#[cfg(test)]
mod tests;
