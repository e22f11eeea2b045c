//! The limit that stands between a small blob and a full disk.

use std::io::{self, Read};

use super::Limited;

#[test]
fn more_than_the_limit_is_an_error_and_not_an_end() {
    for (given_bytes, left_bytes, expected) in
        [(10, 10, Some(10)), (10, 11, Some(10)), (11, 10, None)]
    {
        let mut limited = Limited {
            reader: io::repeat(7).take(given_bytes),
            left_bytes,
        };
        let read = io::copy(&mut limited, &mut io::sink());
        match expected {
            Some(bytes) => assert_eq!(read.expect("within the limit"), bytes),
            None => assert_eq!(
                read.expect_err("over the limit").kind(),
                io::ErrorKind::FileTooLarge
            ),
        }
    }
}
