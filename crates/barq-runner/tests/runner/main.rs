//! Real git, real processes: checks, caches, builds, cancellation, and a server that is killed.

#[cfg(test)]
mod builds;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod restarts;
#[cfg(test)]
mod support;
