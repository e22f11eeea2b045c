//! What makes two revisions of one image differ.
//!
//! A revision is an image digest, the configuration that its instances run with, and secret versions. Two deliveries
//! with the same of all three are the same revision; a quarantine and an approval bind to it. So this text must be the
//! same on every machine and in every version that means the same: fields in a fixed order, maps sorted, units fixed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Configuration, Environment, EnvironmentValue, Health, Instances, Protocol};

/// The version of the form; raised when a field is added, since that changes every digest.
const FORM: u32 = 1;

/// Declares the order of the fields, which serde keeps.
#[derive(Serialize)]
struct Material<'a> {
    form: u32,
    service: &'a str,
    environment: &'a str,
    health: &'a Health,
    env: &'a BTreeMap<String, EnvironmentValue>,
    secrets: BTreeSet<&'a str>,
    instances: Instances,
    cpu_millis: u32,
    memory_bytes: u64,
    concurrency: u32,
    #[serde(skip_serializing_if = "Protocol::is_default")]
    protocol: Protocol,
    drain_ms: u128,
}

impl Configuration {
    /// Canonical JSON of what an environment's instances run with: name, health, variables, names of secrets, size,
    /// number, drain. None if there is no such environment.
    ///
    /// Left out is what says how a revision is made (checks, build: the image digest stands for them), how it is
    /// brought in (approval, steps, guard, shield, lease, smoke tests), and what belongs to the service rather than to
    /// one revision (domains, tls, keep).
    pub fn digest_material(&self, environment: &str) -> Option<String> {
        let environment = self.environment(environment)?;
        let Environment {
            env,
            secrets,
            instances,
            cpu_millis,
            memory_bytes,
            concurrency,
            protocol,
            ..
        } = environment;
        let material = Material {
            form: FORM,
            service: self.service.as_str(),
            environment: &environment.name,
            health: &self.health,
            env,
            secrets: secrets.iter().map(String::as_str).collect(),
            instances: *instances,
            cpu_millis: *cpu_millis,
            memory_bytes: *memory_bytes,
            concurrency: *concurrency,
            protocol: *protocol,
            drain_ms: environment.drain.as_millis(),
        };
        Some(
            serde_json::to_string(&material)
                .expect("texts, numbers and maps with text keys always become JSON"),
        )
    }
}

#[cfg(test)]
mod tests;
