//! Input that breaks a rule of its own, whatever the state: HTTP 422. All faults of a request are told at once.

use serde::Serialize;
use thiserror::Error;
use utoipa::ToSchema;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field, as the request names it.
    #[schema(value_type = String)]
    pub field: &'static str,
    /// What it must be.
    pub message: String,
}

/// The faults of a request, at least one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the request has values that cannot be used")]
pub struct Invalid(pub Vec<FieldError>);

/// Collects the faults while values are made.
#[derive(Debug, Default)]
pub struct Checker {
    errors: Vec<FieldError>,
}

impl Checker {
    /// Notes a fault.
    pub fn fault(&mut self, field: &'static str, message: impl Into<String>) {
        self.errors.push(FieldError { field, message: message.into() });
    }

    /// A text that says something: trimmed, not empty, without control characters, at most `characters_max` long.
    pub fn text(&mut self, field: &'static str, value: &str, characters_max: usize) -> String {
        let value = value.trim();
        if value.is_empty() {
            self.fault(field, "must not be empty");
        } else if value.chars().count() > characters_max {
            self.fault(field, format!("must have at most {characters_max} characters"));
        } else if value.chars().any(char::is_control) {
            self.fault(field, "must be one line without control characters");
        }
        value.to_owned()
    }

    /// A number from 1 to `max`.
    pub fn positive(&mut self, field: &'static str, value: i32, max: i32) -> i32 {
        if !(1..=max).contains(&value) {
            self.fault(field, format!("must be from 1 to {max}"));
        }
        value
    }

    /// The value, if no fault was noted.
    ///
    /// # Errors
    /// All faults.
    pub fn finish<T>(self, value: T) -> Result<T, Invalid> {
        if self.errors.is_empty() { Ok(value) } else { Err(Invalid(self.errors)) }
    }
}
