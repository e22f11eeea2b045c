//! Unpacking holds against hostile layers, damaged blobs and death in the middle.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::{UnpackError, UnpackedImage, unpack};
use crate::digest::{Digest, ImageDigest};
use crate::manifest::LAYER_TYPE;
use crate::store::{Store, StoreError};

/// An entry as an attacker writes it: kind, path, target of a link or content of a file.
type Entry<'a> = (EntryType, &'a str, &'a str);

const FILE: EntryType = EntryType::Regular;
const LINK: EntryType = EntryType::Symlink;
const DIRECTORY: EntryType = EntryType::Directory;

struct Fixture {
    directory: TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let store = Store::open(directory.path().join("images")).expect("a store");
        Self { directory, store }
    }

    fn destination(&self) -> PathBuf {
        self.directory.path().join("unpacked/image")
    }

    fn unpack(&self, image: &ImageDigest) -> Result<UnpackedImage, UnpackError> {
        unpack(&self.store, image, &self.destination())
    }

    fn layer(&self, entries: &[Entry<'_>]) -> Digest {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        for entry in entries {
            gzip.write_all(&archived(entry)).expect("memory");
        }
        gzip.write_all(&[0; 1024]).expect("memory");
        self.store
            .put(gzip.finish().expect("memory").as_slice())
            .expect("room")
    }

    fn image(&self, layers: &[Digest], execution: &serde_json::Value) -> ImageDigest {
        let put = |document: serde_json::Value| {
            self.store
                .put(document.to_string().as_bytes())
                .expect("room")
        };
        let descriptor = |kind: &str, digest| serde_json::json!({"mediaType": kind, "digest": digest, "size": 1});
        let configuration = put(serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": execution,
            "rootfs": {"type": "layers", "diff_ids": layers}, "history": [],
        }));
        let layers: Vec<_> = layers
            .iter()
            .map(|layer| descriptor(LAYER_TYPE, *layer))
            .collect();
        let config = descriptor("application/vnd.oci.image.config.v1+json", configuration);
        ImageDigest::from_manifest(put(serde_json::json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": layers,
        })))
    }

    fn image_of(&self, entries: &[Entry<'_>]) -> ImageDigest {
        self.image(
            &[self.layer(entries)],
            &serde_json::json!({"Entrypoint": ["./run"], "WorkingDir": "/app"}),
        )
    }
}

/// The raw blocks, past the checks of a library that writes archives.
fn archived((kind, path, rest): &Entry<'_>) -> Vec<u8> {
    let content = if *kind == FILE { rest.as_bytes() } else { b"" };
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    if *kind != FILE {
        header.as_old_mut().linkname[..rest.len()].copy_from_slice(rest.as_bytes());
    }
    header.set_entry_type(*kind);
    header.set_mode(0o7777);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory)
        .map(|entries| entries.collect::<Vec<_>>())
        .unwrap_or_default();
    let mut names: Vec<_> = entries
        .into_iter()
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn layers_environment_and_arguments_are_put_together() {
    let fixture = Fixture::new();
    let layers = [
        fixture.layer(&[(FILE, "./app/run", "1")]),
        fixture.layer(&[(DIRECTORY, "app/", ""), (FILE, "etc/x", "2")]),
    ];
    let image = fixture.image(
        &layers,
        &serde_json::json!({"Entrypoint": ["./run"], "Cmd": ["--port", "80"], "Env": ["A=1=2", "B="], "Labels": null}),
    );
    let unpacked = fixture.unpack(&image).expect("its files");
    assert_eq!(unpacked.command, ["./run", "--port", "80"]);
    assert_eq!(
        unpacked.environment.into_iter().collect::<Vec<_>>(),
        [("A".into(), "1=2".into()), ("B".into(), "".into())]
    );
    assert_eq!(unpacked.working_directory, unpacked.root.join(""));
    assert_eq!(
        fs::read_to_string(unpacked.root.join("app/run")).expect("a file"),
        "1"
    );
    assert_eq!(
        fs::read_to_string(unpacked.root.join("etc/x")).expect("a file"),
        "2"
    );
}

