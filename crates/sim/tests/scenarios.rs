//! Every scenario of `scenarios/` is played and compared with its golden story. `UPDATE_GOLDEN=1 cargo test -p sim`
//! writes the stories anew; look at the difference before you commit it.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;
use std::path::{Path, PathBuf};

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
}

#[test]
fn scenarios_go_as_written() {
    let files = scenarios();
    assert!(files.len() >= 12, "only {} scenarios", files.len());
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let golden = file.with_extension("golden");
        match sim::scenario::play(&text) {
            Err(error) => wrong.push(format!("{name}:{error}")),
            Ok(story) if update => fs::write(&golden, story).unwrap(),
            Ok(story) => {
                let want = fs::read_to_string(&golden).unwrap_or_default();
                if let Some(difference) = first_difference(&want, &story) {
                    wrong.push(format!("{name}: {difference}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn first_difference(want: &str, got: &str) -> Option<String> {
    let mut lines = (want.lines().map(Some).chain(std::iter::repeat(None)))
        .zip(got.lines().map(Some).chain(std::iter::repeat(None)))
        .zip(1..)
        .take_while(|((want, got), _)| want.is_some() || got.is_some());
    let ((want, got), line) = lines.find(|((want, got), _)| want != got)?;
    Some(format!(
        "line {line} of the story\n  golden: {}\n  played: {}",
        want.unwrap_or("-"),
        got.unwrap_or("-")
    ))
}

#[test]
fn mistakes_name_their_line() {
    fn check(text: &str, want: &str) {
        let error = sim::scenario::play(text).expect_err(text);
        assert!(error.starts_with(want), "{text}\n{error}");
    }
    check("line alice of acme", "1: there is no account acme");
    check("account acme colour red\nend 1s", "1: `colour` is no control");
    check("account acme stop-level", "1: `stop-level` needs a value");
    check("account acme\nline alice of acme\nat 5s alice dances", "3: a phone cannot `dances`");
    check("account acme\nat 5s nobody calls 999", "2: there is no nobody");
    check("account acme\nat 5s expect account acme spent 1.00", "2: spent: 0.00, expected 1.00");
    check("account acme\nat 5 staff freeze acme", "2: `5` is no time");
    check(
        "account acme\nat 5s staff freeze acme\nat 4s staff freeze acme",
        "3: time does not go back",
    );
    check("account acme\nat 5s staff dance acme", "2: staff cannot `dance`");
    check("account acme\nend 5s\naccount other", "3: what there is comes before");
    check(
        "trunk 1\ncarrier1 flies\nend 1s",
        "3: the auditor found: 00:00.000 line 2: a carrier cannot `flies`",
    );
    check("account acme", "nothing happens");
}
