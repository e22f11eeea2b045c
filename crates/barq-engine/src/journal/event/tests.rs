//! Limits and text forms.

use super::*;

fn event() -> NewEvent {
    NewEvent {
        at: Timestamp::UNIX_EPOCH,
        actor: "ada".to_owned(),
        app: None,
        subject: "delivery:fleet-1".to_owned(),
        kind: "pushed".to_owned(),
        version: 1,
        payload: Document::encode(&1).unwrap(),
    }
}

#[test]
fn batches_are_checked() {
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    let cases = [
        (vec![], Err(InvalidBatch::Empty)),
        (vec![event()], Ok(())),
        (vec![event(); BATCH_EVENTS_MAX], Ok(())),
        (
            vec![event(); BATCH_EVENTS_MAX + 1],
            Err(InvalidBatch::TooManyEvents {
                events: BATCH_EVENTS_MAX + 1,
            }),
        ),
        (
            vec![NewEvent {
                actor: long.clone(),
                ..event()
            }],
            Err(InvalidBatch::NameTooLong {
                field: "actor",
                bytes: long.len(),
            }),
        ),
        (
            vec![NewEvent {
                app: Some("a\0b".to_owned()),
                ..event()
            }],
            Err(InvalidBatch::NameWithNul { field: "app" }),
        ),
        (
            vec![NewEvent {
                payload: Document::encode(&"x".repeat(PAYLOAD_BYTES_MAX)).unwrap(),
                ..event()
            }],
            Err(InvalidBatch::PayloadTooLong {
                kind: "pushed".to_owned(),
                bytes: PAYLOAD_BYTES_MAX + 2,
            }),
        ),
    ];
    for (events, expect) in cases {
        assert_eq!(check_events(&events), expect);
    }
}

#[test]
fn codes_read_back_from_their_text() {
    let mac = Mac(std::array::from_fn(|index| {
        u8::try_from(index * 8).unwrap()
    }));
    assert_eq!(mac.to_string().parse(), Ok(mac));
    let batch = BatchId::random().unwrap();
    assert_eq!(batch.to_string().parse(), Ok(batch));
    for bad in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
        assert_eq!(bad.parse::<Mac>(), Err(HexError { bytes: MAC_BYTES }));
    }
}

#[test]
fn documents_are_json_without_raw_nul() {
    assert_eq!(Document::encode("a\0b").unwrap().as_str(), r#""a\u0000b""#);
    assert!(Document::parse("{".to_owned()).is_err());
    assert!(Document::parse("\"\0\"".to_owned()).is_err());
    assert_eq!(Document::parse("{ }".to_owned()).unwrap().as_str(), "{ }");
}
