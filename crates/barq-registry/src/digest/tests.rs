//! What is a digest and what is not, and that text and value agree in every form that others store.

use super::{Digest, ImageDigest};

const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_digest_is_the_same_as_text_and_as_a_value() {
    let digest = Digest::of(b"");
    assert_eq!(digest.to_string(), EMPTY);
    assert_eq!(EMPTY.parse(), Ok(digest));
    assert_eq!(
        Digest::of_reader(&mut &b""[..]).expect("memory"),
        (digest, 0)
    );
    assert_eq!(
        serde_json::to_string(&ImageDigest::from_manifest(digest)).expect("text"),
        format!("\"{EMPTY}\"")
    );
    assert_eq!(
        serde_json::from_str::<Digest>(&format!("\"{EMPTY}\"")).expect("a digest"),
        digest
    );
}

#[test]
fn what_is_no_digest_is_refused() {
    let cases = [
        "".to_owned(),
        "sha256:".to_owned(),
        EMPTY.replace("sha256", "sha512"),
        EMPTY.to_uppercase(),
        EMPTY.replace("sha256:", ""),
        EMPTY[..EMPTY.len() - 1].to_owned(),
        format!("{EMPTY}0"),
        EMPTY.replace("e3b0", "../."),
        EMPTY.replace("e3b0", "é3b"),
        format!(" {EMPTY}"),
    ];
    for text in cases {
        assert!(
            text.parse::<Digest>().is_err(),
            "{text} was taken for a digest"
        );
        assert!(
            serde_json::from_value::<Digest>(text.clone().into()).is_err(),
            "{text} was taken for a digest"
        );
    }
}
