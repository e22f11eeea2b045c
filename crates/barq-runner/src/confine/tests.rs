//! The protected directory is in none of the allowed trees.

use super::*;

#[test]
fn what_holds_the_protected_directory_is_replaced_by_what_is_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().canonicalize().unwrap();
    for name in ["share/barq/git", "share/other", "beside"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    let protected = root.join("share/barq");
    let mut allowed = without(
        vec![root.clone(), protected.join("git"), root.join("missing")],
        &protected,
    );
    allowed.sort();
    assert_eq!(
        allowed,
        [
            root.join("beside"),
            root.join("missing"),
            root.join("share/other")
        ]
    );
}
