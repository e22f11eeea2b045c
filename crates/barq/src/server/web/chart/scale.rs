//! Axes that people read: steps of 1, 2 or 5 for values, of whole seconds, minutes or hours for times.

/// What a time axis may count in: from a second to two weeks.
const TIME_STEPS_S: [i64; 22] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
    172_800, 345_600, 604_800, 1_209_600,
];

/// Values from 0 on, evenly apart, the last not below `highest`; at most `steps_max` steps of 1, 2 or 5 times a power of ten.
pub(super) fn value_ticks(highest: f64, steps_max: u32) -> Vec<f64> {
    let highest = if highest.is_finite() && highest > 0.0 {
        highest
    } else {
        1.0
    };
    let least = highest / f64::from(steps_max.max(1));
    let power = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        // A step that is just enough must not be missed by what the computation loses.
        .find(|step| *step >= least * 0.999_999)
        .unwrap_or(power * 10.0);
    let steps = (highest / step - 1e-6).ceil().max(1.0);
    (0..=steps as u32).map(|at| f64::from(at) * step).collect()
}

/// Times inside a stretch at which people look at a clock, in milliseconds; at most `ticks_max`.
pub(super) fn time_ticks(start_ms: i64, end_ms: i64, ticks_max: i64) -> Vec<i64> {
    let span_ms = (end_ms - start_ms).max(1);
    let step_ms = TIME_STEPS_S
        .map(|seconds| seconds * 1000)
        .into_iter()
        .find(|step_ms| span_ms / step_ms < ticks_max)
        .unwrap_or(span_ms);
    let first = start_ms.div_euclid(step_ms) + i64::from(start_ms.rem_euclid(step_ms) > 0);
    (first..)
        .map(|at| at * step_ms)
        .take_while(|at_ms| *at_ms <= end_ms)
        .collect()
}

/// Whether times of a stretch are told with their seconds, their minutes, or their day.
pub(super) fn time_format(start_ms: i64, end_ms: i64) -> &'static str {
    match end_ms - start_ms {
        ..300_000 => "%H:%M:%S",
        300_000..86_400_000 => "%H:%M",
        _ => "%b %d %H:%M",
    }
}

#[cfg(test)]
mod tests;
