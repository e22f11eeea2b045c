//! What the node says of an instance, and what is said of it then.

use super::*;

fn observed(state: api::InstanceState, port: u16) -> api::InstanceObservation {
    api::InstanceObservation {
        id: "i1".to_owned(),
        state,
        port,
        started_at: jiff::Timestamp::UNIX_EPOCH,
        restarts: 2,
        last_probe_failure: None,
    }
}

#[test]
fn an_instance_has_its_port_while_it_runs() {
    for (state, port, expect) in [
        (api::InstanceState::Starting, 4000, ("starting", Some(4000))),
        (
            api::InstanceState::NotReady,
            4000,
            ("not_ready", Some(4000)),
        ),
        (api::InstanceState::Ready, 4000, ("ready", Some(4000))),
        (api::InstanceState::Draining, 4000, ("draining", Some(4000))),
        (api::InstanceState::BackingOff, 4000, ("backing_off", None)),
        (api::InstanceState::Starting, 0, ("starting", None)),
    ] {
        let detail = instance(&observed(state, port));
        assert_eq!((detail.state, detail.port), expect);
    }
}
