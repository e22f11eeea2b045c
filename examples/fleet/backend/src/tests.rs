//! The API as its clients meet it: the real router on a real PostgreSQL. Each test has a database of its own, created
//! and dropped on the server of `DATABASE_URL`.
//!
//! Without a server they are *ignored*, and cargo says so; `scripts/test` brings one and runs them all.

mod support;

use serde_json::{Value, json};
use support::{Client, with_database, with_no_database};

#[test]
#[ignore = "needs PostgreSQL: set DATABASE_URL and pass --include-ignored"]
fn a_delivery_goes_all_the_way() {
    with_database(async |client| {
        let (vehicle, courier, delivery) = client.seed("B 1", 900, 100).await;
        let wish = json!({"delivery_id": delivery, "courier_id": courier, "vehicle_id": vehicle});
        let (status, assignment) = client.post("/api/v1/assignments", &wish).await;
        assert_eq!((status, &assignment["ended_at"]), (201, &Value::Null), "{assignment}");
        let path = format!("/api/v1/deliveries/{delivery}");
        let (_, shown) = client.get(&path).await;
        assert_eq!(shown["status"], "assigned");
        assert_eq!(shown["assignment"]["courier_id"], courier);
        assert_eq!(shown["next"], json!(["picked_up", "cancelled", "failed"]));
        for step in ["picked_up", "delivered"] {
            let (status, shown) = client.post(&format!("{path}/status"), &json!({"status": step})).await;
            assert_eq!((status, &shown["status"]), (200, &json!(step)), "{shown}");
        }
        let (_, assignment) = client.get(&format!("/api/v1/assignments/{}", assignment["id"])).await;
        assert!(assignment["ended_at"].is_string(), "{assignment}");
        let (_, page) = client.get("/api/v1/assignments?open=true").await;
        assert_eq!(page, json!({"items": [], "next": null}));
    });
}

#[test]
#[ignore = "needs PostgreSQL: set DATABASE_URL and pass --include-ignored"]
fn what_the_rules_forbid_is_a_conflict() {
    with_database(async |client| {
        let (vehicle, courier, delivery) = client.seed("B 1", 150, 100).await;
        let path = format!("/api/v1/deliveries/{delivery}/status");
        client.expect_problem(409, client.post(&path, &json!({"status": "delivered"})).await);
        let wish = |delivery: i64, courier: i64| json!({"delivery_id": delivery, "courier_id": courier, "vehicle_id": vehicle});
        assert_eq!(client.post("/api/v1/assignments", &wish(delivery, courier)).await.0, 201);
        client.expect_problem(409, client.post("/api/v1/assignments", &wish(delivery, courier)).await);
        let (_, other_courier, other_delivery) = client.seed("B 2", 900, 100).await;
        let too_heavy = client.post("/api/v1/assignments", &wish(other_delivery, courier)).await;
        assert!(too_heavy.1["detail"].as_str().unwrap().contains("50 kg left"), "{}", too_heavy.1);
        client.expect_problem(409, too_heavy);
        client.expect_problem(409, client.post("/api/v1/assignments", &wish(other_delivery, other_courier)).await);
        for (path, status) in [
            (format!("/api/v1/vehicles/{vehicle}/status"), "retired"),
            (format!("/api/v1/couriers/{courier}/status"), "off_duty"),
        ] {
            client.expect_problem(409, client.put(&path, &json!({"status": status})).await);
        }
        let again = json!({"plate": "b 1", "kind": "van", "capacity_kg": 1});
        client.expect_problem(409, client.post("/api/v1/vehicles", &again).await);
    });
}

