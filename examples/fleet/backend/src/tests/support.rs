//! A client of the router, and a database for a test.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a test's helper: failing is its way to tell")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crate::config::Config;
use crate::server::router;
use crate::state::App;
use crate::store::{Schema, keep_trying};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt;

const MIGRATION_MAX: Duration = Duration::from_secs(20);

/// Speaks to a router as a client speaks to a server.
pub(crate) struct Client {
    router: Router,
    config: Config,
}

/// A status and a JSON body; null where there is none.
pub(crate) type Answer = (u16, Value);

impl Client {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Body::from(body.to_string())).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, Body::from(body.to_string())).await
    }

    /// A vehicle, a courier and a delivery; their numbers.
    pub(crate) async fn seed(&self, plate: &str, capacity_kg: i32, weight_kg: i32) -> (i64, i64, i64) {
        let id = |(status, body): Answer| {
            assert_eq!(status, 201, "{body}");
            body["id"].as_i64().unwrap()
        };
        let phone =
            format!("+9617{:07}", plate.bytes().fold(0, |number, byte| number * 31 + u32::from(byte)) % 10_000_000);
        let vehicle = json!({"plate": plate, "kind": "van", "capacity_kg": capacity_kg});
        let courier = json!({"name": format!("driver of {plate}"), "phone": phone});
        let delivery = json!({"recipient": "Ali", "pickup": "Hamra 1", "dropoff": "Verdun 2", "weight_kg": weight_kg});
        (
            id(self.post("/api/v1/vehicles", &vehicle).await),
            id(self.post("/api/v1/couriers", &courier).await),
            id(self.post("/api/v1/deliveries", &delivery).await),
        )
    }

    /// Fails unless the answer is a problem document of this status.
    pub(crate) fn expect_problem(&self, status: u16, answer: Answer) {
        assert_eq!((answer.0, &answer.1["status"]), (status, &json!(status)), "{}", answer.1);
        assert!(answer.1["type"].as_str().unwrap().starts_with("urn:fleet:problem:"), "{}", answer.1);
    }

    /// What an instance does when it starts.
    pub(crate) async fn migrate(&self) {
        let (sender, schema) = watch::channel(Schema::Waiting(String::new()));
        let done = tokio::time::timeout(MIGRATION_MAX, keep_trying(self.config.database.clone(), sender)).await;
        assert!(done.is_ok() && *schema.borrow() == Schema::Current, "{:?}", *schema.borrow());
    }

    async fn send(&self, method: &str, path: &str, body: Body) -> Answer {
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        assert!(response.headers().contains_key("x-request-id"));
        let is_problem = response.headers()[header::CONTENT_TYPE] == "application/problem+json";
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert_eq!(is_problem, body["type"].is_string(), "{body}");
        (status, body)
    }
}

/// Runs a test on a database of its own, which is dropped whatever becomes of the test.
pub(crate) fn with_database(test: impl AsyncFnOnce(&Client)) {
    let server =
        std::env::var("DATABASE_URL").expect("set DATABASE_URL to a PostgreSQL where databases may be created");
    let name = format!("fleet_test_{}", uuid::Uuid::new_v4().simple());
    let runtime = Runtime::new().unwrap();
    let administer = async |statement: String| {
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    };
    runtime.block_on(administer(format!("CREATE DATABASE {name}")));
    let (base, _) = server.rsplit_once('/').unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let (client, app) = client(&format!("{base}/{name}"), Schema::Current);
            client.migrate().await;
            test(&client).await;
            app.store.close().await;
        });
    }));
    runtime.block_on(administer(format!("DROP DATABASE {name} WITH (FORCE)")));
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
}

/// Runs a test on an instance whose database does not answer: port 1 of the loopback refuses connections.
pub(crate) fn with_no_database(test: impl AsyncFnOnce(&Client)) {
    Runtime::new().unwrap().block_on(async {
        let waiting = Schema::Waiting("not yet".to_owned());
        test(&client("postgres://fleet@127.0.0.1:1/fleet", waiting).0).await;
    });
}

fn client(database: &str, schema: Schema) -> (Client, App) {
    let variables = [("DATABASE_URL", database), ("K_SERVICE", "fleet-test"), ("K_REVISION", "fleet-test-00007")];
    let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let config = Config::from_lookup(lookup).unwrap();
    let app = App::new(&config, watch::channel(schema).1, watch::channel(false).1);
    (Client { router: router(app.clone(), &config), config }, app)
}
