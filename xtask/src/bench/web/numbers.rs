//! Many measurements in few numbers: median, percentile, greatest. Means hide what a noisy machine does.

use std::time::Duration;

/// Durations, sorted.
#[derive(Debug)]
pub(super) struct Sample(Vec<Duration>);

impl Sample {
    /// Of at least one.
    pub(super) fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    pub(super) fn median(&self) -> Duration {
        self.quantile(50)
    }

    /// The smallest one that so many percent do not exceed (nearest rank); zero of none.
    pub(super) fn quantile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    pub(super) fn max(&self) -> Duration {
        self.quantile(100)
    }
}

/// As people read it: `3.14 ms`.
pub(super) fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1_000.0)
}

/// A share of a core, in percent.
pub(super) fn percent(of: Duration, whole: Duration) -> f64 {
    100.0 * of.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// `ok`, or what it is not.
pub(super) fn verdict(within: bool) -> &'static str {
    if within { "ok" } else { "OVER" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let sample =
            |ms: &[u64]| Sample::new(ms.iter().map(|ms| Duration::from_millis(*ms)).collect());
        let cases: [(&[u64], usize, u64); 6] = [
            (&[], 50, 0),
            (&[7], 95, 7),
            (&[3, 1, 2], 50, 2),
            (&[4, 3, 2, 1], 50, 2),
            (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 95, 10),
            (&[5, 9, 1], 100, 9),
        ];
        for (given, percent, expect) in cases {
            let quantile = sample(given).quantile(percent);
            assert_eq!(
                quantile,
                Duration::from_millis(expect),
                "{given:?} {percent}"
            );
        }
    }
}
