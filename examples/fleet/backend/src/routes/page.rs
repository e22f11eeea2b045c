//! Lists in pages, the newest first. The cursor is the number of the last thing shown (keyset paging): what is created
//! meanwhile moves nothing from one page to the next. To clients it is an opaque text.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{Checker, Invalid};
use crate::store::Slice;

/// Things in a page, unless told.
const LIMIT_DEFAULT: i64 = 50;
const LIMIT_MAX: i64 = 200;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageParams {
    /// Things in the page, 1 to 200 (default 50).
    limit: Option<i64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The things.
    items: Vec<T>,
    /// The cursor of the next page; null after the last.
    next: Option<String>,
}

impl PageParams {
    /// What to read: one thing more than is shown, to know whether a page follows.
    pub(super) fn slice(&self) -> Result<Slice, Invalid> {
        let mut checker = Checker::default();
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            checker.fault("limit", format!("must be from 1 to {LIMIT_MAX}"));
        }
        let before = self.cursor.as_deref().map(str::parse::<i64>).transpose();
        if before.is_err() {
            checker.fault("cursor", "must be the `next` of a page");
        }
        checker.finish(Slice { before: before.unwrap_or_default(), count: limit.saturating_add(1) })
    }
}

impl<T> Page<T> {
    /// The page of what a slice gave.
    pub(super) fn new(slice: Slice, mut items: Vec<T>, id: impl Fn(&T) -> i64) -> Self {
        let shown = usize::try_from(slice.count - 1).unwrap_or(usize::MAX);
        let has_next = items.len() > shown;
        items.truncate(shown);
        let next = items.last().filter(|_| has_next).map(|last| id(last).to_string());
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_its_successor() {
        let page = |found: &[i64]| {
            let page = Page::new(Slice { before: None, count: 3 }, found.to_vec(), |id| *id);
            (page.items, page.next)
        };
        assert_eq!(page(&[9, 8, 7]), (vec![9, 8], Some("8".to_owned())));
        assert_eq!(page(&[9, 8]), (vec![9, 8], None));
        assert_eq!(page(&[]), (vec![], None));
    }

    #[test]
    fn bad_parameters_are_named() {
        let slice = |limit, cursor: Option<&str>| PageParams { limit, cursor: cursor.map(str::to_owned) }.slice();
        assert_eq!(slice(None, Some("12")), Ok(Slice { before: Some(12), count: 51 }));
        for limit in [0, -1, 201, i64::MAX] {
            assert_eq!(slice(Some(limit), None).unwrap_err().0[0].field, "limit");
        }
        assert_eq!(slice(None, Some("x")).unwrap_err().0[0].field, "cursor");
    }
}
