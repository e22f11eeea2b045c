//! The image depends on the files and on nothing else: as a property over random trees, and as one digest for ever.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{BundleError, BundleSpec, build_for, build_image};
use crate::store::Store;
use crate::unpack::unpack;

/// A file's place, content, and whether it can be executed.
type File = (String, Vec<u8>, bool);

fn spec(root: &Path) -> BundleSpec {
    let labels = [
        ("commit", "1f0c"),
        ("app", "fleet"),
        ("delivery", "fleet-1"),
    ];
    BundleSpec {
        root: root.to_owned(),
        command: vec!["./fleet".to_owned()],
        labels: labels
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

fn write(root: &Path, (path, content, executable): &File, mode_noise: u32) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
    fs::write(&path, content).expect("a file");
    let mode = if *executable { 0o700 } else { 0o600 } | mode_noise;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
}

fn fleet(root: &Path) {
    for (path, content, executable) in [
        ("fleet", "#!/bin/sh\nexec true\n", true),
        ("static/index.html", "<!doctype html>", false),
        (
            "static.txt",
            "sorts between the directory and what is in it",
            false,
        ),
    ] {
        write(root, &(path.to_owned(), content.into(), executable), 0);
    }
    fs::create_dir(root.join("empty")).expect("a directory");
    symlink("static/index.html", root.join("index.html")).expect("a link");
    let long = root.join("deep".repeat(30)).join("directory".repeat(20));
    fs::create_dir_all(&long).expect("a directory");
    fs::write(long.join("file"), "beyond the 100 bytes of a tar header").expect("a file");
}

fn read_tree(root: &Path) -> BTreeMap<String, (Vec<u8>, u32)> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let mode = fs::symlink_metadata(&path)
            .expect("its metadata")
            .permissions()
            .mode()
            & 0o777;
        if path.is_dir() {
            files.extend(
                read_tree(&path)
                    .into_iter()
                    .map(|(below, file)| (format!("{name}/{below}"), file)),
            );
        } else {
            files.insert(name, (fs::read(&path).expect("a file"), mode));
        }
    }
    files
}

/// If this changes, every image gets a new digest at the next deployment: say so in the release notes.
#[test]
fn the_digest_of_a_known_bundle_never_changes() {
    let directory = TempDir::new().expect("a temporary directory");
    let root = directory.path().join("bundle");
    fs::create_dir(&root).expect("a directory");
    fleet(&root);
    let store = Store::open(directory.path().join("images")).expect("a store");
    let image = build_for(&store, &spec(&root), "amd64").expect("an image");
    let manifest: serde_json::Value = serde_json::from_slice(
        &store
            .read_document(&image.manifest())
            .expect("the manifest"),
    )
    .expect("JSON");
    let configuration = manifest["config"]["digest"]
        .as_str()
        .expect("a digest")
        .parse()
        .expect("a digest");
    let configuration =
        String::from_utf8(store.read_document(&configuration).expect("the blob")).expect("text");
    assert_eq!(configuration, GOLDEN_CONFIGURATION);
    assert_eq!(image.to_string(), GOLDEN_DIGEST);
}

const GOLDEN_CONFIGURATION: &str = concat!(
    r#"{"architecture":"amd64","os":"linux","config":{"Entrypoint":["./fleet"],"WorkingDir":"/app","#,
    r#""Labels":{"app":"fleet","commit":"1f0c","delivery":"fleet-1"}},"rootfs":{"type":"layers","#,
    r#""diff_ids":["sha256:17de2c24d61590308f1179154ed68228c58dfd7f511c98e960fc504a97cac38f"]}}"#,
);
const GOLDEN_DIGEST: &str =
    "sha256:28286cb4bed8f61623186055b4db90b714eb7edc0ea2233e7de371075eb68eb0";

#[test]
fn an_image_unpacks_to_the_files_that_it_was_built_from() {
    let directory = TempDir::new().expect("a temporary directory");
    let root = directory.path().join("bundle");
    fs::create_dir(&root).expect("a directory");
    fleet(&root);
    let store = Store::open(directory.path().join("images")).expect("a store");
    let image = build_image(&store, &spec(&root)).expect("an image");
    let unpacked = unpack(&store, &image, &directory.path().join("unpacked")).expect("its files");
    assert_eq!(unpacked.command, ["./fleet"]);
    assert_eq!(unpacked.working_directory, unpacked.root.join("app"));
    let app = &unpacked.working_directory;
    assert_eq!(
        fs::read_link(app.join("index.html")).expect("a link"),
        Path::new("static/index.html")
    );
    assert!(app.join("empty").is_dir());
    let mut expected = read_tree(&root);
    for (name, (_, mode)) in &mut expected {
        *mode = match name.as_str() {
            "fleet" => 0o755,
            "index.html" => 0o777,
            _ => 0o644,
        };
    }
    assert_eq!(read_tree(app), expected);
}

