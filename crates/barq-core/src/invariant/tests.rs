//! The checker must see what is wrong: a state that the rules never make, made by hand.

use super::check;
use crate::event::{InstanceRange, Plan, Share};
use crate::identity::RevisionName;
use crate::service::Service;
use crate::state::State;

fn problems(traffic: &[(u32, u8)], instances: u32) -> Vec<String> {
    let id: crate::identity::ServiceId = "fleet-production".parse().unwrap();
    let name = |number| RevisionName {
        service: id.clone(),
        number,
    };
    let mut service = Service::new(id.clone(), "production".to_owned());
    service.generation = 1;
    service.plan = Plan {
        traffic: traffic
            .iter()
            .map(|(number, percent)| Share {
                revision: name(*number),
                percent: *percent,
            })
            .collect(),
        revisions: vec![(
            name(1),
            InstanceRange {
                min: instances,
                max: 9,
            },
        )],
        ..Plan::default()
    };
    let mut state = State::default();
    state.services.insert(id, std::sync::Arc::new(service));
    check(&state).into_iter().map(|it| it.problem).collect()
}

#[test]
fn sees_what_is_wrong_with_traffic() {
    let cases = [
        (vec![(1, 90)], 1, "sums to 90"),
        (vec![(1, 100), (1, 0)], 1, "two shares"),
        (vec![(1, 100), (2, 0)], 1, "share of 0 %"),
        (vec![(1, 100)], 0, "no instances"),
        (vec![(1, 100)], 1, "at rest stable must have all traffic"),
    ];
    for (traffic, instances, expected) in cases {
        let found = problems(&traffic, instances);
        assert!(
            found.iter().any(|it| it.contains(expected)),
            "{traffic:?}: {found:?}"
        );
    }
    assert_eq!(problems(&[], 1), Vec::<String>::new());
}
