//! Bundles: what is collected, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use barq_runner::api::Outcome;

use crate::support::{Place, is_alive, line_after};

#[tokio::test]
async fn a_bundle_holds_its_files_and_their_executable_bits() {
    let place = Place::new();
    let commit = place.commit(&[("static/a/page.html", "page"), ("static/b", "b")]);
    let runner = place.runner();
    let mut request = place.build(
        "key",
        &commit,
        "mkdir -p target/release; cp /bin/true target/release/server; ln -s b static/link",
        &[
            ("target/release/server", "bin/server"),
            ("static", "static"),
        ],
    );
    request.cache = vec!["target".to_owned()];
    let result = runner.build(request.clone()).await.unwrap();
    assert_eq!(result.outcome, Outcome::Passed);
    let bundle = result.bundle.clone().unwrap();
    let mode = |name: &str| {
        fs::metadata(bundle.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("bin/server"), mode("static/b")), (0o755, 0o644));
    assert_eq!(
        fs::read_to_string(bundle.join("static/a/page.html")).unwrap(),
        "page"
    );
    assert_eq!(fs::read_to_string(bundle.join("static/link")).unwrap(), "b");
    assert!(
        place
            .root
            .join("data/runner/cache/app/build/target/release/server")
            .exists()
    );

    assert_eq!(runner.build(request.clone()).await.unwrap(), result);
    assert_eq!(runner.became("key").await.unwrap(), None);
    runner.remove_bundle("key", "an image").await.unwrap();
    assert!(!bundle.exists());
    // Whoever asks again, also after a restart, learns what it became: nothing is built twice.
    let runner = place.runner();
    assert_eq!(runner.build(request).await.unwrap(), result);
    assert!(!bundle.exists());
    let became = runner.became("key").await.unwrap();
    assert_eq!(became.as_deref(), Some("an image"));
}

#[tokio::test]
async fn a_commit_may_be_the_bundle_as_it_is() {
    let place = Place::new();
    let commit = place.commit(&[("run.sh", "#!/bin/sh")]);
    let mut request = place.build("key", &commit, "", &[("run.sh", "run.sh")]);
    request.run = None;
    let result = place.runner().build(request).await.unwrap();
    assert_eq!(result.outcome, Outcome::Passed);
    assert!(result.bundle.unwrap().join("run.sh").exists());
}

#[tokio::test]
async fn what_cannot_be_collected_is_named() {
    let place = Place::new();
    let commit = place.commit(&[("file", "x")]);
    let runner = place.runner();
    for (key, run, from, to, expected) in [
        ("missing", "true", "dist", "dist", "the build left no dist"),
        (
            "out",
            "ln -s /etc/passwd secret",
            "secret",
            "secret",
            "secret points out of the repository",
        ),
        (
            "deep",
            "mkdir d; ln -s / d/root",
            "d",
            "d",
            "d/root points out of the repository",
        ),
        (
            "loop",
            "mkdir d; ln -s . d/self",
            "d",
            "d",
            "d/self is a link to a directory above it",
        ),
        (
            "pipe",
            "mkfifo p",
            "p",
            "p",
            "p is neither a file nor a directory",
        ),
        (
            "up",
            "true",
            "../x",
            "x",
            "must be a path inside of the repository",
        ),
        (
            "target",
            "true",
            "file",
            "../x",
            "must be a path inside of the bundle",
        ),
    ] {
        let result = runner
            .build(place.build(key, &commit, run, &[(from, to)]))
            .await
            .unwrap();
        match &result.outcome {
            Outcome::Error { reason } => assert!(reason.contains(expected), "{key}: {reason}"),
            other => panic!("{key}: {other:?}"),
        }
        assert_eq!(result.bundle, None);
    }
    let result = runner
        .build(place.build("fails", &commit, "exit 2", &[("file", "file")]))
        .await
        .unwrap();
    assert_eq!(
        (result.outcome, result.bundle),
        (Outcome::Failed { exit_code: 2 }, None)
    );
}

/// Cancelled builds keep running.
#[tokio::test]
async fn a_cancelled_build_leaves_nothing_that_runs() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let runner = place.runner();
    let run = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo child $$; while :; do sleep 1000; done' & wait; wait";
    let request = place.build("key", &commit, run, &[]);
    let building = tokio::spawn({
        let runner = runner.clone();
        async move { runner.build(request).await.unwrap() }
    });
    let child = line_after(&runner, "key", "child ").await;
    runner.cancel("key").await.unwrap();
    assert_eq!(building.await.unwrap().outcome, Outcome::Cancelled);
    assert!(!is_alive(&child));
    let next = place.build("next", &commit, "true", &[]);
    assert_eq!(runner.build(next).await.unwrap().outcome, Outcome::Passed);
}
