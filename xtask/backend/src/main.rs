//! The application behind the proxies of `cargo xtask bench proxy`: as little work for each request as can be, so that
//! the proxies are what is measured.
//!
//! One thread, one `epoll`, one read and one write for a request; the answers are made at the start. `/64k` and `/1m` are
//! answered by as many bytes, everything else by a hundred; a body is read and dropped. It listens on `HOST` and `PORT` (0:
//! any) as an instance of barq does, prints where, and calls itself `K_REVISION` in each answer. A program of its own,
//! since it must be built with optimisations, while the commands of `xtask` need none. It speaks HTTP/1.1 as the proxies
//! do, and no more: no chunked bodies, no `Expect`.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;

mod answers;
mod connection;
mod request;

use answers::Answers;
use connection::{Connection, Wants};

/// Connections looked at after one wait.
const EVENTS_MAX: usize = 1024;
/// Connections that the kernel queues.
const BACKLOG_CONNECTIONS: i32 = 4096;
/// Bytes that one read takes.
const READ_BYTES_MAX: usize = 256 * 1024;

fn main() -> io::Result<()> {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let address = format!(
        "{}:{}",
        variable("HOST", "127.0.0.1"),
        variable("PORT", "0")
    );
    let listener = TcpListener::bind(&address)?;
    // A proxy that opens a thousand connections at once is not to wait for the second attempt of some.
    rustix::net::listen(&listener, BACKLOG_CONNECTIONS)?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    let answers = Answers::new(&variable("K_REVISION", "none"));
    Loop::new(listener)?.run(&answers)
}

/// All connections. Each is known by the number of its descriptor, which is unique while it is open.
struct Loop {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: HashMap<u64, Connection>,
}

impl Loop {
    fn new(listener: TcpListener) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, key(&listener), EventFlags::IN)?;
        Ok(Self {
            epoll,
            listener,
            connections: HashMap::new(),
        })
    }

    fn run(&mut self, answers: &Answers) -> io::Result<()> {
        let listener = key(&self.listener).u64();
        let mut buffer = vec![0; READ_BYTES_MAX];
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Err(rustix::io::Errno::INTR) => continue,
                waited => waited?,
            };
            for event in events.drain(..) {
                let key = event.data.u64();
                if key == listener {
                    self.accept()?;
                } else {
                    self.serve(key, &mut buffer, answers)?;
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let key = key(&stream);
            epoll::add(&self.epoll, &stream, key, EventFlags::IN)?;
            self.connections.insert(key.u64(), Connection::new(stream));
        }
    }

    fn serve(&mut self, key: u64, buffer: &mut [u8], answers: &Answers) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(&key) else {
            return Ok(());
        };
        let before = connection.wants();
        // A connection that breaks is its client's business: the proxy's, who has to tell of it.
        let after = connection.go_on(buffer, answers).unwrap_or(Wants::Nothing);
        match after {
            Wants::Nothing => {
                self.connections.remove(&key);
            }
            Wants::ToRead if before != after => self.wait_for(key, EventFlags::IN)?,
            Wants::ToWrite if before != after => self.wait_for(key, EventFlags::OUT)?,
            Wants::ToRead | Wants::ToWrite => {}
        }
        Ok(())
    }

    fn wait_for(&self, key: u64, what: EventFlags) -> io::Result<()> {
        if let Some(connection) = self.connections.get(&key) {
            let data = EventData::new_u64(key);
            epoll::modify(&self.epoll, connection.stream(), data, what)?;
        }
        Ok(())
    }
}

fn key(socket: &impl std::os::fd::AsRawFd) -> EventData {
    EventData::new_u64(u64::try_from(socket.as_raw_fd()).unwrap_or_default())
}
