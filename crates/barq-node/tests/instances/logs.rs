//! What real instances write, read while they run, after they ended and after a restart of the node.

use std::time::{Duration, Instant};

use barq_node::api::{LogLine, LogPage};
use barq_node::logs::{LogQuery, Logs, Severity, Window};

use crate::support::{Fixture, REVISION, SERVICE, get, revision};

fn query() -> LogQuery {
    LogQuery {
        service: SERVICE.to_owned(),
        limit: 100,
        ..LogQuery::default()
    }
}

/// Asks until there are so many lines: what was written a moment ago may not be in the file yet.
async fn page_of(logs: &Logs, query: LogQuery, count: usize) -> LogPage {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let page = logs.page(query.clone()).await.expect("a page");
        if page.lines.len() >= count {
            return page;
        }
        assert!(Instant::now() < deadline, "{page:?}");
    }
}

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

#[tokio::test]
async fn are_read_on_over_restarts() {
    let mut fixture = Fixture::new().await;
    let logs = Logs::new(fixture.directory.path());
    fixture.apply(&[revision(&[], 1, 1)]);
    let instance = fixture.until_ready(1).await.instances[0].clone();
    let port = instance.port;
    get(port, "/first").await;
    let page = page_of(&logs, query(), 2).await;
    let first = format!(r#"{{"severity":"INFO","message":"/first","request_id":"test-{port}"}}"#);
    assert_eq!(
        texts(&page.lines),
        [format!("listening on {port}"), first.clone()]
    );
    assert_eq!(
        (
            page.lines[1].severity.as_str(),
            page.lines[0].severity.as_str()
        ),
        ("INFO", "DEFAULT")
    );
    assert_eq!(
        (
            page.lines[1].revision.as_str(),
            page.lines[1].instance.as_str()
        ),
        (REVISION, instance.id.as_str())
    );

    let mut fixture = Fixture::again(fixture.leave()).await;
    get(port, "/second").await;
    fixture.apply(&[]);
    fixture.until_gone().await;
    let rest = logs
        .page(LogQuery {
            window: Window::After(page.next.expect("a cursor")),
            ..query()
        })
        .await
        .expect("a page");
    let second = format!(r#"{{"severity":"INFO","message":"/second","request_id":"test-{port}"}}"#);
    assert_eq!(texts(&rest.lines), [second.as_str(), "ends"]);
    let end = logs
        .page(LogQuery {
            window: Window::After(rest.next.expect("a cursor")),
            ..query()
        })
        .await
        .expect("a page");
    assert!(end.lines.is_empty());

    let found = logs
        .lines_with(SERVICE, REVISION, &format!("test-{port}"), 10)
        .await
        .expect("lines");
    assert_eq!(found, [first, second]);
    let severe = logs
        .page(LogQuery {
            severity: Some(Severity::Warning),
            ..query()
        })
        .await
        .expect("a page");
    assert!(severe.lines.is_empty());
}
