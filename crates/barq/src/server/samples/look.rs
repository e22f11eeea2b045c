//! From sums to differences: what came between two looks at the data plane.
//!
//! Sums begin again when the data plane restarts, and looks fail while it is away. What came in a time that was not
//! watched is nobody's: it would be a spike in a single bin. It must not know what the differences are kept for.

use std::collections::BTreeMap;

use barq_core::identity::{RevisionName, ServiceId};

/// Two looks that are further apart have a gap between them, in milliseconds: they are half a second apart when all is well.
pub(super) const GAP_MS: i64 = 5_000;

/// Requests and errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) requests: u64,
    pub(super) errors: u64,
}

/// The last look at each service.
#[derive(Debug, Default)]
pub(super) struct Looks(BTreeMap<ServiceId, Last>);

#[derive(Debug)]
struct Last {
    at_ms: i64,
    sums: BTreeMap<RevisionName, Counters>,
}

/// What came between two looks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Since {
    pub(super) span: Span,
    pub(super) revisions: BTreeMap<RevisionName, Counters>,
}

/// A stretch of time, in milliseconds; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

impl Looks {
    /// What came since the look before; none where there was none, or it is too long ago, or the clock was set back.
    pub(super) fn look(
        &mut self,
        service: &ServiceId,
        sums: BTreeMap<RevisionName, Counters>,
        at_ms: i64,
    ) -> Option<Since> {
        let last = self.0.get(service);
        if last.is_some_and(|last| last.at_ms == at_ms) {
            return None;
        }
        let since = last
            .filter(|last| (1..=GAP_MS).contains(&(at_ms - last.at_ms)))
            .map(|last| Since {
                span: Span {
                    from_ms: last.at_ms,
                    to_ms: at_ms,
                },
                revisions: differences(&last.sums, &sums),
            });
        self.0.insert(service.clone(), Last { at_ms, sums });
        since
    }

    /// Forgets services that are no longer there.
    pub(super) fn retain(&mut self, keep: impl Fn(&ServiceId) -> bool) {
        self.0.retain(|service, _| keep(service));
    }
}

/// A revision that was not there before has all its requests of this span; so has one whose sums began again.
fn differences(
    before: &BTreeMap<RevisionName, Counters>,
    after: &BTreeMap<RevisionName, Counters>,
) -> BTreeMap<RevisionName, Counters> {
    let difference = |name: &RevisionName, sum: &Counters| {
        let before = before
            .get(name)
            .filter(|before| before.requests <= sum.requests && before.errors <= sum.errors)
            .copied()
            .unwrap_or_default();
        Counters {
            requests: sum.requests - before.requests,
            errors: sum.errors - before.errors,
        }
    };
    after
        .iter()
        .map(|(name, sum)| (name.clone(), difference(name, sum)))
        .collect()
}

/// Divides what came in a span among bins of `width_ms` from `origin_ms` on, by time: each bin's index, how long the span
/// is in it, and its part. The parts add up to the whole.
pub(super) fn spread(
    span: Span,
    counters: Counters,
    origin_ms: i64,
    width_ms: i64,
) -> impl Iterator<Item = (i64, i64, Counters)> {
    let whole_ms = span.to_ms - span.from_ms;
    let upto = move |sum: u64, part: i128, of: i128| {
        let part = i128::from(sum) * part / of.max(1);
        u64::try_from(part).unwrap_or(sum)
    };
    let mut at_ms = span.from_ms;
    let mut given = Counters::default();
    std::iter::from_fn(move || {
        if at_ms >= span.to_ms {
            return None;
        }
        let index = (at_ms - origin_ms).div_euclid(width_ms);
        let end_ms = (origin_ms + (index + 1) * width_ms).min(span.to_ms);
        let requests = upto(
            counters.requests,
            i128::from(end_ms - span.from_ms),
            i128::from(whole_ms),
        );
        // By requests rather than by time: so no bin has more errors than requests.
        let errors = upto(
            counters.errors,
            i128::from(requests),
            i128::from(counters.requests),
        );
        let sum = Counters { requests, errors };
        let part = Counters {
            requests: sum.requests - given.requests,
            errors: sum.errors - given.errors,
        };
        let covered_ms = end_ms - at_ms;
        given = sum;
        at_ms = end_ms;
        Some((index, covered_ms, part))
    })
}

#[cfg(test)]
mod tests;
