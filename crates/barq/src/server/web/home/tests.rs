//! What the tab says of all apps together: the most urgent first.

use barq_core::identity::AppName;
use barq_engine::engine::View;

use super::*;

#[test]
fn nothing_to_tell_is_told_by_the_name_alone() {
    let view = View::default();
    let survey = Survey::of(&view);
    assert_eq!(title(&survey), "Apps");
    assert_eq!(mood(&view, &survey), Mood::Calm);
}

#[test]
fn a_node_that_is_away_is_trouble() {
    let view = View {
        data_plane_error: Some("no answer".to_owned()),
        ..View::default()
    };
    assert_eq!(mood(&view, &Survey::of(&view)), Mood::Trouble);
    assert!(
        summary(&view, &Survey::of(&view))
            .into_string()
            .contains("No answer. It was not seen since this server began.")
    );
}

#[test]
fn apps_stand_there_before_anything_has_entered() {
    let name: AppName = "shop".parse().expect("a name");
    let mut view = View::default();
    let mut state = barq_core::state::State::default();
    state.apps.insert(name, barq_core::state::App::default());
    view.state = std::sync::Arc::new(state);
    let survey = Survey::of(&view);
    assert_eq!(survey.apps.len(), 1);
    assert!(survey.apps[0].environments.is_empty());
}
