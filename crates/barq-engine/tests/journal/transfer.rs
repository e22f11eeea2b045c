//! Backups and portable files: whole or refused.

use barq_engine::journal::{AppendError, BackupError, Head, ImportError, Journal, JournalSettings};

use crate::support::{KEY, Server, assert_intact, batch, fill, open_at};

on_both!(
    a_portable_file_crosses_databases,
    a_bad_file_is_refused_whole,
    a_backup_is_a_whole_copy
);

const EVENTS: u64 = 25;

async fn exported(journal: &Journal) -> Vec<u8> {
    let mut file = Vec::new();
    assert_eq!(
        journal.export(&mut file).await.unwrap(),
        journal.head().await.unwrap()
    );
    file
}

async fn a_portable_file_crosses_databases(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    fill(&writer, EVENTS).await;
    let file = exported(&writer.journal()).await;
    let mut targets = vec![Server::Sqlite];
    targets.extend(Server::postgres());
    for target in targets {
        let target = target.place().await;
        let imported = target.owner().await;
        imported.finish_rebuild(3).await.unwrap();
        let head = imported.import(&mut file.as_slice()).await.unwrap();
        assert_eq!(*imported.journal().subscribe().borrow(), EVENTS);
        assert_eq!(imported.journal().projection_version().await.unwrap(), 0);
        assert_eq!(
            imported.journal().read(0, 100).await.unwrap(),
            writer.journal().read(0, 100).await.unwrap()
        );
        assert_eq!(exported(&imported.journal()).await, file);
        imported.append(head, batch([26])).await.unwrap();
        assert_intact(&imported.journal()).await;
        // Not into a journal that has events.
        let refused = imported.import(&mut file.as_slice()).await;
        assert!(
            matches!(&refused, Err(ImportError::Refused(error)) if matches!(**error, AppendError::Conflict { .. })),
            "{refused:?}"
        );
        target.end().await;
    }
    place.end().await;
}

async fn a_bad_file_is_refused_whole(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    fill(&writer, EVENTS).await;
    let file = String::from_utf8(exported(&writer.journal()).await).unwrap();
    let lines: Vec<&str> = file.lines().collect();
    let without = |index: usize| {
        let mut lines = lines.clone();
        lines.remove(index);
        lines.join("\n")
    };
    let swapped = {
        let mut lines = lines.clone();
        lines.swap(4, 5);
        lines.join("\n")
    };
    let cases = [
        (String::new(), "Header"),
        (without(0), "Header"),
        (file.replacen("\"version\":1", "\"version\":2", 1), "Header"),
        (without(3), "Broken { sequence: 3 }"),
        (swapped, "Broken { sequence: 4 }"),
        (file.replace("actor-1", "actor-9"), "Broken { sequence: 1 }"),
        (without(lines.len() - 2), "Incomplete"),
        (without(lines.len() - 1), "Incomplete"),
        (format!("{file}{file}"), "Incomplete"),
        (
            file.replacen("{\"line\":\"event\"", "{\"line\":\"evnt\"", 1),
            "Line { line: 2",
        ),
        (file[..file.len() / 2].to_owned(), "Line { line:"),
    ];
    let target = server.place().await;
    let empty = target.owner().await;
    for (text, expect) in cases {
        let error = empty.import(&mut text.as_bytes()).await.unwrap_err();
        assert!(
            format!("{error:?}").starts_with(expect),
            "{error:?} is not {expect}"
        );
        assert_eq!(empty.journal().head().await.unwrap(), Head::EMPTY);
        assert_eq!(empty.journal().read(0, 10).await.unwrap(), []);
    }
    empty.import(&mut file.as_bytes()).await.unwrap();
    target.end().await;
    place.end().await;
}

async fn a_backup_is_a_whole_copy(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let head = fill(&writer, EVENTS).await;
    let path = place.path("copy.sqlite");
    let copied = writer.journal().backup_to(&path).await;
    if let Server::Postgres { .. } = server {
        assert!(matches!(copied, Err(BackupError::NotSqlite)));
        return place.end().await;
    }
    copied.unwrap();
    // What is appended later is not in it.
    writer.append(head, batch([26])).await.unwrap();
    let copy = open_at(path.to_str().unwrap().to_owned()).await;
    assert_eq!(copy.head().await.unwrap(), head);
    assert_intact(&copy).await;
    copy.take_ownership()
        .await
        .unwrap()
        .append(head, batch([27]))
        .await
        .unwrap();
    assert!(matches!(
        writer.journal().backup_to(&path).await,
        Err(BackupError::Exists { .. })
    ));
    let nowhere = place.path("none").join("copy.sqlite");
    assert!(writer.journal().backup_to(&nowhere).await.is_err());
    assert!(!place.path("copy.sqlite.partial").exists());
}

#[tokio::test]
async fn addresses_that_are_none() {
    for url in [
        "mysql://localhost/barq",
        "postgres://",
        "/nowhere/journal.sqlite",
    ] {
        let settings = JournalSettings {
            url: url.to_owned(),
            mac_key: KEY,
        };
        assert!(!format!("{settings:?}").contains("42"));
        assert!(
            url == "postgres://" || Journal::open(settings).await.is_err(),
            "{url}"
        );
    }
}
