//! The API's client: what the command line says to the server.
//!
//! Every answer that is not a success becomes a [`Failure`] with the exit code that the command line promises: not
//! reachable 3, not allowed 4, wrong request 2, everything else 1.
//!
//! It must not know how anything is shown.

pub mod events;
pub mod lines;
#[cfg(test)]
mod tests;
pub mod types;

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::output::{Exit, Failure, chain};
use types::{Page, Problem};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a command may take: a rollback answers when the traffic has moved, a verification asks every instance.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a server may take to answer what it knows by heart. `barq up` holds the server's address while the server is
/// away, so a connection comes about although nobody answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest error document that is read.
const PROBLEM_BYTES_MAX: usize = 256 * 1024;
/// Random bytes of an idempotency key.
const KEY_BYTES: usize = 16;
/// How many pages of a list are read at most.
const PAGES_MAX: usize = 100;

/// A connection to one server, with one token.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    server: reqwest::Url,
    token: Option<String>,
}

impl Client {
    /// For the server at this URL.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn new(server: &str, token: Option<String>) -> Result<Self, Failure> {
        let wrong = || {
            Failure::usage(format!("{server:?} is not a server's URL"))
                .hint("--server http://127.0.0.1:7600")
        };
        let url = reqwest::Url::parse(server).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(wrong());
        }
        let mut builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
        // A proxy of the environment cannot reach this machine's own loopback.
        if is_loopback(&url) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| {
            Failure::failed("cannot make an HTTP client").because(chain(&error))
        })?;
        Ok(Self {
            http,
            server: url,
            token,
        })
    }

    /// The server's URL, without a slash at its end.
    pub fn server(&self) -> &str {
        self.server.as_str().trim_end_matches('/')
    }

    /// The address of one of the server's pages, as it is reached from here: of a path, or of an address by which the
    /// server knows itself.
    ///
    /// # Errors
    /// When it is none.
    pub fn page(&self, address: &str) -> Result<String, Failure> {
        let wrong = || Failure::failed(format!("{address:?} is no address"));
        let named = self.server.join(address).map_err(|_| wrong())?;
        Ok(format!("{}{}", self.server(), named.path()))
    }

    /// Whether the server is on this machine.
    pub fn is_local(&self) -> bool {
        is_loopback(&self.server)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// As the module says.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        let request = self.request(Method::GET, path).query(query);
        self.decode(self.send(request.timeout(ANSWER_TIMEOUT)).await?)
            .await
    }

    /// Reads a whole list, page by page. `cursor` is the parameter that takes the place of the next page.
    ///
    /// # Errors
    /// As the module says.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        cursor: &str,
        items_max: usize,
    ) -> Result<Vec<T>, Failure> {
        self.list_from(path, query, cursor, None, items_max).await
    }

    /// As [`Self::list`], from a place on.
    ///
    /// # Errors
    /// As the module says.
    pub async fn list_from<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        cursor: &str,
        from: Option<String>,
        items_max: usize,
    ) -> Result<Vec<T>, Failure> {
        let mut items = Vec::new();
        let mut query = query.to_vec();
        let place = query.len();
        query.extend(from.map(|from| (cursor, from)));
        for _ in 0..PAGES_MAX {
            let page: Page<T> = self.get(path, &query).await?;
            items.extend(page.items);
            query.truncate(place);
            match page.next {
                Some(next) if items.len() < items_max => query.push((cursor, next)),
                _ => break,
            }
        }
        items.truncate(items_max);
        Ok(items)
    }

    /// Gives a command and reads the answer.
    ///
    /// # Errors
    /// As the module says.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.answers().await?;
        let request = self.command(Method::POST, path)?.json(body);
        self.decode(self.send(request.timeout(REQUEST_TIMEOUT)).await?)
            .await
    }

    /// Takes something away.
    ///
    /// # Errors
    /// As the module says.
    pub async fn delete(&self, path: &[&str]) -> Result<(), Failure> {
        self.answers().await?;
        let request = self.command(Method::DELETE, path)?;
        self.send(request.timeout(REQUEST_TIMEOUT)).await.map(drop)
    }

    /// Reads text.
    ///
    /// # Errors
    /// As the module says.
    pub async fn text(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        accept: &str,
    ) -> Result<String, Failure> {
        let request = self.request(Method::GET, path).query(query);
        let request = request.header("accept", accept).timeout(ANSWER_TIMEOUT);
        let response = self.send(request).await?;
        response.text().await.map_err(|error| self.lost(&error))
    }

    /// Opens an answer that comes bit by bit, without a time limit.
    ///
    /// # Errors
    /// As the module says.
    pub async fn stream(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        headers: &[(&'static str, String)],
    ) -> Result<Response, Failure> {
        self.answers().await?;
        let mut request = self.request(Method::GET, path).query(query);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.send(request).await
    }

    /// Gives a command whose answer is long.
    ///
    /// # Errors
    /// As the module says.
    pub async fn post_for_stream(&self, path: &[&str]) -> Result<Response, Failure> {
        self.answers().await?;
        let request = self.command(Method::POST, path)?;
        self.send(request.json(&serde_json::json!({}))).await
    }

    /// A failure in the middle of an answer.
    pub fn lost(&self, error: &reqwest::Error) -> Failure {
        Failure::new(
            Exit::Unreachable,
            format!("the connection to {} broke", self.server()),
        )
        .because(chain(error))
        .hint("run the command again; what was begun goes on in the server")
    }

    fn command(&self, method: Method, path: &[&str]) -> Result<RequestBuilder, Failure> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key)
            .map_err(|error| Failure::failed("cannot make a random key").because(chain(&error)))?;
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(self.request(method, path).header("idempotency-key", key))
    }

    /// `path` is in segments, each of which is escaped: no name can leave its place.
    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Whether anybody answers at all, before something is asked whose answer may take long.
    async fn answers(&self) -> Result<(), Failure> {
        let request = self.request(Method::GET, &["health", "live"]);
        let answer = request.timeout(ANSWER_TIMEOUT).send().await;
        answer.map(drop).map_err(|error| self.unreachable(&error))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        match response.status().is_success() {
            true => Ok(response),
            false => Err(self.refused(response).await),
        }
    }

    async fn decode<T: DeserializeOwned>(&self, response: Response) -> Result<T, Failure> {
        let path = response.url().path().to_owned();
        let bytes = response.bytes().await.map_err(|error| self.lost(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::failed(format!("the server's answer to {path} is not understood"))
                .because(error.to_string())
                .hint("server and command line may be too far apart in version: `barq doctor`")
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() && !error.is_connect() {
            return self.silent();
        }
        let failure = Failure::new(
            Exit::Unreachable,
            format!("the server at {} can't be reached", self.server()),
        )
        .because(chain(error));
        match is_loopback(&self.server) {
            true => failure.hint("start it with `barq up`, or say where it is with --server"),
            false => failure.hint("check --server (BARQ_SERVER) and the network"),
        }
    }

    /// Somebody holds the address, but nobody answers.
    fn silent(&self) -> Failure {
        let failure = Failure::new(
            Exit::Unreachable,
            format!("the server at {} does not answer", self.server()),
        );
        let hint = match is_loopback(&self.server) {
            true => {
                "`barq up` starts a server again that has ended: see what it says in its terminal, then run the command again"
            }
            false => "see what `barq up` says there, then run the command again",
        };
        failure
            .because("it took the connection, and then was silent for too long")
            .hint(hint)
    }

    async fn refused(&self, mut response: Response) -> Failure {
        let status = response.status();
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > PROBLEM_BYTES_MAX {
                break;
            }
        }
        self.explain(status, &body)
    }

    fn explain(&self, status: StatusCode, body: &[u8]) -> Failure {
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        let what = match problem.title.is_empty() {
            true => format!("the server answered {status}"),
            false => problem.title,
        };
        let exit = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::NotAllowed,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Exit::Usage,
            _ => Exit::Failed,
        };
        let missing = status == StatusCode::UNAUTHORIZED && self.token.is_none();
        Failure {
            exit,
            what,
            why: problem.detail,
            hint: problem.hint.or_else(|| {
                let hint = match (status, missing) {
                    (StatusCode::UNAUTHORIZED, true) => "give a token with --token or BARQ_TOKEN",
                    (StatusCode::UNAUTHORIZED, false) => {
                        "the server does not know this token: check --token, BARQ_TOKEN and --data"
                    }
                    _ => return None,
                };
                Some(hint.to_owned())
            }),
        }
    }
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
