//! A machine is lost: what `barq backup` wrote makes another one serve the same, with the same tokens.

mod support;

use std::process::Command;

use support::{Barq, eventually, failed};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_brings_everything_back() {
    let mut barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    let second = barq.release(&shop, "good still").await;
    load.stop().await;
    let before = barq.get("/api/v1/audit?limit=200").await;
    barq.lose_all_but_a_backup().await;

    let delivery = barq.get(&format!("/api/v1/deliveries/{second}")).await;
    assert_eq!(delivery["state"], "succeeded", "{delivery:#}");
    let served = eventually("it serves again", async || {
        let answer = barq
            .http()
            .get(format!("http://{}/", barq.ingress))
            .header("host", "shop-production.localhost")
            .send()
            .await
            .ok()?;
        answer.status().is_success().then_some(())
    });
    served.await;
    let service = barq.get("/api/v1/services/shop-production").await;
    assert_eq!(service["stable"], "shop-production-00002", "{service:#}");
    // Nothing was delivered again, and the chain holds.
    let after = barq.get("/api/v1/deliveries").await;
    assert_eq!(
        after["items"].as_array().map(Vec::len),
        Some(2),
        "{after:#}"
    );
    assert!(!before["items"].as_array().expect("events").is_empty());
    let verified = barq.command(&["audit", "verify"]).await;
    assert!(verified.status.success(), "{verified:?}");
    // And what follows goes its way.
    let load = barq.load("shop-production");
    barq.release(&shop, "good again").await;
    assert_eq!(failed(&load.stop().await), Vec::<String>::new());
}

#[test]
fn a_journal_that_is_not_the_directorys_is_refused() {
    let parent = tempfile::tempdir().expect("a directory");
    let data = parent.path().join("data");
    std::fs::create_dir_all(data.join("git/shop.git")).expect("a repository");
    std::fs::write(data.join("server.key"), [7; 32]).expect("a key");
    let output = Command::new(env!("CARGO_BIN_EXE_barq"))
        .args(["server", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .env_remove("DATABASE_URL")
        .output()
        .expect("ended");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains("is not the journal that belongs to them"),
        "{text}"
    );
}
