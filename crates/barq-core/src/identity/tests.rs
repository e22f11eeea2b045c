//! Ids read back as they were written, and nothing else is read.

use super::*;

fn check<T: FromStr<Err = InvalidName> + fmt::Display>(text: &str, valid: bool) {
    match text.parse::<T>() {
        Ok(value) => {
            assert!(valid, "{text:?} was accepted");
            assert_eq!(value.to_string(), text);
        }
        Err(error) => assert!(!valid, "{error}"),
    }
}

#[test]
fn ids_read_back() {
    check::<AppName>("fleet", true);
    check::<AppName>("-fleet", false);
    check::<AppName>("Fleet", false);
    check::<AppName>("", false);
    check::<DeliveryId>("my-app-12", true);
    check::<DeliveryId>("my-app", false);
    check::<RolloutId>("my-app-12-production", true);
    check::<RolloutId>("my-2-app-12-eu-west", true);
    check::<RolloutId>("my-app-12", false);
    check::<RevisionName>("barq-api-production-00043", true);
    check::<RevisionName>("barq-api-production-43", false);
    check::<IncidentId>("fleet-incident-3", true);
    check::<ImageDigest>("sha256:abc", false);
    check::<CommitHash>("0123456789abcdef0123456789abcdef01234567", true);
    check::<CommitHash>("HEAD", false);
}

#[test]
fn a_rollout_belongs_to_its_delivery() {
    let id: RolloutId = "my-2-app-12-eu-west".parse().expect("valid");
    assert_eq!(id.delivery.to_string(), "my-2-app-12");
    assert_eq!(id.environment, "eu-west");
}
