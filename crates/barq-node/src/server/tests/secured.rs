//! A node with a socket for TLS: what it is told to serve, and what it says of that.

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::Value;

use super::{Node, directory, idle, settings};
use crate::api::{CertificateSource, ServiceConfiguration, TlsConfiguration};
use crate::control::tests::configuration;
use crate::server::{Stop, TlsSettings};
use crate::tls::testing::Authority;

const HOST: &str = "shop.example.com";

async fn node_status(node: &Node) -> Value {
    let (status, body) = node.ask(Method::GET, "/v1/node", &()).await;
    assert_eq!(status, StatusCode::OK);
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_served_over_tls_as_configured_and_a_problem_is_told() {
    let directory = directory();
    let files = crate::tls::testing::paths(directory.path(), "shop");
    let configured = ServiceConfiguration {
        domains: vec![HOST.to_owned()],
        tls: Some(TlsConfiguration {
            source: CertificateSource::Files {
                certificate: files.certificate.display().to_string(),
                key: files.key.display().to_string(),
            },
            redirect: true,
            hsts_seconds: 60,
        }),
        ..idle(configuration(1))
    };
    let node_directory = directory.path().join("node");
    let secured = || {
        let mut settings = settings(&node_directory);
        settings.tls = Some(TlsSettings {
            ingress: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
            default: None,
            acme: None,
        });
        settings
    };
    let node = Node::start_with(secured()).await;
    assert_eq!(node.put(&configured).await.0, StatusCode::OK);
    let deadline = Instant::now() + Duration::from_secs(20);
    let status = loop {
        let status = node_status(&node).await;
        if status["certificates"][0]["problem"].is_string() {
            break status;
        }
        assert!(Instant::now() < deadline, "{status}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(status["certificates"][0]["host"], HOST);
    let told = status["degraded"][0].as_str().unwrap();
    assert!(told.contains(HOST) && told.contains("shop.crt"), "{told}");
    assert!(
        status["ingress_tls"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1:")
    );
    node.stop(Stop::Leave).await;

    // The next run finds the files there, and has them in force before anybody asks.
    Authority::new()
        .issue(&[HOST])
        .write(directory.path(), "shop");
    let node = Node::start_with(secured()).await;
    let status = node_status(&node).await;
    assert_eq!(status["degraded"], serde_json::json!([]), "{status}");
    assert_eq!(
        status["certificates"][0]["expires_at"],
        "2096-01-01T00:00:00Z"
    );
    node.stop(Stop::Leave).await;
}
