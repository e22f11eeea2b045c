//! What must hold in every step, and at the end.

use barq_core::configuration::PRODUCTION;

use super::World;

/// Something that must not be, in words.
#[derive(Debug)]
pub(super) struct Problem(pub(super) String);

impl World {
    /// Nothing is left to do, on either side.
    pub(super) fn at_rest(&self) -> bool {
        let state = self.server.machine.state();
        self.server.is_up
            && self.server.is_idle()
            && barq_core::unfinished(state).is_empty()
            && state.deliveries.values().all(|it| it.ended())
            && state.services.values().all(|service| {
                let node = self.node.generation(&service.id);
                service.rollout.is_none()
                    && service.warm.is_none()
                    && service.guard.is_none()
                    && node == service.generation
            })
    }

    /// At rest stable serves everything, and what is shown is what is.
    pub(super) fn check_end(&self) -> Result<(), Problem> {
        let state = self.server.machine.state();
        for service in state.services.values() {
            let expected: Vec<(String, u8)> = service
                .stable
                .iter()
                .map(|stable| (stable.to_string(), 100))
                .collect();
            let served = self.node.shares(&service.id);
            if served != expected {
                return Err(Problem(format!(
                    "{}: {served:?} is served at the end, {expected:?} should be",
                    service.id
                )));
            }
            if let Some(stable) = &service.stable
                && self.node.ready(stable) == 0
            {
                return Err(Problem(format!("{stable} serves and is not ready")));
            }
        }
        let replayed = self.server.replay()?;
        if replayed.state() != self.server.machine.state() {
            return Err(Problem(
                "a replay of the journal gives another state".to_owned(),
            ));
        }
        Ok(())
    }

    pub(super) fn describe(&self) -> String {
        let machine = &self.server.machine;
        let state = machine.state();
        let now = self.now();
        let deliveries = state
            .deliveries
            .values()
            .filter(|it| !it.ended())
            .map(|it| {
                let waits = barq_core::explain(state, machine.observed(), it, now);
                format!("{} is {} and waits for {waits:?}", it.id, it.state_name())
            });
        let services = state.services.values().map(|service| {
            format!(
                "{} ({PRODUCTION} last): planned {}, accepted {}, at the node {}, rollout {:?}, warm {:?}",
                service.id,
                service.generation,
                service.accepted,
                self.node.generation(&service.id),
                service.rollout,
                service.warm.is_some(),
            )
        });
        let effects = barq_core::unfinished(state);
        let effects = effects.keys().map(|key| format!("unfinished: {key}"));
        let outside = self
            .server
            .outside()
            .map(|key| format!("still runs outside: {key}"));
        let effects = effects.chain(outside);
        deliveries
            .chain(services)
            .chain(effects)
            .collect::<Vec<_>>()
            .join("\n  ")
    }
}
