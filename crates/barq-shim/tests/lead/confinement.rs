//! What a process gets, and what it cannot reach.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use barq_shim::output::Stream;
use barq_shim::{Enforced, ExitOutcome, Limits, Priority, Sandbox};

use crate::support::{Place, end, spec};

/// Files of a Debian system that a shell needs.
fn system() -> Vec<PathBuf> {
    ["/usr", "/bin", "/lib", "/lib64", "/etc", "/dev", "/proc"]
        .map(PathBuf::from)
        .to_vec()
}

#[test]
fn the_environment_is_what_was_given_and_the_tree_variable() {
    let place = Place::new();
    let mut spec =
        spec("env | grep -v '^PWD=\\|^_=\\|^SHLVL=\\|^OLDPWD='; cat; ls -l /proc/self/fd >&2");
    spec.environment
        .insert("GREETING".to_owned(), "hello = \"you\"".to_owned());
    let handle = place.start_spec(&spec);
    assert!(end(&handle).success());
    let (mut texts, mut descriptors) = (Vec::new(), Vec::new());
    for line in place.lines() {
        match line.stream {
            Stream::Stdout => texts.push(line.text),
            Stream::Stderr | Stream::Barq => descriptors.push(line.text),
        }
    }
    texts.sort();
    assert_eq!(
        texts,
        [
            format!("BARQ_SHIM_TREE={}", handle.identity()),
            "GREETING=hello = \"you\"".to_owned(),
            "PATH=/usr/bin:/bin".to_owned(),
        ]
    );
    // Others may come from whoever ran this test; none may be the shim's.
    let root = place.root.path().display().to_string();
    assert!(
        descriptors
            .iter()
            .any(|line| line.ends_with("0 -> /dev/null")),
        "{descriptors:?}"
    );
    assert!(
        !descriptors
            .iter()
            .any(|line| line.contains(&root) || line.contains("socket:")),
        "{descriptors:?}"
    );
}

#[test]
fn files_of_the_shim_are_the_owners_alone() {
    let place = Place::new();
    place.run(&spec("exit 0"));
    for entry in fs::read_dir(place.directory()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(
            mode & 0o077,
            0,
            "{} has mode {mode:o}",
            entry.path().display()
        );
    }
}

#[test]
fn landlock_denies_what_is_outside_or_says_that_there_is_none() {
    let place = Place::new();
    let outside = place.root.path().join("outside");
    let inside = place.root.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(&outside, "secret").unwrap();
    let mut spec = spec(&format!(
        "echo mine > {0}/file && cat {0}/file; cat {1} && exit 1; exit 0",
        inside.display(),
        outside.display()
    ));
    spec.working_directory.clone_from(&inside);
    spec.sandbox = Some(Sandbox {
        read_only: system(),
        writable: vec![inside],
        user: None,
    });
    let record = place.run(&spec);
    assert!(place.texts().contains(&"mine".to_owned()));
    match record.sandbox {
        Enforced::Yes => {
            assert_eq!(record.outcome, ExitOutcome::Code(0));
            assert!(!place.texts().contains(&"secret".to_owned()));
        }
        Enforced::No(reason) => {
            println!("skipped: {reason}");
            assert_eq!(record.outcome, ExitOutcome::Code(1));
        }
        Enforced::NotAsked => panic!("a sandbox was asked for"),
    }
}

#[test]
fn another_user_runs_the_program_but_cannot_read_the_directory() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can change the user");
        return;
    }
    const NOBODY: u32 = 65534;
    let place = Place::new();
    let mut spec = spec(&format!(
        "id -u; id -g; id -G; cat {}/spec.json; grep NoNewPrivs /proc/self/status",
        place.directory().display()
    ));
    spec.sandbox = Some(Sandbox {
        read_only: vec!["/".into()],
        writable: vec!["/dev".into()],
        user: Some((NOBODY, NOBODY)),
    });
    assert!(place.run(&spec).success());
    let texts = place.texts();
    assert_eq!(
        texts.iter().filter(|text| *text == "65534").count(),
        3,
        "{texts:?}"
    );
    assert!(
        texts.iter().any(|text| text.contains("Permission denied")),
        "{texts:?}"
    );
    assert!(texts.contains(&"NoNewPrivs:\t1".to_owned()), "{texts:?}");
}

#[test]
fn limits_are_enforced_or_said_not_to_be() {
    let place = Place::new();
    let mut spec = spec("x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}; exit 0");
    spec.limits = Limits {
        memory_bytes: Some(32 << 20),
        cpus: Some(0.9),
    };
    let handle = place.start_spec(&spec);
    let (memory, cpu, _) = handle.enforced().unwrap();
    let record = end(&handle);
    assert_eq!((&record.memory_limit, &record.cpu_limit), (&memory, &cpu));
    match memory {
        Enforced::Yes => assert!(!record.success(), "{record:?} {:?}", place.texts()),
        Enforced::No(reason) => println!("skipped: {reason}"),
        Enforced::NotAsked => panic!("a limit was asked for"),
    }
    assert_ne!(cpu, Enforced::NotAsked);
}

#[test]
fn nothing_asked_is_reported_as_nothing() {
    let record = Place::new().run(&spec("exit 0"));
    assert_eq!(
        [record.memory_limit, record.cpu_limit, record.sandbox],
        [Enforced::NotAsked, Enforced::NotAsked, Enforced::NotAsked]
    );
}

/// Builds starve live apps (coolify): the lowered priority is in force before the program's first instruction.
#[test]
fn a_process_and_what_it_starts_stand_back_as_asked() {
    let own = rustix::process::getpriority_process(None).unwrap();
    for (nice, expected) in [(0, 0), (10, 10), (200, 19)] {
        // Only root could come forward again.
        let shown = own.max(expected).to_string();
        let place = Place::new();
        let mut spec = spec("nice; (nice) & wait; cat /proc/self/autogroup || true");
        spec.priority = Priority { nice };
        assert!(place.run(&spec).success());
        let texts = place.texts();
        assert_eq!(
            texts[..2],
            [shown.clone(), shown.clone()],
            "asked for {nice}"
        );
        // Written as "/autogroup-71 nice 10" where the kernel groups by session.
        let session = texts.iter().find(|it| it.starts_with("/autogroup"));
        assert!(
            session.is_none_or(|it| nice == 0 || it.ends_with(&format!("nice {shown}"))),
            "{session:?}"
        );
    }
}
