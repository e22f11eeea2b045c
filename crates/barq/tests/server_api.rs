//! The API of a real server: roles, keys, problems, lists, streams, the journal, backup.

mod support;

use std::io::Read as _;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use support::{Barq, Settings, eventually};

async fn token(barq: &Barq, name: &str, role: &str) -> String {
    let body = json!({"name": name, "role": role});
    let (status, made) = barq.post("/api/v1/tokens", body).await;
    assert_eq!(status, 200, "{made:#}");
    made["token"].as_str().expect("a token").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_keys_hold() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    let id = shop.push("good");
    let approve = format!("/api/v1/deliveries/{id}/approve");
    let developer = token(&barq, "dora", "developer").await;

    let (status, _) = barq
        .request_as("barq_wrong", "GET", "/api/v1/whoami", None, None)
        .await;
    assert_eq!(status, 401);
    let (_, me) = barq
        .request_as(&developer, "GET", "/api/v1/whoami", None, None)
        .await;
    assert_eq!(me, json!({"name": "dora", "role": "developer"}));

    // Too early, by whom may not, under a key of another request, of nothing, with fields that nobody knows.
    let (status, early) = barq.post(&approve, json!({})).await;
    assert_eq!(status, 409, "{early:#}");
    barq.delivery_in(&id, &["awaiting_approval"]).await;
    let (status, refused) = barq
        .request_as(&developer, "POST", &approve, Some(json!({})), None)
        .await;
    assert_eq!(status, 403, "{refused:#}");
    assert!(
        refused["hint"]
            .as_str()
            .expect("a hint")
            .contains("tech-lead")
    );
    let (status, _) = barq.post(&approve, json!({"mesage": "typo"})).await;
    assert_eq!(status, 400);
    let (status, unknown) = barq
        .post("/api/v1/deliveries/shop-99/approve", json!({}))
        .await;
    assert_eq!(status, 404, "{unknown:#}");

    let body = || Some(json!({"message": "go"}));
    let (status, first) = barq.request("POST", &approve, body(), Some("key")).await;
    assert_eq!(status, 200, "{first:#}");
    let (status, again) = barq.request("POST", &approve, body(), Some("key")).await;
    assert_eq!((status, &again), (200, &first));
    let other = Some(json!({"message": "another"}));
    let (status, _) = barq.request("POST", &approve, other, Some("key")).await;
    assert_eq!(status, 422);
    // Also after a restart: it took effect, so it is not refused.
    barq.kill_server();
    let (status, after) = barq.request("POST", &approve, body(), Some("key")).await;
    assert_eq!((status, &after["id"]), (200, &json!(id)));
    barq.delivery_in(&id, &["succeeded"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_once_under_a_key() {
    let barq = Barq::start().await;
    let make = async |key| {
        let body = json!({"name": "ci", "role": "operator"});
        barq.request("POST", "/api/v1/tokens", Some(body), Some(key))
            .await
    };
    let (status, first) = make("k").await;
    assert_eq!(status, 200);
    barq.kill_server();
    assert_eq!(make("k").await, (200, first.clone()));
    let (status, taken) = make("l").await;
    assert_eq!(status, 409, "{taken:#}");
    let ci = first["token"].as_str().expect("a token");
    let (_, me) = barq
        .request_as(ci, "GET", "/api/v1/whoami", None, None)
        .await;
    assert_eq!(me["role"], "operator");
    let (status, _) = barq
        .request("DELETE", "/api/v1/tokens/ci", None, None)
        .await;
    assert_eq!(status, 204);
    let (status, _) = barq
        .request_as(ci, "GET", "/api/v1/whoami", None, None)
        .await;
    assert_eq!(status, 401);
    let tokens = barq.get("/api/v1/tokens").await;
    assert_eq!(tokens["items"].as_array().expect("a list").len(), 1);
    // Nothing of the token is on disk but the admin's own file.
    let journal = std::fs::read(barq.data().join("journal.db")).expect("a journal");
    let secret = ci.as_bytes();
    assert!(!journal.windows(secret.len()).any(|window| window == secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_commits_say_why() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    std::fs::write(
        shop.path().join("barq.toml"),
        "service = \"shop\"\nchek = 1\n",
    )
    .expect("written");
    let told = shop.push_to("main", "good");
    assert!(told.contains("remote: barq: delivery shop-1"), "{told}");
    assert!(told.contains("chek"), "{told}");
    let broken = barq.delivery_in("shop-1", &["failed"]).await;
    assert!(
        broken["reason"]
            .as_str()
            .expect("a reason")
            .contains("chek")
    );

    shop.configure(&Settings {
        check: "echo the lamp is off; exit 3".to_owned(),
        ..Settings::default()
    });
    let id = shop.push("good");
    let failed = barq.delivery_in(&id, &["failed"]).await;
    assert_eq!(failed["checks"][0]["state"], "failed");
    assert!(
        failed["reason"]
            .as_str()
            .expect("a reason")
            .contains("status 3")
    );
    let url = format!(
        "{}/api/v1/deliveries/{id}/checks/unit/output?tail_lines=1",
        barq.server
    );
    let output = barq.http().get(url).bearer_auth(barq.token()).send().await;
    let output = output.expect("an answer").text().await.expect("text");
    assert_eq!(output, "the lamp is off\n");

    // Another branch runs the checks and goes no further; a deleted one begins nothing.
    shop.configure(&Settings::default());
    let told = shop.push_to("idea", "good");
    assert!(told.contains("not delivered"), "{told}");
    let idea = barq.delivery_in("shop-3", &["succeeded"]).await;
    assert_eq!(idea["rollouts"], json!([]));
    let told = shop.git(&["push", "barq", ":refs/heads/idea"]);
    assert!(told.contains("is deleted"), "{told}");

    let page = barq.get("/api/v1/deliveries?limit=2").await;
    assert_eq!(page["items"][0]["id"], "shop-3");
    let next = page["next"].as_str().expect("more");
    let page = barq
        .get(&format!("/api/v1/deliveries?limit=2&before={next}"))
        .await;
    assert_eq!(page["items"][0]["id"], "shop-1");
    assert!(page["next"].is_null());
    let idea = barq.get("/api/v1/deliveries?branch=idea").await;
    assert_eq!(idea["items"].as_array().expect("a list").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_nobody_was_told_of_is_found() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    shop.push("good");
    // Past barq: as if the server had died between the push and the hook's report.
    let bare = barq.data().join("git/shop.git");
    std::fs::write(shop.path().join("mode"), "good again").expect("written");
    shop.git(&["commit", "--quiet", "--all", "-m", "In the dark"]);
    let bare = bare.to_str().expect("a path").to_owned();
    shop.git(&[
        "-c",
        "core.hooksPath=/dev/null",
        "push",
        "--quiet",
        "--receive-pack",
        "git -c core.hooksPath=/dev/null receive-pack",
        &bare,
        "HEAD:refs/heads/main",
    ]);
    barq.kill_server();
    let found = eventually("the push is found", async || {
        let (status, it) = barq
            .request("GET", "/api/v1/deliveries/shop-2", None, None)
            .await;
        (status == 200).then_some(it)
    })
    .await;
    assert_eq!(found["message"], "In the dark");
    let all = barq.get("/api/v1/deliveries").await;
    assert_eq!(all["items"].as_array().expect("a list").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_stream_goes_on_where_it_broke() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    let id = shop.push("good");
    barq.delivery_in(&id, &["awaiting_approval"]).await;
    let all = read_events(&barq, 0, usize::MAX).await;
    let sequences: Vec<u64> = all
        .iter()
        .map(|it| it["sequence"].as_u64().expect("one"))
        .collect();
    assert_eq!(sequences, (1..=all.len() as u64).collect::<Vec<_>>());
    let audit = barq.get("/api/v1/audit?limit=500").await;
    let audited = audit["items"].as_array().expect("a list");
    for (streamed, audited) in all.iter().zip(audited) {
        assert_eq!(streamed["message"], audited["message"]);
        assert_eq!(streamed["event"], audited["event"]);
    }
    let newest = barq.get("/api/v1/audit?order=newest&limit=2").await;
    assert_eq!(newest["items"][0]["sequence"], all.len());
    let before = newest["next"].as_str().expect("there are more");
    let older = barq.get(&format!("/api/v1/audit?before={before}")).await;
    assert_eq!(older["items"][0]["sequence"], all.len() - 2);
    let (status, _) = barq
        .request("GET", "/api/v1/audit?order=newest&after=1", None, None)
        .await;
    assert_eq!(status, 400);
    let some = read_events(&barq, 0, 5).await;
    let rest = read_events(&barq, 5, usize::MAX).await;
    assert_eq!([some, rest].concat()[..all.len()], all);

    let (status, verified) = barq
        .post("/api/v1/audit/verify", json!({"heads": []}))
        .await;
    assert_eq!(
        (status, &verified["ok"]),
        (200, &json!(true)),
        "{verified:#}"
    );
    let head = verified["head"].clone();
    let (_, verified) = barq
        .post("/api/v1/audit/verify", json!({"heads": [head]}))
        .await;
    assert_eq!(verified["ok"], true);
    let wrong = json!({"heads": [{"sequence": 1, "mac": "00".repeat(32)}]});
    let (_, verified) = barq.post("/api/v1/audit/verify", wrong).await;
    assert_eq!(verified["ok"], false);
    assert_eq!(verified["problem"]["sequence"], 1);
}

/// Events after one, until so many have come or none comes for a while.
async fn read_events(barq: &Barq, after: u64, count: usize) -> Vec<Value> {
    let url = format!("{}/api/v1/events", barq.server);
    let answer = barq.http().get(url).bearer_auth(barq.token());
    let answer = answer
        .header("last-event-id", after.to_string())
        .send()
        .await;
    let mut stream = answer.expect("an answer").bytes_stream();
    let (mut text, mut events) = (String::new(), Vec::new());
    while events.len() < count {
        let silence = Duration::from_secs(2);
        let Ok(Some(Ok(bytes))) = tokio::time::timeout(silence, stream.next()).await else {
            break;
        };
        text.push_str(&String::from_utf8_lossy(&bytes));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            events.extend(data.map(|data| serde_json::from_str::<Value>(data).expect("JSON")));
            text = rest.to_owned();
        }
    }
    events.truncate(count);
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_can_be_asked() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    let id = barq.release(&shop, "good").await;
    let evidence = barq.get(&format!("/api/v1/deliveries/{id}/evidence")).await;
    assert_eq!(evidence["environment"], "production");
    assert!(evidence["facts"].as_array().expect("facts").len() > 3);
    let path = "/api/v1/services/shop-production";
    let (status, verified) = barq.post(&format!("{path}/verify"), json!({})).await;
    assert_eq!(
        (status, &verified["ok"]),
        (200, &json!(true)),
        "{verified:#}"
    );
    let (status, locked) = barq
        .post(&format!("{path}/lock"), json!({"message": "party"}))
        .await;
    assert_eq!((status, &locked["lock"]["message"]), (200, &json!("party")));
    let (_, open) = barq
        .post(&format!("{path}/unlock"), json!({"message": "over"}))
        .await;
    assert!(open["lock"].is_null());
    let (status, odd) = barq
        .request("GET", &format!("{path}/logs?severity=BOO"), None, None)
        .await;
    assert_eq!(status, 400, "{odd:#}");
    assert!(odd["hint"].as_str().expect("a hint").contains("WARNING"));
    let logs = format!("{}{path}/logs", barq.server);
    let text = eventually("the shop's log", async || {
        let answer = barq
            .http()
            .get(&logs)
            .bearer_auth(barq.token())
            .send()
            .await;
        let text = answer.ok()?.text().await.ok()?;
        (!text.is_empty()).then_some(text)
    })
    .await;
    let line: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!(line["severity"], "INFO");
    let healthy = barq.get("/health/detailed").await;
    assert_eq!(healthy["status"], "healthy");
    let metrics = format!("{}/metrics", barq.server);
    let metrics = barq.http().get(metrics).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("barq_node_visible 1"), "{metrics}");
    backup_is_whole(&barq).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_shows_its_lock_until_it_is_lifted() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    barq.release(&shop, "good too").await;
    load.stop().await;
    let path = "/api/v1/services/shop-production";
    let (status, back) = barq
        .post(&format!("{path}/rollback"), json!({"reason": "slow"}))
        .await;
    assert_eq!(status, 200, "{back:#}");
    let service = eventually("the lock of the rollback", async || {
        let service = barq.get(path).await;
        service["lock"].is_object().then_some(service)
    })
    .await;
    assert_eq!(service["lock"]["by"], "barq");
    let message = service["lock"]["message"].as_str().expect("a message");
    assert!(
        message.contains("shop-2-production was rolled back"),
        "{message}"
    );
    let (status, open) = barq.post(&format!("{path}/unlock"), json!({})).await;
    assert_eq!(status, 200, "{open:#}");
    assert!(open["lock"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_stays_in_its_app() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    let id = shop.push("good");
    barq.delivery_in(&id, &["awaiting_approval"]).await;
    // Nothing has entered production yet; an app that there is not has none.
    let cases = [("other", 404), ("shop", 200)];
    for (app, expected) in cases {
        let body = json!({"message": "audit", "app": app});
        let (status, answer) = barq.post("/api/v1/services/production/lock", body).await;
        assert_eq!(status, expected, "{app}: {answer:#}");
    }
    let service = barq.get("/api/v1/services/shop-production").await;
    assert_eq!(service["lock"]["message"], "audit", "{service:#}");
}

async fn backup_is_whole(barq: &Barq) {
    let url = format!("{}/api/v1/backup", barq.server);
    let answer = barq.http().post(url).bearer_auth(barq.token()).send().await;
    let bytes = answer.expect("an answer").bytes().await.expect("all of it");
    let mut names = Vec::new();
    let mut archive = tar::Archive::new(bytes.as_ref());
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a path").to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("whole");
        names.push(name);
    }
    let first = [
        "barq-backup.json",
        "server.key",
        "admin.token",
        "journal.db",
    ];
    assert_eq!(names[..4], first);
    for begin in [
        "git/shop.git/HEAD",
        "git/shop.git/objects/",
        "blobs/",
        "revisions/",
    ] {
        assert!(
            names.iter().any(|name| name.starts_with(begin)),
            "{names:#?}"
        );
    }
}
