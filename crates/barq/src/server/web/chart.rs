//! Charts as inline SVG, laid out here: `layout` makes numbers of numbers, `render` markup of those.
//!
//! A chart is told apart without colour (solid and dashed, shapes, words beside the lines) and says in words what it
//! shows. Widths are attributes, so that no style is needed, and all that is drawn has whole or half units, so that a
//! change of state that is not seen changes no markup.

mod line;
mod scale;
mod sparkline;

pub(super) use line::{Chart, Line, Mark, MarkKind, chart};
pub(super) use sparkline::sparkline;
