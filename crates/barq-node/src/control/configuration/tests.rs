//! Configurations that the node refuses whatever the judge says.

use super::check;
use crate::api::{RevisionConfiguration, WatchConfiguration};
use crate::control::tests::{configuration, revision};

#[test]
fn names_become_hosts_and_files_so_they_are_checked() {
    let bad = [
        "",
        "Shop",
        "shop/..",
        "..",
        "a_b",
        "-a",
        "a-",
        &"a".repeat(64),
    ];
    for name in bad {
        let mut configuration = configuration(1);
        configuration.service = name.to_owned();
        assert!(check(&configuration, None).is_err(), "service {name:?}");
        let mut configuration = self::configuration(1);
        configuration.revisions.push(revision(name));
        assert!(check(&configuration, None).is_err(), "revision {name:?}");
    }
    assert_eq!(check(&configuration(1), None), Ok(()));
}

#[test]
fn a_revision_changes_in_size_and_tags_only() {
    let held = configuration(1);
    type Change = fn(&mut RevisionConfiguration);
    let cases: [(Change, bool); 4] = [
        (|revision| revision.instances.max = 7, true),
        (|revision| revision.tags.push("other".to_owned()), true),
        (
            |revision| revision.command.push("--other".to_owned()),
            false,
        ),
        (|revision| revision.concurrency += 1, false),
    ];
    for (change, is_allowed) in cases {
        let mut next = held.clone();
        change(&mut next.revisions[0]);
        assert_eq!(
            check(&next, Some(&held)).is_ok(),
            is_allowed,
            "{:?}",
            next.revisions[0]
        );
    }
}

#[test]
fn what_could_never_work_is_refused() {
    let mut twice = configuration(1);
    twice.revisions.push(twice.revisions[0].clone());
    let mut idle = configuration(1);
    idle.revisions[0].concurrency = 0;
    let mut tag = configuration(1);
    tag.revisions[0].tags = vec!["a---b".to_owned()];
    let mut watch = configuration(1);
    watch.watch = Some(WatchConfiguration {
        revision: "a".into(),
        window_ms: u64::MAX / 2,
        max_errors: 1,
    });
    for configuration in [twice, idle, tag, watch] {
        assert!(check(&configuration, None).is_err(), "{configuration:?}");
    }
}
