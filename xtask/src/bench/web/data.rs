//! The data directory: made once for the same parameters, under `target/bench`, and then kept.
//!
//! First the history (`history`, `journal`). Then a real barq starts on it once: its node, which has never heard of the
//! services, gets their plans and starts what serves; and one real push gives a check with long output. After that nothing
//! is left to do, and every further start is an ordinary one.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use barq_core::identity::ImageDigest;
use barq_engine::journal::JournalSettings;
use barq_registry::api::{BundleSpec, Store, build_image};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::Sha256;

use super::super::Failure;
use super::barq::Barq;
use super::history::Plan;
use super::journal;

/// The apps. The first one keeps the many revisions; one has a name as long as names may be.
pub(super) const APPS: [&str; 4] = ["fleet", "shop", "billing", "a-service-with-a-long-name"];
/// The app that is really pushed, and its check with long output.
pub(super) const PUSHED_APP: &str = "pushed";
pub(super) const LONG_CHECK: &str = "long";
/// Lines of that check.
const LONG_LINES: u32 = 20_000;
/// Another way to make the data: what was made before is made again.
const VERSION: u32 = 1;
/// The history reaches so far back.
pub(super) const HISTORY: SignedDuration = SignedDuration::from_hours(180 * 24);
/// It ends so long ago.
const ENDED_AGO: SignedDuration = SignedDuration::from_hours(1);
/// The first app's share of the deliveries, so that the copies of its many revisions do not take all the time.
const FIRST_SHARE: u64 = 12;
/// The longest time until all services are ready.
const SETTLE_MAX: Duration = Duration::from_secs(240);
/// The key of the server of this data: a measurement has no secrets.
const SERVER_KEY: [u8; 32] = [7; 32];

/// What is to be there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) deliveries: u64,
    pub(super) revisions: u32,
}

/// The data directory below the repository's `target`, made where it is not there.
pub(super) async fn prepare(
    root: &Path,
    binary: &Path,
    size: Size,
    listen: &str,
) -> Result<PathBuf, Failure> {
    let Size {
        deliveries,
        revisions,
    } = size;
    let place = root.join(format!(
        "target/bench/web-{VERSION}-{deliveries}-{revisions}"
    ));
    let (filled, settled) = (place.join("filled"), place.join("settled"));
    let data = place.join("data");
    if !filled.exists() {
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        println!("making {} (once):", place.display());
        make(&data, &app(root)?, size).await?;
        fs::write(filled, "")?;
    }
    // A start that was cut off is like any other: barq goes on from there.
    if !settled.exists() {
        settle(binary, &data, &place, listen).await?;
        fs::write(settled, "")?;
    }
    Ok(data)
}

/// What is delivered: the small shop of the end-to-end tests. It is not measured, so its build does not matter.
fn app(root: &Path) -> Result<PathBuf, Failure> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "barq", "--example", "shop"])
        .current_dir(root)
        .status()?;
    match status.success() {
        true => Ok(root.join("target/debug/examples/shop")),
        false => Err("the shop was not built".into()),
    }
}

async fn make(data: &Path, app: &Path, size: Size) -> Result<(), Failure> {
    let begun = Instant::now();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)?;
    fs::write(data.join("server.key"), SERVER_KEY)?;
    let image = image(data, app)?;
    let settings = JournalSettings {
        url: data.join("journal.db").to_string_lossy().into_owned(),
        mac_key: journal_key()?,
    };
    let plans = plans(size, &image);
    let events = tokio::task::spawn_blocking(move || journal::fill(settings, plans)).await??;
    println!(
        "  {} deliveries, {events} events in {:.0?}",
        size.deliveries,
        begun.elapsed()
    );
    Ok(())
}

/// As the server derives it from its key.
fn journal_key() -> Result<[u8; 32], Failure> {
    let mut code = Hmac::<Sha256>::new_from_slice(&SERVER_KEY)?;
    code.update(b"journal\0");
    Ok(code.finalize().into_bytes().into())
}

