//! What the handlers share: the storage, and what the instance knows of itself. Cloned for each request, so all behind
//! handles.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::config::Config;
use crate::process::CpuMeter;
use crate::store::{Schema, Store};

/// Shared by all handlers; cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// The storage.
    pub store: Store,
    pub(crate) schema: watch::Receiver<Schema>,
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) about: Arc<About>,
}

/// What does not change while the process runs.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) service: Option<String>,
    pub(crate) revision: Option<String>,
    pub(crate) started_at: Timestamp,
    pub(crate) started: Instant,
    pub(crate) cpu: CpuMeter,
}

impl App {
    /// The shared state of an instance that learns of its schema and of its end through the two channels.
    #[must_use]
    pub fn new(config: &Config, schema: watch::Receiver<Schema>, stopping: watch::Receiver<bool>) -> Self {
        let about = About {
            service: config.service.clone(),
            revision: config.revision.clone(),
            started_at: Timestamp::now(),
            started: Instant::now(),
            cpu: CpuMeter::new(),
        };
        Self {
            store: Store::new(&config.database, config.database_pool_connections_max),
            schema,
            stopping,
            about: Arc::new(about),
        }
    }

    /// Why no request should come here now, if so: all but the database, which is asked each time.
    pub(crate) fn not_ready(&self) -> Option<String> {
        if *self.stopping.borrow() {
            return Some("the instance is stopping".to_owned());
        }
        match &*self.schema.borrow() {
            Schema::Waiting(reason) => Some(format!("the schema is not up to date: {reason}")),
            Schema::Current => None,
        }
    }
}
