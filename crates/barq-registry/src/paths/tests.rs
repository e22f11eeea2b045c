//! The two rules as tables, with the attacks that they are there for.

use std::path::{Path, PathBuf};

use super::{link_stays_inside, normalised};

#[test]
fn only_paths_that_cannot_lead_outside_are_taken() {
    for (path, expected) in [
        ("app/fleet", Some("app/fleet")),
        ("./app/./fleet/", Some("app/fleet")),
        ("", Some("")),
        ("..", None),
        ("app/../../etc/passwd", None),
        ("app/../fleet", None),
        ("/etc/passwd", None),
    ] {
        assert_eq!(
            normalised(Path::new(path)),
            expected.map(PathBuf::from),
            "{path}"
        );
    }
}

#[test]
fn links_stay_below_the_root() {
    for (link, target, expected) in [
        ("app/current", "fleet", true),
        ("app/current", "./static/index.html", true),
        ("app/a/b/link", "../../fleet", true),
        ("app/link", "..", true),
        ("link", ".", true),
        ("link", "..", false),
        ("app/link", "../..", false),
        ("app/link", "../../etc/passwd", false),
        ("app/link", "/etc/passwd", false),
        ("app/link", "", false),
        // `a/b/up -> ../..` is the root: from there one more `..` is outside, although the text is not.
        ("link", "a/b/up/../x", false),
    ] {
        assert_eq!(
            link_stays_inside(Path::new(link), Path::new(target)),
            expected,
            "{link} -> {target}"
        );
    }
}
