//! The locks exclude whom they should, and the directory is private.

use super::*;

fn directory() -> (tempfile::TempDir, DataDirectory) {
    let parent = tempfile::tempdir().expect("temporary directory");
    let data =
        DataDirectory::resolve(Some(parent.path().join("data")), None).expect("a valid path");
    data.create().expect("created");
    (parent, data)
}

#[test]
fn the_directory_is_for_its_owner_alone() {
    let (_parent, data) = directory();
    for path in [data.root().to_owned(), data.repositories(), data.node()] {
        let mode = fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    data.create().expect("a second time does nothing");
}

#[test]
fn the_default_is_in_the_home() {
    let data = DataDirectory::resolve(None, Some(PathBuf::from("/home/ann"))).expect("home");
    assert_eq!(data.root(), Path::new("/home/ann/.local/share/barq"));
    assert!(matches!(
        DataDirectory::resolve(None, None),
        Err(DataError::NoHome)
    ));
}

#[test]
fn a_directory_with_other_files_is_refused() {
    let parent = tempfile::tempdir().expect("temporary directory");
    fs::write(parent.path().join("thesis.tex"), "").expect("written");
    let data = DataDirectory::resolve(Some(parent.path().to_owned()), None).expect("a valid path");
    let error = data.create().expect_err("refused").to_string();
    assert!(error.contains("thesis.tex"), "{error}");
}

#[test]
fn a_path_that_leaves_no_room_for_a_socket_is_refused() {
    let parent = tempfile::tempdir().expect("temporary directory");
    let room =
        SOCKET_PATH_BYTES_MAX - "/node/node.sock".len() - parent.path().as_os_str().len() - 1;
    for (length, excess) in [(room, None), (room + 3, Some(3))] {
        let path = parent.path().join("d".repeat(length));
        let data = DataDirectory::resolve(Some(path), None).expect("a valid path");
        let refused = match data.create() {
            Ok(()) => None,
            Err(DataError::TooLong { excess, .. }) => Some(excess),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(refused, excess);
    }
}

#[test]
fn up_excludes_up_and_lone_processes_but_not_its_own() {
    let (_parent, data) = directory();
    let up = data.lock_for_up().expect("free");
    let error = data.lock_for_up().expect_err("held").to_string();
    let process = format!("barq up (process {})", std::process::id());
    assert!(error.contains(&process), "{error}");
    assert!(data.lock_for_server(false).is_err());
    let server = data.lock_for_server(true).expect("its own server");
    let _node = data.lock_for_node(true).expect("its own node");
    assert!(data.lock_for_server(true).is_err());
    drop((up, server));
    let _server = data.lock_for_server(false).expect("alone");
    assert!(data.lock_for_up().is_err());
}

#[test]
fn a_lone_server_and_a_lone_node_live_together() {
    let (_parent, data) = directory();
    let _server = data.lock_for_server(false).expect("free");
    let _node = data.lock_for_node(false).expect("free");
}

#[test]
fn files_are_whole_and_private() {
    let (_parent, data) = directory();
    let path = data.root().join("secret");
    write_file(&path, b"one", 0o600).expect("written");
    write_file(&path, b"two", 0o600).expect("replaced");
    assert_eq!(fs::read(&path).expect("there"), b"two");
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
