//! Memory and processor limits by cgroups, version 2 or 1, where this process may make one.
//!
//! A group is made beside or below the shim's own, whichever the kernel allows; the leader joins it before it becomes
//! the program. What cannot be enforced is reported, never pretended. It must not know what runs inside.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::record::Enforced;
use crate::spec::Limits;

/// The period over which processor time is counted, in microseconds: the kernel's default.
const CPU_PERIOD_US: f64 = 100_000.0;
/// Least processor time in a period that the kernel takes, in microseconds.
const CPU_QUOTA_US_MIN: f64 = 1_000.0;

/// The groups of one tree and what they enforce.
pub(crate) struct Groups {
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) memory: Enforced,
    pub(crate) cpu: Enforced,
}

/// Makes the groups that the limits need.
pub(crate) fn create(name: &str, limits: &Limits) -> Groups {
    let mut groups = Groups {
        directories: Vec::new(),
        memory: Enforced::NotAsked,
        cpu: Enforced::NotAsked,
    };
    let memory = limits.memory_bytes.map(|bytes| Setting {
        controller: "memory",
        version_1: vec![("memory.limit_in_bytes", bytes.to_string())],
        version_2: vec![
            ("memory.max", bytes.to_string()),
            ("memory.oom.group", "1".to_owned()),
        ],
    });
    let cpu = limits.cpus.map(|cpus| {
        let quota = (cpus * CPU_PERIOD_US).max(CPU_QUOTA_US_MIN).round();
        Setting {
            controller: "cpu",
            version_1: vec![
                ("cpu.cfs_period_us", format!("{CPU_PERIOD_US}")),
                ("cpu.cfs_quota_us", format!("{quota}")),
            ],
            version_2: vec![("cpu.max", format!("{quota} {CPU_PERIOD_US}"))],
        }
    });
    if let Some(setting) = memory {
        groups.memory = groups.enforce(name, &setting);
    }
    if let Some(setting) = cpu {
        groups.cpu = groups.enforce(name, &setting);
    }
    groups
}

/// Removes groups, best effort: one that still holds a process stays.
pub(crate) fn remove(directories: &[PathBuf]) {
    for directory in directories {
        if let Err(error) = fs::remove_dir(directory) {
            tracing::debug!(directory = %directory.display(), %error, "a cgroup stays behind");
        }
    }
}

/// The processes in a group.
pub(crate) fn members(directory: &Path) -> Vec<i32> {
    fs::read_to_string(directory.join("cgroup.procs"))
        .map(|text| text.lines().filter_map(|line| line.parse().ok()).collect())
        .unwrap_or_default()
}

/// Moves this process into a group.
pub(crate) fn join(directory: &Path) -> io::Result<()> {
    fs::write(directory.join("cgroup.procs"), "0")
}

struct Setting {
    controller: &'static str,
    version_1: Vec<(&'static str, String)>,
    version_2: Vec<(&'static str, String)>,
}

impl Groups {
    fn enforce(&mut self, name: &str, setting: &Setting) -> Enforced {
        let result = find(setting.controller).and_then(|place| {
            let directory = match &place {
                Place::Version1(parent) | Place::Version2(parent) => parent.join(name),
            };
            if !self.directories.contains(&directory) {
                fs::create_dir(&directory)?;
                self.directories.push(directory.clone());
            }
            let values = match place {
                Place::Version1(_) => &setting.version_1,
                Place::Version2(_) => &setting.version_2,
            };
            values
                .iter()
                .try_for_each(|(file, value)| fs::write(directory.join(file), value))
        });
        match result {
            Ok(()) => Enforced::Yes,
            Err(error) => Enforced::No(format!("no cgroup could be made for it: {error}")),
        }
    }
}

/// A directory in which a group can be made.
#[derive(Debug)]
enum Place {
    Version1(PathBuf),
    Version2(PathBuf),
}

fn find(controller: &str) -> io::Result<Place> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let membership = fs::read_to_string("/proc/self/cgroup")?;
    if let Some(mount) = mount_point(&mounts, "cgroup", Some(controller)) {
        let own = own_path(&membership, controller).unwrap_or_default();
        let place = mount.join(own.trim_start_matches('/'));
        // In a container the path may be the host's.
        return Ok(Place::Version1(if place.is_dir() { place } else { mount }));
    }
    let mount = mount_point(&mounts, "cgroup2", None).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, "no cgroup file system is mounted")
    })?;
    let own = mount.join(
        own_path(&membership, "")
            .unwrap_or_default()
            .trim_start_matches('/'),
    );
    own.ancestors()
        .take_while(|directory| directory.starts_with(&mount))
        .find(|directory| offers(directory, controller))
        .map(|directory| Place::Version2(directory.to_owned()))
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the controller {controller} is not delegated"),
            )
        })
}

/// Whether groups below get the controller; it is asked for if need be (refused where processes live in the group).
fn offers(directory: &Path, controller: &str) -> bool {
    let control = directory.join("cgroup.subtree_control");
    let offered = || {
        fs::read_to_string(&control)
            .is_ok_and(|text| text.split_ascii_whitespace().any(|word| word == controller))
    };
    offered() || (fs::write(&control, format!("+{controller}")).is_ok() && offered())
}

fn mount_point(mounts: &str, kind: &str, option: Option<&str>) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, point, found, options, ..] = fields.as_slice() else {
            return None;
        };
        let matches = *found == kind
            && option.is_none_or(|option| options.split(',').any(|word| word == option));
        matches.then(|| PathBuf::from(point))
    })
}

/// This process's path in the hierarchy of a controller (version 1) or in the one without (version 2).
fn own_path<'a>(membership: &'a str, controller: &str) -> Option<&'a str> {
    membership.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers
            .split(',')
            .any(|word| word == controller)
            .then_some(path)
    })
}

#[cfg(test)]
mod tests;
