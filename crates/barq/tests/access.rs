//! Tokens of one's own and links that sign a browser in, on a real server: what each may, how long, and how often.

mod support;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use support::Barq;

/// Asks for a token; the status and the token.
async fn make(barq: &Barq, by: &str, name: &str, role: &str) -> (u16, String) {
    let body = json!({"name": name, "role": role});
    let (status, made) = barq
        .request_as(by, "POST", "/api/v1/tokens", Some(body), None)
        .await;
    (
        status,
        made["token"].as_str().unwrap_or_default().to_owned(),
    )
}

async fn names(barq: &Barq, by: &str) -> Vec<String> {
    let (_, tokens) = barq
        .request_as(by, "GET", "/api/v1/tokens", None, None)
        .await;
    let items = tokens["items"].as_array().cloned().unwrap_or_default();
    let name = |it: &Value| it["name"].as_str().expect("a name").to_owned();
    items.iter().map(name).collect()
}

async fn known(barq: &Barq, token: &str) -> bool {
    let (status, _) = barq
        .request_as(token, "GET", "/api/v1/whoami", None, None)
        .await;
    status == 200
}

async fn revoke(barq: &Barq, by: &str, name: &str) -> u16 {
    let path = format!("/api/v1/tokens/{}", name.replace('/', "%2F"));
    barq.request_as(by, "DELETE", &path, None, None).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn own_tokens_end_with_their_person() {
    let barq = Barq::start().await;
    let admin = barq.token();
    let (_, alice) = make(&barq, &admin, "alice", "operator").await;
    let (_, bob) = make(&barq, &admin, "bob", "developer").await;
    let (status, laptop) = make(&barq, &alice, "alice/laptop", "operator").await;
    assert_eq!(status, 200);
    assert_eq!(make(&barq, &alice, "alice/ci", "tech-lead").await.0, 403);
    assert_eq!(make(&barq, &admin, "alice/ci", "developer").await.0, 403);
    assert_eq!(make(&barq, &bob, "alice/ci", "developer").await.0, 403);
    assert_eq!(make(&barq, &laptop, "alice/ci", "developer").await.0, 403);
    assert_eq!(make(&barq, &alice, "alice/a/b", "developer").await.0, 409);
    assert_eq!(names(&barq, &alice).await, ["alice", "alice/laptop"]);
    assert_eq!(names(&barq, &bob).await, ["bob"]);
    assert_eq!(names(&barq, &admin).await.len(), 4);
    let (_, me) = barq
        .request_as(&laptop, "GET", "/api/v1/whoami", None, None)
        .await;
    assert_eq!(me, json!({"name": "alice/laptop", "role": "operator"}));

    assert_eq!(revoke(&barq, &bob, "alice/laptop").await, 403);
    let (_, phone) = make(&barq, &alice, "alice/phone", "developer").await;
    assert_eq!(revoke(&barq, &alice, "alice/phone").await, 204);
    assert!(!known(&barq, &phone).await && known(&barq, &laptop).await);
    assert_eq!(revoke(&barq, &admin, "alice").await, 204);
    assert!(!known(&barq, &alice).await && !known(&barq, &laptop).await);
    // Also after a restart, and for whoever has the name then.
    barq.kill_server();
    make(&barq, &admin, "alice", "developer").await;
    assert!(!known(&barq, &laptop).await);
}

/// Browsers say where a form comes from.
async fn press(browser: &Client, url: &str) -> reqwest::Response {
    browser
        .post(url)
        .header("sec-fetch-site", "same-origin")
        .send()
        .await
        .expect("an answer")
}

async fn link(barq: &Barq) -> String {
    let output = barq.command(&["web", "--json"]).await;
    let link: Value = serde_json::from_slice(&output.stdout).expect("a link");
    assert!(link["expires_at"].is_string());
    link["url"].as_str().expect("a URL").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_one_browser_in() {
    let barq = Barq::start().await;
    let browser = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .build()
        .expect("a client");
    let url = link(&barq).await;
    assert!(
        url.starts_with(&format!("{}/sign-in/", barq.server)),
        "{url}"
    );
    assert!(url.len() <= 80, "{url}");
    // Whatever looks at it does not use it up.
    for _ in 0..3 {
        let page = browser.get(&url).send().await.expect("a page");
        assert_eq!(page.status(), StatusCode::OK);
        assert!(page.headers().get("set-cookie").is_none());
        assert!(
            page.text()
                .await
                .expect("a page")
                .contains("Sign in as admin")
        );
    }
    // No other site presses the button.
    let foreign = browser.post(&url).header("sec-fetch-site", "cross-site");
    let refused = foreign.send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let signed_in = press(&browser, &url).await;
    assert_eq!(signed_in.status(), StatusCode::SEE_OTHER);
    let cookie = signed_in.headers()["set-cookie"]
        .to_str()
        .expect("a cookie");
    let cookie = cookie.split(';').next().expect("a value").to_owned();
    let home = browser.get(&barq.server).header("cookie", &cookie);
    assert_eq!(home.send().await.expect("a page").status(), StatusCode::OK);
    // Once; and not changed, nor after a restart.
    assert_eq!(press(&browser, &url).await.status(), StatusCode::GONE);
    let again = link(&barq).await;
    let changed = format!("{}x", &again[..again.len() - 1]);
    assert_eq!(press(&browser, &changed).await.status(), StatusCode::GONE);
    barq.kill_server();
    barq.get("/api/v1/whoami").await;
    assert_eq!(press(&browser, &again).await.status(), StatusCode::GONE);
    // A link ends with its token.
    let (_, token) = make(&barq, &barq.token(), "dora", "developer").await;
    let (_, made) = barq
        .request_as(
            &token,
            "POST",
            "/api/v1/sign-in-links",
            Some(json!({})),
            None,
        )
        .await;
    let doras = made["url"].as_str().expect("a URL").to_owned();
    assert_eq!(revoke(&barq, &barq.token(), "dora").await, 204);
    assert_eq!(press(&browser, &doras).await.status(), StatusCode::GONE);
}
