//! Push and fetch with real git against the real router, and the hook as the real executable.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use barq::git::{
    AppName, GitSettings, ObjectHash, Principal, PushReport, Refusal, Repository, apps,
    changed_files, commit_info, commits_between, is_ancestor, read_file, refs, router,
};

const TOKEN: &str = "good-token";
const PATIENCE: Duration = Duration::from_secs(30);

/// A git server, and a directory to work in.
struct Server {
    directory: tempfile::TempDir,
    address: String,
    pushes: Arc<Mutex<Vec<PushReport>>>,
}

impl Server {
    async fn start() -> Self {
        Self::with_hook(env!("CARGO_BIN_EXE_barq").into()).await
    }

    async fn with_hook(hook_command: PathBuf) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let pushes: Arc<Mutex<Vec<PushReport>>> = Arc::default();
        let heard = Arc::clone(&pushes);
        let settings = GitSettings {
            repositories: directory.path().join("git"),
            hooks: directory.path().join("hooks"),
            hook_socket: directory.path().join("git.sock"),
            hook_command,
            authenticate: Arc::new(|credentials| {
                Box::pin(async move {
                    match credentials.token.as_str() {
                        TOKEN => Ok(Principal {
                            name: "ann".to_owned(),
                        }),
                        "reader" => Err(Refusal::NotAllowed("ann may not push".to_owned())),
                        _ => Err(Refusal::Unknown),
                    }
                })
            }),
            on_push: Arc::new(move |report| {
                let lines = vec![format!("delivery {}-1", report.app), "see here".to_owned()];
                heard.lock().expect("not poisoned").push(report);
                Box::pin(async move { lines })
            }),
        };
        let router = router(settings).expect("opened");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("bound");
        let address = listener.local_addr().expect("bound").to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            directory,
            address,
            pushes,
        }
    }

    fn url(&self, token: &str, app: &str) -> String {
        format!("http://any:{token}@{}/git/{app}.git", self.address)
    }

    fn repository(&self, app: &str) -> Repository {
        let app: AppName = app.parse().expect("a name");
        Repository::of(&self.directory.path().join("git"), &app)
    }

    fn pushes(&self) -> Vec<PushReport> {
        self.pushes.lock().expect("not poisoned").clone()
    }

    /// A working copy with one commit.
    async fn work(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::create_dir(&path).expect("created");
        good(&path, &["init", "--quiet", "--initial-branch=main"]).await;
        commit(&path, "first", "barq.toml", b"service = \"shop\"\n").await;
        path
    }
}

async fn git(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new("git");
    command
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_AUTHOR_NAME", "Ann")
        .env("GIT_AUTHOR_EMAIL", "ann@example.com")
        .env("GIT_COMMITTER_NAME", "Ann")
        .env("GIT_COMMITTER_EMAIL", "ann@example.com")
        .kill_on_drop(true);
    tokio::time::timeout(PATIENCE, command.output())
        .await
        .expect("git ends in time")
        .expect("git runs")
}

async fn good(directory: &Path, arguments: &[&str]) -> String {
    let output = git(directory, arguments).await;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments:?}: {error}");
    format!("{}{error}", String::from_utf8_lossy(&output.stdout))
}

