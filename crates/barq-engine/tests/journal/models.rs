//! The read models: written with the events, paged, emptied and filled again.

use barq_engine::journal::{
    Batch, DeliveryFilter, DeliveryRow, Document, Head, IncidentFilter, IncidentRow, Journal,
    JournalWriter, ReadModel, ReadModelChange, TokenRow,
};

use crate::support::{Server, at, batch};

on_both!(
    deliveries_are_paged,
    incidents_are_paged,
    tokens_and_settings,
    models_are_emptied_and_filled_again,
);

fn delivery(app: &str, number: u32, state: &str) -> DeliveryRow {
    DeliveryRow {
        id: format!("{app}-{number}"),
        app: app.to_owned(),
        number,
        state: state.to_owned(),
        commit_hash: format!("commit-{number}"),
        // The clock was set back meanwhile.
        created_at: at(-i64::from(number)),
        finished_at: (state == "succeeded").then(|| at(5)),
        document: Document::encode(&number).unwrap(),
    }
}

/// Twelve deliveries of two apps; the newest of `fleet` is written once more by a later append.
async fn fill_deliveries(writer: &JournalWriter) {
    let mut changes = Vec::new();
    for number in 1..=12 {
        let state = if number % 2 == 0 {
            "succeeded"
        } else {
            "checking"
        };
        changes.push(ReadModelChange::PutDelivery(delivery(
            "fleet", number, state,
        )));
        changes.push(ReadModelChange::PutDelivery(delivery(
            "other", number, "failed",
        )));
    }
    let head = writer
        .append(
            Head::EMPTY,
            Batch {
                changes,
                ..batch([1])
            },
        )
        .await
        .unwrap()
        .head;
    let again = ReadModelChange::PutDelivery(delivery("fleet", 12, "rolled_back"));
    writer
        .append(
            head,
            Batch {
                changes: vec![again],
                ..batch([2, 3])
            },
        )
        .await
        .unwrap();
}

/// All pages, each as its ids; pages are turned as a client of the API would, by way of text.
async fn pages(journal: &Journal, filter: DeliveryFilter, limit: usize) -> Vec<String> {
    let mut pages = Vec::new();
    let mut next = None;
    loop {
        let page = journal
            .list_deliveries(&filter, next.as_ref(), limit)
            .await
            .unwrap();
        pages.push(
            page.items
                .iter()
                .map(|item| item.row.id.clone())
                .collect::<Vec<_>>()
                .join(" "),
        );
        next = page.next.map(|next| next.to_string().parse().unwrap());
        if next.is_none() {
            return pages;
        }
    }
}

fn filter(app: Option<&str>, states: &[&str]) -> DeliveryFilter {
    DeliveryFilter {
        app: app.map(str::to_owned),
        states: states.iter().map(|&state| state.to_owned()).collect(),
        commit_hash: None,
    }
}

async fn deliveries_are_paged(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    fill_deliveries(&writer).await;

    let journal = writer.journal();
    let stored = journal.delivery("fleet-12").await.unwrap().unwrap();
    assert_eq!(
        (stored.sequence, stored.row),
        (3, delivery("fleet", 12, "rolled_back"))
    );
    assert_eq!(journal.delivery("fleet-13").await.unwrap(), None);

    assert_eq!(
        pages(&journal, filter(Some("fleet"), &[]), 5).await,
        [
            "fleet-12 fleet-11 fleet-10 fleet-9 fleet-8",
            "fleet-7 fleet-6 fleet-5 fleet-4 fleet-3",
            "fleet-2 fleet-1"
        ]
    );
    assert_eq!(
        pages(&journal, filter(Some("fleet"), &["succeeded"]), 5).await,
        ["fleet-10 fleet-8 fleet-6 fleet-4 fleet-2"]
    );
    assert_eq!(
        pages(&journal, filter(None, &["succeeded", "rolled_back"]), 4).await,
        ["fleet-2 fleet-4 fleet-6 fleet-8", "fleet-10 fleet-12"]
    );
    assert_eq!(
        pages(&journal, filter(None, &[]), 20).await[1],
        "other-11 fleet-11 other-12 fleet-12"
    );
    assert_eq!(pages(&journal, filter(Some("none"), &[]), 5).await, [""]);
    let commit = DeliveryFilter {
        commit_hash: Some("commit-3".to_owned()),
        ..DeliveryFilter::default()
    };
    assert_eq!(pages(&journal, commit, 5).await, ["other-3 fleet-3"]);
    place.end().await;
}

