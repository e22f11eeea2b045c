//! Own icons: 16 by 16, drawn with strokes in the colour of the text beside them. They repeat what the text says, so they
//! are hidden from those who listen.

use maud::{Markup, html};

/// What can be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Icon {
    /// Passed, healthy, done.
    Good,
    /// Failed, taken back, bad.
    Bad,
    /// On its way.
    Moving,
    /// Waits for something or somebody.
    Waiting,
    /// Not begun, skipped, over.
    Idle,
    /// Take care.
    Warning,
    /// Somebody.
    Person,
    /// Locked.
    Lock,
    /// Stands still.
    Paused,
    /// The way back.
    Back,
}

impl Icon {
    const fn path(self) -> &'static str {
        match self {
            Self::Good => "M3 8.5 6.5 12 13 4.5",
            Self::Bad => "M4 4l8 8M12 4l-8 8",
            Self::Moving => "M8 2.5v11M3.5 7 8 2.5 12.5 7",
            Self::Waiting => "M8 1.8a6.2 6.2 0 1 0 .01 0M8 4.5V8l2.5 1.8",
            Self::Idle => "M8 4.5a3.5 3.5 0 1 0 .01 0",
            Self::Warning => "M8 2 14.5 13.5h-13zM8 6.5v3.2M8 11.6v.3",
            Self::Person => {
                "M8 2.2a2.7 2.7 0 1 0 .01 0M2.8 14c.4-3 2.4-4.6 5.2-4.6s4.8 1.6 5.2 4.6"
            }
            Self::Lock => "M3.5 7.5h9v6h-9zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5",
            Self::Paused => "M5.5 3v10M10.5 3v10",
            Self::Back => "M6.5 3 2.5 7l4 4M2.5 7H10a3.5 3.5 0 0 1 0 7H7",
        }
    }
}

/// An icon, as high as the text.
pub(super) fn icon(icon: Icon) -> Markup {
    html! {
        svg.icon viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false" {
            path d=(icon.path()) { }
        }
    }
}

/// The logo: a bolt between two states, and the name.
pub(super) fn logo() -> Markup {
    html! {
        svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false" {
            path.bolt d="M13.5 2 5 13.5h5.5L9.5 22 19 9.8h-6z" { }
        }
        span { "barq" }
    }
}
