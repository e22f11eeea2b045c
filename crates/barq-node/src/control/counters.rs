//! Writes down what changed, off the requests' path: configurations after a trip, counters after a canary's error
//! and while one is served.
//!
//! The counters exist so that a node that restarts does not give a canary its whole limit anew. Errors that come while one
//! write is under way share the next: a canary that fails a thousand times a second costs no thousand writes.

use std::time::Duration;

use tokio::sync::watch;

use super::{Dirty, Services, lock};

/// After a failed write.
const RETRY_PERIOD: Duration = Duration::from_secs(2);

impl Services {
    /// Writes until `ends` says so or nobody can say so any more. What was begun by then is written: no write of this node
    /// may come after one of the next.
    pub(crate) async fn write_what_changes(&self, mut ends: watch::Receiver<bool>) {
        while !*ends.borrow_and_update() {
            let is_all = self.write_all().await;
            let told = tokio::select! {
                () = self.write.notified(), if is_all => Ok(()),
                () = tokio::time::sleep(RETRY_PERIOD), if !is_all => Ok(()),
                told = ends.changed() => told,
            };
            if told.is_err() {
                return;
            }
        }
    }

    /// Writes what is to be written now. False if something is left.
    pub(crate) async fn write_all(&self) -> bool {
        let dirty = std::mem::take(&mut *lock(&self.dirty));
        let mut is_all = true;
        for (name, what) in dirty {
            let Some(service) = self.find(&name) else {
                continue;
            };
            is_all &= match what {
                Dirty::Configuration => self.write_configuration(&service).await,
                Dirty::Counters => self.write_counters(&name).await,
            };
        }
        is_all
    }

    /// The counters of every canary are to be written: they change with each request.
    pub(crate) fn mark_canaries(&self) {
        for service in self.all() {
            if service.lock().canary().is_some() {
                self.mark_dirty(&service.name, Dirty::Counters);
            }
        }
    }

    async fn write_counters(&self, name: &str) -> bool {
        let now = self.now();
        let Some(counters) = self
            .find(name)
            .and_then(|service| service.lock().counters(now))
        else {
            return true;
        };
        let (disk, service) = (self.disk.clone(), name.to_owned());
        let written =
            tokio::task::spawn_blocking(move || disk.write_counters(&service, &counters)).await;
        let why = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let is_written = why.is_none();
        if !is_written {
            lock(&self.dirty).insert((name.to_owned(), Dirty::Counters));
        }
        let words =
            |why| format!("the errors of {name}'s canary would not survive a restart: {why}");
        self.degrade(&format!("counters {name}"), why.map(words));
        is_written
    }
}
