//! The commands as people see them: what they print, on snapshots, and exit codes. Lives here: the list of topics, a
//! session of commands as text. Never here: a running node (serve.rs).

#[path = "../common/mod.rs"]
mod common;

use common::Sandbox;

/// Figures that differ from run to run.
fn steady(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n', '"']) {
        let bare = word.trim_end_matches([' ', '\n', '"']);
        let groups: Vec<_> = bare.split('-').collect();
        let is_secret = groups.len() == 5 && groups.iter().all(|group| group.len() == 5);
        let is_time = bare.len() == 24 && bare.ends_with('Z') && bare.starts_with("20");
        let shown = if is_secret {
            "SECRET"
        } else if is_time {
            "TIME"
        } else {
            bare
        };
        out.push_str(shown);
        out.push_str(&word[bare.len()..]);
    }
    out
}

/// Runs the lines one after the other, and shows each with what it printed.
fn session(sandbox: &Sandbox, lines: &[&str]) -> String {
    let mut shown = String::new();
    for line in lines {
        shown.push_str(&format!("$ ringfence {line}\n{}\n", steady(&sandbox.run(line).shown())));
    }
    shown
}

macro_rules! snapshot {
    ($name:literal, $shown:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!($name, $shown)
        })
    };
}

// After the macro that they use.
mod controls;
mod every_command;
mod lines;
mod records;
mod setting_up;
mod telling;
mod users;