async fn incidents_are_paged(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let incident = |number: i64| IncidentRow {
        id: format!("incident-{number}"),
        app: format!("app-{}", number % 2),
        environment: "production".to_owned(),
        // Two at a time.
        opened_at: at(number / 2),
        state: "open".to_owned(),
        document: Document::encode(&number).unwrap(),
    };
    let changes = (1..=5)
        .map(|number| ReadModelChange::PutIncident(incident(number)))
        .collect();
    writer
        .append(
            Head::EMPTY,
            Batch {
                changes,
                ..batch([1])
            },
        )
        .await
        .unwrap();
    let journal = writer.journal();
    let all = IncidentFilter::default();
    let first = journal.list_incidents(&all, None, 2).await.unwrap();
    let ids = |page: &barq_engine::journal::Page<IncidentRow, _>| {
        page.items
            .iter()
            .map(|item| item.row.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&first), ["incident-5", "incident-4"]);
    let second = journal
        .list_incidents(&all, first.next.as_ref(), 3)
        .await
        .unwrap();
    assert_eq!(ids(&second), ["incident-3", "incident-2", "incident-1"]);
    assert_eq!(second.next, None);
    let of_app = IncidentFilter {
        app: Some("app-0".to_owned()),
        environment: Some("production".to_owned()),
        states: vec!["open".to_owned()],
    };
    assert_eq!(
        ids(&journal.list_incidents(&of_app, None, 9).await.unwrap()),
        ["incident-4", "incident-2"]
    );
    assert_eq!(
        journal.incident("incident-3").await.unwrap().unwrap().row,
        incident(3)
    );
    place.end().await;
}

fn token(name: &str, revoked: bool) -> TokenRow {
    TokenRow {
        name: name.to_owned(),
        role: "admin".to_owned(),
        hash: format!("hash of {name}"),
        created_at: at(1),
        revoked_at: revoked.then(|| at(2)),
    }
}

fn setting(key: &str, value: &str) -> ReadModelChange {
    ReadModelChange::PutSetting {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

async fn tokens_and_settings(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let changes = vec![
        ReadModelChange::PutToken(token("b", false)),
        ReadModelChange::PutToken(token("a", false)),
        ReadModelChange::PutToken(token("b", true)),
        ReadModelChange::PutToken(token("c", true)),
        ReadModelChange::RemoveToken("c".to_owned()),
        setting("public_url", "http://a"),
        setting("public_url", "http://b"),
        setting("gone", ""),
        ReadModelChange::RemoveSetting("gone".to_owned()),
    ];
    writer
        .append(
            Head::EMPTY,
            Batch {
                changes,
                ..batch([1])
            },
        )
        .await
        .unwrap();
    let journal = writer.journal();
    let names: Vec<TokenRow> = journal
        .list_tokens(None, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|stored| stored.row)
        .collect();
    assert_eq!(names, [token("a", false), token("b", true)]);
    assert_eq!(
        journal.list_tokens(Some("a"), 10).await.unwrap()[0].row,
        token("b", true)
    );
    assert_eq!(
        journal
            .token_by_hash("hash of b")
            .await
            .unwrap()
            .unwrap()
            .row,
        token("b", true)
    );
    assert_eq!(journal.token_by_hash("b").await.unwrap(), None);
    assert_eq!(
        journal.setting("public_url").await.unwrap().as_deref(),
        Some("http://b")
    );
    assert_eq!(journal.setting("gone").await.unwrap(), None);
    place.end().await;
}

async fn models_are_emptied_and_filled_again(server: Server) {
    let place = server.place().await;
    let writer = place.owner().await;
    let journal = writer.journal();
    assert_eq!(journal.projection_version().await.unwrap(), 0);
    writer.finish_rebuild(1).await.unwrap();
    let put = ReadModelChange::PutDelivery(delivery("fleet", 1, "checking"));
    let changes = vec![put.clone(), setting("key", "value")];
    writer
        .append(
            Head::EMPTY,
            Batch {
                changes,
                ..batch([1])
            },
        )
        .await
        .unwrap();
    assert_eq!(journal.projection_version().await.unwrap(), 1);

    writer
        .start_rebuild(&[
            ReadModel::Deliveries,
            ReadModel::Incidents,
            ReadModel::Tokens,
        ])
        .await
        .unwrap();
    assert_eq!(place.open().await.projection_version().await.unwrap(), 0);
    assert_eq!(journal.delivery("fleet-1").await.unwrap(), None);
    assert_eq!(
        journal.setting("key").await.unwrap().as_deref(),
        Some("value")
    );
    writer.refill(&[(1, put)]).await.unwrap();
    writer.finish_rebuild(2).await.unwrap();
    assert_eq!(journal.projection_version().await.unwrap(), 2);
    assert_eq!(
        journal.delivery("fleet-1").await.unwrap().unwrap().sequence,
        1
    );
    place.end().await;
}
