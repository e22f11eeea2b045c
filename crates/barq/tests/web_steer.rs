//! The wheel in the browser, as HTTP sees it: signed in by a cookie, forms as they stand on the pages, a real server.

mod support;

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use serde_json::json;
use support::{Barq, Settings, eventually};

/// Somebody's browser, without script.
struct Browser<'a> {
    barq: &'a Barq,
    http: reqwest::Client,
    cookie: String,
}

/// What a browser got.
struct Page {
    status: u16,
    /// Where it is sent on to.
    to: String,
    text: String,
}

/// A form as it stands on a page.
struct Form {
    action: String,
    fields: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    async fn sign_in(barq: &'a Barq, token: &str) -> Self {
        let mut browser = Self {
            barq,
            http: client(),
            cookie: String::new(),
        };
        let fields = BTreeMap::from([("token".to_owned(), token.to_owned())]);
        let answer = browser
            .request("/sign-in", &fields, "same-origin")
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 303);
        let cookie = answer.headers()[SET_COOKIE].to_str().expect("text");
        browser.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        browser
    }

    async fn request(
        &self,
        path: &str,
        fields: &BTreeMap<String, String>,
        site: &str,
    ) -> reqwest::Result<reqwest::Response> {
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let url = format!("{}{path}", self.barq.server);
        self.http
            .post(url)
            .header(COOKIE, &self.cookie)
            .header("sec-fetch-site", site)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"))
            .send()
            .await
    }

    async fn get(&self, path: &str) -> Page {
        let url = format!("{}{path}", self.barq.server);
        let request = self.http.get(url).header(COOKIE, &self.cookie);
        page(request.send().await.expect("an answer")).await
    }

    /// Sends a form as its page would.
    async fn send(&self, form: &Form) -> Page {
        let answer = self.request(&form.action, &form.fields, "same-origin");
        page(answer.await.expect("an answer")).await
    }

    /// The form of a page that goes to an address.
    async fn form(&self, path: &str, action: &str) -> Form {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        form(&page.text, action).unwrap_or_else(|| panic!("no {action} in {}", page.text))
    }
}

/// One that follows no redirect.
fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    let builder = builder.redirect(reqwest::redirect::Policy::none());
    builder.build().expect("a client")
}

async fn page(answer: reqwest::Response) -> Page {
    let to = answer
        .headers()
        .get(LOCATION)
        .map(|to| to.to_str().expect("text").to_owned());
    Page {
        status: answer.status().as_u16(),
        to: to.unwrap_or_default(),
        text: answer.text().await.expect("a page"),
    }
}

/// Reads the form's hidden fields; what people fill in is left empty.
fn form(page: &str, action: &str) -> Option<Form> {
    let (_, rest) = page.split_once(&format!("method=\"post\" action=\"{action}\""))?;
    let (form, _) = rest.split_once("</form>")?;
    let inputs = form.split("<input type=\"hidden\" ").skip(1);
    let fields = inputs.filter_map(|input| {
        let name = input.split("name=\"").nth(1)?.split('"').next()?;
        let value = input.split("value=\"").nth(1)?.split('"').next()?;
        Some((
            name.to_owned(),
            value.replace("&quot;", "\"").replace("&amp;", "&"),
        ))
    });
    Some(Form {
        action: action.to_owned(),
        fields: fields.collect(),
    })
}

impl Form {
    fn saying(mut self, message: &str) -> Self {
        self.fields.insert("message".to_owned(), message.to_owned());
        self
    }
}

