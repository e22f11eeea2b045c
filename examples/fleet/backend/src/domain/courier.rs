//! Couriers: who drives, how they are reached, and whether they work now. Whether one is free is the assignment's
//! matter.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text_enum::text_enum;
use super::{Checker, CourierId, Invalid};

const NAME_CHARACTERS_MAX: usize = 100;
/// E.164 allows 15 digits.
const PHONE_DIGITS_MAX: usize = 15;
const PHONE_DIGITS_MIN: usize = 6;

text_enum!(
    /// Whether the courier works now.
    CourierStatus {
        /// Takes deliveries.
        OnDuty = "on_duty",
        /// Does not.
        OffDuty = "off_duty",
    }
);

/// A courier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Courier {
    /// The courier's number.
    pub id: CourierId,
    /// The name.
    pub name: String,
    /// The telephone number in E.164 form, unique.
    pub phone: String,
    /// Whether the courier works now.
    pub status: CourierStatus,
    /// When the courier joined.
    pub created_at: Timestamp,
    /// When the courier last changed.
    pub updated_at: Timestamp,
}

/// A courier who is to join.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCourier {
    /// The name.
    pub name: String,
    /// The telephone number: `+`, country, number; spaces and dashes are dropped.
    pub phone: String,
}

impl NewCourier {
    /// The courier with values checked and in their usual form.
    ///
    /// # Errors
    /// All values that cannot be used.
    pub fn checked(self) -> Result<Self, Invalid> {
        let mut checker = Checker::default();
        let name = checker.text("name", &self.name, NAME_CHARACTERS_MAX);
        let phone: String =
            self.phone.chars().filter(|character| !matches!(character, ' ' | '-' | '(' | ')')).collect();
        let is_number = phone.strip_prefix('+').is_some_and(|digits| {
            (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits.len())
                && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        if !is_number {
            checker.fault("phone", "must be an international number such as +96170123456");
        }
        checker.finish(Self { name, phone })
    }
}
