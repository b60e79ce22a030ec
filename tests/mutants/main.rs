//! Mutants: one rule of the code broken at a time, to see whether a test notices.
//!
//! ```sh
//! cargo test --test mutants -- --ignored --nocapture
//! MUTANTS=rollout cargo test --test mutants -- --ignored --nocapture
//! MUTANTS_EVERY=10 cargo test --test mutants -- --ignored --nocapture
//! ```
//!
//! The mutants stand in the `.diff` files beside this one ([`patch`] describes them). The lane copies the project to
//! `target/mutants`, breaks one rule there, and runs the fast tests, or those of the host scripts where a script was
//! changed. `MUTANTS` chooses mutants by a part of their list's name or of their title, and `MUTANTS_EVERY` one of so many.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test says what it expects by failing.

mod lane;
mod patch;

use std::time::Instant;

use lane::{Found, Lane};
use patch::Mutant;

/// The share of the mutants that the tests must notice, in percent.
const WANTED: usize = 90;

#[test]
fn every_mutant_changes_the_code_as_it_is() {
    let mutants = Mutant::all();
    let broken: Vec<String> =
        mutants.iter().filter_map(|mutant| Some(format!("{mutant}: {}", mutant.mutate().err()?))).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let mut titles: Vec<_> = mutants.iter().map(|mutant| &mutant.title).collect();
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), mutants.len(), "two mutants have the same title");
}

#[test]
#[ignore = "it builds and tests the project once for every mutant"]
fn tests_notice_when_a_rule_is_broken() {
    let wanted = std::env::var("MUTANTS").unwrap_or_default();
    let every = std::env::var("MUTANTS_EVERY").map_or(1, |every| every.parse().expect("a number"));
    let mutants = Mutant::all().into_iter().filter(|mutant| mutant.is_about(&wanted));
    let mutants: Vec<Mutant> = mutants.step_by(every).collect();
    assert!(!mutants.is_empty(), "no mutant is called `{wanted}`");
    let lane = Lane::new();
    lane.passes_unchanged(&mutants);
    let mut unnoticed = Vec::new();
    let mut unbuilt = Vec::new();
    for mutant in &mutants {
        let start = Instant::now();
        let found = lane.run(mutant);
        println!("{found}: {mutant} ({} s)", start.elapsed().as_secs());
        match found {
            Found::Noticed { .. } => {}
            Found::Unnoticed => unnoticed.push(mutant.to_string()),
            Found::Unbuilt => unbuilt.push(mutant.to_string()),
        }
    }
    let noticed = mutants.len() - unnoticed.len() - unbuilt.len();
    println!("\n{noticed} of {} mutants were noticed; not these:\n{}", mutants.len(), unnoticed.join("\n"));
    assert!(unbuilt.is_empty(), "these mutants do not compile:\n{}", unbuilt.join("\n"));
    assert!(noticed * 100 >= WANTED * mutants.len(), "fewer than {WANTED} % were noticed");
}
