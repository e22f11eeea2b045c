//! Each kind of tampering through raw SQL is found, at the first event that it touches.

use barq_engine::journal::{
    ChainFault, Fault, Head, Journal, JournalSettings, Mac, OwnershipError, Replay, ReplayError,
    Sequence,
};

use crate::support::{Server, fill};

on_both!(
    tampering_is_found_where_it_begins,
    outside_heads_show_what_the_chain_cannot,
    a_broken_end_is_not_continued,
    another_key_does_not_verify,
    verifying_can_begin_later,
    a_replay_stops_at_the_fault,
);

const EVENTS: u64 = 9;

const COLUMNS: &str = "at_micros, actor, app, subject, kind, version, payload, batch, mac";

/// What is done, and the first fault that it makes.
fn cases() -> Vec<(String, Sequence, Fault)> {
    let mut cases = moved();
    cases.extend(altered());
    cases
}

/// Events removed, inserted, reordered, cut off or added; the head changed.
fn moved() -> Vec<(String, Sequence, Fault)> {
    let set_head = |sequence: u64| {
        format!(
            "UPDATE journal_head SET sequence = {sequence}, mac = (SELECT mac FROM events WHERE sequence = {sequence});"
        )
    };
    vec![
        // Removed.
        ("DELETE FROM events WHERE sequence = 4;".to_owned(), 4, Fault::Missing),
        ("DELETE FROM events WHERE sequence = 1;".to_owned(), 1, Fault::Missing),
        ("DELETE FROM events WHERE sequence < 4;".to_owned(), 1, Fault::Missing),
        // Removed, and the gap closed.
        (
            "DELETE FROM events WHERE sequence = 4; UPDATE events SET sequence = -sequence + 100 WHERE sequence > 4; \
             UPDATE events SET sequence = 99 - sequence WHERE sequence > 50;"
                .to_owned(),
            4,
            Fault::Altered,
        ),
        // Inserted: a copy after the fifth, the rest moved up.
        (
            format!(
                "UPDATE events SET sequence = 100 + sequence WHERE sequence > 5; UPDATE events SET sequence = sequence - 99 \
                 WHERE sequence > 50; INSERT INTO events (sequence, {COLUMNS}) SELECT 6, {COLUMNS} FROM events WHERE sequence = 5;"
            ),
            6,
            Fault::Altered,
        ),
        // Reordered.
        (
            "UPDATE events SET sequence = 100 WHERE sequence = 3; UPDATE events SET sequence = 3 WHERE sequence = 4; \
             UPDATE events SET sequence = 4 WHERE sequence = 100;"
                .to_owned(),
            3,
            Fault::Altered,
        ),
        // Cut off; with the head put back too.
        ("DELETE FROM events WHERE sequence > 6;".to_owned(), 7, Fault::Truncated),
        ("DELETE FROM events;".to_owned(), 1, Fault::Truncated),
        (format!("DELETE FROM events WHERE sequence > 6; {}", set_head(6)), 6, Fault::HeadAltered),
        // The head alone.
        (set_head(6), 6, Fault::HeadAltered),
        ("UPDATE journal_head SET mac = seal;".to_owned(), EVENTS, Fault::HeadAltered),
        ("UPDATE journal_head SET seal = mac;".to_owned(), EVENTS, Fault::HeadAltered),
        // Added behind the head.
        (
            format!("INSERT INTO events (sequence, {COLUMNS}) SELECT 10, {COLUMNS} FROM events WHERE sequence = 9;"),
            10,
            Fault::BehindHead,
        ),
    ]
}

/// Altered, in each column.
fn altered() -> Vec<(String, Sequence, Fault)> {
    [
        "at_micros = at_micros + 1",
        "at_micros = 9223372036854775807",
        "actor = 'eve'",
        "app = NULL",
        "subject = 'delivery:other-1'",
        "kind = 'other'",
        "version = 2",
        "version = 70000",
        "payload = '{}'",
        "batch = mac",
        "batch = (SELECT batch FROM events WHERE sequence = 2)",
        "mac = batch",
        "mac = (SELECT mac FROM events WHERE sequence = 2)",
    ]
    .into_iter()
    .map(|change| {
        let sql = format!("UPDATE events SET {change} WHERE sequence = 7;");
        (sql, 7, Fault::Altered)
    })
    .collect()
}

