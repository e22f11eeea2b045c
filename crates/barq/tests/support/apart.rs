//! A server and a node that the test itself keeps, as somebody's own supervisor would: the server can be killed as often as
//! the test likes, and stay away.

use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use super::{Barq, api_client, log};

impl Barq {
    /// `barq server` and `barq node`, each by itself, started and ready on an empty data directory.
    pub(crate) async fn start_apart() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("counts")).expect("a directory");
        let [listen, ingress] = free_addresses();
        let run = |name| process(directory.path(), name, &listen, &ingress);
        let barq = Self {
            up: run("node"),
            apart: Some(Mutex::new(Some(run("server")))),
            server: format!("http://{listen}"),
            directory,
            ingress,
            http: api_client(),
        };
        barq.ready().await;
        barq
    }

    /// `kill -9` of the server, which stays away.
    pub(crate) fn end_server(&self) {
        let mut server = self.server_apart().lock().expect("not poisoned");
        let mut server = server.take().expect("a server");
        server.kill().expect("killed");
        server.wait().expect("ended");
    }

    /// Starts the server again.
    pub(crate) fn begin_server(&self) {
        let listen = self.server.replace("http://", "");
        let server = process(self.place(), "server", &listen, &self.ingress);
        *self.server_apart().lock().expect("not poisoned") = Some(server);
    }

    fn server_apart(&self) -> &Mutex<Option<Child>> {
        self.apart.as_ref().expect("a server of its own")
    }
}

fn process(directory: &std::path::Path, name: &str, listen: &str, ingress: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_barq"))
        .args([name, "--listen", listen, "--ingress", ingress])
        .arg("--data")
        .arg(directory.join("data"))
        .env_remove("DATABASE_URL")
        .env(super::crash::VARIABLE, super::crash::directory(directory))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log(directory))
        .spawn()
        .expect("started")
}

/// Both are taken before one is given back, so they differ.
fn free_addresses() -> [String; 2] {
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("bound"));
    listeners.map(|listener| listener.local_addr().expect("bound").to_string())
}
