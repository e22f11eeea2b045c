//! chromedriver, and the W3C WebDriver protocol spoken to it: JSON over HTTP on the loopback.
//!
//! No library: a test needs a dozen calls, and the pages swap their elements while they are looked at, so that each call
//! begins by finding its element anew. The driver ends with the thread that started it, the browser with its pipe to the
//! driver; so nothing is left behind, however a test ends.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use super::super::{LOOK_EVERY, PATIENCE, pid};

/// A page that is not loaded by then never will be.
const PAGE_LOAD_MAX: Duration = Duration::from_secs(30);
/// A script in the page: axe looks at each element, and two browsers share two cores.
const SCRIPT_MAX: Duration = Duration::from_secs(60);
/// Other tests look for ports, too.
const START_ATTEMPTS_MAX: usize = 20;
/// The browser ends at once when its pipe breaks.
const END_MAX: Duration = Duration::from_secs(10);

/// A driver with one browser.
pub(super) struct Driver {
    process: Child,
    profile: PathBuf,
    /// Of the session.
    url: String,
    http: reqwest::Client,
}

/// What the driver did not do.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// A code of the protocol: `stale element reference`, …
    pub(crate) error: String,
    /// In words.
    pub(crate) message: String,
}

impl Driver {
    /// A browser with a profile of its own, made in this directory.
    pub(super) async fn start(profile: &Path) -> Self {
        let (process, port) = chromedriver(profile);
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(SCRIPT_MAX + PAGE_LOAD_MAX)
            .build()
            .expect("a client");
        let mut driver = Self {
            process,
            profile: profile.to_owned(),
            url: format!("http://127.0.0.1:{port}"),
            http,
        };
        let session = driver
            .post("/session", capabilities(profile))
            .await
            .unwrap_or_else(|refusal| panic!("no browser: {refusal:?}"));
        let id = session["sessionId"].as_str().expect("a session");
        driver.url = format!("{}/session/{id}", driver.url);
        driver
    }

    /// Asks the driver for something.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Refusal> {
        answer(self.http.get(format!("{}{path}", self.url))).await
    }

    /// Has the driver do something.
    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Value, Refusal> {
        answer(self.http.post(format!("{}{path}", self.url)).json(&body)).await
    }

    /// Has the driver undo something.
    pub(super) async fn delete(&self, path: &str) -> Result<Value, Refusal> {
        answer(self.http.delete(format!("{}{path}", self.url))).await
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        let deadline = Instant::now() + END_MAX;
        loop {
            let left = super::super::processes::of(&self.profile);
            if left.is_empty() {
                return;
            }
            if Instant::now() > deadline {
                for (id, _) in left {
                    if let Err(error) = kill_process(pid(id), Signal::KILL) {
                        eprintln!("{id} has ended already: {error}");
                    }
                }
                return;
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Value, Refusal> {
    let answer = request.send().await.expect("the driver answers");
    let success = answer.status().is_success();
    let mut document: Value = answer.json().await.expect("JSON");
    let value = document["value"].take();
    if success {
        return Ok(value);
    }
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let message = text("message");
    Err(Refusal {
        error: text("error"),
        message: message.lines().next().unwrap_or_default().to_owned(),
    })
}

/// The driver. It finds a port itself, but looks for one that IPv6 and IPv4 both have, one after the other.
fn chromedriver(home: &Path) -> (Child, u16) {
    for _ in 0..START_ATTEMPTS_MAX {
        match launch(home) {
            Ok(started) => return started,
            Err(said) if said.contains("port not available") => {}
            Err(said) => panic!("chromedriver does not start: run scripts/setup\n{said}"),
        }
    }
    panic!("chromedriver finds no port");
}

/// Its process and the port, which is the first thing that it says; or what it says instead.
fn launch(home: &Path) -> Result<(Child, u16), String> {
    let mut process = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "chromedriver", "--port=0"])
        // What else it keeps goes there, too; and all its processes can be told by it.
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("setpriv is there: run scripts/setup");
    let stdout = process.stdout.take().expect("piped");
    let mut reader = BufReader::new(stdout);
    let mut said = String::new();
    let port = loop {
        if reader.read_line(&mut said).expect("text") == 0 {
            drop(process.wait());
            return Err(said);
        }
        let port = said
            .rsplit_once("on port ")
            .and_then(|(_, port)| port.trim().trim_end_matches('.').parse().ok());
        if let Some(port) = port.filter(|port| *port != 0) {
            break port;
        }
    };
    // Read on, so that nothing that is printed later meets a closed pipe.
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    Ok((process, port))
}

fn capabilities(profile: &Path) -> Value {
    let arguments = [
        "--headless=new",
        // Root has no sandbox, and tests run as root in containers.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--no-first-run",
        "--hide-scrollbars",
        "--remote-debugging-pipe",
        // What is looked for elsewhere fails, and is told of, instead of leaving the machine.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        &format!("--user-data-dir={}", profile.display()),
    ];
    json!({"capabilities": {"alwaysMatch": {
        "browserName": "chrome",
        "timeouts": {
            "pageLoad": PAGE_LOAD_MAX.as_millis(),
            "script": SCRIPT_MAX.as_millis(),
        },
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        "goog:chromeOptions": {
            "args": arguments,
            // Not the page for new tabs, which asks others for things.
            "prefs": {"session": {"restore_on_startup": 4, "startup_urls": ["about:blank"]}},
            "perfLoggingPrefs": {"enableNetwork": true, "enablePage": false},
        },
    }}})
}

/// Looks until there is something, and says what there was instead.
pub(super) async fn patiently<T>(
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(instead) if Instant::now() > deadline => return Err(instead),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}
