//! A proxy under the real control, with back ends that the test writes as functions.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::{Protocol, ServiceConfiguration, ServiceObservation};
use crate::control::Services;
use crate::control::tests::{FakeFleet, SERVICE};
use crate::instances::Endpoint;
use crate::proxy::{OnVerdict, Proxy, ProxyLimits, ProxySettings, ProxyTls};

pub(super) const HOST: &str = "shop-production.localhost";
pub(super) type Reply = Response<BoxBody<Bytes, std::io::Error>>;

/// Until a condition holds; far above what anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

/// An HTTP server in this process.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    /// Requests that began.
    pub(super) started: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// The proxy and what it stands on.
pub(super) struct Stack {
    pub(super) services: Arc<Services>,
    pub(super) ingress: SocketAddr,
    fleet: FakeFleet,
    instances: watch::Sender<u64>,
    proxy: Option<Proxy>,
    tasks: Vec<JoinHandle<()>>,
    _directory: TempDir,
}

/// A response, read to its end.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A keep-alive connection to the proxy.
pub(super) struct Client {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
}

impl Backend {
    pub(super) async fn start<F, R>(handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        Self::speaking(Protocol::Http1, handler).await
    }

    pub(super) async fn speaking<F, R>(protocol: Protocol, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let started = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&started);
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                let (handler, counter) = (handler.clone(), Arc::clone(&counter));
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        counter.fetch_add(1, SeqCst);
                        let handler = handler.clone();
                        async move { Ok::<_, Infallible>(handler(request).await) }
                    });
                    let stream = TokioIo::new(stream);
                    match protocol {
                        Protocol::Http1 => drop(
                            hyper::server::conn::http1::Builder::new()
                                .serve_connection(stream, service)
                                .with_upgrades()
                                .await,
                        ),
                        Protocol::H2c => drop(
                            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                                .serve_connection(stream, service)
                                .await,
                        ),
                    }
                });
            }
        });
        Self {
            address,
            started,
            task,
        }
    }

    /// Answers everything with a status and a body.
    pub(super) async fn always(status: u16, body: &'static str) -> Self {
        Self::start(move |_| async move { reply(status, body) }).await
    }

    pub(super) fn count(&self) -> u64 {
        self.started.load(SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stack {
    pub(super) fn start(limits: ProxyLimits) -> Self {
        Self::start_with(limits, None)
    }

    pub(super) fn start_with(limits: ProxyLimits, tls: Option<ProxyTls>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fleet = FakeFleet::default();
        let services = Services::load(directory.path(), 2, Box::new(fleet.clone())).unwrap();
        let (instances, changes) = watch::channel(0);
        let keeper = tokio::spawn({
            let services = Arc::clone(&services);
            async move { services.keep(changes).await }
        });
        let writer = tokio::spawn({
            let services = Arc::clone(&services);
            async move {
                let (_open, ends) = watch::channel(false);
                services.write_what_changes(ends).await;
            }
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let ingress = listener.local_addr().unwrap();
        let verdicts = Arc::clone(&services);
        let on_verdict: OnVerdict = Arc::new(move |verdict| verdicts.on_verdict(&verdict));
        let table = Arc::clone(services.table());
        let started = services.started();
        let settings = ProxySettings {
            tls,
            ingress: listener,
            threads: 2,
            table,
            on_verdict,
            started,
            limits,
        };
        let proxy = Proxy::start(settings).unwrap();
        services.attach(proxy.sockets());
        let tasks = vec![keeper, writer];
        Self {
            services,
            ingress,
            fleet,
            instances,
            proxy: Some(proxy),
            tasks,
            _directory: directory,
        }
    }

    /// Two revisions, `stable` and `canary`, behind it.
    pub(super) async fn with(
        stable: &Backend,
        canary: &Backend,
        configuration: ServiceConfiguration,
    ) -> Self {
        let stack = Self::start(ProxyLimits::default());
        stack.add("stable", stable.address);
        stack.add("canary", canary.address);
        stack.accept(configuration).await;
        stack
    }

    /// Stops the proxy as a node that ends does; ready when nothing is in flight.
    pub(super) fn stop(&mut self) -> JoinHandle<()> {
        let proxy = self.proxy.take().unwrap();
        tokio::task::spawn_blocking(move || proxy.stop())
    }

    /// Makes an instance ready.
    pub(super) fn add(&self, revision: &str, address: SocketAddr) -> Arc<Endpoint> {
        let endpoint = Endpoint::new(format!("{revision}-{address}"), address);
        self.fleet.set(revision).insert(&endpoint);
        self.instances.send_modify(|change| *change += 1);
        endpoint
    }

    /// Takes an instance away.
    pub(super) fn remove(&self, revision: &str, endpoint: &Arc<Endpoint>) {
        self.fleet.set(revision).remove(endpoint);
        self.instances.send_modify(|change| *change += 1);
    }

    pub(super) async fn accept(&self, configuration: ServiceConfiguration) {
        self.services.accept(configuration).await.unwrap();
    }

    pub(super) fn observe(&self) -> ServiceObservation {
        self.services.observe().services[SERVICE].clone()
    }

    pub(super) async fn client(&self) -> Client {
        Client::connect(self.ingress).await
    }

    pub(super) async fn get(&self, host: &str, path: &str) -> Read {
        self.client()
            .await
            .send(Method::GET, host, path, "")
            .await
            .unwrap()
    }

    /// Waits for something to be observed.
    pub(super) async fn until(
        &self,
        what: &str,
        condition: impl Fn(&ServiceObservation) -> bool,
    ) -> ServiceObservation {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let seen = self.observe();
            if condition(&seen) {
                return seen;
            }
            assert!(
                Instant::now() < deadline,
                "waited for: {what}; seen: {seen:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if let Some(proxy) = self.proxy.take() {
            // Not waited for: a test that fails may have left connections open.
            drop(proxy);
        }
    }
}

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(async move { drop(connection.await) });
        Self { sender }
    }

    pub(super) async fn send(
        &mut self,
        method: Method,
        host: &str,
        path: &str,
        body: &'static str,
    ) -> Result<Read, hyper::Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host);
        self.request(request.body(Full::new(Bytes::from(body))).unwrap())
            .await
    }

    pub(super) async fn request(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Read, hyper::Error> {
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Read {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }
}

impl Read {
    pub(super) fn revision(&self) -> &str {
        self.headers
            .get("x-barq-revision")
            .map_or("", |value| value.to_str().unwrap())
    }
}

pub(super) fn reply(status: u16, body: impl Into<Bytes>) -> Reply {
    let mut response = Response::new(
        Full::new(body.into())
            .map_err(|never| match never {})
            .boxed(),
    );
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// Sends bytes as they are and reads until the proxy closes or `until` has been read.
pub(super) async fn raw(address: SocketAddr, bytes: &[u8], until: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut read = Vec::new();
    let reading = async {
        let mut part = [0; 4096];
        loop {
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => break,
                Ok(count) => read.extend_from_slice(&part[..count]),
            }
            if !until.is_empty() && String::from_utf8_lossy(&read).contains(until) {
                break;
            }
        }
    };
    assert!(
        tokio::time::timeout(DEADLINE, reading).await.is_ok(),
        "neither closed nor answered"
    );
    String::from_utf8_lossy(&read).into_owned()
}
