//! What surrounds every page: head, navigation, connection, sign-out.

use http::Uri;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::super::problem::Problem;
use super::assets;
use super::elements::sentence;
use super::icons::{self, Icon};
use super::page::{Mood, Page, Section, in_order};
use super::session::Viewer;

/// The entries of the navigation.
const ENTRIES: &[(Section, &str, &str)] = &[
    (Section::Home, "/", "Apps"),
    (Section::Deliveries, "/deliveries", "Deliveries"),
    (Section::Incidents, "/incidents", "Incidents"),
    (Section::Journal, "/journal", "Journal"),
    (Section::Tokens, "/tokens", "Tokens"),
];

/// A page of the product, and what is said above it of what was just done.
pub(super) fn page(viewer: &Viewer, page: &Page, uri: &Uri, notice: Option<&str>) -> Markup {
    let address = uri.path_and_query().map_or("/", |it| it.as_str());
    document(
        &page.title,
        page.mood,
        &html! {
            body data-page=(address) data-seen=(page.version()) data-build=(assets::version()) {
                (header(Some(viewer), page.section))
                p #connection role="status" hidden { }
                p #announce .unseen role="status" { }
                (trail(&page.trail))
                @if let Some(notice) = notice {
                    div.done { p #done .notice.good role="status" { span { (icons::icon(Icon::Good)) " " (notice) } } }
                }
                (content(page))
                (footer())
            }
        },
    )
}

/// A page that stays as it is: nothing is brought to it.
pub(super) fn still(viewer: &Viewer, page: &Page) -> Markup {
    document(
        &page.title,
        page.mood,
        &html! {
            body {
                (header(Some(viewer), page.section))
                (trail(&page.trail))
                (content(page))
                (footer())
            }
        },
    )
}

fn content(page: &Page) -> Markup {
    html! {
        main #main .{ "page " (page.kind) } tabindex="-1" {
            @for fragment in &page.fragments { (fragment.markup()) }
        }
    }
}

/// A page that says what failed, why, and what to do; and leads back to the page of this path.
pub(super) fn problem(viewer: Option<&Viewer>, problem: &Problem, back: Option<&str>) -> Markup {
    let title = sentence(problem.title());
    let back = back.filter(|path| *path != "/");
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    document(
        &title,
        Mood::Trouble,
        &html! {
            body {
                (header(viewer, Section::None))
                main #main .page.problem tabindex="-1" {
                    h1 { (title) }
                    @if let Some(detail) = problem.detail() { p { (sentence(detail)) } }
                    @if let Some(hint) = problem.hint_text() { p.hint { (sentence(hint)) } }
                    p.ways {
                        @if let Some(path) = back { a.button.primary href=(path) { "Back to " (name(path)) } }
                        a.button[back.is_some()] href="/" { "To all apps" }
                    }
                }
                (footer())
            }
        },
    )
}

/// A page for those who are not signed in.
pub(super) fn outside(title: &str, content: &Markup) -> Markup {
    document(
        title,
        Mood::Calm,
        &html! {
            body {
                (header(None, Section::None))
                main #main .page.outside tabindex="-1" { (content) }
                (footer())
            }
        },
    )
}

fn document(title: &str, mood: Mood, body: &Markup) -> Markup {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) " · barq" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="stylesheet" href=(assets::path("barq.css"));
                link #icon rel="icon" type="image/svg+xml" href=(icon(mood));
                script defer src=(assets::path("live.js")) { }
            }
            (body)
        }
    };
    PreEscaped(in_order(document.into_string()))
}

/// The tab's icon.
pub(super) fn icon(mood: Mood) -> String {
    assets::path(&format!("icon-{}.svg", mood.name()))
}

fn header(viewer: Option<&Viewer>, section: Section) -> Markup {
    html! {
        a.skip href="#main" { "Skip to the content" }
        header.top {
            a.logo href="/" aria-label="barq: all apps" { (icons::logo()) }
            @if let Some(Viewer(actor)) = viewer {
                nav aria-label="Main" {
                    @for (entry, path, name) in ENTRIES {
                        a href=(path) aria-current=[(*entry == section).then_some("page")] { (name) }
                    }
                }
                form.who method="post" action="/sign-out" {
                    span { (icons::icon(Icon::Person)) (actor.name) " " span.quiet { (actor.role) } }
                    button.plain type="submit" { "Sign out" }
                }
            }
        }
    }
}

fn trail(trail: &[(String, String)]) -> Markup {
    html! {
        @if !trail.is_empty() {
            nav.trail aria-label="Where you are" {
                ol { @for (name, path) in trail { li { a href=(path) { (name) } } } }
            }
        }
    }
}

fn footer() -> Markup {
    html! {
        footer.bottom { "barq " (env!("CARGO_PKG_VERSION")) " · times are UTC" }
    }
}
