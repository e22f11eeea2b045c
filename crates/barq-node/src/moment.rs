//! Tells of the moments at which a crash would tear the route table, the disk and the answer apart.
//!
//! They are trace events: nothing happens but where somebody listens. The end-to-end tests do, and kill the node there. It
//! must not know what listens.

/// A file is whole beside the one that it is to replace.
pub(crate) const BESIDE: &str = "node-file-beside";
/// A configuration that moves traffic away from stable is on disk; the table is still the one before.
pub(crate) const WRITTEN_AHEAD: &str = "node-written-ahead";
/// Such a configuration is on disk and in the table; nobody has been told.
pub(crate) const SWAPPED_LAST: &str = "node-swapped-last";
/// A configuration towards stable is in the table; the disk has the one before.
pub(crate) const SWAPPED_FIRST: &str = "node-swapped-first";
/// A configuration that is in the table is on disk; nobody has been told.
pub(crate) const WRITTEN_LAST: &str = "node-written-last";
/// A trip is in the table; the disk knows nothing of it.
pub(crate) const TRIPPED: &str = "node-tripped";
/// What ran out of its lease has lost its traffic in the table.
pub(crate) const LEASE_ENDED: &str = "node-lease-ended";

/// The moment is now, in this service and generation.
pub(crate) fn reached(moment: &'static str, service: &str, generation: u64) {
    let of = format!("{service} {generation}");
    tracing::trace!(target: "barq::moment", moment, of);
}
