//! A damaged file is an error, loud and at the start, and never an empty journal.

use std::fs;

use barq_engine::journal::{
    Head, Journal, JournalSettings, OpenError, OwnershipError, ReplayError,
};

use crate::support::{KEY, Server, batch, fill};

/// Events, so many that they fill pages of their own.
const EVENTS: u64 = 500;

/// What was wrong, by the step of a start that found it; none where all went well.
async fn start(url: String) -> Option<String> {
    let mac_key = KEY;
    let journal = match Journal::open(JournalSettings { url, mac_key }).await {
        Ok(journal) => journal,
        Err(error) => return Some(opening(&error).to_owned()),
    };
    let found = match journal.take_ownership().await {
        Err(OwnershipError::HeadDoesNotVerify { .. }) => {
            Some("the head does not verify".to_owned())
        }
        Err(OwnershipError::Storage(_)) => Some("it can't be read".to_owned()),
        Ok(_) => replay(&journal)
            .await
            .err()
            .map(|error| replaying(&error).to_owned()),
    };
    journal.close().await;
    found
}

async fn replay(journal: &Journal) -> Result<u64, ReplayError> {
    let mut replay = journal.replay(Head::EMPTY);
    let mut events = 0;
    loop {
        let page = replay.next_page().await?;
        if page.is_empty() {
            return Ok(events);
        }
        events += page.len() as u64;
    }
}

fn opening(error: &OpenError) -> &'static str {
    match error {
        OpenError::Create { .. } => "it can't be made",
        OpenError::Migrate(_) | OpenError::Storage(_) => "it can't be opened",
        OpenError::UnknownAddress { .. } | OpenError::BadAddress(_) => "it has no address",
    }
}

fn replaying(error: &ReplayError) -> &'static str {
    match error {
        ReplayError::Storage(_) => "it can't be read",
        _ => "the chain is broken",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_is_no_empty_journal() {
    let place = Server::Sqlite.place().await;
    let writer = place.owner().await;
    let head = fill(&writer, EVENTS).await;
    assert!(head != Head::EMPTY && writer.append(head, batch([EVENTS + 1])).await.is_ok());
    writer.journal().close().await;
    let whole = fs::read(place.file()).unwrap();
    assert_eq!(start(place.url()).await, None);

    let half = whole[..whole.len() / 2].to_vec();
    let mut header = whole.clone();
    header[..100].fill(b'x');
    let mut middle = whole.clone();
    let third = whole.len() / 3;
    middle[third..2 * third].fill(0);
    for (name, damaged) in [("half", half), ("header", header), ("middle", middle)] {
        for rest in ["journal.sqlite-wal", "journal.sqlite-shm"] {
            drop(fs::remove_file(place.path(rest)));
        }
        fs::write(place.file(), &damaged).unwrap();
        let found = start(place.url()).await;
        assert!(found.is_some(), "{name}: nobody noticed");
        println!("{name}: {}", found.unwrap());
    }
}