#[test]
fn what_must_not_be_in_a_bundle_is_named() {
    type Prepare = fn(&Path);
    let cases: [(&str, Prepare); 7] = [
        ("a name that images reserve", |root| {
            fs::write(root.join(".wh.fleet"), "").expect("a file");
        }),
        ("a name that images reserve", |root| {
            fs::create_dir(root.join(".wh..wh..opq")).expect("a directory");
        }),
        ("points to /etc/passwd", |root| {
            symlink("/etc/passwd", root.join("link")).expect("a link");
        }),
        ("points to ../secret", |root| {
            symlink("../secret", root.join("link")).expect("a link");
        }),
        ("socket is neither", |root| {
            drop(UnixListener::bind(root.join("socket")).expect("a socket"));
        }),
        ("is no directory", |root| {
            fs::remove_dir(root).expect("an empty directory");
        }),
        ("is no directory", |root| {
            fs::remove_dir(root).expect("an empty directory");
            fs::write(root, "a file").expect("a file");
        }),
    ];
    for (expected, prepare) in cases {
        let directory = TempDir::new().expect("a temporary directory");
        let root = directory.path().join("bundle");
        fs::create_dir(&root).expect("a directory");
        prepare(&root);
        let store = Store::open(directory.path().join("images")).expect("a store");
        let error = build_image(&store, &spec(&root)).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
        assert!(store.blobs().expect("a list").is_empty());
    }
}

#[test]
fn a_bundle_without_a_command_is_refused() {
    let directory = TempDir::new().expect("a temporary directory");
    let store = Store::open(directory.path().join("images")).expect("a store");
    let spec = BundleSpec {
        command: Vec::new(),
        ..spec(directory.path())
    };
    assert!(matches!(
        build_image(&store, &spec),
        Err(BundleError::NoCommand)
    ));
}

fn files() -> impl Strategy<Value = Vec<File>> {
    let content = prop::collection::vec(any::<u8>(), 0..2000);
    // Directories and files have names of different shapes, so that no path needs one thing to be both.
    prop::collection::btree_map(
        "([a-c]{1,2}/){0,3}[a-z.]{0,6}[.][a-z0-9é ]{1,4}",
        (content, any::<bool>()),
        0..12,
    )
    .prop_filter("reserved names are refused", |files| {
        files.keys().all(|path| !path.contains(".wh."))
    })
    .prop_map(|files| {
        files
            .into_iter()
            .map(|(path, (content, executable))| (path, content, executable))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn order_times_modes_and_place_do_not_matter(files in files(), shuffled in any::<prop::sample::Index>()) {
        let directory = TempDir::new().expect("a temporary directory");
        let store = Store::open(directory.path().join("images")).expect("a store");
        let (one, other) = (directory.path().join("one"), directory.path().join("elsewhere/other"));
        fs::create_dir_all(&one).expect("a directory");
        fs::create_dir_all(&other).expect("a directory");
        for file in &files {
            write(&one, file, 0);
        }
        let first = shuffled.index(files.len() + 1);
        for file in files[first..].iter().chain(&files[..first]).rev() {
            write(&other, file, 0o077);
            let old = fs::File::open(other.join(&file.0)).expect("a file");
            old.set_modified(std::time::UNIX_EPOCH).expect("its time");
        }
        let image = build_image(&store, &spec(&one)).expect("an image");
        prop_assert_eq!(image, build_image(&store, &spec(&other)).expect("an image"));

        if let Some((path, content, executable)) = files.first() {
            let unpacked = unpack(&store, &image, &directory.path().join("unpacked")).expect("its files");
            prop_assert_eq!(&fs::read(unpacked.working_directory.join(path)).expect("a file"), content);
            write(&one, &(path.clone(), content.clone(), !executable), 0);
            prop_assert_ne!(image, build_image(&store, &spec(&one)).expect("an image"));
        }
    }
}
