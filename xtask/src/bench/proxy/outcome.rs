//! What came out: medians over rounds, as a table for people and for a file, with the first row's ratios to the best of
//! the others. Means would hide what a noisy machine does.

use std::fmt::Write as _;

/// Of a row's name.
const NAME_WIDTH: usize = 22;
/// Of the other columns: five of them and the name fit into 100.
const COLUMN_WIDTH: usize = 15;

/// A column of figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    better: Better,
    decimals: usize,
}

/// Which figure is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    More,
    Less,
}

/// A scenario's outcome.
pub(super) struct Outcome {
    pub(super) title: String,
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Row>,
}

/// A proxy's.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) figures: Figures,
}

/// What it did.
pub(super) enum Figures {
    /// Of each round, by column.
    Rounds(Vec<Vec<f64>>),
    /// It has no such thing.
    Skipped(String),
    /// It did not do what it shall, so it has no figures.
    Failed(String),
}

impl Column {
    pub(super) const fn new(title: &'static str, better: Better, decimals: usize) -> Self {
        Self {
            title,
            better,
            decimals,
        }
    }
}

impl Outcome {
    /// Whether the first row, barq's, failed.
    pub(super) fn failed(&self) -> bool {
        let first = self.rows.first();
        first.is_some_and(|row| matches!(row.figures, Figures::Failed(_)))
    }

    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        for (index, row) in self.table().iter().enumerate() {
            let mut cells = row.iter();
            let mut line = format!("{:NAME_WIDTH$}", cells.next().map_or("", String::as_str));
            for cell in cells {
                // A reason is longer than a figure, and alone.
                match row.len() {
                    2 if index > 0 => line.push_str(&format!(" {cell}")),
                    _ => line.push_str(&format!("{cell:>COLUMN_WIDTH$}")),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// For a file.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("### {}\n", self.title);
        for (index, mut row) in self.table().into_iter().enumerate() {
            row.resize(self.columns.len() + 1, String::new());
            text.push_str(&format!("| {} |\n", row.join(" | ")));
            if index == 0 {
                let lines = " ---: |".repeat(self.columns.len());
                text.push_str(&format!("| --- |{lines}\n"));
            }
        }
        text
    }

    /// Titles, rows, ratios. A row of two cells has a reason in place of figures.
    fn table(&self) -> Vec<Vec<String>> {
        let titles = self.columns.iter().map(|column| column.title.to_owned());
        let mut table = vec![std::iter::once("proxy".to_owned()).chain(titles).collect()];
        for row in &self.rows {
            let mut cells = vec![row.name.clone()];
            match &row.figures {
                Figures::Skipped(why) => cells.push(format!("skipped: {why}")),
                Figures::Failed(why) => cells.push(format!("FAILED: {}", why.replace('\n', " "))),
                Figures::Rounds(_) => cells.extend(
                    self.columns
                        .iter()
                        .zip(row.medians())
                        .map(|(column, figure)| format!("{figure:.*}", column.decimals)),
                ),
            }
            table.push(cells);
        }
        table.extend(self.ratios());
        table
    }

    /// The first row's figures by the best of the others.
    fn ratios(&self) -> Option<Vec<String>> {
        let (first, others) = self.rows.split_first()?;
        let mut cells = vec!["first ÷ best other".to_owned()];
        for (index, (column, own)) in self.columns.iter().zip(first.medians()).enumerate() {
            let others = others.iter().filter_map(|row| {
                let figure = *row.medians().get(index)?;
                Some((figure, row.name.as_str()))
            });
            let best = others.min_by(|(one, _), (other, _)| match column.better {
                Better::More => other.total_cmp(one),
                Better::Less => one.total_cmp(other),
            });
            let (best, name) = best?;
            let mut cell = format!("{:.2}", own / best);
            if self.rows.len() > 2 {
                write!(cell, " {name}").ok()?;
            }
            cells.push(cell);
        }
        (cells.len() > 1).then_some(cells)
    }
}

impl Row {
    /// Whether it takes no further part.
    pub(super) fn is_out(&self) -> bool {
        !matches!(self.figures, Figures::Rounds(_))
    }

    /// The rounds of both; one that went wrong is all that is left.
    pub(super) fn add(&mut self, other: Self) {
        match (&mut self.figures, other.figures) {
            (Figures::Rounds(rounds), Figures::Rounds(more)) => rounds.extend(more),
            (figures, other) => *figures = other,
        }
    }

    /// By column; none where there are no rounds.
    fn medians(&self) -> Vec<f64> {
        let Figures::Rounds(rounds) = &self.figures else {
            return Vec::new();
        };
        let columns = rounds.first().map_or(0, Vec::len);
        let of = |column: usize| median(rounds.iter().map(|round| round[column]).collect());
        (0..columns).map(of).collect()
    }
}

/// Of an even number the mean of the two in the middle.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let (lower, upper) = (figures.len().saturating_sub(1) / 2, figures.len() / 2);
    match (figures.get(lower), figures.get(upper)) {
        (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column::new("requests/s", Better::More, 0),
        Column::new("p99 ms", Better::Less, 2),
    ];

    fn outcome() -> Outcome {
        let row = |name: &str, figures| Row {
            name: name.to_owned(),
            figures,
        };
        let rounds = |rounds: &[[f64; 2]]| {
            Figures::Rounds(rounds.iter().map(|round| round.to_vec()).collect())
        };
        Outcome {
            title: "Small".to_owned(),
            columns: COLUMNS,
            rows: vec![
                row("barq", rounds(&[[100.0, 3.0], [120.0, 1.0], [900.0, 2.0]])),
                row("one", rounds(&[[60.0, 1.0], [80.0, 2.0]])),
                row("two", rounds(&[[100.0, 4.0]])),
                row("three", Figures::Skipped("no TLS".to_owned())),
                row("four", Figures::Failed("status 3".to_owned())),
            ],
        }
    }

    #[test]
    fn a_table_has_medians_and_ratios() {
        let expected = "\
Small
proxy                      requests/s         p99 ms
barq                              120           2.00
one                                70           1.50
two                               100           4.00
three                  skipped: no TLS
four                   FAILED: status 3
first ÷ best other           1.20 two       1.33 one
";
        assert_eq!(outcome().text(), expected);
    }

    #[test]
    fn a_file_has_the_same() {
        let expected = "\
### Small
| proxy | requests/s | p99 ms |
| --- | ---: | ---: |
| barq | 120 | 2.00 |
| one | 70 | 1.50 |
| two | 100 | 4.00 |
| three | skipped: no TLS |  |
| four | FAILED: status 3 |  |
| first ÷ best other | 1.20 two | 1.33 one |
";
        assert_eq!(outcome().markdown(), expected);
    }

    #[test]
    fn without_barqs_figures_there_are_no_ratios() {
        let mut outcome = outcome();
        outcome.rows[0].figures = Figures::Failed("it ended".to_owned());
        assert!(outcome.failed());
        assert!(!outcome.text().contains('÷'));
    }
}