fn encoded(text: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match safe(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

async fn token(barq: &Barq, name: &str, role: &str) -> String {
    let body = json!({"name": name, "role": role});
    let (status, made) = barq.post("/api/v1/tokens", body).await;
    assert_eq!(status, 200, "{made:#}");
    made["token"].as_str().expect("a token").to_owned()
}

/// Who did what, as the journal has it, newest first.
async fn journal(barq: &Barq, event: &str) -> Vec<String> {
    let entries = barq.get("/api/v1/audit?limit=500").await;
    let entries = entries["items"].as_array().expect("a list").clone();
    let of_kind = entries.iter().filter(|entry| entry["event"] == event);
    of_kind
        .map(|entry| entry["actor"].as_str().expect("a name").to_owned())
        .collect()
}

/// Holds that last until somebody does something.
fn slow() -> Settings {
    Settings {
        steps: "{ traffic = 10, hold = \"5m\", max_errors = 5 }, { traffic = 50, hold = \"5m\", max_errors = 10 }, { traffic = 100 }".to_owned(),
        ..Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_one_session_and_its_copies_for_good() {
    let mut barq = Barq::start().await;
    let olga = token(&barq, "olga", "operator").await;
    let (copy, other) = {
        let browser = Browser::sign_in(&barq, &olga).await;
        let other = Browser::sign_in(&barq, &olga).await;
        assert_eq!(browser.get("/tokens").await.status, 200);
        let out = Form {
            action: "/sign-out".to_owned(),
            fields: BTreeMap::new(),
        };
        assert_eq!(browser.send(&out).await.to, "/sign-in");
        // The browser forgets its cookie; this one did not.
        assert_eq!(browser.get("/tokens").await.to, "/sign-in?then=/tokens");
        assert_eq!(other.get("/tokens").await.status, 200);
        (browser.cookie, other.cookie)
    };
    barq.restart_after_a_kill().await;
    let with = |cookie| Browser {
        barq: &barq,
        http: client(),
        cookie,
    };
    assert_eq!(with(copy).get("/tokens").await.to, "/sign-in?then=/tokens");
    assert_eq!(with(other).get("/tokens").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_is_opened_once_and_by_who_may() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    let _load = barq.load("shop-production");
    let id = shop.push("fine");
    let review = format!("/deliveries/{id}/review");
    let approve = format!("/deliveries/{id}/approve");
    barq.delivery_in(&id, &["awaiting_approval"]).await;

    // Who may not sees why, and is refused by the engine whatever the form says.
    let dora = Browser::sign_in(&barq, &token(&barq, "dora", "developer").await).await;
    let seen = dora.get(&review).await;
    assert!(
        seen.text
            .contains("Needs the role tech-lead; you are developer"),
        "{}",
        seen.text
    );
    assert!(
        seen.text
            .contains("disabled aria-describedby=\"why-not-approve\"")
    );
    let tess = Browser::sign_in(&barq, &token(&barq, "tess", "tech-lead").await).await;
    let form = tess.form(&review, &approve).await.saying("looks good");
    let refused = dora.send(&form).await;
    assert_eq!(refused.status, 403, "{}", refused.text);

    // The page has what is decided about: the commit, the file, the warning-free gate.
    let seen = tess.get(&review).await.text;
    for part in [
        "Be fine",
        "mode",
        "<ins>+fine",
        "shop-production-00001",
        "smoke tests",
    ] {
        assert!(seen.contains(part), "no {part} in {seen}");
    }
    assert!(seen.len() < 100_000);

    // Another site's form, and one that does not say what it was made from, do nothing.
    let foreign = tess.request(&approve, &form.fields, "cross-site").await;
    assert_eq!(foreign.expect("an answer").status(), 403);
    let nothing = BTreeMap::new();
    let blind = tess.request(&approve, &nothing, "same-origin").await;
    assert_eq!(blind.expect("an answer").status(), 409);
    assert!(journal(&barq, "delivery.approved").await.len() == 1);

    // Two clicks at once, and one much later, are one approval with one answer.
    let (first, second) = tokio::join!(tess.send(&form), tess.send(&form));
    let wanted = format!("/deliveries/{id}?done=approve");
    for answer in [&first, &second] {
        assert_eq!(
            (answer.status, &answer.to),
            (303, &wanted),
            "{}",
            answer.text
        );
    }
    barq.delivery_in(&id, &["succeeded"]).await;
    assert_eq!(tess.send(&form).await.status, 303);
    assert_eq!(journal(&barq, "delivery.approved").await, ["admin", "tess"]);
    let after = tess.get(&wanted).await;
    assert!(after.text.contains("id=\"done\""), "{}", after.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_page_is_told_what_changed() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    let id = shop.push("good");
    barq.delivery_in(&id, &["awaiting_approval"]).await;
    let tess = Browser::sign_in(&barq, &token(&barq, "tess", "tech-lead").await).await;
    let review = format!("/deliveries/{id}/review");
    let approve = tess
        .form(&review, &format!("/deliveries/{id}/approve"))
        .await;
    let reject_path = format!("/deliveries/{id}/reject");

    // What was said on the review page is taken along to the page that asks.
    let asked = tess
        .get(&format!("{reject_path}?message=not%20today"))
        .await;
    assert!(
        asked.text.contains("not today</textarea>"),
        "{}",
        asked.text
    );
    let reject = form(&asked.text, &reject_path)
        .expect("a form")
        .saying("not today");
    let admin = Browser::sign_in(&barq, &barq.token()).await;
    let theirs = admin.form(&reject_path, &reject_path).await.saying("no");
    assert_eq!(admin.send(&theirs).await.status, 303);

    for stale in [&approve, &reject] {
        let answer = tess.send(stale).await;
        assert_eq!(answer.status, 409, "{}", answer.text);
        for part in [
            "it has changed since you looked",
            "<strong>admin</strong>",
            "rejected: no",
        ] {
            assert!(answer.text.contains(part), "no {part} in {}", answer.text);
        }
    }
    assert_eq!(journal(&barq, "delivery.rejected").await, ["admin"]);

    // The same commit again.
    let retry = admin
        .form(
            &format!("/deliveries/{id}"),
            &format!("/deliveries/{id}/retry"),
        )
        .await;
    let (first, second) = (admin.send(&retry).await, admin.send(&retry).await);
    assert_eq!(first.to, "/deliveries/shop-2?done=retry");
    assert_eq!(second.to, first.to);
    let (status, _) = barq
        .request("GET", "/api/v1/deliveries/shop-3", None, None)
        .await;
    assert_eq!(status, 404);
}

/// A form to pause a rollout that has gone on to its step of 50 % since.
async fn paused_elsewhere(browser: &Browser<'_>, pause: &Form, path: &str) {
    let paused = browser.send(pause).await;
    assert_eq!(paused.to, format!("{path}?done=pause-after-change"));
    let told = browser.get(&paused.to).await.text;
    assert!(told.contains("Paused, though not where your page showed it"));
    assert!(told.contains("It stands at 50 % of the traffic."), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_is_paused_promoted_and_aborted() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    shop.configure(&slow());
    let id = shop.push("fine");
    barq.approve(&id).await;
    let rollout = format!("{id}-production");
    let path = format!("/rollouts/{rollout}");
    let _load = barq.load("shop-production");
    barq.rollout_in(&rollout, &["canary"]).await;
    let olga = Browser::sign_in(&barq, &token(&barq, "olga", "operator").await).await;

    let pause = olga.form(&path, &format!("{path}/pause")).await;
    let promote = olga.form(&path, &format!("{path}/promote")).await;
    for _ in 0..2 {
        assert_eq!(olga.send(&pause).await.to, format!("{path}?done=pause"));
    }
    barq.rollout_in(&rollout, &["paused"]).await;
    let resume = olga.form(&path, &format!("{path}/resume")).await;
    let otto = Browser::sign_in(&barq, &token(&barq, "otto", "operator").await).await;
    let stale = otto.form(&path, &format!("{path}/resume")).await;
    for _ in 0..2 {
        assert_eq!(olga.send(&resume).await.status, 303);
    }
    barq.rollout_in(&rollout, &["canary"]).await;
    // Paused again after that: it is another asking, though its form is the same.
    assert_eq!(olga.send(&pause).await.status, 303);
    barq.rollout_in(&rollout, &["paused"]).await;
    assert_eq!(journal(&barq, "rollout.paused").await, ["olga", "olga"]);
    // A page of the first pause does not undo the second, which may have another reason.
    let refused = otto.send(&stale).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text.contains("<strong>olga</strong>: "));

    // And one from before it sends no more traffic there.
    assert_eq!(olga.send(&promote).await.status, 409);
    let promote = olga.form(&path, &format!("{path}/promote")).await;
    // Two clicks on the way to step 2 do not lead to step 3.
    let (first, second) = tokio::join!(olga.send(&promote), olga.send(&promote));
    assert_eq!((first.status, second.status), (303, 303), "{}", second.text);
    eventually("step 2", async || {
        let now = barq.get(&format!("/api/v1/rollouts/{rollout}")).await;
        (now["step"] == 2).then_some(())
    })
    .await;
    assert_eq!(journal(&barq, "rollout.promoted").await, ["olga"]);
    // A pause only holds up what goes on: it is not lost to a page of another step, and says that it was.
    paused_elsewhere(&olga, &pause, &path).await;

    // It asks once, in words; a developer is told who may.
    let asked = olga.get(&format!("{path}/abort")).await;
    let words = "All traffic goes back from shop-production-00002 to shop-production-00001.";
    assert!(asked.text.contains(words), "{}", asked.text);
    let dora = Browser::sign_in(&barq, &token(&barq, "dora", "developer").await).await;
    let refused = dora.get(&format!("{path}/abort")).await;
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .text
            .contains("Needs the role operator; you are developer")
    );
    let abort = form(&asked.text, &format!("{path}/abort")).expect("a form");
    let done = olga.send(&abort.saying("not today")).await;
    assert_eq!(done.to, format!("{path}?done=abort"), "{}", done.text);
    let ended = barq.rollout_in(&rollout, &["aborted"]).await;
    let reason = ended["rollback"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("not today"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_rolled_back_locked_and_unlocked() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    let _load = barq.load("shop-production");
    barq.release(&shop, "fine").await;
    let olga = Browser::sign_in(&barq, &token(&barq, "olga", "operator").await).await;
    let path = "/services/shop-production";
    let roll_back = format!("{path}/rollback");

    let asked = olga.get(&roll_back).await.text;
    for part in [
        "All traffic goes back from shop-production-00002 to shop-production-00001.",
        "An incident is opened",
        "Roll back to 00001",
    ] {
        assert!(asked.contains(part), "no {part} in {asked}");
    }
    let old = form(&asked, &roll_back)
        .expect("a form")
        .saying("it is slow");
    let (first, second) = tokio::join!(olga.send(&old), olga.send(&old));
    let seen = "/rollouts/shop-2-production?done=rollback";
    for answer in [first, second] {
        assert!(
            answer.status == 303 && answer.to.starts_with(seen),
            "{}: {}",
            answer.to,
            answer.text
        );
    }
    let ended = barq.rollout_in("shop-2-production", &["rolled_back"]).await;
    assert!(ended["rollback"]["shifted_ms"].is_number());
    assert_eq!(journal(&barq, "rollout.rollback_started").await, ["olga"]);

    // A page from before has nothing to go back to by now.
    let mut stale = old;
    stale
        .fields
        .insert("once".to_owned(), "another page".to_owned());
    let refused = olga.send(&stale).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(
        refused.text.contains("<strong>olga</strong>"),
        "{}",
        refused.text
    );

    // A lock needs a reason, and its page lifts that lock and no other.
    let lock = format!("{path}/lock");
    let silent = olga.form(&lock, &lock).await;
    assert_eq!(olga.send(&silent).await.status, 400);
    let locked = olga.send(&silent.saying("inventory")).await;
    assert_eq!(locked.to, format!("{path}?done=lock"), "{}", locked.text);
    let unlock = olga.form(path, &format!("{path}/unlock")).await;
    let (first, second) = (olga.send(&unlock).await, olga.send(&unlock).await);
    assert_eq!((first.status, second.status), (303, 303), "{}", second.text);
    let again = olga.form(&lock, &lock).await.saying("once more");
    assert_eq!(olga.send(&again).await.status, 303);
    let mut stale = unlock;
    stale
        .fields
        .insert("once".to_owned(), "another page".to_owned());
    let refused = olga.send(&stale).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text.contains("once more"), "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_beside_a_running_rollout_says_what_may_come() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    shop.configure(&slow());
    let running = shop.push("fine");
    barq.approve(&running).await;
    let _load = barq.load("shop-production");
    barq.rollout_in(&format!("{running}-production"), &["canary"])
        .await;
    let id = shop.push("better");
    barq.delivery_in(&id, &["awaiting_approval"]).await;

    let expect = "is void if that rollout succeeds";
    let evidence = barq.get(&format!("/api/v1/deliveries/{id}/evidence")).await;
    let facts = evidence["facts"].to_string();
    assert!(
        facts.contains(expect) && facts.contains(&running),
        "{facts}"
    );
    let admin = Browser::sign_in(&barq, &barq.token()).await;
    let review = admin.get(&format!("/deliveries/{id}/review")).await.text;
    assert!(review.contains(expect), "{review}");
    let told = barq.command(&["approve", &id, "--app", "shop"]).await;
    let told = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
    assert!(told.contains(expect), "{told}");
    let (_, waits) = barq
        .request("GET", &format!("/api/v1/deliveries/{id}"), None, None)
        .await;
    assert!(waits["waiting"].to_string().contains(expect), "{waits:#}");

    // And so it comes.
    let path = format!("/rollouts/{running}-production/promote-full");
    let form = admin.form(&path, &path).await;
    assert_eq!(admin.send(&form).await.status, 303);
    let again = barq.delivery_in(&id, &["awaiting_approval"]).await;
    let review = eventually("the approval is void", async || {
        let page = admin.get(&format!("/deliveries/{id}/review")).await.text;
        page.contains("It was approved before").then_some(page)
    })
    .await;
    assert!(review.contains("shop-production-00002"), "{again:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_decided_also_while_git_tells_nothing_of_it() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    let id = shop.push("good");
    barq.delivery_in(&id, &["awaiting_approval"]).await;
    let review = format!("/deliveries/{id}/review");
    let approve = format!("/deliveries/{id}/approve");
    let admin = Browser::sign_in(&barq, &barq.token()).await;
    let repository = barq.data().join("git/shop.git");
    let away = barq.data().join("git/shop.away");

    std::fs::rename(&repository, &away).expect("moved");
    let seen = admin.get(&review).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    assert!(seen.text.contains("can't be shown"), "{}", seen.text);
    let form = admin.form(&review, &approve).await;
    std::fs::rename(&away, &repository).expect("moved back");
    let seen = admin.get(&review).await.text;
    assert!(seen.contains("1 new commit"), "{seen}");
    assert_eq!(admin.send(&form).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_pushed_does_not_open_a_gate_for_two() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    let file = shop.path().join("barq.toml");
    let text = std::fs::read_to_string(&file).expect("a file");
    let alone = "approval = { role = \"tech-lead\" }";
    let two = "approval = { role = \"tech-lead\", separate_approver = true }";
    std::fs::write(&file, text.replace(alone, two)).expect("written");
    let id = shop.push("good");
    barq.delivery_in(&id, &["awaiting_approval"]).await;
    let review = format!("/deliveries/{id}/review");
    let approve = format!("/deliveries/{id}/approve");

    let admin = Browser::sign_in(&barq, &barq.token()).await;
    let seen = admin.get(&review).await.text;
    assert!(
        seen.contains("You pushed it, and another person must approve it"),
        "{seen}"
    );
    let tess = Browser::sign_in(&barq, &token(&barq, "tess", "tech-lead").await).await;
    let form = tess.form(&review, &approve).await;
    let refused = admin.send(&form).await;
    assert_eq!(refused.status, 403, "{}", refused.text);

    // Nobody at all, and a form that was sent when the session had ended.
    let nobody = Browser {
        cookie: String::new(),
        ..Browser::sign_in(&barq, &barq.token()).await
    };
    assert_eq!(nobody.send(&form).await.to, "/sign-in");
    assert!(journal(&barq, "delivery.approved").await.is_empty());
    assert_eq!(tess.send(&form).await.status, 303);
    barq.delivery_in(&id, &["succeeded"]).await;
}
