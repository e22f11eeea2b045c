//! Assembles a `SELECT` from fixed fragments and bound values.
//!
//! A filter that is not set must not be in the statement at all: `($1 IS NULL OR app = $1)` would keep the databases from using an
//! index. All fragments are `'static`, so nothing that came from outside can become SQL.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::database::Value;

/// A statement under construction.
#[derive(Debug)]
pub(super) struct Select {
    sql: String,
    values: Vec<Value>,
}

impl Select {
    /// `SELECT columns FROM table`, no condition yet.
    pub(super) fn new(columns: &'static str, table: &'static str) -> Self {
        Self {
            sql: format!("SELECT {columns} FROM {table} WHERE 1 = 1"),
            values: Vec::new(),
        }
    }

    /// One more condition, e.g. `"sequence >"` and its value.
    pub(super) fn and(&mut self, comparison: &'static str, value: impl Into<Value>) {
        self.values.push(value.into());
        self.push(format_args!(" AND {comparison} ${}", self.values.len()));
    }

    /// A condition only where there is a value.
    pub(super) fn and_where_given(&mut self, comparison: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.and(comparison, value);
        }
    }

    /// The column is one of these; no condition where the list is empty.
    pub(super) fn and_one_of(&mut self, column: &'static str, values: &[String]) {
        for (index, value) in values.iter().enumerate() {
            self.values.push(value.as_str().into());
            match index {
                0 => self.push(format_args!(" AND {column} IN (${}", self.values.len())),
                _ => self.push(format_args!(", ${}", self.values.len())),
            }
        }
        if !values.is_empty() {
            self.push(format_args!(")"));
        }
    }

    /// The columns, compared as a row, come before these values.
    pub(super) fn and_row_before(&mut self, columns: &'static str, first: i64, second: &str) {
        self.values.push(first.into());
        self.values.push(second.into());
        let last = self.values.len();
        self.push(format_args!(" AND ({columns}) < (${}, ${last})", last - 1));
    }

    /// Order and number of rows; the statement and its values.
    pub(super) fn finish(mut self, order: &'static str, rows_max: usize) -> (SqlStr, Vec<Value>) {
        self.values
            .push(i64::try_from(rows_max).unwrap_or(i64::MAX).into());
        self.push(format_args!(
            " ORDER BY {order} LIMIT ${}",
            self.values.len()
        ));
        (AssertSqlSafe(self.sql).into_sql_str(), self.values)
    }

    fn push(&mut self, fragment: std::fmt::Arguments<'_>) {
        self.sql
            .write_fmt(fragment)
            .expect("writing to a String cannot fail");
    }
}
