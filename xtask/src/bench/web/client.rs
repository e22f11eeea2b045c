//! One connection to the server, kept for request after request, as a browser keeps it; and the session of an admin.
//! Nothing is cached, followed or decompressed: what is measured is what was asked for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::super::Failure;

/// A connection.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    headers: HeaderMap,
}

/// An answer, and how long it took.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// From the request to the last byte.
    pub(super) took: Duration,
}

impl Connection {
    /// A new one.
    pub(super) async fn open(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; a break is seen by whoever asks next.
        tokio::spawn(connection);
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_str(address)?);
        Ok(Self { sender, headers })
    }

    /// From now on as the owner of the token, at the API.
    pub(super) fn bearer(&mut self, token: &str) -> Result<(), Failure> {
        let value = HeaderValue::from_str(&format!("Bearer {token}"))?;
        self.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    /// From now on as a browser with this cookie.
    pub(super) fn cookie(&mut self, cookie: &HeaderValue) {
        self.headers.insert(COOKIE, cookie.clone());
    }

    /// Signs in as a browser does; the cookie.
    pub(super) async fn sign_in(&mut self, token: &str) -> Result<HeaderValue, Failure> {
        let mut request = self.request(Method::POST, "/sign-in", format!("token={token}"))?;
        let headers = request.headers_mut();
        headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        let answer = self.send(request).await?;
        let cookie = answer.headers.get(SET_COOKIE).ok_or_else(|| {
            format!(
                "signing in was answered by {} without a cookie",
                answer.status
            )
        })?;
        let (value, _) = cookie.to_str()?.split_once(';').ok_or("a cookie")?;
        let cookie = HeaderValue::from_str(value)?;
        self.cookie(&cookie);
        Ok(cookie)
    }

    /// Asks for something, to the last byte.
    pub(super) async fn get(&mut self, path: &str) -> Result<Answer, Failure> {
        let request = self.request(Method::GET, path, String::new())?;
        self.send(request).await
    }

    /// Gives a command to the API.
    pub(super) async fn post(&mut self, path: &str, json: String) -> Result<Answer, Failure> {
        let mut request = self.request(Method::POST, path, json)?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        self.send(request).await
    }

    /// Asks for something that does not end; its body.
    pub(super) async fn stream(&mut self, path: &str) -> Result<Incoming, Failure> {
        let request = self.request(Method::GET, path, String::new())?;
        let response = self.sender.send_request(request).await?;
        match response.status().as_u16() {
            200 => Ok(response.into_body()),
            status => Err(format!("{path} was answered by {status}").into()),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse()?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        self.sender.ready().await?;
        let begun = Instant::now();
        let response = self.sender.send_request(request).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            took: begun.elapsed(),
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }
}