fn plans(size: Size, image: &ImageDigest) -> Vec<Plan> {
    let end = Timestamp::now() - ENDED_AGO;
    let first = (size.deliveries / FIRST_SHARE).max(u64::from(size.revisions) * 6 / 5);
    let first = first.min(size.deliveries);
    let others = APPS.len() as u64 - 1;
    APPS.iter()
        .zip(0..)
        .map(|(app, index)| Plan {
            app: (*app).to_owned(),
            index,
            deliveries: match index {
                0 => first,
                // The last one gets what the division leaves.
                it if it == others => {
                    size.deliveries - first - (others - 1) * ((size.deliveries - first) / others)
                }
                _ => (size.deliveries - first) / others,
            },
            kept: if index == 0 { size.revisions } else { 10 },
            begin: end - HISTORY,
            end,
            image: image.clone(),
        })
        .collect()
}

/// What all releases are built into.
fn image(data: &Path, app: &Path) -> Result<ImageDigest, Failure> {
    let bundle = data.with_extension("bundle");
    fs::create_dir_all(&bundle)?;
    fs::copy(app, bundle.join("app"))
        .map_err(|error| format!("cannot copy {}: {error}", app.display()))?;
    fs::write(bundle.join("mode"), "good")?;
    let store = Store::open(data.join("blobs"))?;
    let spec = BundleSpec {
        root: bundle.clone(),
        command: vec!["./app".to_owned()],
        labels: Default::default(),
    };
    let image = build_image(&store, &spec)?;
    fs::remove_dir_all(bundle)?;
    Ok(image.to_string().parse()?)
}

async fn settle(binary: &Path, data: &Path, place: &Path, listen: &str) -> Result<(), Failure> {
    let barq = Barq::start(binary, data, listen).await?;
    println!(
        "  first start, which fills the read models: {:.1?}",
        barq.ready_after
    );
    let served = |document: &Value| {
        let services = document["items"].as_array();
        services.is_some_and(|all| {
            all.len() == 2 * APPS.len()
                && all.iter().all(|service| {
                    let revisions = service["revisions"].as_array().into_iter().flatten();
                    revisions
                        .filter(|revision| revision["traffic"] == 100)
                        .any(|revision| revision["instances"]["ready"].as_u64() > Some(0))
                })
        })
    };
    barq.wait_until("all services serve", SETTLE_MAX, "/api/v1/services", served)
        .await?;
    push(&barq, place)?;
    let path = format!("/api/v1/deliveries/{PUSHED_APP}-1");
    let ended = |delivery: &Value| !delivery["finished_at"].is_null();
    barq.wait_until("the pushed delivery ends", SETTLE_MAX, &path, ended)
        .await?;
    barq.end()
}

/// A real commit with a check that writes much.
fn push(barq: &Barq, place: &Path) -> Result<(), Failure> {
    let repository = place.join("repository");
    fs::create_dir_all(&repository)?;
    let line = r"'\033[32mok\033[0m test number %s of the suite \033[2m(0.0%ss)\033[0m\n'";
    let configuration = format!(
        "service = \"{PUSHED_APP}\"\n[[check]]\nname = \"{LONG_CHECK}\"\n\
         run = '''seq {LONG_LINES} | xargs -n 2 printf {line}'''\n\
         [build]\nfiles = {{ app = \"app\" }}\ncommand = [\"./app\"]\n"
    );
    fs::write(repository.join("barq.toml"), configuration)?;
    let remote = format!(
        "http://x:{}@{}/git/{PUSHED_APP}.git",
        barq.token()?,
        barq.address
    );
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "--all"],
        &[
            "-c",
            "user.name=bench",
            "-c",
            "user.email=bench@example.com",
            "commit",
            "--quiet",
            "--message",
            "Write much",
        ],
        &["push", "--quiet", &remote, "HEAD:refs/heads/look"],
    ] {
        let status = Command::new("git")
            .args(arguments)
            .current_dir(&repository)
            .status()?;
        if !status.success() {
            return Err(format!("git {} failed", arguments[0]).into());
        }
    }
    fs::remove_dir_all(repository)?;
    Ok(())
}
