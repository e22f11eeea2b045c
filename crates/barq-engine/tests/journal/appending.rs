//! Appending: all or nothing, one order, one owner.

use barq_engine::journal::{
    AppendError, Batch, Head, IdempotencyRecord, InvalidBatch, JournalWriter, ReadModelChange,
};

use crate::support::{Server, assert_intact, at, batch, fill};

on_both!(
    an_append_is_read_back_as_recorded,
    a_conflict_writes_nothing,
    racing_appenders_make_one_dense_order,
    a_second_owner_refuses_the_first,
    a_takeover_during_a_race_leaves_one_order,
    an_abandoned_append_comes_to_its_end,
    subscribers_see_the_newest_sequence,
    a_repeated_request_gets_the_first_answer,
    expired_answers_are_dropped,
    a_failing_change_leaves_nothing,
    an_outcome_can_be_resolved_later,
);

const TASKS: u64 = 16;
const APPENDS_PER_TASK: u64 = 12;

async fn an_append_is_read_back_as_recorded(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    assert_eq!(writer.journal().head().await.unwrap(), Head::EMPTY);
    let mut events = batch(1..=3);
    // Times are kept to the microsecond, in what is returned too.
    events.events[0].at += std::time::Duration::from_nanos(999);
    let appended = writer.append(Head::EMPTY, events).await.unwrap();
    let sequences: Vec<u64> = appended
        .events
        .iter()
        .map(|recorded| recorded.sequence)
        .collect();
    assert_eq!(sequences, [1, 2, 3]);
    assert_eq!(appended.events[0].event.at, at(1));
    writer.journal().close().await;

    let journal = place.open().await;
    assert_eq!(journal.read(0, 10).await.unwrap(), appended.events);
    assert_eq!(journal.head().await.unwrap(), appended.head);
    assert_intact(&journal).await;
    let empty = writer_error(&place.owner().await, appended.head, Batch::default()).await;
    assert!(matches!(empty, AppendError::Invalid(InvalidBatch::Empty)));
    place.end().await;
}

async fn a_conflict_writes_nothing(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let first = writer.append(Head::EMPTY, batch([1])).await.unwrap().head;
    let error = writer_error(&writer, Head::EMPTY, batch([2])).await;
    assert!(
        matches!(error, AppendError::Conflict { actual, expected } if actual == first && expected == Head::EMPTY),
        "{error:?}"
    );
    assert_eq!(writer.journal().head().await.unwrap(), first);
    // The connection is of use again.
    writer.append(first, batch([2])).await.unwrap();
    place.end().await;
}

/// Appends until `count` appends were acknowledged; retries on conflicts.
async fn append_racing(writer: JournalWriter, count: u64) -> Result<u64, AppendError> {
    let mut acknowledged = 0;
    let mut head = writer.journal().head().await.unwrap();
    while acknowledged < count {
        match writer
            .append(head, batch([acknowledged, acknowledged + 1]))
            .await
        {
            Ok(appended) => {
                head = appended.head;
                acknowledged += 1;
            }
            Err(AppendError::Conflict { actual, .. }) => head = actual,
            Err(error) => return Err(error),
        }
    }
    Ok(acknowledged)
}

async fn racing_appenders_make_one_dense_order(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| tokio::spawn(append_racing(writer.clone(), APPENDS_PER_TASK)))
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let events = writer.journal().read(0, 1_000).await.unwrap();
    let sequences: Vec<u64> = events.iter().map(|recorded| recorded.sequence).collect();
    assert_eq!(
        sequences,
        (1..=TASKS * APPENDS_PER_TASK * 2).collect::<Vec<_>>()
    );
    for pair in events.chunks(2) {
        assert_eq!(pair[0].batch, pair[1].batch, "an append is not torn apart");
    }
    assert_intact(&writer.journal()).await;
    place.end().await;
}

async fn a_second_owner_refuses_the_first(server: Server) {
    let place = server.place().await;
    let first = place.owner().await;
    let head = fill(&first, 2).await;
    let second = place.owner().await;
    assert_eq!(second.epoch(), first.epoch() + 1);
    let error = writer_error(&first, head, batch([3])).await;
    assert!(
        matches!(error, AppendError::Superseded { ours, current } if ours == first.epoch() && current == second.epoch()),
        "{error:?}"
    );
    assert!(first.start_rebuild(&[]).await.is_err());
    second.append(head, batch([3])).await.unwrap();
    // Still refused where the head has moved on as well.
    assert!(matches!(
        writer_error(&first, head, batch([4])).await,
        AppendError::Superseded { .. }
    ));
    assert_intact(&second.journal()).await;
    place.end().await;
}

