//! Answers become the right failures, and events are read as they are meant.

use super::*;

fn client(token: Option<&str>) -> Client {
    Client::new("http://127.0.0.1:1", token.map(str::to_owned)).expect("a URL")
}

#[test]
fn statuses_become_exit_codes() {
    for (status, exit) in [
        (401, Exit::NotAllowed),
        (403, Exit::NotAllowed),
        (400, Exit::Usage),
        (422, Exit::Usage),
        (404, Exit::Failed),
        (409, Exit::Failed),
        (500, Exit::Failed),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        assert_eq!(client(None).explain(status, b"").exit, exit, "{status}");
    }
}

#[test]
fn a_problem_document_says_what_why_and_what_to_do() {
    let body = br#"{"type":"about:blank","title":"it is locked","status":409,"detail":"since noon","hint":"barq unlock production"}"#;
    let failure = client(Some("t")).explain(StatusCode::CONFLICT, body);
    assert_eq!(failure.what, "it is locked");
    assert_eq!(failure.why.as_deref(), Some("since noon"));
    assert_eq!(failure.hint.as_deref(), Some("barq unlock production"));
}

#[tokio::test]
async fn no_server_is_exit_3_with_a_hint() {
    let failure = client(None)
        .get::<serde_json::Value>(&["health", "live"], &[])
        .await
        .expect_err("nobody listens on port 1");
    assert_eq!(failure.exit, Exit::Unreachable);
    assert!(failure.hint.expect("a hint").contains("barq up"));
}

#[tokio::test]
async fn a_held_address_without_an_answer_is_exit_3() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = held.local_addr().expect("bound");
    let client = Client::new(&format!("http://{address}"), None).expect("a URL");
    let path = ["api", "v1", "services"];
    let (get, post, text, stream) = tokio::join!(
        client.get::<serde_json::Value>(&path, &[]),
        client.post::<serde_json::Value>(&path, &1),
        client.text(&path, &[], "*/*"),
        client.stream(&path, &[], &[]),
    );
    for failure in [get.err(), post.err(), text.err(), stream.err()] {
        let failure = failure.expect("nobody answers");
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(failure.what.contains("does not answer"), "{failure}");
        assert!(failure.hint.expect("a hint").contains("barq up"));
    }
}

#[test]
fn what_is_no_url_is_wrong_usage() {
    for url in ["", "127.0.0.1:7600", "ftp://host", "data:x"] {
        let Err(failure) = Client::new(url, None) else {
            panic!("{url} was taken");
        };
        assert_eq!(failure.exit, Exit::Usage);
    }
}

#[test]
fn events_are_read_as_they_are_meant() {
    let text = ": hello\n\nid: 7\nevent: check_passed\ndata: {\"a\":\ndata: 1}\n\nretry: 5\n\n";
    let mut parser = events::Parser::default();
    let events: Vec<_> = text.lines().filter_map(|line| parser.line(line)).collect();
    assert_eq!(
        events,
        [events::Event {
            id: "7".to_owned(),
            kind: "check_passed".to_owned(),
            data: "{\"a\":\n1}".to_owned(),
        }]
    );
}
