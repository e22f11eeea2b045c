//! Reading: order, filters, pages, and what was appended is what is read.

use barq_engine::journal::{
    Batch, Document, EventFilter, Head, NewEvent, PAGE_ITEMS_MAX, Recorded,
};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Server, assert_intact, at, fill};

on_both!(
    filters_and_pages,
    a_replay_gives_all_events,
    what_is_appended_is_read
);

fn sequences(events: &[Recorded]) -> Vec<u64> {
    events.iter().map(|recorded| recorded.sequence).collect()
}

async fn filters_and_pages(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    fill(&writer, 30).await;
    let journal = writer.journal();
    assert_eq!(sequences(&journal.read(5, 3).await.unwrap()), [6, 7, 8]);
    assert!(journal.read(30, 3).await.unwrap().is_empty());
    assert_eq!(
        sequences(&journal.read(0, usize::MAX).await.unwrap()).len(),
        30
    );
    assert_eq!(
        sequences(
            &journal
                .read_subject("delivery:fleet-2", 7, 3)
                .await
                .unwrap()
        ),
        [12, 17, 22]
    );
    // Every fourth belongs to no app.
    assert_eq!(
        sequences(&journal.read_app("app-0", 0, 4).await.unwrap()),
        [2, 6, 10, 14]
    );
    let audit = EventFilter {
        actor: Some("actor-1".to_owned()),
        since: Some(at(4)),
        until: Some(at(19)),
        ..EventFilter::default()
    };
    assert_eq!(
        sequences(&journal.read_newest(&audit, None, 2).await.unwrap()),
        [16, 13]
    );
    assert_eq!(
        sequences(&journal.read_newest(&audit, Some(13), 10).await.unwrap()),
        [10, 7, 4]
    );
    let times = [
        (None, Some(at(19)), vec![18, 17]),
        (Some(at(4)), Some(at(6)), vec![5, 4]),
        (Some(at(30)), None, vec![30]),
        (Some(at(31)), None, vec![]),
        (None, Some(at(1)), vec![]),
        (Some(at(9)), Some(at(9)), vec![]),
    ];
    for (since, until, expect) in times {
        let filter = EventFilter {
            since,
            until,
            ..EventFilter::default()
        };
        let found = journal.read_newest(&filter, None, 2).await.unwrap();
        assert_eq!(sequences(&found), expect, "{since:?} {until:?}");
    }
    let kind = EventFilter {
        kind: Some("kind-3".to_owned()),
        subject: Some("delivery:fleet-0".to_owned()),
        ..EventFilter::default()
    };
    assert_eq!(
        sequences(&journal.read_matching(&kind, 0, 10).await.unwrap()),
        [10]
    );
    place.end().await;
}

async fn a_replay_gives_all_events(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let count = PAGE_ITEMS_MAX as u64 * 2 + 7;
    let mut head = Head::EMPTY;
    for first in (1..=count).step_by(500) {
        let numbers = first..=(first + 499).min(count);
        head = writer
            .append(head, crate::support::batch(numbers))
            .await
            .unwrap()
            .head;
    }
    let journal = writer.journal();
    let events: Vec<Recorded> = journal
        .replay(Head::EMPTY)
        .into_stream()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(sequences(&events), (1..=count).collect::<Vec<_>>());
    let middle = Head::from(&events[1_233]);
    let rest: Vec<Recorded> = journal
        .replay(middle)
        .into_stream()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rest, events[1_234..]);
    assert_intact(&journal).await;
    place.end().await;
}

fn events() -> impl Strategy<Value = Vec<NewEvent>> {
    // Any text but NUL, which is refused; payloads with any text, NUL too.
    let name = "[^\0]{0,20}";
    let time = -62_135_596_800_000_000_i64..=253_402_207_200_000_000_i64;
    let event = (
        time,
        name,
        proptest::option::of(name),
        name,
        name,
        any::<u16>(),
        any::<(String, i64, bool)>(),
    )
        .prop_map(
            |(at, actor, app, subject, kind, version, payload)| NewEvent {
                at: Timestamp::from_microsecond(at).unwrap(),
                actor,
                app,
                subject,
                kind,
                version,
                payload: Document::encode(&payload).unwrap(),
            },
        );
    proptest::collection::vec(event, 1..8)
}

async fn what_is_appended_is_read(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let handle = tokio::runtime::Handle::current();
    let property = move || {
        let mut runner = TestRunner::new(Config {
            cases: 48,
            failure_persistence: None,
            ..Config::default()
        });
        runner
            .run(&events(), |events| {
                handle.block_on(async {
                    let journal = writer.journal();
                    let before = journal.head().await.unwrap();
                    let batch = Batch {
                        events: events.clone(),
                        ..Batch::default()
                    };
                    let appended = writer.append(before, batch).await.unwrap();
                    let read = journal.read(before.sequence, 100).await.unwrap();
                    prop_assert_eq!(&read, &appended.events);
                    let given: Vec<NewEvent> =
                        read.into_iter().map(|recorded| recorded.event).collect();
                    prop_assert_eq!(given, events);
                    Ok(())
                })
            })
            .unwrap();
        writer
    };
    let writer = tokio::task::spawn_blocking(property).await.unwrap();
    assert_intact(&writer.journal()).await;
    place.end().await;
}
