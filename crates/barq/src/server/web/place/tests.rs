//! Addresses that mean no page, and what is said of them.

use super::Place;

/// What is wrong with an address; none where nothing is.
fn wrong(address: &str) -> Option<String> {
    let uri = address.parse().expect("an address");
    let problem = Place::of(&uri).err()?;
    Some(format!(
        "{} {}",
        problem.status().as_u16(),
        problem.detail().unwrap_or(problem.title())
    ))
}

#[test]
fn what_a_page_can_not_be_asked_is_said() {
    let cases = [
        (
            "/deliveries?state=zzz",
            "400 \"zzz\" is no state of a delivery",
        ),
        (
            "/deliveries?stat=failed",
            "400 this page has no filter `stat`, but `app`, `state`, `before`",
        ),
        (
            "/incidents?state=zzz",
            "400 there is no value `zzz`, but `open` or `resolved`",
        ),
        ("/journal?since=yesterday", "400 \"yesterday\" is no time"),
        (
            "/services/shop-production?revision=3",
            "400 this page has no filter `revision`, but `before`",
        ),
        (
            "/services/shop-production/logs?severity=loud",
            "400 \"loud\" is no severity",
        ),
        (
            "/services/shop-production/logs?text=x",
            "400 this page has no filter `text`, but `revision`, `severity`, `q`, `since`, `before`, `at`",
        ),
        (
            "/rollouts/shop-3-production?latency=p42",
            "400 `latency` is p50, p95 or p99",
        ),
        ("/nowhere", "404 there is no page \"/nowhere\""),
    ];
    for (address, expect) in cases {
        assert_eq!(wrong(address).as_deref(), Some(expect), "{address}");
    }
    for address in [
        "/deliveries?state=under_way",
        "/deliveries?state=rolled_back&app=",
        "/incidents?state=open&app=shop",
        "/services/shop-production/logs?revision=3&severity=ERROR",
    ] {
        assert_eq!(wrong(address), None, "{address}");
    }
}
