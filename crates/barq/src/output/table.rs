//! Tables without lines: they are read by people, and cut by tools.
//!
//! On a terminal the last column, which is prose, is wrapped at its words; names before it stay whole, also where the
//! line becomes too long for it. Elsewhere a row is a line.

use std::io::IsTerminal as _;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

/// The width of a terminal that does not tell its own.
const COLUMNS: u16 = 80;
/// The last column has at least so much room, however long the names before it are.
const PROSE_COLUMNS_MIN: u16 = 30;

/// A table with a head, as standard output needs it.
pub fn render(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let columns = std::io::stdout().is_terminal().then(width);
    lay_out(head, rows, columns)
}

fn width() -> u16 {
    terminal_size::terminal_size().map_or(COLUMNS, |(width, _)| width.0)
}

/// A table with a head; of so many columns where it must be wrapped.
pub fn lay_out(
    head: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    columns: Option<u16>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(head.iter().map(|title| title.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    match columns {
        Some(columns) => wrap(&mut table, columns),
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    // Padding at the line's end is of no use to anybody.
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}

fn wrap(table: &mut Table, columns: u16) {
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(columns);
    let last = table.column_count().saturating_sub(1);
    for (place, column) in table.column_iter_mut().enumerate() {
        column.set_constraint(match place < last {
            true => ColumnConstraint::ContentWidth,
            false => ColumnConstraint::LowerBoundary(Width::Fixed(PROSE_COLUMNS_MIN)),
        });
    }
}