#[test]
fn hostile_entries_are_refused_and_leave_nothing() {
    let device = EntryType::Block;
    let cases: &[(&str, &[Entry<'_>])] = &[
        ("leads out", &[(FILE, "../evil", "x")]),
        ("leads out", &[(FILE, "app/../../evil", "x")]),
        ("leads out", &[(FILE, "/tmp/evil", "x")]),
        ("leads out", &[(DIRECTORY, "../evil/", "")]),
        ("leads out", &[(LINK, "app/link", "/etc")]),
        ("leads out", &[(LINK, "app/link", "../../etc")]),
        (
            "leads out",
            &[(LINK, "a/b/up", "../.."), (LINK, "link", "a/b/up/../x")],
        ),
        (
            "leads out",
            &[
                (DIRECTORY, "app/", ""),
                (LINK, "there", "app"),
                (FILE, "there/evil", "x"),
            ],
        ),
        ("leads out", &[(FILE, "app", "x"), (FILE, "app/evil", "x")]),
        ("twice", &[(FILE, "app/run", "x"), (FILE, "app/run", "y")]),
        ("twice", &[(LINK, "app/run", "x"), (FILE, "app/run", "y")]),
        ("neither a file", &[(device, "app/disk", "")]),
        ("neither a file", &[(EntryType::Char, "app/tty", "")]),
        ("neither a file", &[(EntryType::Fifo, "app/pipe", "")]),
        (
            "neither a file",
            &[(EntryType::Link, "app/passwd", "/etc/passwd")],
        ),
        ("neither a file", &[(FILE, "app/.wh.run", "")]),
        ("neither a file", &[(DIRECTORY, "app/.wh.run/", "")]),
    ];
    for (expected, entries) in cases {
        let fixture = Fixture::new();
        let error = fixture
            .unpack(&fixture.image_of(entries))
            .expect_err("the entries are hostile");
        assert!(error.to_string().contains(expected), "{entries:?}: {error}");
        assert_eq!(
            names(&fixture.directory.path().join("unpacked")),
            [".unpack.lock"],
            "{entries:?}"
        );
        assert_eq!(
            names(fixture.directory.path()),
            ["images", "unpacked"],
            "{entries:?}"
        );
    }
}

#[test]
fn no_rights_come_from_the_archive() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    let unpacked = fixture
        .unpack(&fixture.image_of(&[(FILE, "app/run", "x")]))
        .expect("its files");
    let mode = fs::metadata(unpacked.root.join("app/run"))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(
        mode & 0o7777,
        0o755,
        "no set-user-id, nothing writable by others"
    );
}

#[test]
fn a_working_directory_outside_is_refused() {
    let fixture = Fixture::new();
    for path in ["/../etc", "/app/../..", "app/../../x"] {
        let image = fixture.image(
            &[],
            &serde_json::json!({"Entrypoint": ["./run"], "WorkingDir": path}),
        );
        assert!(
            matches!(
                fixture.unpack(&image),
                Err(UnpackError::WorkingDirectory { .. })
            ),
            "{path}"
        );
    }
}

#[test]
fn a_damaged_or_cut_layer_is_found() {
    let fixture = Fixture::new();
    let layer = fixture.layer(&[(FILE, "app/run", "x")]);
    let image = fixture.image(&[layer], &serde_json::json!({"Entrypoint": ["./run"]}));
    let path = fixture
        .directory
        .path()
        .join("images/blobs/sha256")
        .join(layer.hex());
    let whole = fs::read(&path).expect("the blob");
    fs::write(&path, &whole[1..]).expect("a bad disk");
    assert!(matches!(
        fixture.unpack(&image),
        Err(UnpackError::Store(StoreError::Corrupt { .. }))
    ));

    let cut = fixture.store.put(&whole[..whole.len() / 2]).expect("room");
    let image = fixture.image(&[cut], &serde_json::json!({"Entrypoint": ["./run"]}));
    assert!(matches!(
        fixture.unpack(&image),
        Err(UnpackError::Layer { .. })
    ));
    assert!(!fixture.destination().exists());
}

#[test]
fn an_unpacked_image_is_used_again_without_the_store() {
    let fixture = Fixture::new();
    let image = fixture.image_of(&[(FILE, "app/run", "x")]);
    let first = fixture.unpack(&image).expect("its files");
    for blob in fixture.store.blobs().expect("a list") {
        fixture.store.remove(&blob.digest).expect("removable");
    }
    assert_eq!(fixture.unpack(&image).expect("what is there"), first);
    let other = ImageDigest::from_manifest(Digest::of(b"another"));
    assert!(matches!(
        fixture.unpack(&other),
        Err(UnpackError::DestinationTaken { .. })
    ));
}

#[test]
fn what_a_killed_predecessor_left_is_removed() {
    let fixture = Fixture::new();
    let leftover = fixture
        .directory
        .path()
        .join("unpacked/.unpacking-killed/root/app");
    fs::create_dir_all(&leftover).expect("a directory");
    fs::write(leftover.join("run"), "half").expect("a file");
    fixture
        .unpack(&fixture.image_of(&[(FILE, "app/run", "x")]))
        .expect("its files");
    assert_eq!(
        names(&fixture.directory.path().join("unpacked")),
        [".unpack.lock", "image"]
    );
}

#[test]
fn a_directory_of_somebody_else_is_not_touched() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.destination()).expect("a directory");
    fs::write(fixture.destination().join("notes"), "mine").expect("a file");
    let image = fixture.image_of(&[(FILE, "app/run", "x")]);
    assert!(matches!(
        fixture.unpack(&image),
        Err(UnpackError::DestinationTaken { .. })
    ));
    assert_eq!(names(&fixture.destination()), ["notes"]);
}

#[test]
fn many_at_once_unpack_one_image() {
    let fixture = Fixture::new();
    let image = fixture.image_of(&[(FILE, "app/run", "x")]);
    let unpacked: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| fixture.unpack(&image)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic").expect("its files"))
            .collect()
    });
    assert!(unpacked.iter().all(|each| *each == unpacked[0]));
}