async fn commit(path: &Path, message: &str, file: &str, content: &[u8]) -> ObjectHash {
    std::fs::write(path.join(file), content).expect("written");
    good(path, &["add", "--all"]).await;
    good(path, &["commit", "--quiet", "--message", message]).await;
    good(path, &["rev-parse", "HEAD"])
        .await
        .trim()
        .parse()
        .expect("a hash")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_push_makes_the_app_and_prints_the_delivery() {
    let server = Server::start().await;
    let work = server.work("work").await;
    let url = server.url(TOKEN, "shop");
    let printed = good(&work, &["push", &url, "main"]).await;
    assert!(printed.contains("remote: delivery shop-1"), "{printed}");
    assert!(printed.contains("remote: see here"), "{printed}");
    let pushes = server.pushes();
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0].app.as_str(), "shop");
    assert_eq!(pushes[0].principal.name, "ann");
    assert_eq!(pushes[0].updates[0].name.branch(), Some("main"));
    assert_eq!(pushes[0].updates[0].old, None);
    let git = server.directory.path().join("git");
    assert_eq!(apps(&git).expect("read"), ["shop".parse().expect("a name")]);
    let copy = server.directory.path().join("copy");
    good(&work, &["clone", "--quiet", &url, &copy.to_string_lossy()]).await;
    assert!(copy.join("barq.toml").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn force_pushes_tags_and_deleted_branches_are_reported() {
    let server = Server::start().await;
    let work = server.work("work").await;
    let url = server.url(TOKEN, "shop");
    good(&work, &["push", &url, "main"]).await;
    good(
        &work,
        &["commit", "--quiet", "--amend", "--message", "other"],
    )
    .await;
    assert!(!git(&work, &["push", &url, "main"]).await.status.success());
    good(&work, &["push", "--force", &url, "main"]).await;
    good(&work, &["tag", "--annotate", "v1", "--message", "one"]).await;
    good(&work, &["push", &url, "v1", "main:refs/heads/other"]).await;
    good(&work, &["push", &url, ":main"]).await;
    let pushes = server.pushes();
    assert_eq!(pushes.len(), 4);
    assert!(pushes[1].updates[0].old.is_some() && pushes[1].updates[0].new.is_some());
    assert_eq!(pushes[2].updates.len(), 2);
    assert_eq!(pushes[3].updates[0].new, None);
    let left = refs(&server.repository("shop")).await.expect("read");
    let names: Vec<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["refs/heads/other", "refs/tags/v1"]);
    good(&work, &["ls-remote", &url]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_nothing_happens() {
    let server = Server::start().await;
    let work = server.work("work").await;
    for (token, message) in [
        ("wrong", "Authentication failed"),
        ("reader", "may not push"),
    ] {
        let output = git(&work, &["push", &server.url(token, "shop"), "main"]).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        assert!(error.contains(message), "{error}");
    }
    assert!(!server.repository("shop").exists());
    let missing = git(&work, &["ls-remote", &server.url(TOKEN, "nothing")]).await;
    assert!(!missing.status.success());
    let odd = git(&work, &["push", &server.url(TOKEN, "Odd_Name"), "main"]).await;
    assert!(!odd.status.success());
    let git_directory = server.directory.path().join("git");
    assert_eq!(std::fs::read_dir(git_directory).expect("there").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_can_be_cloned() {
    let server = Server::start().await;
    let work = server.work("work").await;
    let url = server.url(TOKEN, "shop");
    // Makes the repository and pushes nothing.
    good(&work, &["push", &url, "main", "--dry-run"]).await;
    let copy = server.directory.path().join("copy");
    good(&work, &["clone", "--quiet", &url, &copy.to_string_lossy()]).await;
    assert!(
        refs(&server.repository("shop"))
            .await
            .expect("read")
            .is_empty()
    );
    assert!(server.pushes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_push_is_streamed_and_comes_back_whole() {
    let server = Server::start().await;
    let work = server.work("work").await;
    // Does not compress: the pack is as big as the file.
    let mut state = 1_u64;
    let content: Vec<u8> = (0..20 * 1024 * 1024)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    commit(&work, "big", "big", &content).await;
    let url = server.url(TOKEN, "shop");
    good(&work, &["push", &url, "main"]).await;
    let copy = server.directory.path().join("copy");
    good(&work, &["clone", "--quiet", &url, &copy.to_string_lossy()]).await;
    assert!(std::fs::read(copy.join("big")).expect("there") == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pushes_at_once_both_arrive() {
    let server = Server::start().await;
    let (one, two) = (server.work("one").await, server.work("two").await);
    commit(&two, "second", "other", b"x").await;
    let url = server.url(TOKEN, "shop");
    let first = ["push", &url, "main:refs/heads/one"];
    let second = ["push", &url, "main:refs/heads/two"];
    let (first, second) = tokio::join!(good(&one, &first), good(&two, &second));
    assert!(first.contains("remote: delivery") && second.contains("remote: delivery"));
    assert_eq!(server.pushes().len(), 2);
    assert_eq!(
        refs(&server.repository("shop")).await.expect("read").len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_hook_is_never_heard_is_reported_from_its_refs() {
    // A hook that does nothing, as if it had been killed.
    let server = Server::with_hook("/bin/true".into()).await;
    let work = server.work("work").await;
    good(&work, &["push", &server.url(TOKEN, "shop"), "main"]).await;
    let deadline = Instant::now() + PATIENCE;
    while server.pushes().is_empty() {
        assert!(Instant::now() < deadline, "never reported");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let pushes = server.pushes();
    assert_eq!(pushes[0].updates[0].name.branch(), Some("main"));
    assert_eq!(pushes[0].principal.name, "ann");
}

#[tokio::test(flavor = "multi_thread")]
async fn repositories_are_read_as_they_are() {
    let server = Server::start().await;
    let work = server.work("work").await;
    let first = good(&work, &["rev-parse", "HEAD"]).await;
    let first: ObjectHash = first.trim().parse().expect("a hash");
    // An author's name in Latin-1, and a message with text that looks like structure.
    std::fs::write(work.join("new file"), "x").expect("written");
    good(&work, &["add", "--all"]).await;
    let message = "subject --all\n\nbody one\nbody two";
    good(
        &work,
        &[
            "-c",
            "i18n.commitEncoding=latin1",
            "commit",
            "--quiet",
            "-m",
            message,
        ],
    )
    .await;
    let second = good(&work, &["rev-parse", "HEAD"]).await;
    let second: ObjectHash = second.trim().parse().expect("a hash");
    good(&work, &["push", &server.url(TOKEN, "shop"), "main"]).await;

    let shop = server.repository("shop");
    let info = commit_info(&shop, &second).await.expect("there");
    assert_eq!(info.subject, "subject --all");
    assert_eq!(info.body, "body one\nbody two");
    assert_eq!(info.parents, std::slice::from_ref(&first));
    assert_eq!(info.author.email, "ann@example.com");
    let between = commits_between(&shop, Some(&first), &second, 10)
        .await
        .expect("read");
    assert_eq!(between.len(), 1);
    let all = commits_between(&shop, None, &second, 10)
        .await
        .expect("read");
    assert_eq!(all.len(), 2);
    assert!(is_ancestor(&shop, &first, &second).await.expect("read"));
    assert!(!is_ancestor(&shop, &second, &first).await.expect("read"));
    let unknown: ObjectHash = "1".repeat(40).parse().expect("a hash");
    assert!(!is_ancestor(&shop, &unknown, &second).await.expect("read"));
    let from_unknown = commits_between(&shop, Some(&unknown), &second, 10).await;
    assert_eq!(from_unknown.expect("read").len(), 2);
    assert!(commit_info(&shop, &unknown).await.is_err());
    let changed = changed_files(&shop, Some(&first), &second)
        .await
        .expect("read");
    assert_eq!(changed, ["new file"]);
    let file = read_file(&shop, &second, "barq.toml", 100)
        .await
        .expect("read");
    assert_eq!(file.as_deref(), Some(&b"service = \"shop\"\n"[..]));
    assert!(read_file(&shop, &second, "barq.toml", 3).await.is_err());
    assert_eq!(
        read_file(&shop, &second, "absent", 3).await.expect("read"),
        None
    );
}

/// The git processes that serve this directory.
fn processes_of(server: &Server) -> usize {
    let mark = format!("GIT_PROJECT_ROOT={}", server.directory.path().display());
    let processes = std::fs::read_dir("/proc").expect("Linux");
    processes
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("environ")).ok())
        .filter(|environment| String::from_utf8_lossy(environment).contains(&mark))
        .count()
}

async fn wait_for_processes(server: &Server, wanted: impl Fn(usize) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !wanted(processes_of(server)) {
        assert!(
            Instant::now() < deadline,
            "{} processes",
            processes_of(server)
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_leaves_no_process() {
    use tokio::io::AsyncWriteExt as _;
    let server = Server::start().await;
    let work = server.work("work").await;
    good(&work, &["push", &server.url(TOKEN, "shop"), "main"]).await;
    for service in ["git-upload-pack", "git-receive-pack"] {
        let mut stream = tokio::net::TcpStream::connect(&server.address)
            .await
            .expect("connected");
        let head = format!(
            "POST /git/shop.git/{service} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/x-{service}-request\r\nContent-Length: 1000\r\n\r\n0011"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        wait_for_processes(&server, |count| count > 0).await;
        drop(stream);
        wait_for_processes(&server, |count| count == 0).await;
    }
    assert_eq!(server.pushes().len(), 1);
}

/// An orphan lock for four weeks.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_a_killed_git_has_left_stops_no_push() {
    let server = Server::start().await;
    let work = server.work("work").await;
    let url = server.url(TOKEN, "shop");
    good(&work, &["push", &url, "main"]).await;
    let lock = server
        .repository("shop")
        .path()
        .join("refs/heads/main.lock");
    let file = std::fs::File::create(&lock).expect("created");
    commit(&work, "second", "other", b"x").await;
    let refused = git(&work, &["push", &url, "main"]).await;
    assert!(!refused.status.success(), "it may be another push's");
    let old = jiff::Timestamp::now() - Duration::from_secs(3_600);
    file.set_modified(old.into()).expect("dated");
    let printed = good(&work, &["push", &url, "main"]).await;
    assert!(printed.contains("remote: delivery"), "{printed}");
    assert!(!lock.exists());
}