async fn a_takeover_during_a_race_leaves_one_order(server: Server) {
    let place = server.place().await;
    let first = place.owner().await;
    let tasks: Vec<_> = (0..4)
        .map(|_| tokio::spawn(append_racing(first.clone(), u64::MAX)))
        .collect();
    let mut newest = first.journal().subscribe();
    newest.wait_for(|sequence| *sequence >= 20).await.unwrap();
    let second = place.owner().await;
    for task in tasks {
        let ended = task.await.unwrap();
        assert!(
            matches!(ended, Err(AppendError::Superseded { .. })),
            "{ended:?}"
        );
    }
    append_racing(second.clone(), 5).await.unwrap();
    assert_intact(&second.journal()).await;
    place.end().await;
}

async fn an_abandoned_append_comes_to_its_end(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let mut newest = writer.journal().subscribe();
    {
        let append = writer.append(Head::EMPTY, batch([1]));
        // Polled once, then dropped.
        tokio::select! {
            biased;
            _ = append => {}
            () = std::future::ready(()) => {}
        }
    }
    newest.wait_for(|sequence| *sequence == 1).await.unwrap();
    assert_intact(&writer.journal()).await;
    place.end().await;
}

async fn subscribers_see_the_newest_sequence(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let newest = writer.journal().subscribe();
    assert_eq!(*newest.borrow(), 0);
    fill(&writer, 3).await;
    assert_eq!(*newest.borrow(), 3);
    assert_eq!(*place.open().await.subscribe().borrow(), 3);
    place.end().await;
}

fn answer(actor: &str, response: &str, recorded_at: i64, expires_at: i64) -> IdempotencyRecord {
    IdempotencyRecord {
        key_hash: "hash".to_owned(),
        actor: actor.to_owned(),
        request_digest: "digest".to_owned(),
        response: response.to_owned(),
        recorded_at: at(recorded_at),
        expires_at: at(expires_at),
    }
}

fn answered(number: u64, record: IdempotencyRecord) -> Batch {
    Batch {
        idempotency: Some(record),
        ..batch([number])
    }
}

async fn a_repeated_request_gets_the_first_answer(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let first = answer("ada", "first", 0, 100);
    let head = writer
        .append(Head::EMPTY, answered(1, first.clone()))
        .await
        .unwrap()
        .head;
    let error = writer_error(&writer, head, answered(2, answer("ada", "second", 99, 200))).await;
    assert!(matches!(error, AppendError::Repeated { earlier } if *earlier == first));
    assert_eq!(writer.journal().head().await.unwrap(), head);
    assert_eq!(
        writer
            .journal()
            .idempotency("ada", "hash", at(99))
            .await
            .unwrap(),
        Some(first)
    );
    assert_eq!(
        writer
            .journal()
            .idempotency("eve", "hash", at(99))
            .await
            .unwrap(),
        None
    );
    writer
        .append(head, answered(2, answer("eve", "hers", 99, 200)))
        .await
        .unwrap();
    place.end().await;
}

async fn expired_answers_are_dropped(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let head = writer
        .append(Head::EMPTY, answered(1, answer("ada", "first", 0, 100)))
        .await
        .unwrap()
        .head;
    assert_eq!(
        writer
            .journal()
            .idempotency("ada", "hash", at(100))
            .await
            .unwrap(),
        None
    );
    let second = answer("ada", "second", 100, 200);
    writer
        .append(head, answered(2, second.clone()))
        .await
        .unwrap();
    assert_eq!(
        writer
            .journal()
            .idempotency("ada", "hash", at(150))
            .await
            .unwrap(),
        Some(second)
    );
    place.end().await;
}

async fn a_failing_change_leaves_nothing(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let head = fill(&writer, 1).await;
    // Stands for any failure in the middle of the transaction.
    place
        .raw("ALTER TABLE settings RENAME TO settings_away")
        .await;
    let failing = Batch {
        changes: vec![ReadModelChange::PutSetting {
            key: "key".to_owned(),
            value: "value".to_owned(),
        }],
        ..batch([2])
    };
    assert!(matches!(
        writer_error(&writer, head, failing.clone()).await,
        AppendError::Storage(_)
    ));
    assert_eq!(writer.journal().head().await.unwrap(), head);
    assert_eq!(writer.journal().read(1, 10).await.unwrap(), []);
    place
        .raw("ALTER TABLE settings_away RENAME TO settings")
        .await;
    writer.append(head, failing).await.unwrap();
    assert_intact(&writer.journal()).await;
    place.end().await;
}

async fn an_outcome_can_be_resolved_later(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let appended = writer.append(Head::EMPTY, batch([1, 2])).await.unwrap();
    let other = writer.append(appended.head, batch([3])).await.unwrap();
    assert!(writer.resolve(0, appended.events[0].batch).await.unwrap());
    assert!(writer.resolve(2, other.events[0].batch).await.unwrap());
    assert!(!writer.resolve(0, other.events[0].batch).await.unwrap());
    assert!(!writer.resolve(3, other.events[0].batch).await.unwrap());
    place.end().await;
}

async fn writer_error(writer: &JournalWriter, expected: Head, batch: Batch) -> AppendError {
    writer.append(expected, batch).await.unwrap_err()
}
