//! What comes late for one order leaves the next one as it is.

use barq_core::configuration::Role;
use barq_core::event::{Actor, Recall};

use super::*;

fn order(to: &str) -> RecallOrder {
    RecallOrder {
        service: "shop-production".parse().expect("a service"),
        revision: "shop-production-00003".parse().expect("a revision"),
        recall: Recall {
            by: Actor {
                name: "ann".to_owned(),
                role: Role::Operator,
            },
            to: to.parse().expect("a revision"),
            message: None,
            request: None,
        },
    }
}

#[test]
fn a_late_word_of_an_earlier_order_changes_nothing() {
    let (first, second) = (
        order("shop-production-00001"),
        order("shop-production-00002"),
    );
    let recalls = Recalls::default();
    recalls.keep(first, 4);
    let earlier = recalls.all().remove(0);
    recalls.told_again(&earlier, 5);
    assert_eq!(recalls.all()[0].trip, 5);
    recalls.keep(second.clone(), 6);
    recalls.told_again(&earlier, 9);
    recalls.forget(&earlier);
    let kept = recalls.all().remove(0);
    assert_eq!((kept.order == second, kept.trip), (true, 6));
    recalls.forget(&kept);
    assert!(recalls.all().is_empty());
}
