//! Listening sockets: bound here, or taken over from `barq up`.
//!
//! `up` binds its addresses once and keeps them, so that connections queue in the kernel while a server or a node
//! restarts. A child asks for its listener over `up.sock` and gets a duplicate of the descriptor (`SCM_RIGHTS`). It then
//! keeps that connection open: its end tells the child that `up` is gone, in the same instant, however `up` ended.
//!
//! Addresses are bound exclusively (no `SO_REUSEPORT`): two barqs on one port would each get half of the requests.
//!
//! It must not know what is served on the sockets.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use tokio::io::AsyncReadExt as _;

#[cfg(test)]
mod tests;

/// Connections that the kernel queues for us while nobody accepts.
const BACKLOG_CONNECTIONS: i32 = 4096;
/// A child asks at once, and `up` answers at once.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest name that a child may ask for.
const NAME_BYTES_MAX: usize = 16;
/// What a Unix socket's address can hold, with its closing zero (`sun_path` on Linux).
const UNIX_PATH_BYTES_MAX: usize = 107;

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody else listens there.
    #[error(
        "{address} is in use by another program; stop it, or choose another address with {flag}"
    )]
    InUse {
        /// The address that was asked for.
        address: SocketAddr,
        /// The flag that chooses another one.
        flag: &'static str,
    },
    /// The address cannot be bound for another reason.
    #[error("cannot listen on {address}; choose another address with {flag}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// The flag that chooses another one.
        flag: &'static str,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// `up` did not hand the listener over.
    #[error("cannot get the {name} listener from barq up at {path}")]
    Inherit {
        /// Which of the listeners.
        name: &'static str,
        /// `up`'s socket.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

/// Which of `up`'s listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerName {
    /// API, git and web UI.
    Server,
    /// Users' requests.
    Ingress,
    /// Users' requests over TLS.
    IngressTls,
}

impl ListenerName {
    /// Its name on `up.sock`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Ingress => "ingress",
            Self::IngressTls => "ingress-tls",
        }
    }

    /// The flag that sets its address.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Server => "--listen",
            Self::Ingress => "--ingress",
            Self::IngressTls => "--ingress-tls",
        }
    }
}

/// Where a process gets its listener from.
#[derive(Debug, Clone)]
pub enum ListenerSource {
    /// It binds the address itself.
    Bind(SocketAddr),
    /// It takes it over from `up`, at this socket.
    Inherited(PathBuf),
}

impl ListenerSource {
    /// The listener, and the connection to `up` where it came from there.
    pub fn open(
        &self,
        name: ListenerName,
    ) -> Result<(TcpListener, Option<UpConnection>), SocketError> {
        match self {
            Self::Bind(address) => Ok((bind(*address, name)?, None)),
            Self::Inherited(path) => {
                let inherited = inherit(path, name).map_err(|source| SocketError::Inherit {
                    name: name.as_str(),
                    path: path.clone(),
                    source,
                })?;
                Ok((inherited.0, Some(UpConnection(inherited.1))))
            }
        }
    }
}

/// A child's connection to the `up` that started it.
#[derive(Debug)]
pub struct UpConnection(UnixStream);

impl UpConnection {
    /// The connection, for what else is to be said on it.
    ///
    /// # Errors
    /// The system's.
    pub fn into_stream(self) -> std::io::Result<tokio::net::UnixStream> {
        self.0.set_nonblocking(true)?;
        tokio::net::UnixStream::from_std(self.0)
    }

    /// Resolves when `up` is gone. Whatever it says is not heard.
    pub async fn closed(self) {
        let Ok(mut stream) = self.into_stream() else {
            return;
        };
        let mut byte = [0; 1];
        while stream.read(&mut byte).await.is_ok_and(|read| read > 0) {}
    }
}

/// Binds an address for this process alone.
///
/// # Errors
/// [`SocketError::InUse`] and [`SocketError::Bind`], which name the flag to use.
pub fn bind(address: SocketAddr, name: ListenerName) -> Result<TcpListener, SocketError> {
    let flag = name.flag();
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => SocketError::InUse { address, flag },
        _ => SocketError::Bind {
            address,
            flag,
            source,
        },
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    // The standard library queues 128; a second call to listen only changes the number.
    rustix::net::listen(&listener, BACKLOG_CONNECTIONS).map_err(|error| failed(error.into()))?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// The first line on `up.sock`: which listener is wanted, or what else. Blocks for at most the time-out.
///
/// # Errors
/// The system's.
pub fn read_wish(mut stream: &UnixStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    stream.set_write_timeout(Some(HANDSHAKE_TIMEOUT))?;
    let mut name = Vec::new();
    let mut byte = [0; 1];
    while name.len() < NAME_BYTES_MAX && stream.read(&mut byte)? == 1 && byte[0] != b'\n' {
        name.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// `up`'s side of the handshake: sends the listener of a name that was read. Blocks for at most the time-out.
///
/// # Errors
/// The system's, and `InvalidInput` for an unknown name.
pub fn hand_over(
    stream: &UnixStream,
    name: &str,
    find: impl FnOnce(&str) -> Option<OwnedFd>,
) -> std::io::Result<()> {
    let descriptor = find(name).ok_or_else(|| {
        std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            format!("no listener is called {name:?}"),
        )
    })?;
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(std::io::Error::other("one descriptor needs more space"));
    }
    rustix::net::sendmsg(
        stream,
        &[IoSlice::new(b"\n")],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// A path for a Unix socket that fits its address. A longer one is reached through an open descriptor of its directory,
/// which must stay open until the socket is bound or connected.
///
/// # Errors
/// When the directory cannot be opened.
pub fn short_path(path: &Path) -> std::io::Result<(PathBuf, Option<OwnedFd>)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok((path.to_owned(), None));
    };
    if path.as_os_str().len() < UNIX_PATH_BYTES_MAX {
        return Ok((path.to_owned(), None));
    }
    let directory = OwnedFd::from(std::fs::File::open(parent)?);
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    Ok((short, Some(directory)))
}

/// A listening Unix socket at a path of any length; one that was left by an earlier process is replaced.
///
/// # Errors
/// The system's.
pub fn listen_unix(path: &Path) -> std::io::Result<tokio::net::UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (short, _directory) = short_path(path)?;
    tokio::net::UnixListener::bind(short)
}

/// A connection to a Unix socket at a path of any length.
///
/// # Errors
/// The system's.
pub fn connect_unix(path: &Path) -> std::io::Result<UnixStream> {
    let (short, _directory) = short_path(path)?;
    UnixStream::connect(short)
}

fn inherit(path: &Path, name: ListenerName) -> std::io::Result<(TcpListener, UnixStream)> {
    let mut stream = connect_unix(path)?;
    stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
    stream.write_all(format!("{}\n", name.as_str()).as_bytes())?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0; 1];
    let received = rustix::net::recvmsg(
        &stream,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    match (received.bytes, descriptor) {
        (1, Some(descriptor)) => {
            stream.set_read_timeout(None)?;
            let listener = TcpListener::from(descriptor);
            listener.set_nonblocking(true)?;
            Ok((listener, stream))
        }
        _ => Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            "it closed the connection without handing over a listener",
        )),
    }
}
