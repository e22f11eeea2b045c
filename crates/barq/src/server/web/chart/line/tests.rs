//! Line charts: where everything stands, as numbers, and what is drawn and said of it, as a snapshot.

use super::{Chart, Geometry, Line, Mark, MarkKind, PLOT, TOP, layout, render};

fn words(value: f64) -> String {
    format!("{value}/s")
}

fn check(canary: &[Option<f64>], stable: &[Option<f64>], marks: &[Mark]) -> Geometry {
    with(canary, stable, marks, layout)
}

/// Values one second apart, the first after half a second.
fn with<T>(
    canary: &[Option<f64>],
    stable: &[Option<f64>],
    marks: &[Mark],
    then: impl Fn(&Chart<'_>) -> T,
) -> T {
    let line = |name, values: &[Option<f64>]| Line {
        name,
        values: (0..)
            .map(|at| at * 1000 + 500)
            .zip(values.iter().copied())
            .collect(),
        goes_on: true,
    };
    then(&Chart {
        title: "Requests per second",
        start_ms: 0,
        end_ms: 10_000,
        lines: vec![line("canary", canary), line("stable", stable)],
        marks,
        highest_min: 1.0,
        words,
    })
}

fn mark(at_ms: i64, words: &str, kind: MarkKind) -> Mark {
    Mark {
        at_ms,
        words: words.to_owned(),
        kind,
    }
}

#[test]
fn the_axis_fits_the_highest_value() {
    let geometry = check(&[Some(3.0), Some(12.0)], &[Some(90.0)], &[]);
    let values: Vec<_> = geometry
        .values
        .iter()
        .map(|(y, words)| (*y, words.as_str()))
        .collect();
    assert_eq!(
        values,
        [
            (TOP + PLOT, "0/s"),
            (TOP + PLOT / 2, "50/s"),
            (TOP, "100/s")
        ]
    );
    // In quarters of a pixel from the top: 3 and 12 of 100.
    assert_eq!(geometry.lines[0].path, "M50 512l 100 -47");
    assert_eq!(geometry.lines[0].last.as_deref(), Some("12/s"));
}

#[test]
fn a_gap_is_not_drawn_over() {
    let geometry = check(
        &[Some(1.0), None, Some(0.5), Some(0.5), None, Some(0.0)],
        &[],
        &[],
    );
    assert_eq!(geometry.lines[0].path, "M50 0h1M250 264l 100 0M550 528h1");
    assert_eq!(geometry.lines[1].end, None);
}

#[test]
fn a_last_value_is_not_said_to_be_how_it_is_now() {
    let markup = |canary: &[Option<f64>], goes_on: bool| {
        with(canary, &[Some(9.0)], &[], |chart| {
            let mut lines = Vec::new();
            for line in &chart.lines {
                lines.push(Line {
                    name: line.name,
                    values: line.values.clone(),
                    goes_on,
                });
            }
            let chart = Chart { lines, ..*chart };
            render(&chart, &layout(&chart)).into_string()
        })
    };
    let last = r#"</svg>canary <span class="quiet">last </span><span class="value">2/s</span>"#;
    let now = r#"</svg>canary <span class="value">2/s</span>"#;
    assert!(markup(&[Some(1.0), Some(2.0)], true).contains(now));
    assert!(markup(&[Some(1.0), Some(2.0), None], true).contains(last));
    assert!(markup(&[Some(1.0), Some(2.0)], false).contains(last));
}

#[test]
fn names_do_not_stand_on_each_other() {
    let ends = |canary: f64, stable: f64| {
        let geometry = check(&[Some(canary)], &[Some(stable)], &[]);
        geometry
            .lines
            .iter()
            .map(|line| line.end.expect("a value").1)
            .collect::<Vec<_>>()
    };
    assert_eq!(ends(1.0, 0.0), [TOP, TOP + PLOT]);
    for (canary, stable) in [(0.5, 0.5), (0.5, 0.52), (0.0, 0.0), (1.0, 1.0), (1.0, 0.99)] {
        let [one, other] = ends(canary, stable)[..] else {
            panic!("two lines");
        };
        assert!(
            (one - other).abs() >= 15,
            "{canary} {stable}: {one} {other}"
        );
        assert!((TOP..=TOP + PLOT).contains(&one) && (TOP..=TOP + PLOT).contains(&other));
    }
}

#[test]
fn of_marks_that_are_near_the_later_one_is_told() {
    let marks = [
        mark(1000, "10 %", MarkKind::Step),
        mark(1500, "50 %", MarkKind::Step),
        mark(1600, "taken back", MarkKind::Back),
        mark(12_000, "later", MarkKind::Step),
    ];
    let geometry = check(&[], &[], &marks);
    let placed: Vec<_> = geometry
        .marks
        .iter()
        .map(|mark| (mark.x, mark.words.as_deref()))
        .collect();
    assert_eq!(
        placed,
        [
            (100, None),
            (150, Some("50 %")),
            (160, Some("taken back")),
            (1000, Some("later"))
        ]
    );
}

#[test]
fn it_is_drawn_and_said() {
    let marks = [
        mark(1000, "10 %", MarkKind::Step),
        mark(9500, "taken back", MarkKind::Back),
    ];
    let markup = with(&[Some(1.0), Some(2.0)], &[Some(9.0)], &marks, |chart| {
        render(chart, &layout(chart)).into_string()
    });
    insta::assert_snapshot!(markup.replace("><", ">\n<"), @r#"
    <figure class="chart">
    <figcaption class="row">
    <strong>Requests per second</strong>
    <span class="key line-1">
    <svg width="22" height="8" aria-hidden="true">
    <path d="M0 4H22">
    </path>
    </svg>canary <span class="value">2/s</span>
    </span>
    <span class="key line-2">
    <svg width="22" height="8" aria-hidden="true">
    <path d="M0 4H22">
    </path>
    </svg>stable <span class="value">9/s</span>
    </span>
    </figcaption>
    <div class="drawing">
    <svg width="52" height="190" aria-hidden="true">
    <text class="tick" x="46" y="174" text-anchor="end">0/s</text>
    <text class="tick" x="46" y="108" text-anchor="end">5/s</text>
    <text class="tick" x="46" y="42" text-anchor="end">10/s</text>
    </svg>
    <svg class="plot" role="img" aria-label="Requests per second from 00:00:00 to 00:00:10 UTC; canary now 2/s; stable now 9/s; 10 % at 00:00:01; taken back at 00:00:09" height="190">
    <line class="grid" x1="0" x2="100%" y1="170" y2="170">
    </line>
    <line class="grid" x1="0" x2="100%" y1="104" y2="104">
    </line>
    <line class="grid" x1="0" x2="100%" y1="38" y2="38">
    </line>
    <line class="grid" x1="0%" x2="0%" y1="170" y2="174">
    </line>
    <text class="tick" x="0%" y="186" text-anchor="start">00:00:00</text>
    <line class="grid" x1="50%" x2="50%" y1="170" y2="174">
    </line>
    <text class="tick" x="50%" y="186" text-anchor="middle">00:00:05</text>
    <line class="grid" x1="100%" x2="100%" y1="170" y2="174">
    </line>
    <text class="tick" x="100%" y="186" text-anchor="end">00:00:10</text>
    <line class="mark step" x1="10%" x2="10%" y1="17" y2="170">
    </line>
    <line class="mark back" x1="95%" x2="95%" y1="1" y2="170">
    </line>
    <text class="mark step" x="10%" dx="4" y="27" text-anchor="start">10 %</text>
    <text class="mark back" x="95%" dx="-4" y="11" text-anchor="end">taken back</text>
    <svg x="0" y="38" width="100%" height="132" viewBox="0 0 1000 528" preserveAspectRatio="none" overflow="visible">
    <path class="line-2" d="M50 53h1">
    </path>
    <path class="line-1" d="M50 475l 100 -53">
    </path>
    </svg>
    <text class="name line-2" x="5%" y="47" text-anchor="start">stable</text>
    <text class="name line-1" x="15%" y="139" text-anchor="middle">canary</text>
    </svg>
    </div>
    </figure>
    "#);
}
