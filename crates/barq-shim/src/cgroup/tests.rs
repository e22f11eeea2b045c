//! Where a group would be made, from texts of real machines.

use super::*;

#[test]
fn the_mount_and_the_own_path_are_found_in_both_versions() {
    let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                  cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
                  cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
    assert_eq!(
        mount_point(mounts, "cgroup", Some("cpu")),
        Some(PathBuf::from("/sys/fs/cgroup/cpu,cpuacct"))
    );
    assert_eq!(mount_point(mounts, "cgroup", Some("memory")), None);
    assert_eq!(
        mount_point(mounts, "cgroup2", None),
        Some(PathBuf::from("/sys/fs/cgroup/unified"))
    );
    let membership = "4:memory:/a\n1:cpu,cpuacct:/b:c\n0::/user.slice\n";
    assert_eq!(own_path(membership, "cpu"), Some("/b:c"));
    assert_eq!(own_path(membership, "memory"), Some("/a"));
    assert_eq!(own_path(membership, ""), Some("/user.slice"));
}
