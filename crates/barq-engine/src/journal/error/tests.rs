//! Both databases' codes lead to the same causes.

use super::*;

#[test]
fn sqlite_codes() {
    for (code, expect) in [
        (13, Cause::DiskFull),
        (5, Cause::Locked),
        (517, Cause::Locked),       // BUSY_SNAPSHOT
        (1034, Cause::InputOutput), // IOERR_FSYNC
        (778, Cause::InputOutput),  // IOERR_WRITE
        (8, Cause::InputOutput),
        (11, Cause::Damaged),
        (26, Cause::Damaged),
        (2067, Cause::Other), // CONSTRAINT_UNIQUE
    ] {
        assert_eq!(cause_sqlite(code), expect, "{code}");
    }
}

#[test]
fn postgres_codes() {
    for (code, expect) in [
        ("53100", Cause::DiskFull),
        ("55P03", Cause::Locked),
        ("40001", Cause::Locked),
        ("08006", Cause::Disconnected),
        ("57P01", Cause::Disconnected),
        ("58030", Cause::InputOutput),
        ("XX001", Cause::Damaged),
        ("23505", Cause::Other),
    ] {
        assert_eq!(cause_postgres(code), expect, "{code}");
    }
}
