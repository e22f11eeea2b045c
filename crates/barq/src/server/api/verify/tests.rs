//! When counted traffic is as desired, when not, and when nobody can say.

use super::traffic_of;

#[test]
fn traffic_is_judged_by_what_chance_allows() {
    let revision = "shop-production-00001".parse().expect("a name");
    for (percent, requests, total, expect) in [
        (100, 300, 300, Some(true)),
        (100, 290, 300, Some(true)),
        (100, 200, 300, Some(false)),
        (10, 35, 300, Some(true)),
        (10, 150, 300, Some(false)),
        (50, 8, 20, Some(true)),
        (0, 40, 100, Some(false)),
        (100, 0, 3, None),
        (100, 0, 0, None),
    ] {
        let fact = traffic_of(&revision, percent, requests, total);
        assert_eq!(fact.ok, expect, "{percent} %: {}", fact.detail);
    }
}