async fn tampering_is_found_where_it_begins(server: Server) {
    for (sql, sequence, fault) in cases() {
        let place = server.place().await;
        let writer = place.owner().await;
        fill(&writer, EVENTS).await;
        place.raw(&sql).await;
        let report = writer.journal().verify(1, &[]).await.unwrap();
        assert_eq!(report.fault, Some(ChainFault { sequence, fault }), "{sql}");
        writer.journal().close().await;
        place.end().await;
    }
}

async fn outside_heads_show_what_the_chain_cannot(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let old = fill(&writer, 5).await;
    place
        .raw("CREATE TABLE kept AS SELECT * FROM journal_head")
        .await;
    let new = fill(&writer, 2).await;
    let journal = writer.journal();
    let report = journal.verify(6, &[new, old]).await.unwrap();
    assert_eq!(
        (report.fault, report.outside_heads, report.from),
        (None, 2, 5)
    );

    // The whole database as it was before, seal and all.
    place
        .raw(
            "DELETE FROM events WHERE sequence > 5; UPDATE journal_head SET sequence = (SELECT sequence FROM kept), \
             mac = (SELECT mac FROM kept), seal = (SELECT seal FROM kept);",
        )
        .await;
    assert_eq!(journal.verify(1, &[]).await.unwrap().fault, None);
    let report = journal.verify(1, &[old, new]).await.unwrap();
    let expect = ChainFault {
        sequence: 7,
        fault: Fault::DiffersFromOutside,
    };
    assert_eq!((report.fault, report.outside_heads), (Some(expect), 1));

    let forged = Head {
        sequence: 3,
        mac: Mac::GENESIS,
    };
    let fault = journal.verify(1, &[forged]).await.unwrap().fault.unwrap();
    assert_eq!(
        (fault.sequence, fault.fault),
        (3, Fault::DiffersFromOutside)
    );
    place.end().await;
}

async fn a_broken_end_is_not_continued(server: Server) {
    for sql in [
        "DELETE FROM events WHERE sequence = 9",
        "UPDATE events SET payload = '{}' WHERE sequence = 9",
        "DELETE FROM events WHERE sequence = 8",
        "UPDATE journal_head SET seal = mac",
    ] {
        let place = server.place().await;
        fill(&place.owner().await, EVENTS).await;
        place.raw(sql).await;
        let refused = place.open().await.take_ownership().await;
        assert!(
            matches!(
                refused,
                Err(OwnershipError::HeadDoesNotVerify { sequence: EVENTS })
            ),
            "{sql}: {refused:?}"
        );
        place.end().await;
    }
}

async fn another_key_does_not_verify(server: Server) {
    let place = server.place().await;
    fill(&place.owner().await, 2).await;
    let settings = JournalSettings {
        url: place.url(),
        mac_key: [1; 32],
    };
    let journal = Journal::open(settings).await.unwrap();
    assert!(matches!(
        journal.take_ownership().await,
        Err(OwnershipError::HeadDoesNotVerify { sequence: 2 })
    ));
    let fault = journal.verify(1, &[]).await.unwrap().fault.unwrap();
    assert_eq!((fault.sequence, fault.fault), (1, Fault::Altered));
    place.end().await;
}

async fn verifying_can_begin_later(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let head = fill(&writer, EVENTS).await;
    let journal = writer.journal();
    place
        .raw("UPDATE events SET payload = '{}' WHERE sequence = 3")
        .await;
    for (from, expect) in [
        (0, Some(3)),
        (3, Some(3)),
        (4, None),
        (9, None),
        (10, None),
        (100, None),
    ] {
        let report = journal.verify(from, &[]).await.unwrap();
        assert_eq!(
            report.fault.map(|fault| fault.sequence),
            expect,
            "from {from}"
        );
        if expect.is_none() {
            assert_eq!(report.through, head);
        }
    }
    place.end().await;
}

async fn a_replay_stops_at_the_fault(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    fill(&writer, EVENTS).await;
    let mut replay = writer.journal().replay(Head::EMPTY);
    assert_eq!(replay.next_page().await.unwrap().len(), 9);
    place.raw("DELETE FROM events WHERE sequence = 5").await;
    let mut replay: Replay = writer.journal().replay(Head::EMPTY);
    assert!(matches!(
        replay.next_page().await,
        Err(ReplayError::Broken { sequence: 5 })
    ));
    place.end().await;
}
