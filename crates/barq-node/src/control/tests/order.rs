//! Old machines died before the proxy learned of the new, or a restart lost other apps: here the table changes first, and
//! comes back whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use super::{FakeFleet, SERVICE, configuration, share};
use crate::api::{InstanceRange, RevisionConfiguration, RevisionObservation, ServiceConfiguration};
use crate::control::{Fleet, Services};
use crate::instances::ReadySet;

/// What was wanted of the instances, and where the traffic went at that moment.
type Orders = Arc<Mutex<Vec<(BTreeMap<String, u32>, Vec<String>)>>>;

/// Instances that look at the routes whenever they are given an order.
#[derive(Default)]
struct Watching {
    fake: FakeFleet,
    services: Arc<OnceLock<Weak<Services>>>,
    orders: Orders,
}

impl Fleet for Watching {
    fn apply(&self, _: &str, revisions: &[RevisionConfiguration]) -> Result<(), String> {
        let sizes = revisions
            .iter()
            .map(|it| (it.name.clone(), it.instances.min));
        let services = self.services.get().and_then(Weak::upgrade);
        let receivers = services.map_or_else(Vec::new, |it| receivers(&it, SERVICE));
        self.orders
            .lock()
            .unwrap()
            .push((sizes.collect(), receivers));
        Ok(())
    }

    fn ready_set(&self, _: &str, revision: &str) -> Option<Arc<ReadySet>> {
        Some(self.fake.set(revision))
    }

    fn observe(&self, _: &str, _: &str) -> Option<RevisionObservation> {
        None
    }
}

/// Whoever has a share in the route that was published last.
fn receivers(services: &Services, service: &str) -> Vec<String> {
    let routes = services.routes.lock().unwrap();
    let choices = routes.get(service).map_or(&[][..], |route| &route.choices);
    let served = choices.iter().filter(|it| it.percent > 0);
    served.map(|it| it.revision.name.clone()).collect()
}

fn sized(generation: u64, receiver: &str, sizes: [u32; 2]) -> ServiceConfiguration {
    let mut sized = configuration(generation);
    sized.traffic = vec![share(receiver, 100)];
    for (revision, min) in sized.revisions.iter_mut().zip(sizes) {
        revision.instances = InstanceRange { min, max: min };
    }
    sized
}

#[tokio::test]
async fn instances_leave_after_their_traffic_has_left() {
    let directory = tempfile::tempdir().unwrap();
    let watching = Watching::default();
    let (orders, own) = (Arc::clone(&watching.orders), Arc::clone(&watching.services));
    let services = Services::load(directory.path(), 1, Box::new(watching)).unwrap();
    own.set(Arc::downgrade(&services)).unwrap();
    services.accept(sized(1, "stable", [2, 0])).await.unwrap();
    // One plan that moves all traffic and ends what had it, there and back.
    services.accept(sized(2, "canary", [0, 2])).await.unwrap();
    services.accept(sized(3, "stable", [2, 0])).await.unwrap();
    let orders = orders.lock().unwrap();
    assert!(orders.len() >= 3, "{orders:?}");
    for (sizes, receivers) in orders.iter() {
        for receiver in receivers {
            let size = sizes.get(receiver).copied().unwrap_or(0);
            assert!(size > 0, "{receiver} has traffic and must go: {orders:?}");
        }
    }
    assert_eq!(orders.last().unwrap().1, ["stable"]);
}

#[tokio::test]
async fn a_restart_routes_every_service_again() {
    let directory = tempfile::tempdir().unwrap();
    let load = || Services::load(directory.path(), 1, Box::new(FakeFleet::default())).unwrap();
    let names = ["a-production", "a-staging", "b-production"];
    let services = load();
    for name in names {
        let mut configuration = configuration(1);
        configuration.service = name.to_owned();
        services.accept(configuration).await.unwrap();
    }
    drop(services);
    let services = load();
    for name in names {
        assert_eq!(receivers(&services, name), ["stable"], "{name}");
    }
}
