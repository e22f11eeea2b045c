//! What one side writes the other reads; what it does not know it passes over.

use super::*;

#[test]
fn what_is_said_is_understood() {
    let keeps = Said::Keeps("the disk\nis full".to_owned());
    let cases = [
        (Said::Waits.words(), Some(Said::Waits)),
        (Said::Serves.words(), Some(Said::Serves)),
        (Said::HandedOver.words(), Some(Said::HandedOver)),
        (
            keeps.words(),
            Some(Said::Keeps("the disk is full".to_owned())),
        ),
        ("sings".to_owned(), None),
        (String::new(), None),
    ];
    for (line, expected) in cases {
        assert_eq!(Said::read(&line), expected, "{line:?}");
    }
}

#[tokio::test]
async fn an_unknown_order_is_passed_over_and_the_end_is_noticed() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let (mut ours, mut child) = (ours, Lifeline::new(theirs));
    ours.write_all(b"dance\nhand-over\nend\n")
        .await
        .expect("written");
    assert_eq!(child.order().await, Some(Order::HandOver));
    assert_eq!(child.order().await, Some(Order::End));
    drop(ours);
    assert_eq!(child.order().await, None);
    child.say(&Said::Serves).await;
}
