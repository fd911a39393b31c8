//! Mail tokens: several clients recover accounts, and change, confirm and undo emails and passwords, on a store with
//! injected faults. They read each other's emails, so they use the same tokens at the same time.
//!
//! Each call has an address and a request id of its own. So an email names the call that caused it, and an audit event
//! the call that it records. The audit log is in commit order: [`model`] repeats it, and ends with what the store must
//! contain.

mod clients;
mod model;

use crate::store_folder;

/// The number of runs.
const SEEDS: u64 = 300;

#[test]
fn each_mail_token_takes_effect_once_until_another_change_ends_it() {
    let folder = store_folder();
    let mut reached = model::Reached::default();
    for seed in 0..SEEDS {
        let run = clients::run(folder.path(), seed);
        let problems = model::check(&run, &mut reached);
        assert!(
            problems.is_empty(),
            "seed {seed}:\n{}\n{:#?}",
            problems.join("\n"),
            run.history
        );
    }
    println!("{reached:?}");
    reached.require();
}
