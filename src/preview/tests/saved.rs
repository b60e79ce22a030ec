//! A plan on the disk.

use super::*;
use crate::preview::{Next, SavedPlan, SavedPlanError, SourceFile};

fn saved() -> SavedPlan {
    let plan = plan("");
    SavedPlan {
        made: start(),
        valid_until: after(60),
        playbook: SourceFile { path: "/a.yaml".to_owned(), sha256: "00".to_owned() },
        inventory: vec!["/hosts".to_owned()],
        limit: None,
        inventory_files: Vec::new(),
        next: Next::New { forced: false, version: None },
        seen: vec![seen(host(&plan)), missed("timed out", true)],
        plan,
    }
}

#[test]
fn a_saved_plan_is_read_back_as_it_was_until_its_time_is_over() {
    let text = saved().to_text().unwrap();
    assert_eq!(SavedPlan::from_text(&text, after(59)).unwrap(), saved());
    for late in [60, 61] {
        let error = SavedPlan::from_text(&text, after(late)).unwrap_err();
        assert!(matches!(error, SavedPlanError::Expired { .. }), "{late}: {error:?}");
    }
}

#[test]
fn a_saved_plan_that_was_changed_or_is_of_another_kind_is_not_read() {
    let text = saved().to_text().unwrap();
    let read = |text: &str| SavedPlan::from_text(text, start()).unwrap_err();
    let changed = text.replace("/etc/certwave", "/etc/somewhere");
    assert!(changed != text && matches!(read(&changed), SavedPlanError::Changed));
    let other = text.replace("\"certwave_plan\": 2", "\"certwave_plan\": 1");
    assert!(matches!(read(&other), SavedPlanError::Format { found: 1 }));
    for junk in ["", "{}", "[1]"] {
        assert!(matches!(read(junk), SavedPlanError::Unreadable(_)), "{junk}");
    }
}
