//! Hosts, tags and shares.

use std::collections::HashMap;
use std::sync::Arc;

use barq_judge::Tripwire;

use super::{Choice, Revision, ServiceRoute, Table, Target};
use crate::api::Protocol;
use crate::statistics::RevisionStatistics;

fn choice(name: &str, percent: u8) -> Choice {
    let revision = Revision {
        name: name.to_owned(),
        wire: Arc::new(Tripwire::new()),
        statistics: RevisionStatistics::new(1),
        ready: Arc::default(),
        concurrency: 1,
        protocol: Protocol::Http1,
    };
    Choice {
        revision: Arc::new(revision),
        endpoints: Arc::new([]),
        percent,
    }
}

fn route(
    service: &str,
    shares: &[(&str, u8)],
    tags: &[(&str, &str)],
    domains: &[&str],
) -> Arc<ServiceRoute> {
    let all: HashMap<String, Choice> = shares
        .iter()
        .map(|(name, percent)| ((*name).to_owned(), choice(name, *percent)))
        .collect();
    Arc::new(ServiceRoute {
        service: service.to_owned(),
        generation: 1,
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        choices: shares
            .iter()
            .map(|(name, _)| all[*name].clone())
            .filter(|choice| choice.percent > 0)
            .collect(),
        revisions: all,
        tags: tags
            .iter()
            .map(|(tag, revision)| ((*tag).to_owned(), (*revision).to_owned()))
            .collect(),
        trial: None,
    })
}

#[test]
fn hosts_lead_where_they_should() {
    let routes = [
        route(
            "shop-production",
            &[("r1", 100), ("r2", 0)],
            &[("canary", "r2"), ("gone", "r9")],
            &["Shop.Example.com"],
        ),
        route(
            "other-production",
            &[("o1", 100)],
            &[],
            &["shop.example.com"],
        ),
    ];
    let table = Table::new(routes.iter());
    let cases = [
        ("shop-production.localhost", Some(("shop-production", None))),
        ("shop.example.com", Some(("shop-production", None))),
        (
            "other-production.localhost",
            Some(("other-production", None)),
        ),
        ("canary---shop-production.localhost", Some(("", Some("r2")))),
        ("gone---shop-production.localhost", None),
        ("localhost", None),
        ("", None),
    ];
    for (host, expected) in cases {
        let found = table.host(host).map(|target| match target {
            Target::Service(route) => (route.service.as_str(), None),
            Target::Revision(choice) => ("", Some(choice.revision.name.as_str())),
        });
        assert_eq!(found, expected, "{host}");
    }
    assert!(table.revision("shop-production", "r2").is_some());
    assert!(table.revision("other-production", "r2").is_none());
}

#[test]
fn every_number_leads_to_a_share_above_0_in_proportion() {
    let route = route(
        "s",
        &[("none", 0), ("small", 10), ("none2", 0), ("large", 90)],
        &[],
        &[],
    );
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for drawn in 0..route.weights() {
        *counts
            .entry(route.choose(drawn).unwrap().revision.name.as_str())
            .or_default() += 1;
    }
    assert_eq!(counts, HashMap::from([("small", 10), ("large", 90)]));
    let empty = ServiceRoute {
        choices: vec![],
        ..Arc::into_inner(route).unwrap()
    };
    assert_eq!(empty.weights(), 0);
    assert!(empty.choose(0).is_none());
}
