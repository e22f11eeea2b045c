//! The token that server and node share.

use super::token;
use crate::data::DataDirectory;

#[test]
fn a_damaged_token_is_refused_rather_than_shared() {
    let directory = tempfile::tempdir().unwrap();
    let data = DataDirectory::resolve(Some(directory.path().join("data")), None).unwrap();
    data.create().unwrap();
    let made = token(&data).unwrap();
    assert_eq!(token(&data).unwrap(), made);
    for damaged in [b"".as_slice(), &made.as_bytes()[1..], &[0xff; 64]] {
        std::fs::write(data.node_token(), damaged).unwrap();
        let refused = token(&data).unwrap_err().to_string();
        assert!(refused.contains("node.token is damaged"), "{refused}");
    }
}
