//! The code covers every field, and nothing can be moved from one field to the next.

use jiff::Timestamp;

use super::super::event::Document;
use super::*;

fn event() -> NewEvent {
    NewEvent {
        at: Timestamp::from_microsecond(1_700_000_000_000_001).unwrap(),
        actor: "ada".to_owned(),
        app: Some("fleet".to_owned()),
        subject: "delivery:fleet-1".to_owned(),
        kind: "pushed".to_owned(),
        version: 1,
        payload: Document::encode(&1).unwrap(),
    }
}

#[test]
fn every_field_counts() {
    let key = ChainKey::new(&[7; 32]);
    let batch = BatchId([1; 16]);
    let code = |event: &NewEvent| key.event(Mac::GENESIS, 1, batch, event);
    let original = code(&event());
    let altered = [
        NewEvent {
            at: Timestamp::from_microsecond(1_700_000_000_000_002).unwrap(),
            ..event()
        },
        NewEvent {
            actor: "eve".to_owned(),
            ..event()
        },
        NewEvent {
            app: None,
            ..event()
        },
        NewEvent {
            app: Some(String::new()),
            ..event()
        },
        NewEvent {
            subject: "delivery:fleet-2".to_owned(),
            ..event()
        },
        NewEvent {
            subject: "delivery:fleet-1pushed".to_owned(),
            kind: String::new(),
            ..event()
        },
        NewEvent {
            kind: "pulled".to_owned(),
            ..event()
        },
        NewEvent {
            version: 2,
            ..event()
        },
        NewEvent {
            payload: Document::encode(&2).unwrap(),
            ..event()
        },
    ];
    for event in altered {
        assert_ne!(code(&event), original, "{event:?}");
    }
    assert_ne!(key.event(Mac([1; 32]), 1, batch, &event()), original);
    assert_ne!(key.event(Mac::GENESIS, 2, batch, &event()), original);
    assert_ne!(
        key.event(Mac::GENESIS, 1, BatchId([2; 16]), &event()),
        original
    );
    assert_ne!(
        ChainKey::new(&[8; 32]).event(Mac::GENESIS, 1, batch, &event()),
        original
    );
}

/// The bytes that are covered are a format: journals already written must go on verifying. The codes come from
/// another implementation (Python's `hmac`) of what `chain.rs` describes.
#[test]
fn the_format_is_fixed() {
    let key = ChainKey::new(&[7; 32]);
    let code = key.event(Mac::GENESIS, 1, BatchId([1; 16]), &event());
    assert_eq!(
        code.to_string(),
        "38d93669a8eada93d90c3846d63aefc369210799c1bc758906fc887ad5a93fa6"
    );
    assert_eq!(
        key.seal(Head {
            sequence: 1,
            mac: code
        })
        .to_string(),
        "c848eb03833335d74078574893975982ed486e98db1876e1dd448b71b40d3117"
    );
}
