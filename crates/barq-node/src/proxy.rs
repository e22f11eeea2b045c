//! The reverse proxy: takes users' requests, routes each by the table in force, and judges how it ended.
//!
//! Thread per core: each thread has its own runtime, accepts from the same listening socket and keeps its own connections
//! to instances. On a request's path nothing is shared but the immutable table, the tripwires and the instances' load;
//! counts are kept by thread. A verdict is told to a callback at once, by the thread that reached it. It must not know
//! configurations, generations' rules, leases or disks: it routes by the table that it is given.

mod attempt;
mod buffers;
mod client;
mod deadline;
mod exchange;
mod forward;
mod http1;
mod http2;
mod instance;
mod limits;
mod pool;
mod random;
mod request;
mod respond;
mod response;
mod swap;
mod table;
mod transport;
mod tunnel;
mod upload;
mod wire;
mod worker;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use barq_judge::TripNow;
use tokio::sync::{mpsc, watch};

use crate::tls::{Acceptor, Policies};

pub use limits::ProxyLimits;
pub(crate) use swap::Swap;
pub(crate) use table::{Choice, Revision, ServiceRoute, Table, Trial};

/// What a thread of the proxy tells at once, on the request's path: the callback must not wait for anything.
#[derive(Debug)]
pub(crate) enum Verdict<'a> {
    /// The tripwire of the service's canary has tripped: no further request is admitted to it.
    Tripped {
        service: &'a str,
        revision: &'a Arc<Revision>,
        trip: TripNow,
        decided: Instant,
    },
    /// An error of the canary: told before the trip, if it is the one that trips.
    CanaryError {
        service: &'a str,
        /// Whose request it was, where the traffic is sticky.
        client: Option<u64>,
    },
    /// The same error is in the step's statistics, too.
    CanaryCounted { service: &'a str },
}

/// Receives verdicts.
pub(crate) type OnVerdict = Arc<dyn Fn(Verdict<'_>) + Send + Sync>;

/// What the proxy's threads share.
pub(crate) struct ProxySettings {
    /// Users' requests arrive here.
    pub(crate) ingress: TcpListener,
    /// … and here over TLS, if anywhere.
    pub(crate) tls: Option<ProxyTls>,
    /// How many threads; at least one.
    pub(crate) threads: usize,
    /// The table in force.
    pub(crate) table: Arc<Swap<Table>>,
    /// Told of verdicts.
    pub(crate) on_verdict: OnVerdict,
    /// When the node started.
    pub(crate) started: Instant,
    /// Limits and time-outs.
    pub(crate) limits: ProxyLimits,
}

/// What the threads have of TLS.
pub(crate) struct ProxyTls {
    /// Users' requests over TLS arrive here.
    pub(crate) ingress: TcpListener,
    /// Makes the connections.
    pub(crate) acceptor: Acceptor,
    /// What hosts want of requests and answers.
    pub(crate) policies: Policies,
}

/// The running proxy.
pub(crate) struct Proxy {
    stop: watch::Sender<bool>,
    commands: Vec<mpsc::UnboundedSender<worker::Command>>,
    threads: Vec<JoinHandle<()>>,
}

/// Has sockets served by the proxy's threads.
pub(crate) struct RevisionSockets {
    commands: Vec<mpsc::UnboundedSender<worker::Command>>,
}

impl RevisionSockets {
    /// Serves one revision alone on a socket of its own, until the sender of `until` is dropped.
    pub(crate) fn serve(
        &self,
        listener: TcpListener,
        service: &str,
        revision: &str,
        until: watch::Receiver<()>,
    ) {
        // Few requests come this way; any spread over the threads will do.
        let index = revision.bytes().map(usize::from).sum::<usize>() % self.commands.len();
        let entry = exchange::Entry::Revision {
            service: Arc::from(service),
            revision: Arc::from(revision),
        };
        if self.commands[index]
            .send(worker::Command {
                listener,
                entry,
                until,
            })
            .is_err()
        {
            tracing::warn!(
                service,
                revision,
                "the proxy has stopped: the revision's own address is not served"
            );
        }
    }
}

impl ProxyTls {
    /// For one thread.
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            ingress: self.ingress.try_clone()?,
            acceptor: self.acceptor.clone(),
            policies: self.policies.clone(),
        })
    }
}

impl Proxy {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the socket can't be shared or a thread can't be started.
    pub(crate) fn start(settings: ProxySettings) -> io::Result<Self> {
        let ProxySettings {
            ingress,
            tls,
            threads,
            table,
            on_verdict,
            started,
            limits,
        } = settings;
        let (stop, stopped) = watch::channel(false);
        let mut proxy = Self {
            stop,
            commands: Vec::new(),
            threads: Vec::new(),
        };
        for thread in 0..threads.max(1) {
            let (commands, received) = mpsc::unbounded_channel();
            let start = worker::Start {
                thread,
                listener: ingress.try_clone()?,
                tls: tls.as_ref().map(ProxyTls::try_clone).transpose()?,
                table: Arc::clone(&table),
                on_verdict: Arc::clone(&on_verdict),
                started,
                limits: limits.clone(),
                commands: received,
                stopped: stopped.clone(),
            };
            let name = format!("proxy-{thread}");
            let handle = std::thread::Builder::new()
                .name(name)
                .spawn(move || worker::run(start))?;
            proxy.commands.push(commands);
            proxy.threads.push(handle);
        }
        drop(ingress);
        Ok(proxy)
    }

    /// Where to have further sockets served.
    pub(crate) fn sockets(&self) -> RevisionSockets {
        RevisionSockets {
            commands: self.commands.clone(),
        }
    }

    /// Takes no further connection, lets requests in flight end (bounded by `ProxyLimits::drain`), and ends the threads.
    pub(crate) fn stop(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the proxy had panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests;