#[test]
#[ignore = "needs PostgreSQL: set DATABASE_URL and pass --include-ignored"]
fn what_cannot_be_used_is_named() {
    with_database(async |client| {
        let body = json!({"recipient": "", "pickup": "here", "dropoff": "here", "weight_kg": 0});
        let answer = client.post("/api/v1/deliveries", &body).await;
        let fields: Vec<_> = answer.1["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
        assert_eq!(fields, ["recipient", "weight_kg", "dropoff"]);
        client.expect_problem(422, answer);
        let cases = [
            (422, client.post("/api/v1/vehicles", &json!({"plate": "B", "kind": "boat", "capacity_kg": 1})).await),
            (422, client.post("/api/v1/vehicles", &json!({"plate": "B"})).await),
            (422, client.get("/api/v1/vehicles?limit=0").await),
            (400, client.get("/api/v1/vehicles?status=lost").await),
            (400, client.get("/api/v1/vehicles/one").await),
            (404, client.get("/api/v1/vehicles/77").await),
            (404, client.get("/api/v1/trains").await),
            (405, client.put("/api/v1/vehicles", &json!({})).await),
            (404, client.post("/api/v1/deliveries/77/status", &json!({"status": "picked_up"})).await),
        ];
        for (status, answer) in cases {
            client.expect_problem(status, answer);
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL: set DATABASE_URL and pass --include-ignored"]
fn lists_are_paged_the_newest_first() {
    with_database(async |client| {
        for number in 1..=5 {
            client.seed(&format!("B {number}"), 900, number).await;
        }
        let mut plates = Vec::new();
        let mut path = "/api/v1/vehicles?limit=2&status=active".to_owned();
        loop {
            let (status, page) = client.get(&path).await;
            assert_eq!(status, 200, "{page}");
            plates.extend(page["items"].as_array().unwrap().iter().map(|item| item["plate"].clone()));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/api/v1/vehicles?limit=2&status=active&cursor={next}");
        }
        assert_eq!(plates, ["B 5", "B 4", "B 3", "B 2", "B 1"]);
        assert_eq!(client.get("/api/v1/vehicles?status=retired").await.1["items"], json!([]));
        assert_eq!(client.get("/api/v1/couriers").await.1["items"].as_array().unwrap().len(), 5);
        assert_eq!(client.get("/api/v1/deliveries?status=created").await.1["items"].as_array().unwrap().len(), 5);
    });
}

#[test]
#[ignore = "needs PostgreSQL: set DATABASE_URL and pass --include-ignored"]
fn a_vehicle_is_never_overloaded_by_two_at_once() {
    with_database(async |client| {
        let (vehicle, courier, first) = client.seed("B 1", 150, 100).await;
        let (_, _, second) = client.seed("B 2", 150, 100).await;
        let assign = async |delivery: i64| {
            let wish = json!({"delivery_id": delivery, "courier_id": courier, "vehicle_id": vehicle});
            client.post("/api/v1/assignments", &wish).await.0
        };
        let mut statuses = <[u16; 2]>::from(tokio::join!(assign(first), assign(second)));
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    });
}

#[test]
#[ignore = "needs PostgreSQL: set DATABASE_URL and pass --include-ignored"]
fn health_tells_what_is() {
    with_database(async |client| {
        assert_eq!(client.get("/health/live").await, (200, json!({"status": "alive"})));
        let (status, ready) = client.get("/health/ready").await;
        assert_eq!((status, &ready["status"]), (200, &json!("ready")), "{ready}");
        let (status, detailed) = client.get("/health/detailed").await;
        assert_eq!(status, 200, "{detailed}");
        assert_eq!(detailed["revision"], "fleet-test-00007");
        assert_eq!(detailed["service"], "fleet-test");
        assert!(detailed["database"]["latency_ms"].as_f64().unwrap() > 0.0, "{detailed}");
        assert!(detailed["process"]["memory_bytes"].as_u64().unwrap() > 0, "{detailed}");
    });
}

#[test]
#[ignore = "needs PostgreSQL: set DATABASE_URL and pass --include-ignored"]
fn several_instances_may_start_at_once() {
    with_database(async |client| {
        let starts = (0..8).map(|_| client.migrate());
        let mut tasks = Vec::from_iter(starts.map(Box::pin));
        while let Some(task) = tasks.pop() {
            task.await;
        }
        assert_eq!(client.get("/api/v1/vehicles").await.0, 200);
    });
}

#[test]
fn without_a_database_it_lives_and_is_not_ready() {
    with_no_database(async |client: &Client| {
        assert_eq!(client.get("/health/live").await.0, 200);
        let (status, ready) = client.get("/health/ready").await;
        assert_eq!((status, &ready["status"]), (503, &json!("not_ready")), "{ready}");
        let (status, detailed) = client.get("/health/detailed").await;
        assert_eq!((status, &detailed["revision"]), (503, &json!("fleet-test-00007")), "{detailed}");
        client.expect_problem(503, client.get("/api/v1/vehicles").await);
    });
}

#[test]
fn the_api_describes_itself() {
    with_no_database(async |client: &Client| {
        let (status, description) = client.get("/api/v1/openapi.json").await;
        assert_eq!(status, 200);
        let paths: Vec<_> = description["paths"].as_object().unwrap().keys().cloned().collect();
        for path in ["vehicles", "couriers", "assignments", "deliveries"] {
            assert!(paths.contains(&format!("/api/v1/{path}")), "{paths:?}");
            assert!(paths.contains(&format!("/api/v1/{path}/{{id}}")), "{paths:?}");
        }
        assert!(description["components"]["schemas"]["Problem"].is_object());
    });
}
